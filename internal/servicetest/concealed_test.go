package servicetest_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/apitest"
	"github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// TestAPrivateChannelIsAsOneThatDoesNotExist: to callers who may not know a private channel every
// operation that names one answers as it does for an id that nothing has, word for word, after the
// same reads, and leaves no trace. Which operations there are is taken from the API itself.
func TestAPrivateChannelIsAsOneThatDoesNotExist(t *testing.T) {
	var reads []faulty.Call
	st := faulty.New(memstore.New(), func(c faulty.Call) error { reads = append(reads, c); return nil })
	t.Cleanup(func() { st.Close() })
	w := servicetest.Over(t, st, "owner", "third", "banned", "outsider")
	private := func(r *messaging.CreateChannelRequest) { r.Privacy = messaging.ChannelPrivacyPrivate }
	w.AddChannel("owner", "secret", private)
	w.AddChannel("owner", "hall", private, servicetest.Elastic(2, 4, 10))
	for _, id := range []string{"secret", "hall"} {
		w.AddMember("owner", id, "third", messaging.ChannelMembershipTypeDefault)
		w.Ban("owner", id, "banned")
	}
	message := w.Send(w.Text("third", "secret", "hello"))
	foreign := must(w.Identity.CreateAppInstance(t.Context(), &identity.CreateAppInstanceRequest{Name: "other", ClientRequestToken: w.Token()}))(t).AppInstanceARN
	must(w.Identity.CreateAppInstanceUser(t.Context(), &identity.CreateAppInstanceUserRequest{
		AppInstanceARN: foreign, AppInstanceUserID: "outsider", Name: "o", ClientRequestToken: w.Token(),
	}))(t)
	bearers := map[string]string{"an outsider": w.User("outsider"), "a banned user": w.User("banned"), "a user of another app instance": foreign + "/user/outsider"}
	values := map[string]string{
		"MemberARN": w.User("third"), "ChannelModeratorARN": w.User("owner"), "AppInstanceUserARN": w.User("third"),
		"ChannelFlowARN": newFlow(t, w), "MessageID": message,
	}
	w.Log()

	requests, err := apitest.Load("chime-sdk-messaging")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, op := range messaging.Operations(w.API) {
		if !op.Bearer || !slices.Contains(op.Labels, "channelArn") {
			continue
		}
		tried++
		for _, made := range []*apitest.Request{must(requests.Minimal(op.Name))(t), must(requests.Full(op.Name))(t)} {
			for who, bearer := range bearers {
				answer := func(channel string, change func(reflect.Value)) error {
					req, err := op.Decode(made.Input())
					if err != nil {
						t.Fatal(op.Name, err)
					}
					fields := reflect.ValueOf(req).Elem()
					for name, value := range values {
						setText(fields, name, value)
					}
					setText(fields, "ChimeBearer", bearer)
					setText(fields, "ChannelARN", w.Channel(channel))
					if change != nil {
						change(fields)
					}
					_, err = op.Call(t.Context(), req)
					return err
				}
				self := func(fields reflect.Value) {
					setText(fields, "MemberARN", bearer)
					setText(fields, "AppInstanceUserARN", bearer)
				}
				for what, change := range map[string]func(reflect.Value){"": nil, " for itself": self} {
					reads = nil
					missing := answer("nothing", change)
					readOfMissing := reads
					want := "Forbidden"
					if op.Declares("NotFoundException") && who != "a user of another app instance" {
						want = "NotFound"
					}
					if got := servicetest.Outcome(missing); got != want && got != "BadRequest" {
						t.Errorf("%s by %s%s: a channel that does not exist is %v, want %s", op.Name, who, what, missing, want)
					}
					for _, channel := range []string{"secret", "hall"} {
						reads = nil
						if got := answer(channel, change); !sameError(got, missing) {
							t.Errorf("%s by %s%s: %s is\n\t%v, one that does not exist\n\t%v", op.Name, who, what, channel, got, missing)
						}
						if channel == "secret" && !slices.Equal(reads, readOfMissing) {
							t.Errorf("%s by %s%s: %v is read, and for one that does not exist %v", op.Name, who, what, reads, readOfMissing)
						}
					}
				}
			}
		}
	}
	if log := w.Log(); len(log) > 0 {
		t.Errorf("the log has %q", log)
	}
	if tried < 25 {
		t.Errorf("only %d operations were tried", tried)
	}
}

// setText sets a member of a request to a text, if it has such a member.
func setText(fields reflect.Value, name, value string) {
	f := fields.FieldByName(name)
	switch {
	case !f.IsValid():
	case f.Kind() == reflect.Pointer:
		f.Set(reflect.ValueOf(&value))
	default:
		f.SetString(value)
	}
}

func sameError(a, b error) bool {
	x, isX := a.(*api.Error)
	y, isY := b.(*api.Error)
	return isX && isY && *x == *y
}
