package servicetest_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/retention"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

const aDay = 24 * time.Hour

// expiry is what removes by date in a world, as a process that has just begun. It relies on the clock.
func expiry(t *testing.T, w *servicetest.World) *retention.Expiry {
	t.Helper()
	clock, err := store.OpenClock(t.Context(), w.Store)
	if err != nil {
		t.Fatal(err)
	}
	return retention.NewExpiry(retention.ExpiryOptions{
		Store: w.Store, Clock: clock, Now: w.Clock, Channels: w.Channels, Users: w.Identity, Messages: w.Messages,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
}

// after lets the time pass and then removes what has expired.
func after(t *testing.T, w *servicetest.World, d time.Duration) {
	t.Helper()
	w.Now = w.Now.Add(d)
	if err := expiry(t, w).Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
}

const (
	created     = messaging.ExpirationCriterionCreatedTimestamp
	lastMessage = messaging.ExpirationCriterionLastMessageTimestamp
)

func expires(days int, criterion messaging.ExpirationCriterion) func(*messaging.CreateChannelRequest) {
	return func(r *messaging.CreateChannelRequest) {
		r.ExpirationSettings = &messaging.ExpirationSettings{ExpirationDays: days, ExpirationCriterion: criterion}
	}
}

// setExpiry changes the settings of a channel; zero days remove them.
func setExpiry(t *testing.T, w *servicetest.World, channel string, days int, criterion messaging.ExpirationCriterion) {
	t.Helper()
	req := &messaging.PutChannelExpirationSettingsRequest{ChannelARN: w.Channel(channel), ChimeBearer: new(string)}
	*req.ChimeBearer = w.User("adm")
	if days > 0 {
		req.ExpirationSettings = &messaging.ExpirationSettings{ExpirationDays: days, ExpirationCriterion: criterion}
	}
	if _, err := w.API.PutChannelExpirationSettings(t.Context(), req); err != nil {
		t.Fatal(err)
	}
}

func exists(t *testing.T, w *servicetest.World, channel string) bool {
	t.Helper()
	_, err := w.API.DescribeChannel(t.Context(), &messaging.DescribeChannelRequest{ChannelARN: w.Channel(channel), ChimeBearer: w.User("adm")})
	if outcome := servicetest.Outcome(err); outcome != "ok" && outcome != "Forbidden" {
		t.Fatal(err)
	}
	return err == nil
}

// A channel is deleted when its days are over since what the criterion names, and not before.
func TestChannelsExpire(t *testing.T) {
	servicetest.OnEach(t, "ann bob", func(t *testing.T, w *servicetest.World) {
		for _, test := range []struct {
			name      string
			days      int
			criterion messaging.ExpirationCriterion
			change    func(*messaging.CreateChannelRequest)
			on        map[int]func(id string) // what is done after so many days
			last      int                     // the day on which it is there still
		}{
			{"days since the creation, whatever is sent", 3, created, nil, map[int]func(string){2: func(id string) { w.Say("ann", id, "x") }}, 3},
			{"days since the creation without a message", 3, lastMessage, nil, nil, 3},
			{"days since the latest message", 3, lastMessage, nil, map[int]func(string){1: func(id string) { w.Say("ann", id, "x") }, 2: func(id string) { w.Say("ann", id, "y") }}, 5},
			{"a message for some counts", 3, lastMessage, nil, map[int]func(string){2: func(id string) { w.Say("ann", id, "x", w.To("bob")) }}, 5},
			{"one that is not kept does not", 3, lastMessage, nil, map[int]func(string){2: func(id string) {
				w.Say("ann", id, "x", func(r *messaging.SendChannelMessageRequest) {
					r.Persistence = messaging.ChannelMessagePersistenceTypeNonPersistent
				})
			}}, 3},
			{"one that was deleted does", 3, lastMessage, nil, map[int]func(string){2: func(id string) { w.Delete("adm", id, w.Say("ann", id, "x")) }}, 5},
			{"reading does not", 3, lastMessage, nil, map[int]func(string){2: func(id string) { w.Read("ann", id) }}, 3},
			{"an elastic channel", 3, created, servicetest.Elastic(2, 5, 40), nil, 3},
			{"more days count", 3, created, nil, map[int]func(string){2: func(id string) { setExpiry(t, w, id, 5, created) }}, 5},
			{"fewer days count", 9, created, nil, map[int]func(string){2: func(id string) { setExpiry(t, w, id, 3, created) }}, 3},
			{"another criterion counts", 3, created, nil, map[int]func(string){2: func(id string) { w.Say("ann", id, "x"); setExpiry(t, w, id, 4, lastMessage) }}, 6},
			{"settings that were removed", 3, created, nil, map[int]func(string){2: func(id string) { setExpiry(t, w, id, 0, "") }}, 13},
			{"settings of later", 0, "", nil, map[int]func(string){2: func(id string) { setExpiry(t, w, id, 4, created) }}, 4},
			{"a change of the channel", 3, created, nil, map[int]func(string){2: func(id string) {
				name := "other"
				if _, err := w.API.UpdateChannel(t.Context(), &messaging.UpdateChannelRequest{ChannelARN: w.Channel(id), Name: &name, ChimeBearer: w.User("ann")}); err != nil {
					t.Fatal(err)
				}
			}}, 3},
		} {
			change := []func(*messaging.CreateChannelRequest){}
			if test.days > 0 {
				change = append(change, expires(test.days, test.criterion))
			}
			if test.change != nil {
				change = append(change, test.change)
			}
			w.AddChannel("ann", "c", change...)
			w.AddMember("ann", "c", "bob", messaging.ChannelMembershipTypeDefault)

			// A day begins with what is done on it.
			for day := range 12 {
				if do := test.on[day]; do != nil && day > 0 {
					do("c")
				}
				after(t, w, aDay-time.Minute)
				if got, want := exists(t, w, "c"), day < test.last; got != want {
					t.Errorf("%s: shortly before day %d it is there: %v", test.name, day+1, got)
				}
				after(t, w, time.Minute)
				if got, want := exists(t, w, "c"), day+1 < test.last; got != want {
					t.Errorf("%s: on day %d it is there: %v", test.name, day+1, got)
				}
				if t.Failed() {
					return
				}
			}
			if test.last == 13 {
				w.API.DeleteChannel(t.Context(), &messaging.DeleteChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("adm")})
			}
		}
	})
}

// Members are told of a channel that expired as of one that was deleted, the audit log is told why, and
// nothing is left.
func TestAnExpiredChannelIsDeletedAsByACall(t *testing.T) {
	w := scene(t)
	w.AddUser("adm")
	w.MakeAdmin("adm")
	w.AddUser("guest")
	w.AddUser("outcast")
	before := left(t, w.Store)
	after(t, w, time.Hour) // notes what a process begins with
	noted := left(t, w.Store)
	for _, change := range []func(*messaging.CreateChannelRequest){func(*messaging.CreateChannelRequest) {}, servicetest.Elastic(3, 2, 40)} {
		w.AddChannel("owner", "new", change, expires(1, created))
		w.AddMember("owner", "new", "guest", messaging.ChannelMembershipTypeDefault)
		w.Ban("owner", "new", "outcast")
		w.Log()
		after(t, w, aDay)
		log := strings.Join(w.Log(), "\n")
		if !strings.HasPrefix(log, "EXPIRE_CHANNEL") || strings.Count(log, "DELETE_CHANNEL to members") != 1 {
			t.Errorf("the log has\n%s", log)
		}
	}
	got := left(t, w.Store)
	for _, key := range got {
		if !slices.Contains(before, key) && !slices.Contains(noted, key) {
			t.Errorf("left: %s", key)
		}
	}
	if len(got) != len(noted) {
		t.Errorf("%d records are there, want %d", len(got), len(noted))
	}
	after(t, w, 30*aDay)
	if log := w.Log(); len(log) > 0 {
		t.Errorf("later on: %s", log)
	}
}

// What is made under the name of something that expired has settings of its own alone.
func TestASuccessorDoesNotExpire(t *testing.T) {
	w := servicetest.New(t, "ann", "adm")
	w.MakeAdmin("adm")
	w.AddChannel("ann", "c", expires(3, created))
	if _, err := w.API.DeleteChannel(t.Context(), &messaging.DeleteChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("ann")}); err != nil {
		t.Fatal(err)
	}
	w.AddChannel("ann", "c")
	createUser(t, w, "temp", 3)
	deleteUser(t, w, "temp")
	createUser(t, w, "temp", 0)
	after(t, w, 30*aDay)
	if !exists(t, w, "c") || !userExists(t, w, "temp") {
		t.Error("it is gone")
	}
}

