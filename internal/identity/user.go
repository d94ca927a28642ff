package identity

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"

	"github.com/carillon-chat/carillon/internal/api"
	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow/jobs"
	"github.com/carillon-chat/carillon/internal/idempotency"
	"github.com/carillon-chat/carillon/internal/store"
)

// CreateAppInstanceUser makes a user with the id that the caller chose. A user of that id that was
// made with equal name and metadata, or has them now, is answered as if it were made now, and left
// as it is: login hooks create the user at each login.
func (s *Service) CreateAppInstanceUser(ctx context.Context, req *wire.CreateAppInstanceUserRequest) (*wire.CreateAppInstanceUserResponse, error) {
	res, err := s.site.ParseKind("AppInstanceArn", req.AppInstanceARN, chime.KindAppInstance)
	if err != nil {
		return nil, err
	}

	now := s.now()
	scope := idempotency.Scope{Operation: "CreateAppInstanceUser", App: res.App, Token: req.ClientRequestToken}
	call, err := s.tokens.Call(scope, req)
	if err != nil {
		return nil, err
	}

	user := chime.User{
		ID: req.AppInstanceUserID, Name: req.Name, Metadata: text(req.Metadata),
		Created: now, Updated: now, Expiration: expirationOf(req.ExpirationSettings, now),
	}
	user.Asked = asked(&user)

	// The removal of a former holder of the id comes first, so that the user inherits nothing.
	for {
		var before *chime.Task
		err = s.store.Update(ctx, res.App, func(tx store.Tx) (err error) {
			if before, err = userDeletion(tx, res.App, chime.UserRef(user.ID)); err != nil || before != nil {
				return err
			}
			if erased, err := store.ErasuresOf.Has(tx, store.K(res.App, user.ID)); err != nil || erased {
				return cmp.Or(err, errBeingErased)
			}
			exists := func(id string) (bool, error) { return store.Users.Has(tx, store.K(res.App, id)) }
			_, err = call.Do(tx, exists, func() (string, error) {
				return user.ID, s.createUser(tx, res.App, user, chime.TagsOf(req.Tags))
			})
			return err
		})
		if err != nil {
			return nil, err
		}

		if before == nil {
			break
		}
		// The next user of the id must not inherit what the last one still has.
		if err := s.jobs.Do(ctx, *before); err != nil {
			return nil, err
		}
	}

	return &wire.CreateAppInstanceUserResponse{
		AppInstanceUserARN: s.site.RefARN(res.App, chime.UserRef(user.ID)),
	}, nil
}

// userDeletion is the unfinished deletion of an earlier user of the id, if there is one.
func userDeletion(r store.Reader, app string, ref chime.Ref) (*chime.Task, error) {
	if err := RequireApp(r, "AppInstanceArn", app); err != nil {
		return nil, err
	}
	task, found, err := jobs.Find(r, app, ref)
	if err != nil || !found {
		return nil, err
	}
	return &task, nil
}

// asked is a hash of what makes two calls for a user different.
func asked(user *chime.User) []byte {
	sum := sha256.Sum256(store.K(user.Name, user.Metadata))
	return sum[:16]
}

// sameUser reports whether a call describes the user that exists: as it was described at first, or
// as it is now. When the record has no first description the name decides.
func sameUser(existing, wanted *chime.User) bool {
	switch {
	case existing.Name == wanted.Name && existing.Metadata == wanted.Metadata:
		return true
	case existing.Asked == nil:
		return existing.Name == wanted.Name
	}
	return bytes.Equal(existing.Asked, wanted.Asked)
}

func (s *Service) createUser(tx store.Tx, app string, user chime.User, tags []chime.Tag) error {
	existing, found, err := store.Users.Get(tx, store.K(app, user.ID))
	if err != nil {
		return err
	}

	if found {
		if sameUser(&existing, &user) {
			return nil
		}
		return api.Conflict("an app instance user with this AppInstanceUserId exists with another Name or Metadata")
	}

	user.Order, err = tx.Append(eventOf(chime.EventCreateUser, app, chime.UserRef(user.ID), user.Created))
	if err != nil {
		return err
	}

	if err := store.Insert(tx, users.rows(s, app, user.ID, user.Order, user)...); err != nil {
		return err
	}
	return PutTags(tx, chime.Resource{App: app, Kind: chime.KindUser, ID: user.ID}, tags)
}

