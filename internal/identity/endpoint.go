package identity

import (
	"context"
	"crypto/sha256"
	"regexp"

	"github.com/carillon-chat/carillon/internal/api"
	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/idempotency"
	"github.com/carillon-chat/carillon/internal/store"
)

// RegisterAppInstanceUserEndpoint makes a device take the notifications of a user. A device is
// known by its token: registered again it keeps its endpoint id, and a device of another user
// moves to this one (spec 12.7 #96).
func (s *Service) RegisterAppInstanceUserEndpoint(ctx context.Context, req *wire.RegisterAppInstanceUserEndpointRequest) (*wire.RegisterAppInstanceUserEndpointResponse, error) {
	res, err := users.parse(s, req.AppInstanceUserARN)
	if err != nil {
		return nil, err
	}

	id, err := chime.NewUUID(s.random)
	if err != nil {
		return nil, err
	}
	now := s.now()
	endpoint, err := endpointOf(req, id, now)
	if err != nil {
		return nil, err
	}

	scope := idempotency.Scope{
		Operation: "RegisterAppInstanceUserEndpoint", App: res.App, Parent: string(res.Ref()), Token: req.ClientRequestToken,
	}
	call, err := s.tokens.Call(scope, req)
	if err != nil {
		return nil, err
	}

	// The token of the call belongs to this holder of the user's id.
	var registered string
	err = s.store.Update(ctx, res.App, func(tx store.Tx) (err error) {
		user, err := users.read(tx, res, api.ForbiddenException)
		if err != nil {
			return err
		}
		call.Within("", user.Order)
		exists := func(id string) (bool, error) { return store.Endpoints.Has(tx, endpointKey(res.App, res.Ref(), id)) }
		registered, err = call.Do(tx, exists, func() (string, error) {
			return s.register(tx, res, endpoint)
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return &wire.RegisterAppInstanceUserEndpointResponse{
		AppInstanceUserARN: s.site.RefARN(res.App, res.Ref()), EndpointID: registered,
	}, nil
}

// endpointOf returns the endpoint that a registration describes.
func endpointOf(req *wire.RegisterAppInstanceUserEndpointRequest, id string, now chime.Millis) (chime.Endpoint, error) {
	if !pinpointApp.MatchString(req.ResourceARN) {
		return chime.Endpoint{}, api.BadRequest("ResourceArn", "is not the ARN of a Pinpoint application")
	}
	if req.EndpointAttributes.VoipDeviceToken != nil && req.Type == wire.AppInstanceUserEndpointTypeGcm {
		return chime.Endpoint{}, api.BadRequest("EndpointAttributes.VoipDeviceToken", "is for endpoints of Type APNS and APNS_SANDBOX")
	}

	endpoint := chime.Endpoint{
		ID: id, Name: text(req.Name), Type: string(req.Type), ResourceARN: req.ResourceARN,
		DeviceToken: req.EndpointAttributes.DeviceToken, VoipToken: text(req.EndpointAttributes.VoipDeviceToken),
		AllowMessages: string(req.AllowMessages), Status: string(wire.EndpointStatusActive), Created: now, Updated: now,
	}
	if endpoint.AllowMessages == "" {
		endpoint.AllowMessages = string(wire.AllowMessagesAll)
	}
	return endpoint, nil
}

// pinpointApp is what AWS calls the applications that devices belong to, of any region and account.
var pinpointApp = regexp.MustCompile(`^arn:aws:mobiletargeting:[a-z0-9-]+:[0-9]{12}:apps/[^/]+$`)

// register keeps the endpoint under the id that its device has already, if it has one, and
// returns that id.
func (s *Service) register(tx store.Tx, res chime.Resource, endpoint chime.Endpoint) (string, error) {
	entry, known, err := store.EndpointOf.Get(tx, deviceKey(res.App, endpoint))
	if err != nil {
		return "", err
	}

	// A known device keeps its id, and leaves the user that it belonged to.
	if known {
		endpoint.ID = entry.ID
		last, _, err := store.Endpoints.Get(tx, endpointKey(res.App, entry.Ref, entry.ID))
		if err != nil {
			return "", err
		}
		if entry.Ref == res.Ref() {
			endpoint.Created, endpoint.Order = last.Created, last.Order
			return endpoint.ID, putEndpoint(tx, res, endpoint, chime.EventRegisterEndpoint)
		}
		if err := deregister(tx, res.App, entry.Ref, last, endpoint.Created); err != nil {
			return "", err
		}
	}

	if err := s.limitEndpoints(tx, res); err != nil {
		return "", err
	}

	// A device that is new to the user gets a position in the order of its endpoints.
	endpoint.Order, err = tx.Append(endpointEvent(res, endpoint, chime.EventRegisterEndpoint))
	if err != nil {
		return "", err
	}
	return endpoint.ID, store.Insert(tx, endpointRows(res.App, res.Ref(), endpoint)...)
}

// endpointRows are the rows of an endpoint of a user.
func endpointRows(app string, ref chime.Ref, endpoint chime.Endpoint) []store.Row {
	return []store.Row{
		store.Endpoints.Row(endpointKey(app, ref, endpoint.ID), endpoint),
		store.EndpointsInOrder.Row(store.K(app, string(ref)).Num(endpoint.Order), endpoint.ID),
		store.EndpointOf.Row(deviceKey(app, endpoint), chime.EndpointEntry{Ref: ref, ID: endpoint.ID}),
	}
}

// limitEndpoints refuses one more endpoint of a user that has as many as allowed. They are few
// and change seldom, so they are counted at each registration.
func (s *Service) limitEndpoints(r store.Reader, res chime.Resource) error {
	if s.limits.Endpoints <= 0 {
		return nil
	}
	n := 0
	err := store.EndpointsInOrder.Each(r, store.Prefix(store.K(res.App, string(res.Ref()))), func(store.Key, string) (bool, error) {
		n++
		return n < s.limits.Endpoints, nil
	})
	if err == nil && n >= s.limits.Endpoints {
		err = api.ResourceLimitExceeded("the limit of %d endpoints of an app instance user is reached", s.limits.Endpoints)
	}
	return err
}

// DescribeAppInstanceUserEndpoint answers the endpoint as it is, tokens included.
func (s *Service) DescribeAppInstanceUserEndpoint(ctx context.Context, req *wire.DescribeAppInstanceUserEndpointRequest) (*wire.DescribeAppInstanceUserEndpointResponse, error) {
	res, err := users.parse(s, req.AppInstanceUserARN)
	if err != nil {
		return nil, err
	}

	var endpoint chime.Endpoint
	err = s.store.View(ctx, res.App, func(r store.Reader) (err error) {
		endpoint, err = readEndpoint(r, res, req.EndpointID)
		return err
	})
	if err != nil {
		return nil, err
	}

	attributes := &wire.EndpointAttributes{DeviceToken: endpoint.DeviceToken}
	if endpoint.VoipToken != "" {
		attributes.VoipDeviceToken = &endpoint.VoipToken
	}
	return &wire.DescribeAppInstanceUserEndpointResponse{AppInstanceUserEndpoint: &wire.AppInstanceUserEndpoint{
		AppInstanceUserARN:   s.site.RefARN(res.App, res.Ref()),
		EndpointID:           endpoint.ID,
		Name:                 endpoint.Name,
		Type:                 wire.AppInstanceUserEndpointType(endpoint.Type),
		ResourceARN:          endpoint.ResourceARN,
		EndpointAttributes:   attributes,
		CreatedTimestamp:     endpoint.Created.Optional(),
		LastUpdatedTimestamp: endpoint.Updated.Optional(),
		AllowMessages:        wire.AllowMessages(endpoint.AllowMessages),
		EndpointState:        endpointState(endpoint),
	}}, nil
}

// UpdateAppInstanceUserEndpoint changes what is given of name and AllowMessages.
func (s *Service) UpdateAppInstanceUserEndpoint(ctx context.Context, req *wire.UpdateAppInstanceUserEndpointRequest) (*wire.UpdateAppInstanceUserEndpointResponse, error) {
	res, err := users.parse(s, req.AppInstanceUserARN)
	if err != nil {
		return nil, err
	}

	now := s.now()
	err = s.store.Update(ctx, res.App, func(tx store.Tx) error {
		endpoint, err := readEndpoint(tx, res, req.EndpointID)
		if err != nil {
			return err
		}

		if req.Name != nil {
			endpoint.Name = *req.Name
		}
		if req.AllowMessages != "" {
			endpoint.AllowMessages = string(req.AllowMessages)
		}

		endpoint.Updated = now
		return putEndpoint(tx, res, endpoint, chime.EventUpdateEndpoint)
	})
	if err != nil {
		return nil, err
	}
	return &wire.UpdateAppInstanceUserEndpointResponse{
		AppInstanceUserARN: s.site.RefARN(res.App, res.Ref()), EndpointID: req.EndpointID,
	}, nil
}

// ListAppInstanceUserEndpoints lists in order of registration.
func (s *Service) ListAppInstanceUserEndpoints(ctx context.Context, req *wire.ListAppInstanceUserEndpointsRequest) (*wire.ListAppInstanceUserEndpointsResponse, error) {
	res, err := users.parse(s, req.AppInstanceUserARN)
	if err != nil {
		return nil, err
	}

	resp := new(wire.ListAppInstanceUserEndpointsResponse)
	of := store.K(res.App, string(res.Ref()))
	p := store.NewPage("ListAppInstanceUserEndpoints "+s.site.RefARN(res.App, res.Ref()), req.MaxResults, req.NextToken)

	err = s.store.View(ctx, res.App, func(r store.Reader) (err error) {
		if _, err := users.read(r, res, api.ForbiddenException); err != nil {
			return err
		}
		resp.AppInstanceUserEndpoints, resp.NextToken, err = list(r, store.EndpointsInOrder, store.Prefix(of), p,
			func(id string) (wire.AppInstanceUserEndpointSummary, error) {
				endpoint, _, err := store.Endpoints.Get(r, endpointKey(res.App, res.Ref(), id))
				return wire.AppInstanceUserEndpointSummary{
					AppInstanceUserARN: s.site.RefARN(res.App, res.Ref()), EndpointID: id, Name: endpoint.Name,
					Type:          wire.AppInstanceUserEndpointType(endpoint.Type),
					AllowMessages: wire.AllowMessages(endpoint.AllowMessages), EndpointState: endpointState(endpoint),
				}, err
			})
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// DeregisterAppInstanceUserEndpoint forgets a device. For one that is unknown it answers as
// usual (spec 10.5).
func (s *Service) DeregisterAppInstanceUserEndpoint(ctx context.Context, req *wire.DeregisterAppInstanceUserEndpointRequest) (*wire.DeregisterAppInstanceUserEndpointResponse, error) {
	res, err := users.parse(s, req.AppInstanceUserARN)
	if err != nil {
		return nil, err
	}

	now := s.now()
	return nil, s.store.Update(ctx, res.App, func(tx store.Tx) error {
		if _, err := users.read(tx, res, api.ForbiddenException); err != nil {
			return err
		}

		endpoint, found, err := store.Endpoints.Get(tx, endpointKey(res.App, res.Ref(), req.EndpointID))
		if err != nil || !found {
			return err
		}
		return deregister(tx, res.App, res.Ref(), endpoint, now)
	})
}

func deregister(tx store.Tx, app string, ref chime.Ref, endpoint chime.Endpoint, now chime.Millis) error {
	if err := store.Remove(tx, endpointRows(app, ref, endpoint)...); err != nil {
		return err
	}
	e := eventOf(chime.EventDeregisterEndpoint, app, ref, now)
	e.Object = endpoint.ID
	_, err := tx.Append(e)
	return err
}

// removeEndpoints forgets all devices of a user, as its deletion does.
func removeEndpoints(tx store.Tx, app string, ref chime.Ref) error {
	var all []chime.Endpoint
	err := store.Endpoints.Each(tx, store.Prefix(store.K(app, string(ref))), func(_ store.Key, endpoint chime.Endpoint) (bool, error) {
		all = append(all, endpoint)
		return true, nil
	})
	for i := 0; i < len(all) && err == nil; i++ {
		err = store.Remove(tx, endpointRows(app, ref, all[i])...)
	}
	return err
}

// readEndpoint reads an endpoint of a user, both of which must exist: the operations declare no
// NotFoundException (spec 10.5).
func readEndpoint(r store.Reader, res chime.Resource, id string) (chime.Endpoint, error) {
	if _, err := users.read(r, res, api.ForbiddenException); err != nil {
		return chime.Endpoint{}, err
	}
	endpoint, found, err := store.Endpoints.Get(r, endpointKey(res.App, res.Ref(), id))
	if err == nil && !found {
		err = api.Forbidden("EndpointId does not name an endpoint of the app instance user")
	}
	return endpoint, err
}

// putEndpoint writes an endpoint that has its position already.
func putEndpoint(tx store.Tx, res chime.Resource, endpoint chime.Endpoint, event string) error {
	if err := store.Endpoints.Put(tx, endpointKey(res.App, res.Ref(), endpoint.ID), endpoint); err != nil {
		return err
	}
	_, err := tx.Append(endpointEvent(res, endpoint, event))
	return err
}

// endpointEvent names the user whose device changed, and of the device its id alone.
func endpointEvent(res chime.Resource, endpoint chime.Endpoint, event string) chime.Event {
	e := eventOf(event, res.App, res.Ref(), endpoint.Updated)
	e.Object = endpoint.ID
	return e
}

func endpointState(endpoint chime.Endpoint) *wire.EndpointState {
	return &wire.EndpointState{
		Status: wire.EndpointStatus(endpoint.Status), StatusReason: wire.EndpointStatusReason(endpoint.StatusReason),
	}
}

func endpointKey(app string, ref chime.Ref, id string) store.Key {
	return store.K(app, string(ref), id)
}

// deviceKey leads to the endpoint of a device. Tokens are secrets, so keys, which page tokens
// and tools may show, have their hash.
func deviceKey(app string, endpoint chime.Endpoint) store.Key {
	sum := sha256.Sum256([]byte(endpoint.DeviceToken))
	return store.K(app, endpoint.Type, string(sum[:]))
}