func createUser(t *testing.T, w *servicetest.World, id string, days int) {
	t.Helper()
	req := &identityapi.CreateAppInstanceUserRequest{AppInstanceARN: w.App, AppInstanceUserID: id, Name: id, ClientRequestToken: w.Token()}
	if days > 0 {
		req.ExpirationSettings = &identityapi.ExpirationSettings{ExpirationDays: days, ExpirationCriterion: identityapi.ExpirationCriterionCreatedTimestamp}
	}
	if _, err := w.Identity.CreateAppInstanceUser(t.Context(), req); err != nil {
		t.Fatal(err)
	}
}

func deleteUser(t *testing.T, w *servicetest.World, id string) {
	t.Helper()
	if _, err := w.Identity.DeleteAppInstanceUser(t.Context(), &identityapi.DeleteAppInstanceUserRequest{AppInstanceUserARN: w.User(id)}); err != nil {
		t.Fatal(err)
	}
}

// setUserExpiry changes the settings of a user; zero days remove them.
func setUserExpiry(t *testing.T, w *servicetest.World, id string, days int) {
	t.Helper()
	req := &identityapi.PutAppInstanceUserExpirationSettingsRequest{AppInstanceUserARN: w.User(id)}
	if days > 0 {
		req.ExpirationSettings = &identityapi.ExpirationSettings{ExpirationDays: days, ExpirationCriterion: identityapi.ExpirationCriterionCreatedTimestamp}
	}
	if _, err := w.Identity.PutAppInstanceUserExpirationSettings(t.Context(), req); err != nil {
		t.Fatal(err)
	}
}

