package identity

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api"
	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// CreateAppInstanceAdmin gives a user or bot of the app instance the role of admin, from the
// next call on.
func (s *Service) CreateAppInstanceAdmin(ctx context.Context, req *wire.CreateAppInstanceAdminRequest) (*wire.CreateAppInstanceAdminResponse, error) {
	res, err := s.parseAdmin(req.AppInstanceARN, req.AppInstanceAdminARN)
	if err != nil {
		return nil, err
	}

	now := s.now()
	var name string
	err = s.store.Update(ctx, res.App, func(tx store.Tx) (err error) {
		name, err = s.createAdmin(tx, res.App, res.Ref(), now)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &wire.CreateAppInstanceAdminResponse{
		AppInstanceAdmin: s.admin(res.App, res.Ref(), name),
		AppInstanceARN:   s.site.AppInstanceARN(res.App),
	}, nil
}

// createAdmin returns the admin's name.
func (s *Service) createAdmin(tx store.Tx, app string, ref chime.Ref, now chime.Millis) (string, error) {
	if err := RequireApp(tx, "AppInstanceArn", app); err != nil {
		return "", err
	}

	// Only a user or bot that exists and is no admin yet can become one.
	_, name, found, err := profile(tx, app, ref)
	if err != nil {
		return "", err
	}
	if !found {
		return "", api.Forbidden("AppInstanceAdminArn does not name a user or bot that exists")
	}
	already, err := IsAdmin(tx, app, ref)
	if err != nil {
		return "", err
	}
	if already {
		return "", api.Conflict("AppInstanceAdminArn is an admin of the app instance already")
	}

	position, err := tx.Append(eventOf(chime.EventCreateAdmin, app, ref, now))
	if err != nil {
		return "", err
	}

	return name, store.Insert(tx, s.adminRows(app, chime.Admin{Ref: ref, Created: now, Order: position})...)
}

// adminRows are the rows of the role of an admin.
func (s *Service) adminRows(app string, admin chime.Admin) []store.Row {
	return []store.Row{
		store.Admins.Row(store.K(app, string(admin.Ref)), admin),
		store.AdminsInOrder.Row(store.K(app).Num(admin.Order), admin.Ref),
		counter(app, countAdmins, s.limits.Admins),
	}
}

// DescribeAppInstanceAdmin answers since when the user or bot is an admin. One that is none is
// refused: the operation declares no NotFoundException (spec 10.5).
func (s *Service) DescribeAppInstanceAdmin(ctx context.Context, req *wire.DescribeAppInstanceAdminRequest) (*wire.DescribeAppInstanceAdminResponse, error) {
	res, err := s.parseAdmin(req.AppInstanceARN, req.AppInstanceAdminARN)
	if err != nil {
		return nil, err
	}

	var admin chime.Admin
	var name string
	err = s.store.View(ctx, res.App, func(r store.Reader) error {
		if err := RequireApp(r, "AppInstanceArn", res.App); err != nil {
			return err
		}

		var found bool
		if admin, found, err = store.Admins.Get(r, store.K(res.App, string(res.Ref()))); err != nil {
			return err
		}
		if !found {
			return api.Forbidden("AppInstanceAdminArn is not an admin of the app instance")
		}
		named, err := Name(r, res.App, res.Ref(), Now)
		name = named.Name
		return err
	})
	if err != nil {
		return nil, err
	}
	return &wire.DescribeAppInstanceAdminResponse{AppInstanceAdmin: &wire.AppInstanceAdmin{
		Admin:            s.admin(res.App, res.Ref(), name),
		AppInstanceARN:   s.site.AppInstanceARN(res.App),
		CreatedTimestamp: admin.Created.Optional(),
	}}, nil
}

// ListAppInstanceAdmins lists in the order in which the roles were given.
func (s *Service) ListAppInstanceAdmins(ctx context.Context, req *wire.ListAppInstanceAdminsRequest) (*wire.ListAppInstanceAdminsResponse, error) {
	res, err := s.site.ParseKind("AppInstanceArn", req.AppInstanceARN, chime.KindAppInstance)
	if err != nil {
		return nil, err
	}

	resp := &wire.ListAppInstanceAdminsResponse{AppInstanceARN: s.site.AppInstanceARN(res.App)}
	p := store.NewPage("ListAppInstanceAdmins "+res.App, req.MaxResults, req.NextToken)
	err = s.store.View(ctx, res.App, func(r store.Reader) (err error) {
		if err := RequireApp(r, "AppInstanceArn", res.App); err != nil {
			return err
		}
		resp.AppInstanceAdmins, resp.NextToken, err = list(r, store.AdminsInOrder, store.Prefix(store.K(res.App)), p,
			func(ref chime.Ref) (wire.AppInstanceAdminSummary, error) {
				named, err := Name(r, res.App, ref, Now)
				return wire.AppInstanceAdminSummary{Admin: s.admin(res.App, ref, named.Name)}, err
			})
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// DeleteAppInstanceAdmin takes the role away and leaves the user. For one that is no admin it
// answers as usual (spec 10.5).
func (s *Service) DeleteAppInstanceAdmin(ctx context.Context, req *wire.DeleteAppInstanceAdminRequest) (*wire.DeleteAppInstanceAdminResponse, error) {
	res, err := s.parseAdmin(req.AppInstanceARN, req.AppInstanceAdminARN)
	if err != nil {
		return nil, err
	}
	now := s.now()
	return nil, s.store.Update(ctx, res.App, func(tx store.Tx) error {
		if err := RequireApp(tx, "AppInstanceArn", res.App); err != nil {
			return err
		}
		return s.deleteAdmin(tx, res.App, res.Ref(), now)
	})
}

// deleteAdmin takes the role away if the user or bot has it.
func (s *Service) deleteAdmin(tx store.Tx, app string, ref chime.Ref, now chime.Millis) error {
	admin, found, err := store.Admins.Get(tx, store.K(app, string(ref)))
	if err != nil || !found {
		return err
	}

	if err := store.Remove(tx, s.adminRows(app, admin)...); err != nil {
		return err
	}
	_, err = tx.Append(eventOf(chime.EventDeleteAdmin, app, ref, now))
	return err
}

// parseAdmin reads the pair of ARNs that every operation on one admin takes.
func (s *Service) parseAdmin(appARN, adminARN string) (chime.Resource, error) {
	app, err := s.site.ParseKind("AppInstanceArn", appARN, chime.KindAppInstance)
	if err != nil {
		return chime.Resource{}, err
	}
	res, err := s.site.ParseIdentity("AppInstanceAdminArn", adminARN)
	if err != nil {
		return chime.Resource{}, err
	}
	if res.App != app.App {
		return chime.Resource{}, api.Forbidden("AppInstanceAdminArn belongs to another app instance than AppInstanceArn")
	}
	return res, nil
}

func (s *Service) admin(app string, ref chime.Ref, name string) *wire.Identity {
	return &wire.Identity{ARN: s.site.RefARN(app, ref), Name: name}
}
