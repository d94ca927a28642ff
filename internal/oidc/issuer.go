package oidc

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/sync/singleflight"
)

const (
	// KeysLifetime is how long the keys of an issuer are used before they are fetched again.
	KeysLifetime = time.Hour
	// FetchPause is how long an issuer is left alone after a fetch, whatever came of it, while
	// the keys at hand are young enough.
	FetchPause = 10 * time.Second
)

// maxCause bounds what an issuer's answer adds to an error.
const maxCause = 300

// issuers keeps the keys of issuers.
type issuers struct {
	client  *http.Client
	now     func() time.Time
	log     *slog.Logger
	flights singleflight.Group

	mu    sync.Mutex // never held while fetching
	known map[string]fetched
}

// fetched is what the latest fetch from an issuer brought.
type fetched struct {
	keys keys
	err  error
	at   time.Time
}

// maxIssuers bounds what is kept. IAM has no more providers by default; the rest is of those that were
// removed.
const maxIssuers = 1000

// keysOf returns the keys of an issuer, with the wanted one among them if the issuer has it. Its
// error means that the issuer did not answer as it should.
func (s *issuers) keysOf(ctx context.Context, issuer string, wanted func(keys) bool) (keys, error) {
	have, age := s.latest(issuer)
	if age < FetchPause || have.err == nil && age < KeysLifetime && wanted(have.keys) {
		return have.keys, have.err
	}

	flight := s.flights.DoChan(issuer, func() (any, error) {
		if have, age := s.latest(issuer); age < FetchPause { // another flight ended meanwhile
			return have, nil
		}
		// The fetch serves every caller that waits for it, so it outlives the one that began it.
		return s.fetch(context.WithoutCancel(ctx), issuer), nil
	})

	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case done := <-flight:
		got := done.Val.(fetched)
		return got.keys, got.err
	}
}

// latest is what is known of an issuer, and its age.
func (s *issuers) latest(issuer string) (fetched, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	have, known := s.known[issuer]
	age := s.now().Sub(have.at)
	if !known || age < 0 { // of a clock that was set back
		age = math.MaxInt64
	}
	return have, age
}

func (s *issuers) fetch(ctx context.Context, issuer string) fetched {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	got := fetched{at: s.now()}
	if got.keys, got.err = s.ask(ctx, issuer); got.err != nil {
		if cause := got.err.Error(); len(cause) > maxCause {
			got.err = fmt.Errorf("%.*s (cut)", maxCause, cause)
		}
		s.log.LogAttrs(ctx, slog.LevelWarn, "an OpenID Connect issuer does not answer as it should",
			slog.String("issuer", issuer), slog.Any("cause", got.err))
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil || len(s.known) >= maxIssuers {
		s.known = make(map[string]fetched)
	}
	s.known[issuer] = got
	return got
}

// ask does discovery, which checks that the document is the issuer's own, and reads the keys.
func (s *issuers) ask(ctx context.Context, issuer string) (keys, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, s.client), issuer)
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}

	// go-oidc would cache the keys by rules of its own, so they are fetched here.
	var document struct {
		JWKS string `json:"jwks_uri"`
	}
	if err := provider.Claims(&document); err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, document.JWKS, nil)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	defer resp.Body.Close()

	text, err := io.ReadAll(resp.Body) // the client bounds it
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("keys: the issuer answered %s", resp.Status)
	}
	return parseKeys(text)
}
