package iam

import (
	"strings"

	"github.com/carillon-chat/carillon/internal/api"
	iamapi "github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/iam/grants"
	"github.com/carillon-chat/carillon/internal/store"
)

// What users and roles have in common: both own inline policies, have managed ones attached, and
// may be limited by a boundary.

func getEntity(r store.Reader, kind, name string) (chime.Entity, error) {
	if kind == chime.EntityRole {
		role, err := getRole(r, name)
		return roleEntity(role), err
	}
	u, err := getUser(r, name)
	return userEntity(u), err
}

// ownKey is the key under which an entity's policies are.
func ownKey(e chime.Entity) store.Key { return store.K(e.Kind, strings.ToLower(e.Name)) }

// limitingKind is the kind under which a policy lists the entities that it is the boundary of,
// beside those that it is attached to.
func limitingKind(kind string) string { return kind + " boundary" }

func boundaryKey(arn string, e chime.Entity) store.Key {
	return store.K(arn, limitingKind(e.Kind), strings.ToLower(e.Name))
}

// limitBy notes the boundary of a new entity, if it has one, and refuses with x a policy that does
// not exist.
func (s *Service) limitBy(tx store.Tx, e chime.Entity, arn string, x api.Exception) error {
	if arn == "" {
		return nil
	}
	_, found, err := grants.LoadManaged(tx, s.site, arn)
	if err != nil {
		return err
	}
	if !found {
		return x.Errorf("PermissionsBoundary: policy %s does not exist.", arn)
	}
	return store.AttachmentsOf.Put(tx, boundaryKey(arn, e), e)
}

// unlimit forgets the boundary of an entity that is deleted.
func unlimit(tx store.Tx, e chime.Entity, arn string) error {
	if arn == "" {
		return nil
	}
	return store.AttachmentsOf.Delete(tx, boundaryKey(arn, e))
}

// requireBare refuses to delete an entity that has policies.
func requireBare(r store.Reader, e chime.Entity) error {
	attached, err := store.Attachments.HasPrefix(r, ownKey(e))
	if err != nil {
		return err
	}
	if attached {
		return iamapi.DeleteConflictException.Errorf("Cannot delete entity, must detach all policies first.")
	}
	inline, err := store.InlinePolicies.HasPrefix(r, ownKey(e))
	if err == nil && inline {
		err = iamapi.DeleteConflictException.Errorf("Cannot delete entity, must delete policies first.")
	}
	return err
}

func countAll[V any](r store.Reader, table store.Table[V], prefix store.Key) (n int, err error) {
	err = table.Each(r, store.Prefix(prefix), func(store.Key, V) (bool, error) {
		n++
		return true, nil
	})
	return n, err
}
