package iam

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	iamapi "github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

const (
	maxKeys     = 2  // of one user
	secretBytes = 30 // 40 characters
)

// CreateAccessKey makes a key for a user, or for the caller. Only its answer holds the secret.
func (s *Service) CreateAccessKey(ctx context.Context, r *iamapi.CreateAccessKeyRequest) (*iamapi.CreateAccessKeyResponse, error) {
	name, err := s.userOrCaller(ctx, r.UserName)
	if err != nil {
		return nil, err
	}

	key := chime.AccessKey{Active: true, Created: s.now()}
	var secret string
	if key.ID, secret, key.Secret, err = s.newKey(); err != nil {
		return nil, err
	}

	// The limit is checked in the transaction that uses it up.
	err = s.change(ctx, func(tx store.Tx) error {
		u, err := getUser(tx, name)
		if err != nil {
			return err
		}
		key.User = u.Name
		n, err := countAll(tx, store.AccessKeysOf, nameKey(name))
		if err != nil {
			return err
		}
		if n >= maxKeys {
			return quota("AccessKeysPerUser", maxKeys)
		}
		if err := store.AccessKeysOf.Put(tx, nameKey(name).Str(key.ID), key.ID); err != nil {
			return err
		}
		return store.AccessKeys.Put(tx, store.K(key.ID), key)
	})
	if err != nil {
		return nil, err
	}
	return &iamapi.CreateAccessKeyResponse{AccessKey: &iamapi.AccessKey{
		UserName: key.User, AccessKeyID: key.ID, Status: status(key), SecretAccessKey: secret, CreateDate: key.Created.Optional(),
	}}, nil
}

// newKey makes the id and secret of a key, and the secret as it is kept.
func (s *Service) newKey() (id, secret string, sealed []byte, err error) {
	if id, err = s.newID(prefixAccessKey, accessKeyIDLen); err != nil {
		return "", "", nil, err
	}
	raw := make([]byte, secretBytes)
	if _, err := io.ReadFull(s.random, raw); err != nil {
		return "", "", nil, fmt.Errorf("access key: %w", err)
	}
	secret = base64.StdEncoding.EncodeToString(raw)
	sealed, err = s.keyring.Seal([]byte(secret), []byte(id))
	return id, secret, sealed, err
}

// ListAccessKeys lists the keys of a user, or of the caller, without their secrets.
func (s *Service) ListAccessKeys(ctx context.Context, r *iamapi.ListAccessKeysRequest) (*iamapi.ListAccessKeysResponse, error) {
	name, err := s.userOrCaller(ctx, r.UserName)
	if err != nil {
		return nil, err
	}
	p, err := newPage[iamapi.AccessKeyMetadata]("ListAccessKeys "+strings.ToLower(name), r.Marker, r.MaxItems)
	if err != nil {
		return nil, err
	}

	err = s.store.View(ctx, "", func(reader store.Reader) error {
		if _, err := getUser(reader, name); err != nil {
			return err
		}
		return store.AccessKeysOf.Each(reader, p.from(nameKey(name)), func(_ store.Key, id string) (bool, error) {
			key, found, err := store.AccessKeys.Get(reader, store.K(id))
			if err != nil || !found {
				return err == nil, err
			}
			return p.add(id, iamapi.AccessKeyMetadata{
				UserName: key.User, AccessKeyID: id, Status: status(key), CreateDate: key.Created.Optional(),
			}), nil
		})
	})
	if err != nil {
		return nil, err
	}
	return &iamapi.ListAccessKeysResponse{AccessKeyMetadata: p.items, IsTruncated: p.truncated, Marker: p.marker()}, nil
}

// UpdateAccessKey switches a key on or off, from the next call on.
func (s *Service) UpdateAccessKey(ctx context.Context, r *iamapi.UpdateAccessKeyRequest) (*iamapi.UpdateAccessKeyResponse, error) {
	if r.Status != iamapi.StatusTypeActive && r.Status != iamapi.StatusTypeInactive {
		return nil, invalid("Status", "must be Active or Inactive")
	}
	name, err := s.userOrCaller(ctx, r.UserName)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, func(tx store.Tx) error {
		key, err := getKey(tx, name, r.AccessKeyID)
		if err != nil {
			return err
		}
		key.Active = r.Status == iamapi.StatusTypeActive
		return store.AccessKeys.Put(tx, store.K(key.ID), key)
	})
}

// DeleteAccessKey deletes a key of a user, or of the caller.
func (s *Service) DeleteAccessKey(ctx context.Context, r *iamapi.DeleteAccessKeyRequest) (*iamapi.DeleteAccessKeyResponse, error) {
	name, err := s.userOrCaller(ctx, r.UserName)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, func(tx store.Tx) error {
		key, err := getKey(tx, name, r.AccessKeyID)
		if err != nil {
			return err
		}
		if err := store.AccessKeysOf.Delete(tx, nameKey(name).Str(key.ID)); err != nil {
			return err
		}
		return store.AccessKeys.Delete(tx, store.K(key.ID))
	})
}

// getKey reads a key that belongs to the user; another's is as good as none.
func getKey(r store.Reader, user, id string) (chime.AccessKey, error) {
	if _, err := getUser(r, user); err != nil {
		return chime.AccessKey{}, err
	}
	key, found, err := store.AccessKeys.Get(r, store.K(id))
	if err == nil && (!found || !strings.EqualFold(key.User, user)) {
		err = iamapi.NoSuchEntityException.Errorf("The Access Key with id %s cannot be found.", id)
	}
	return key, err
}

func status(key chime.AccessKey) iamapi.StatusType {
	if key.Active {
		return iamapi.StatusTypeActive
	}
	return iamapi.StatusTypeInactive
}