func userExists(t *testing.T, w *servicetest.World, id string) bool {
	t.Helper()
	_, err := w.Identity.DescribeAppInstanceUser(t.Context(), &identityapi.DescribeAppInstanceUserRequest{AppInstanceUserARN: w.User(id)})
	if outcome := servicetest.Outcome(err); outcome != "ok" && outcome != "NotFound" {
		t.Fatal(err)
	}
	return err == nil
}

// A user is deleted when its days are over since its creation, with its memberships.
func TestUsersExpire(t *testing.T) {
	servicetest.OnEach(t, "ann", func(t *testing.T, w *servicetest.World) {
		w.AddChannel("ann", "c")
		for _, test := range []struct {
			name   string
			days   int
			change func()
			last   int
		}{
			{"days since the creation", 3, func() {}, 3},
			{"more days count", 3, func() { setUserExpiry(t, w, "temp", 5) }, 5},
			{"fewer days count", 5, func() { setUserExpiry(t, w, "temp", 1) }, 2},
			{"settings that were removed", 3, func() { setUserExpiry(t, w, "temp", 0) }, 7},
			{"settings of later", 0, func() { setUserExpiry(t, w, "temp", 4) }, 4},
			{"another name", 3, func() {
				if _, err := w.Identity.UpdateAppInstanceUser(t.Context(), &identityapi.UpdateAppInstanceUserRequest{AppInstanceUserARN: w.User("temp"), Name: "other", Metadata: new(string)}); err != nil {
					t.Fatal(err)
				}
			}, 3},
		} {
			createUser(t, w, "temp", test.days)
			w.AddMember("ann", "c", "temp", messaging.ChannelMembershipTypeDefault)
			w.Events()
			after(t, w, aDay)
			after(t, w, aDay-time.Second)
			test.change()
			for day := 2; day <= 6; day++ {
				after(t, w, time.Second)
				if got, want := userExists(t, w, "temp"), day < test.last; got != want {
					t.Errorf("%s: on day %d the user is there: %v", test.name, day, got)
				}
				after(t, w, aDay-time.Second)
			}
			events := w.Events()
			if gone := test.last < 7; gone != slices.ContainsFunc(events, func(e string) bool { return strings.HasPrefix(e, "DELETE_CHANNEL_MEMBERSHIP") }) {
				t.Errorf("%s: members get %q", test.name, events)
			}
			if test.last == 7 {
				deleteUser(t, w, "temp")
			}
		}
	})
}

