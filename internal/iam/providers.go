package iam

import (
	"context"
	"net/url"
	"slices"
	"strings"

	iamapi "github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/iam/grants"
	"github.com/carillon-chat/carillon/internal/store"
)

// The most of one provider (the model bounds their lengths).
const (
	maxClientIDs   = 100
	maxThumbprints = 5
)

// CreateOpenIDConnectProvider registers an issuer whose tokens roles may trust. Its certificate is
// checked when its keys are fetched, whatever the thumbprints are.
func (s *Service) CreateOpenIDConnectProvider(ctx context.Context, r *iamapi.CreateOpenIDConnectProviderRequest) (*iamapi.CreateOpenIDConnectProviderResponse, error) {
	// What can be refused without a transaction is.
	issuer, err := issuerOf(r.URL)
	if err != nil {
		return nil, err
	}
	tags, err := newTags(r.Tags)
	if err != nil {
		return nil, err
	}
	if err := checkClientIDs(r.ClientIDList); err != nil {
		return nil, err
	}
	if err := checkThumbprints(r.ThumbprintList); err != nil {
		return nil, err
	}

	p := chime.OIDCProvider{
		URL: issuer, ClientIDs: distinct(r.ClientIDList), Thumbprints: distinct(r.ThumbprintList), Created: s.now(), Tags: tags,
	}

	// The issuer and the quota are taken together.
	err = s.change(ctx, func(tx store.Tx) error {
		taken, err := store.OIDCProviders.Has(tx, store.K(p.URL))
		if err != nil {
			return err
		}
		if taken {
			return iamapi.EntityAlreadyExistsException.Errorf("Provider with url https://%s already exists.", p.URL)
		}
		if err := count(tx, countProviders, 1, s.limits.Providers); err != nil {
			return err
		}
		return store.OIDCProviders.Put(tx, store.K(p.URL), p)
	})
	if err != nil {
		return nil, err
	}
	return &iamapi.CreateOpenIDConnectProviderResponse{
		OpenIDConnectProviderARN: grants.ProviderARN(s.site, p.URL), Tags: wireTags(p.Tags),
	}, nil
}

// issuerOf is the URL of an issuer as it is kept: without https://. One issuer has one spelling, so
// that a policy that names its ARN cannot be evaded by another.
func issuerOf(text string) (string, error) {
	issuer, ok := strings.CutPrefix(text, "https://")
	u, err := url.Parse(text)
	switch {
	case !ok || err != nil || u.Hostname() == "":
		return "", invalid("Url", "must begin with https:// and name a host")
	case issuer != u.Host+u.EscapedPath():
		return "", invalid("Url", "must hold nothing but a host and a path")
	case u.Host != strings.ToLower(u.Host):
		return "", invalid("Url", "must name the host in lower case")
	}
	return issuer, nil
}

func checkClientIDs(list []string) error {
	if len(list) > maxClientIDs {
		return quota("ClientIdsPerOpenIdConnectProvider", maxClientIDs)
	}
	return nil
}

func checkThumbprints(list []string) error {
	if len(list) > maxThumbprints {
		return invalid("ThumbprintList", "must hold at most %d thumbprints", maxThumbprints)
	}
	return nil
}

// distinct leaves out what is repeated.
func distinct(list []string) (kept []string) {
	for _, item := range list {
		if !slices.Contains(kept, item) {
			kept = append(kept, item)
		}
	}
	return kept
}

