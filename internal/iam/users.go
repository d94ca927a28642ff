package iam

import (
	"context"
	"strings"

	"github.com/carillon-chat/carillon/internal/api"
	iamapi "github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/iam/grants"
	"github.com/carillon-chat/carillon/internal/store"
)

// CreateUser makes a user, which can do nothing so far.
func (s *Service) CreateUser(ctx context.Context, r *iamapi.CreateUserRequest) (*iamapi.CreateUserResponse, error) {
	tags, err := newTags(r.Tags)
	if err != nil {
		return nil, err
	}
	id, err := s.newID(prefixUser, idLen)
	if err != nil {
		return nil, err
	}

	u := chime.AccountUser{
		Name: r.UserName, ID: id, Path: valueOr(r.Path, "/"), Created: s.now(), Boundary: valueOr(r.PermissionsBoundary, ""), Tags: tags,
	}

	// The name and the quota are taken together with the user.
	err = s.change(ctx, func(tx store.Tx) error {
		taken, err := store.AccountUsers.Has(tx, nameKey(u.Name))
		if err != nil {
			return err
		}
		if taken {
			return exists("User", u.Name)
		}
		if err := count(tx, countUsers, 1, s.limits.Users); err != nil {
			return err
		}
		if err := s.limitBy(tx, userEntity(u), u.Boundary, iamapi.NoSuchEntityException); err != nil {
			return err
		}
		return store.AccountUsers.Put(tx, nameKey(u.Name), u)
	})
	if err != nil {
		return nil, err
	}
	return &iamapi.CreateUserResponse{User: s.wholeUser(u)}, nil
}

// GetUser answers one user: the caller, when the request names none.
func (s *Service) GetUser(ctx context.Context, r *iamapi.GetUserRequest) (*iamapi.GetUserResponse, error) {
	if r.UserName == nil && s.caller(ctx).Root {
		return &iamapi.GetUserResponse{User: s.root()}, nil
	}
	name, err := s.userOrCaller(ctx, r.UserName)
	if err != nil {
		return nil, err
	}
	var u chime.AccountUser
	err = s.store.View(ctx, "", func(reader store.Reader) (err error) {
		u, err = getUser(reader, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &iamapi.GetUserResponse{User: s.wholeUser(u)}, nil
}

// root is the account itself, which has no name and is as old as the policies built into it.
func (s *Service) root() *iamapi.User {
	return &iamapi.User{
		Path: "/", UserID: s.site.Account, ARN: "arn:aws:iam::" + s.site.Account + ":root",
		CreateDate: grants.BuiltIn()[0].Created.Time(),
	}
}

// ListUsers lists without tags and boundaries, as AWS does.
func (s *Service) ListUsers(ctx context.Context, r *iamapi.ListUsersRequest) (*iamapi.ListUsersResponse, error) {
	prefix := valueOr(r.PathPrefix, "/")
	p, err := newPage[iamapi.User]("ListUsers "+prefix, r.Marker, r.MaxItems)
	if err != nil {
		return nil, err
	}
	err = s.store.View(ctx, "", func(reader store.Reader) error {
		return store.AccountUsers.Each(reader, p.from(store.K()), func(_ store.Key, u chime.AccountUser) (bool, error) {
			return !strings.HasPrefix(u.Path, prefix) || p.add(strings.ToLower(u.Name), s.user(u)), nil
		})
	})
	if err != nil {
		return nil, err
	}
	return &iamapi.ListUsersResponse{Users: p.items, IsTruncated: p.truncated, Marker: p.marker()}, nil
}

// DeleteUser deletes a user without keys and policies.
func (s *Service) DeleteUser(ctx context.Context, r *iamapi.DeleteUserRequest) (*iamapi.DeleteUserResponse, error) {
	return nil, s.change(ctx, func(tx store.Tx) error {
		u, err := getUser(tx, r.UserName)
		if err != nil {
			return err
		}

		keys, err := store.AccessKeysOf.HasPrefix(tx, nameKey(u.Name))
		if err != nil {
			return err
		}
		if keys {
			return iamapi.DeleteConflictException.Errorf("Cannot delete entity, must delete access keys first.")
		}

		if err := requireBare(tx, userEntity(u)); err != nil {
			return err
		}
		if err := unlimit(tx, userEntity(u), u.Boundary); err != nil {
			return err
		}
		if err := count(tx, countUsers, -1, 0); err != nil {
			return err
		}
		return store.AccountUsers.Delete(tx, nameKey(u.Name))
	})
}

func getUser(r store.Reader, name string) (chime.AccountUser, error) {
	u, found, err := store.AccountUsers.Get(r, nameKey(name))
	if err == nil && !found {
		err = notFound("user", name)
	}
	return u, err
}

// changeUser applies f to the stored user, within the transaction.
func (s *Service) changeUser(ctx context.Context, name string, f func(store.Tx, *chime.AccountUser) error) error {
	return s.change(ctx, func(tx store.Tx) error {
		u, err := getUser(tx, name)
		if err != nil {
			return err
		}
		if err := f(tx, &u); err != nil {
			return err
		}
		return store.AccountUsers.Put(tx, nameKey(name), u)
	})
}

// userOrCaller returns the user that a request names, or else its caller.
func (s *Service) userOrCaller(ctx context.Context, name *string) (string, error) {
	if name != nil {
		return *name, nil
	}
	if user := s.caller(ctx).User; user != "" {
		return user, nil
	}
	return "", api.ValidationError.Errorf("UserName is required when the caller is not an IAM user")
}

func userEntity(u chime.AccountUser) chime.Entity {
	return chime.Entity{Kind: chime.EntityUser, Name: u.Name, ID: u.ID}
}

// user returns a user as lists show it.
func (s *Service) user(u chime.AccountUser) iamapi.User {
	return iamapi.User{
		Path: u.Path, UserName: u.Name, UserID: u.ID, ARN: grants.UserARN(s.site, u), CreateDate: u.Created.Time(),
	}
}

func (s *Service) wholeUser(u chime.AccountUser) *iamapi.User {
	whole := s.user(u)
	whole.PermissionsBoundary, whole.Tags = wireBoundary(u.Boundary), wireTags(u.Tags)
	return &whole
}

func wireBoundary(arn string) *iamapi.AttachedPermissionsBoundary {
	if arn == "" {
		return nil
	}
	return &iamapi.AttachedPermissionsBoundary{
		PermissionsBoundaryType: iamapi.PermissionsBoundaryAttachmentTypePermissionsBoundaryPolicy, PermissionsBoundaryARN: arn,
	}
}

// ListGroupsForUser answers that there are none: Terraform calls it before it deletes a user.
func (s *Service) ListGroupsForUser(ctx context.Context, r *iamapi.ListGroupsForUserRequest) (*iamapi.ListGroupsForUserResponse, error) {
	if _, err := newPage[iamapi.Group]("ListGroupsForUser", r.Marker, r.MaxItems); err != nil {
		return nil, err
	}
	err := s.store.View(ctx, "", func(reader store.Reader) error {
		_, err := getUser(reader, r.UserName)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &iamapi.ListGroupsForUserResponse{}, nil
}