// A crash at any commit loses no expiry and does none twice.
func TestExpiryOutlivesCrashes(t *testing.T) {
	for fails := range 40 {
		commits, failing, op := 0, false, faulty.Commit
		if fails%2 == 1 {
			op = faulty.Committed
		}
		st := faulty.New(memstore.New(), func(c faulty.Call) error {
			if failing && c.Op == op {
				if commits++; commits == fails/2+1 {
					return store.ErrUnavailable
				}
			}
			return nil
		})
		w := servicetest.Over(t, st, "ann", "bob", "adm")
		w.MakeAdmin("adm")
		for i := range 60 {
			w.AddUser(fmt.Sprint("u", i))
		}
		w.AddChannel("ann", "kept")
		createUser(t, w, "temp", 1)
		w.AddMember("ann", "kept", "temp", messaging.ChannelMembershipTypeDefault)
		w.AddChannel("ann", "c", expires(1, lastMessage))
		for i := range 60 {
			w.AddMember("ann", "c", fmt.Sprint("u", i), messaging.ChannelMembershipTypeDefault)
		}
		w.Log()
		w.Now = w.Now.Add(aDay)

		// The process dies at the failure, and the next ones do the rest.
		failing = true
		err := expiry(t, w).Pass(t.Context())
		if err != nil && !errors.Is(err, store.ErrUnavailable) {
			t.Fatal(err)
		}
		failing = false
		w.Jobs.TryAll(t.Context())
		after(t, w, time.Minute)
		after(t, w, time.Minute)

		log := strings.Join(w.Log(), "\n")
		for _, event := range []string{"EXPIRE_CHANNEL", "DELETE_CHANNEL to members", "EXPIRE_APP_INSTANCE_USER", "DELETE_APP_INSTANCE_USER", "DELETE_CHANNEL_MEMBERSHIP"} {
			if n := strings.Count(log, event); n != 1 {
				t.Errorf("a failure of commit %d: %d times %s in\n%s", fails, n, event, log)
			}
		}
		leave := strings.Count(log, ",") + strings.Count(log, chime.EventEndMemberships)
		if exists(t, w, "c") || userExists(t, w, "temp") || leave < 61 {
			t.Errorf("a failure of commit %d: not all is gone; %d memberships ended", fails, leave)
		}
		st.Close()
		if t.Failed() {
			return
		}
	}
}

// Settings of a version that acted upon none are acted upon.
func TestFormerSettingsAreActedUpon(t *testing.T) {
	servicetest.OnEach(t, "ann", func(t *testing.T, w *servicetest.World) {
		for i := range 5 {
			w.AddChannel("ann", fmt.Sprint("c", i), expires(i+1, created))
			createUser(t, w, fmt.Sprint("t", i), i+1)
		}
		forgetDue(t, w)
		after(t, w, 3*aDay)
		for i := range 5 {
			if want := i >= 3; exists(t, w, fmt.Sprint("c", i)) != want || userExists(t, w, fmt.Sprint("t", i)) != want {
				t.Errorf("what has %d days is not there: %v", i+1, want)
			}
		}
		after(t, w, 2*aDay)
		if exists(t, w, "c3") || userExists(t, w, "t4") {
			t.Error("what had days left stays")
		}
	})
}

// forgetDue makes the records as they were before there was a list.
func forgetDue(t *testing.T, w *servicetest.World) {
	t.Helper()
	err := w.Store.Update(t.Context(), w.AppID(), func(tx store.Tx) error {
		under := store.Prefix(store.K(w.AppID()))
		if err := tx.DeleteRange(store.Expirations.ID, under); err != nil {
			return err
		}
		err := store.Channels.Each(tx, under, func(key store.Key, c chime.Channel) (bool, error) {
			if c.Expiration != nil {
				c.Expiration.Due = 0
			}
			return true, store.Channels.Put(tx, key, c)
		})
		if err != nil {
			return err
		}
		return store.Users.Each(tx, under, func(key store.Key, u chime.User) (bool, error) {
			if u.Expiration != nil {
				u.Expiration.Due = 0
			}
			return true, store.Users.Put(tx, key, u)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}