// DescribeAppInstanceUser answers the user as it is. It is the one operation that answers
// NotFoundException without declaring it, because clients rely on that (spec 10.5).
func (s *Service) DescribeAppInstanceUser(ctx context.Context, req *wire.DescribeAppInstanceUserRequest) (*wire.DescribeAppInstanceUserResponse, error) {
	res, user, err := users.describe(ctx, s, req.AppInstanceUserARN)
	if err != nil {
		return nil, err
	}
	return &wire.DescribeAppInstanceUserResponse{AppInstanceUser: &wire.AppInstanceUser{
		AppInstanceUserARN:   s.site.RefARN(res.App, res.Ref()),
		Name:                 user.Name,
		Metadata:             user.Metadata,
		CreatedTimestamp:     user.Created.Optional(),
		LastUpdatedTimestamp: user.Updated.Optional(),
		ExpirationSettings:   expirationSettings(user.Expiration),
	}}, nil
}

// UpdateAppInstanceUser replaces name and metadata.
func (s *Service) UpdateAppInstanceUser(ctx context.Context, req *wire.UpdateAppInstanceUserRequest) (*wire.UpdateAppInstanceUserResponse, error) {
	res, err := users.parse(s, req.AppInstanceUserARN)
	if err != nil {
		return nil, err
	}
	err = users.change(ctx, s, res, chime.EventUpdateUser, func(user *chime.User, now chime.Millis) {
		user.Name, user.Metadata, user.Updated = req.Name, text(req.Metadata), now
	})
	if err != nil {
		return nil, err
	}
	return &wire.UpdateAppInstanceUserResponse{AppInstanceUserARN: s.site.RefARN(res.App, res.Ref())}, nil
}

// PutAppInstanceUserExpirationSettings replaces the settings, or removes them when none are
// given.
func (s *Service) PutAppInstanceUserExpirationSettings(ctx context.Context, req *wire.PutAppInstanceUserExpirationSettingsRequest) (*wire.PutAppInstanceUserExpirationSettingsResponse, error) {
	res, err := users.parse(s, req.AppInstanceUserARN)
	if err != nil {
		return nil, err
	}
	err = users.change(ctx, s, res, chime.EventPutUserExpiration, func(user *chime.User, _ chime.Millis) {
		user.Expiration = expirationOf(req.ExpirationSettings, user.Created)
	})
	if err != nil {
		return nil, err
	}
	return &wire.PutAppInstanceUserExpirationSettingsResponse{
		AppInstanceUserARN: s.site.RefARN(res.App, res.Ref()), ExpirationSettings: req.ExpirationSettings,
	}, nil
}

// ListAppInstanceUsers lists in order of creation.
func (s *Service) ListAppInstanceUsers(ctx context.Context, req *wire.ListAppInstanceUsersRequest) (*wire.ListAppInstanceUsersResponse, error) {
	res, err := s.site.ParseKind("AppInstanceArn", req.AppInstanceARN, chime.KindAppInstance)
	if err != nil {
		return nil, err
	}

	resp := &wire.ListAppInstanceUsersResponse{AppInstanceARN: s.site.AppInstanceARN(res.App)}
	p := store.NewPage("ListAppInstanceUsers "+res.App, req.MaxResults, req.NextToken)
	err = s.store.View(ctx, res.App, func(r store.Reader) (err error) {
		if err := RequireApp(r, "AppInstanceArn", res.App); err != nil {
			return err
		}
		resp.AppInstanceUsers, resp.NextToken, err = list(r, store.UsersInOrder, store.Prefix(store.K(res.App)), p,
			func(id string) (wire.AppInstanceUserSummary, error) {
				user, _, err := store.Users.Get(r, store.K(res.App, id))
				return wire.AppInstanceUserSummary{
					AppInstanceUserARN: s.site.RefARN(res.App, chime.UserRef(id)), Name: user.Name, Metadata: user.Metadata,
				}, err
			})
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// DeleteAppInstanceUser takes the user away at once, and then its memberships and roles. What
// it wrote stays, under its last name (spec 1.4).
func (s *Service) DeleteAppInstanceUser(ctx context.Context, req *wire.DeleteAppInstanceUserRequest) (*wire.DeleteAppInstanceUserResponse, error) {
	return nil, users.delete(ctx, s, req.AppInstanceUserARN, chime.EventDeleteUser)
}
