package identity_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/store"
)

const pinpoint = "arn:aws:mobiletargeting:us-east-1:000000000000:apps/app"

func deviceRequest(user, device string) *wire.RegisterAppInstanceUserEndpointRequest {
	return &wire.RegisterAppInstanceUserEndpointRequest{
		AppInstanceUserARN: user, Type: wire.AppInstanceUserEndpointTypeApns, ResourceARN: pinpoint,
		EndpointAttributes: &wire.EndpointAttributes{DeviceToken: device},
	}
}

// device registers a device that is named after its token.
func (w *world) device(user, device string) string {
	w.t.Helper()
	req := deviceRequest(user, device)
	req.Name = &device
	resp, err := w.RegisterAppInstanceUserEndpoint(context.Background(), req)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.EndpointID
}

func (w *world) deregister(user, id string) error {
	return of(w.DeregisterAppInstanceUserEndpoint, wire.DeregisterAppInstanceUserEndpointRequest{AppInstanceUserARN: user, EndpointID: id})
}

func (w *world) describeDevice(user, id string) (*wire.AppInstanceUserEndpoint, error) {
	resp, err := w.DescribeAppInstanceUserEndpoint(context.Background(), &wire.DescribeAppInstanceUserEndpointRequest{AppInstanceUserARN: user, EndpointID: id})
	if err != nil {
		return nil, err
	}
	return resp.AppInstanceUserEndpoint, nil
}

func (w *world) devicesOf(user string) fetch {
	return func(limit *int, token *string) (names []string, next string, err error) {
		resp, err := w.ListAppInstanceUserEndpoints(context.Background(), &wire.ListAppInstanceUserEndpointsRequest{AppInstanceUserARN: user, MaxResults: limit, NextToken: token})
		if err != nil {
			return nil, "", err
		}
		for _, e := range resp.AppInstanceUserEndpoints {
			if e.AppInstanceUserARN != user || e.EndpointID == "" || e.EndpointState.Status != "ACTIVE" {
				w.t.Errorf("listed as %+v", e)
			}
			names = append(names, e.Name)
		}
		return names, resp.NextToken, nil
	}
}

func TestDeviceIsDescribedAsRegisteredAndUpdated(t *testing.T) {
	onEachEngine(t, func(w *world) {
		ctx := context.Background()
		app := w.app("app")
		alice := w.user(app, "alice")
		position := w.position(app)
		req := deviceRequest(alice, "phone")
		req.Name, req.EndpointAttributes.VoipDeviceToken = ptr("Phone"), ptr("voip")
		resp, err := w.RegisterAppInstanceUserEndpoint(ctx, req)
		ok(w.t, err)
		id := resp.EndpointID
		if resp.AppInstanceUserARN != alice || id == "" {
			w.t.Errorf("registered as %+v", resp)
		}
		registered := w.now
		e, err := w.describeDevice(alice, id)
		ok(w.t, err)
		if e.AppInstanceUserARN != alice || e.EndpointID != id || e.Name != "Phone" || e.Type != "APNS" || e.ResourceARN != pinpoint ||
			e.EndpointAttributes.DeviceToken != "phone" || *e.EndpointAttributes.VoipDeviceToken != "voip" ||
			e.AllowMessages != "ALL" || e.EndpointState.Status != "ACTIVE" || e.EndpointState.StatusReason != "" ||
			!e.CreatedTimestamp.Equal(registered) || !e.LastUpdatedTimestamp.Equal(registered) {
			w.t.Errorf("described as %+v", e)
		}

		update := func(name *string, allow wire.AllowMessages) {
			w.pass(time.Minute)
			resp, err := w.UpdateAppInstanceUserEndpoint(ctx, &wire.UpdateAppInstanceUserEndpointRequest{
				AppInstanceUserARN: alice, EndpointID: id, Name: name, AllowMessages: allow,
			})
			ok(w.t, err)
			if resp.AppInstanceUserARN != alice || resp.EndpointID != id {
				w.t.Errorf("updated as %+v", resp)
			}
			e, err = w.describeDevice(alice, id)
			ok(w.t, err)
			if !e.CreatedTimestamp.Equal(registered) || !e.LastUpdatedTimestamp.Equal(w.now) || e.EndpointAttributes.DeviceToken != "phone" {
				w.t.Errorf("after the update: %+v", e)
			}
		}
		update(nil, "NONE")
		if e.Name != "Phone" || e.AllowMessages != "NONE" {
			w.t.Errorf("after an update of AllowMessages: %+v", e)
		}
		update(ptr(""), "")
		if e.Name != "" || e.AllowMessages != "NONE" {
			w.t.Errorf("after an update of the name: %+v", e)
		}
		if after := w.position(app); after != position+3 {
			w.t.Errorf("%d events", after-position)
		}
	})
}

