package cognito

import (
	"context"
	"slices"

	wire "github.com/carillon-chat/carillon/internal/api/cognito"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/oidc"
	"github.com/carillon-chat/carillon/internal/store"
)

// newID makes an identity id: region:uuid.
func (s *Service) newID() (string, error) {
	id, err := chime.NewUUID(s.options.Random)
	return s.options.Site.Region + ":" + id, err
}

// findOrMake returns the identity of the logins in the pool, which may be the fresh one, and
// records every login.
func (s *Service) findOrMake(ctx context.Context, pool, fresh string, logins []*oidc.Identity) (id string, err error) {
	if len(logins) > 0 { // most calls find what is there
		var known int
		err = s.options.Store.View(ctx, "", func(r store.Reader) (err error) {
			id, known, err = s.identityOf(r, pool, logins)
			return err
		})
		if err != nil || known == len(logins) {
			return id, err
		}
	}

	// Looked for again in the transaction, since another call may have made it.
	err = s.options.Store.Update(ctx, "", func(tx store.Tx) error {
		var known int
		if id, known, err = s.identityOf(tx, pool, logins); err != nil {
			return err
		}
		if id != "" && known == len(logins) {
			return nil
		}

		record := chime.PoolIdentity{Pool: pool, Created: chime.At(s.options.Now())}
		if id == "" {
			id = fresh
		} else if record, _, err = store.PoolIdentities.Get(tx, store.K(id)); err != nil {
			return err
		}
		return s.put(tx, id, record, logins)
	})
	return id, err
}

// identityOf gives the one identity that the logins have, empty when none has any, and how many
// have it.
func (s *Service) identityOf(r store.Reader, pool string, logins []*oidc.Identity) (id string, known int, err error) {
	for _, l := range logins {
		found, ok, err := store.PoolIdentityFor.Get(r, store.K(pool, l.Provider, l.Subject))
		switch {
		case err != nil:
			return "", 0, err
		case !ok:
			continue
		case id != "" && id != found:
			return "", 0, wire.ResourceConflictException.Errorf("The logins belong to different identities.")
		}
		id, known = found, known+1
	}
	return id, known, nil
}

// put writes an identity with further logins, and its event.
func (s *Service) put(tx store.Tx, id string, record chime.PoolIdentity, logins []*oidc.Identity) error {
	for _, l := range logins {
		if !slices.Contains(record.Logins, l.Provider) {
			record.Logins = append(record.Logins, l.Provider)
		}
		if err := store.PoolIdentityFor.Put(tx, store.K(record.Pool, l.Provider, l.Subject), id); err != nil {
			return err
		}
	}
	if err := store.PoolIdentities.Put(tx, store.K(id), record); err != nil {
		return err
	}
	_, err := tx.Append(chime.Event{Time: chime.At(s.options.Now()), Type: chime.EventPutPoolIdentity, Object: id})
	return err
}

// admit lets a caller act as an identity, and gives the identity logins that it did not have.
func (s *Service) admit(ctx context.Context, id string, tokens map[string]string) (caller, error) {
	// The caller has to name an identity that exists.
	var record chime.PoolIdentity
	find := func(r store.Reader) (err error) {
		var found bool
		record, found, err = store.PoolIdentities.Get(r, store.K(id))
		if err == nil && !found {
			err = wire.ResourceNotFoundException.Errorf("Identity '%s' not found.", id)
		}
		return err
	}
	if err := s.options.Store.View(ctx, "", find); err != nil {
		return caller{}, err
	}

	// Without logins only an identity without logins can be taken on.
	logins, err := s.prove(ctx, tokens)
	if err != nil {
		return caller{}, err
	}
	who := caller{id, record.Pool, logins}
	if len(logins) == 0 {
		if len(record.Logins) > 0 {
			return caller{}, forbidden(id)
		}
		return who, nil
	}

	// With logins, one of them has to be the identity's already, or all of them new.
	var known int
	check := func(r store.Reader) (err error) {
		if err = find(r); err == nil {
			known, err = s.proven(r, id, record, logins)
		}
		return err
	}
	if err := s.options.Store.View(ctx, "", check); err != nil || known == len(logins) {
		return who, err
	}
	// A login for which no role of the pool exists is not worth a change.
	roles, err := s.pool(ctx, record.Pool)
	if err == nil {
		_, err = s.fitting(ctx, roles, who)
	}
	if err != nil {
		return caller{}, err
	}

	return who, s.options.Store.Update(ctx, "", func(tx store.Tx) error {
		if err := check(tx); err != nil || known == len(logins) {
			return err
		}
		return s.put(tx, id, record, logins)
	})
}

// proven refuses logins that do not open the identity, and counts those that it has. One without
// logins is opened by any that has no identity.
func (s *Service) proven(r store.Reader, id string, record chime.PoolIdentity, logins []*oidc.Identity) (known int, err error) {
	owner, known, err := s.identityOf(r, record.Pool, logins)
	switch {
	case err != nil:
		return 0, err
	case owner != "" && owner != id, owner == "" && len(record.Logins) > 0:
		return 0, forbidden(id)
	}
	return known, nil
}

func forbidden(id string) error {
	return wire.NotAuthorizedException.Errorf("Access to Identity '%s' is forbidden.", id)
}