// GetOpenIDConnectProvider answers one provider; its URL is without https://.
func (s *Service) GetOpenIDConnectProvider(ctx context.Context, r *iamapi.GetOpenIDConnectProviderRequest) (*iamapi.GetOpenIDConnectProviderResponse, error) {
	issuer, err := s.parseProvider(r.OpenIDConnectProviderARN)
	if err != nil {
		return nil, err
	}
	var p chime.OIDCProvider
	err = s.store.View(ctx, "", func(reader store.Reader) (err error) {
		p, err = getProvider(reader, issuer)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &iamapi.GetOpenIDConnectProviderResponse{
		URL: p.URL, ClientIDList: p.ClientIDs, ThumbprintList: p.Thumbprints, CreateDate: p.Created.Optional(), Tags: wireTags(p.Tags),
	}, nil
}

func getProvider(r store.Reader, issuer string) (chime.OIDCProvider, error) {
	p, found, err := store.OIDCProviders.Get(r, store.K(issuer))
	if err == nil && !found {
		err = iamapi.NoSuchEntityException.Errorf("The OIDC provider of https://%s cannot be found.", issuer)
	}
	return p, err
}

// changeProvider applies f to the stored provider.
func (s *Service) changeProvider(ctx context.Context, arn string, f func(*chime.OIDCProvider) error) error {
	issuer, err := s.parseProvider(arn)
	if err != nil {
		return err
	}
	return s.change(ctx, func(tx store.Tx) error {
		p, err := getProvider(tx, issuer)
		if err != nil {
			return err
		}
		if err := f(&p); err != nil {
			return err
		}
		return store.OIDCProviders.Put(tx, store.K(issuer), p)
	})
}

// ListOpenIDConnectProviders lists all of them.
func (s *Service) ListOpenIDConnectProviders(ctx context.Context, _ *iamapi.ListOpenIDConnectProvidersRequest) (*iamapi.ListOpenIDConnectProvidersResponse, error) {
	var list []iamapi.OpenIDConnectProviderListEntry
	err := s.store.View(ctx, "", func(r store.Reader) error {
		list = nil
		return store.OIDCProviders.Each(r, store.Prefix(store.K()), func(_ store.Key, p chime.OIDCProvider) (bool, error) {
			list = append(list, iamapi.OpenIDConnectProviderListEntry{ARN: grants.ProviderARN(s.site, p.URL)})
			return true, nil
		})
	})
	if err != nil {
		return nil, err
	}
	return &iamapi.ListOpenIDConnectProvidersResponse{OpenIDConnectProviderList: list}, nil
}

// DeleteOpenIDConnectProvider deletes a provider; its tokens are refused from then on. For one that
// does not exist it returns nil, as AWS documents.
func (s *Service) DeleteOpenIDConnectProvider(ctx context.Context, r *iamapi.DeleteOpenIDConnectProviderRequest) (*iamapi.DeleteOpenIDConnectProviderResponse, error) {
	issuer, err := s.parseProvider(r.OpenIDConnectProviderARN)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, func(tx store.Tx) error {
		found, err := store.OIDCProviders.Has(tx, store.K(issuer))
		if err != nil || !found {
			return err
		}
		if err := count(tx, countProviders, -1, 0); err != nil {
			return err
		}
		return store.OIDCProviders.Delete(tx, store.K(issuer))
	})
}

// parseProvider is the issuer that the ARN of a provider names.
func (s *Service) parseProvider(arn string) (string, error) {
	issuer, ok := strings.CutPrefix(arn, grants.ProviderARN(s.site, ""))
	if !ok || issuer == "" {
		return "", invalid("OpenIDConnectProviderArn", "%s is not the ARN of a provider of this account", arn)
	}
	return issuer, nil
}

// AddClientIDToOpenIDConnectProvider lets a provider's tokens be for one more client; again it
// changes nothing.
func (s *Service) AddClientIDToOpenIDConnectProvider(ctx context.Context, r *iamapi.AddClientIDToOpenIDConnectProviderRequest) (*iamapi.AddClientIDToOpenIDConnectProviderResponse, error) {
	return nil, s.changeProvider(ctx, r.OpenIDConnectProviderARN, func(p *chime.OIDCProvider) error {
		p.ClientIDs = distinct(append(p.ClientIDs, r.ClientID))
		return checkClientIDs(p.ClientIDs)
	})
}

// RemoveClientIDFromOpenIDConnectProvider refuses a provider's tokens for a client from then on;
// for one that is not listed it returns nil.
func (s *Service) RemoveClientIDFromOpenIDConnectProvider(ctx context.Context, r *iamapi.RemoveClientIDFromOpenIDConnectProviderRequest) (*iamapi.RemoveClientIDFromOpenIDConnectProviderResponse, error) {
	return nil, s.changeProvider(ctx, r.OpenIDConnectProviderARN, func(p *chime.OIDCProvider) error {
		p.ClientIDs = slices.DeleteFunc(p.ClientIDs, func(id string) bool { return id == r.ClientID })
		return nil
	})
}

// UpdateOpenIDConnectProviderThumbprint replaces the thumbprints of a provider.
func (s *Service) UpdateOpenIDConnectProviderThumbprint(ctx context.Context, r *iamapi.UpdateOpenIDConnectProviderThumbprintRequest) (*iamapi.UpdateOpenIDConnectProviderThumbprintResponse, error) {
	if err := checkThumbprints(r.ThumbprintList); err != nil {
		return nil, err
	}
	return nil, s.changeProvider(ctx, r.OpenIDConnectProviderARN, func(p *chime.OIDCProvider) error {
		p.Thumbprints = distinct(r.ThumbprintList)
		return nil
	})
}