func TestKnownDeviceKeepsItsEndpoint(t *testing.T) {
	onEachEngine(t, func(w *world) {
		w.limits = identity.Limits{Endpoints: 1}
		w.start()
		app := w.app("app")
		alice, bob := w.user(app, "alice"), w.user(app, "bob")
		id := w.device(alice, "phone")
		first, err := w.describeDevice(alice, id)
		ok(w.t, err)

		w.pass(time.Minute)
		req := deviceRequest(alice, "phone")
		req.Name, req.AllowMessages = ptr("new"), "NONE"
		again, err := w.RegisterAppInstanceUserEndpoint(context.Background(), req)
		ok(w.t, err)
		e, err := w.describeDevice(alice, again.EndpointID)
		ok(w.t, err)
		if again.EndpointID != id || e.Name != "new" || e.AllowMessages != "NONE" ||
			!e.CreatedTimestamp.Equal(*first.CreatedTimestamp) || !e.LastUpdatedTimestamp.Equal(w.now) {
			w.t.Errorf("registered again as %+v", e)
		}

		position := w.position(app)
		if moved := w.device(bob, "phone"); moved != id {
			w.t.Errorf("%s became %s with another user", id, moved)
		}
		if got := w.events(app, position); !slices.Equal(got, []string{
			"DEREGISTER_APP_INSTANCE_USER_ENDPOINT user/alice", "REGISTER_APP_INSTANCE_USER_ENDPOINT user/bob",
		}) {
			w.t.Errorf("events %q", got)
		}
		w.wantList(w.devicesOf(alice))
		w.wantList(w.devicesOf(bob), "phone")
		_, err = w.describeDevice(alice, id)
		refused(w.t, err, "ForbiddenException", "EndpointId")
		ok(w.t, w.deregister(alice, id)) // late, and no harm to the next owner
		w.wantList(w.devicesOf(bob), "phone")
		w.device(alice, "tablet")
		_, err = w.RegisterAppInstanceUserEndpoint(context.Background(), deviceRequest(bob, "tablet"))
		refused(w.t, err, "ResourceLimitExceededException", "1 endpoints")
		w.wantList(w.devicesOf(alice), "tablet")
	})
}

func TestDevicesOfOtherKindsAndAppsAreOthers(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		alice, other := w.user(app, "alice"), w.user(w.app("other"), "alice")
		ids := []string{w.device(alice, "phone"), w.device(other, "phone")}
		req := deviceRequest(alice, "phone")
		req.Type, req.Name = "GCM", ptr("gcm")
		resp, err := w.RegisterAppInstanceUserEndpoint(context.Background(), req)
		ok(w.t, err)
		if slices.Contains(ids, resp.EndpointID) || ids[0] == ids[1] {
			w.t.Errorf("ids %q and %s", ids, resp.EndpointID)
		}
		w.wantList(w.devicesOf(alice), "phone", "gcm")
		w.wantList(w.devicesOf(other), "phone")
	})
}

func TestRepeatedRegistrationChangesNothing(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		alice := w.user(app, "alice")
		req := deviceRequest(alice, "phone")
		req.ClientRequestToken = "token"
		first, err := w.RegisterAppInstanceUserEndpoint(context.Background(), req)
		ok(w.t, err)
		position := w.position(app)
		second, err := w.RegisterAppInstanceUserEndpoint(context.Background(), req)
		ok(w.t, err)
		if first.EndpointID != second.EndpointID || w.position(app) != position {
			w.t.Errorf("%s and %s", first.EndpointID, second.EndpointID)
		}
		req.EndpointAttributes.DeviceToken = "tablet"
		_, err = w.RegisterAppInstanceUserEndpoint(context.Background(), req)
		refused(w.t, err, "ConflictException", "ClientRequestToken")
		req.AppInstanceUserARN = w.user(app, "bob") // whose tokens are his own
		_, err = w.RegisterAppInstanceUserEndpoint(context.Background(), req)
		ok(w.t, err)
	})
}

