package access

import (
	"context"
	"strings"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/iam/grants"
	"github.com/carillon-chat/carillon/internal/policy"
	"github.com/carillon-chat/carillon/internal/store"
)

// What is remembered, in sets of four entries.
const (
	knownSets   = 4 << 10  // 16,384 principals
	entitySets  = 256      // 1,024 users and roles
	grantedSets = 16 << 10 // 65,536 decisions, about 250 bytes each
)

// known is what was found out about an access key or session token.
type known struct {
	name       string // the key's id or the token
	temporary  bool   // it is a token
	generation uint64
	secret     string
	until      int64 // of a token: claims.Until
	principal  *Principal
}

// entity is a user or role, with its policies, which all its keys and sessions share.
type entity struct {
	generation uint64
	kind       string
	asked      string // name in lower case
	name       string // as it was given
	id, arn    string
	tags       []chime.Tag
	set        policy.Set
}

// entity reads a user or role, unless it is known from the same generation; nil when there is
// none.
func (s *Service) entity(ctx context.Context, generation uint64, kind, name string) (*entity, error) {
	asked := strings.ToLower(name)
	hash := s.entities.hash(kind + "/" + asked)
	if e := s.entities.find(hash, func(e *entity) bool {
		return e.generation == generation && e.kind == kind && e.asked == asked
	}); e != nil {
		return e, nil
	}

	e, found := &entity{generation: generation, kind: kind, asked: asked}, false
	err := s.store.View(ctx, "", func(r store.Reader) error {
		if kind == chime.EntityRole {
			role, ok, err := grants.LoadRole(r, s.site, name)
			found, e.name, e.id, e.arn, e.tags, e.set = ok, role.Name, role.ID, role.ARN, role.Tags, role.Set
			return err
		}
		user, ok, err := grants.LoadUser(r, s.site, name)
		found, e.name, e.id, e.arn, e.tags, e.set = ok, user.Name, user.ID, user.ARN, user.Tags, user.Set
		return err
	})
	if err != nil || !found {
		return nil, err
	}

	s.entities.put(hash, e)
	return e, nil
}

// granted records that a principal was allowed an action on a resource, whatever the request.
type granted struct {
	principal        uint64 // serial
	action, resource string
}
