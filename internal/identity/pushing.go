package identity

import (
	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// ActiveEndpoints are the devices of a user that take push notifications.
func ActiveEndpoints(r store.Reader, app string, ref chime.Ref) (list []chime.Endpoint, err error) {
	err = store.Endpoints.Each(r, store.Prefix(store.K(app, string(ref))), func(_ store.Key, e chime.Endpoint) (bool, error) {
		if takesPush(&e) {
			list = append(list, e)
		}
		return true, nil
	})
	return list, err
}

// ActiveEndpoint reads a device of a user, if it takes push notifications.
func ActiveEndpoint(r store.Reader, app string, ref chime.Ref, id string) (e chime.Endpoint, found bool, err error) {
	e, found, err = store.Endpoints.Get(r, endpointKey(app, ref, id))
	return e, found && takesPush(&e), err
}

func takesPush(e *chime.Endpoint) bool {
	return e.Status == string(wire.EndpointStatusActive) && e.AllowMessages != string(wire.AllowMessagesNone)
}

// DeactivateEndpoint makes a device INACTIVE, which its push service does not know: it is sent no more until
// it is registered again. One that was registered again or changed since it was read as seen stays as it is.
func DeactivateEndpoint(tx store.Tx, app string, ref chime.Ref, seen chime.Endpoint, reason wire.EndpointStatusReason, now chime.Millis) error {
	endpoint, found, err := store.Endpoints.Get(tx, endpointKey(app, ref, seen.ID))
	if err != nil || !found || endpoint != seen {
		return err
	}
	endpoint.Status, endpoint.StatusReason, endpoint.Updated = string(wire.EndpointStatusInactive), string(reason), now.NotBefore(seen.Updated)
	return putEndpoint(tx, chime.Resource{App: app, Kind: chime.KindUser, ID: ref.ID()}, endpoint, chime.EventUpdateEndpoint)
}