func TestVoipTokensAreForApple(t *testing.T) {
	onEachEngine(t, func(w *world) {
		alice := w.user(w.app("app"), "alice")
		for kind, allowed := range map[wire.AppInstanceUserEndpointType]bool{"APNS": true, "APNS_SANDBOX": true, "GCM": false} {
			req := deviceRequest(alice, "secret of "+string(kind))
			req.Type, req.EndpointAttributes.VoipDeviceToken = kind, ptr("secret")
			_, err := w.RegisterAppInstanceUserEndpoint(context.Background(), req)
			if allowed {
				ok(w.t, err)
				continue
			}
			refused(w.t, err, "BadRequestException", "EndpointAttributes.VoipDeviceToken")
			if strings.Contains(err.Error(), "secret") {
				w.t.Errorf("the refusal tells the token: %v", err)
			}
		}
	})
}

func TestEndpointLimit(t *testing.T) {
	onEachEngine(t, func(w *world) {
		w.limits = identity.Limits{Endpoints: 2}
		w.start()
		app := w.app("app")
		alice := w.user(app, "alice")
		w.device(alice, "one")
		two := w.device(alice, "two")
		w.device(alice, "two") // again, which counts for nothing
		_, err := w.RegisterAppInstanceUserEndpoint(context.Background(), deviceRequest(alice, "three"))
		refused(w.t, err, "ResourceLimitExceededException", "2 endpoints")
		w.device(w.user(app, "bob"), "three")
		ok(w.t, w.deregister(alice, two))
		ok(w.t, w.deregister(alice, two)) // nothing to forget, nothing to say
		w.device(alice, "four")
		w.wantList(w.devicesOf(alice), "one", "four")
	})
}

func TestDevicesAreListedInOrderOfRegistration(t *testing.T) {
	onEachEngine(t, func(w *world) {
		alice := w.user(w.app("app"), "alice")
		var want []string
		for i := range 5 {
			want = append(want, fmt.Sprint("device ", i))
			w.device(alice, want[i])
		}
		w.device(alice, want[0]) // keeps its place
		if got := w.all(w.devicesOf(alice), 2, func(int) {}); !slices.Equal(got, want) {
			w.t.Errorf("in pages: %q", got)
		}
	})
}

func TestDevicesGoWithTheirUser(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		alice, bob := w.user(app, "alice"), w.user(app, "bob")
		id := w.device(alice, "phone")
		w.device(alice, "tablet")
		w.device(bob, "laptop")
		ok(w.t, w.deleteUser(alice))
		w.user(app, "alice")
		w.wantList(w.devicesOf(alice))
		w.wantList(w.devicesOf(bob), "laptop")
		if w.device(bob, "phone") == id {
			w.t.Error("the device is still known")
		}
	})
}

// TestDeviceTokensStayInTheirRecord: no key, no other table and no event holds one.
func TestDeviceTokensStayInTheirRecord(t *testing.T) {
	onEachEngine(t, func(w *world) {
		secret := []byte("very secret device token")
		app := w.app("app")
		w.device(w.user(app, "alice"), string(secret))
		moved := deviceRequest(w.user(app, "bob"), string(secret))
		moved.ClientRequestToken = "token"
		_, err := w.RegisterAppInstanceUserEndpoint(context.Background(), moved)
		ok(w.t, err)
		ok(w.t, w.store.View(context.Background(), "", func(r store.Reader) error {
			for table := store.TableID(1); table < lastTable; table++ {
				err := r.Scan(table, store.Range{}, func(key store.Key, value []byte) (bool, error) {
					if bytes.Contains(key, secret) || table != store.Endpoints.ID && bytes.Contains(value, secret) {
						w.t.Errorf("table %d holds the token under %q", table, key)
					}
					return true, nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		}))
	})
}

func TestDevicesBelongToPinpointApplications(t *testing.T) {
	onEachEngine(t, func(w *world) {
		alice := w.user(w.app("app"), "alice")
		for arn, allowed := range map[string]bool{
			pinpoint: true, "arn:aws:mobiletargeting:eu-central-1:111111111111:apps/0a1b": true,
			"arn:aws:lambda:us-east-1:000000000000:function:f": false, "arn:aws:mobiletargeting:us-east-1:000000000000:apps/": false,
			"arn:aws:mobiletargeting:us-east-1:000000000000:apps/a/b": false, "arn:aws:mobiletargeting:us-east-1:000000000000:templates/a": false, alice: false,
		} {
			req := deviceRequest(alice, "device of "+arn)
			req.ResourceARN = arn
			_, err := w.RegisterAppInstanceUserEndpoint(context.Background(), req)
			if allowed {
				ok(w.t, err)
				continue
			}
			refused(w.t, err, "BadRequestException", "ResourceArn")
		}
	})
}
