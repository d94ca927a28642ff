package conformance

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/service/chimesdkidentity"
	"github.com/aws/aws-sdk-go/service/chimesdkmessaging"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/retention"
	"github.com/carillon-chat/carillon/internal/store"
)

// What docs/EXTENSIONS.md says of resuming, as a client of one's own meets it: frame by frame.

// resuming opens a socket that goes on, and takes nothing.
func resuming(t *testing.T, p lab.Peer, userARN, from string, more ...string) socket {
	t.Helper()
	return socket{t, lab.Opened(t)(p.Connect(t.Context(), userARN, append(more, "resume-from", from)...))}
}

// system takes a SYSTEM event that is not of the log, and answers its payload.
func (s socket) system(event string) map[string]any {
	s.t.Helper()
	f := s.next()
	want := map[string]string{"x-amz-chime-event-type": event, "x-amz-chime-message-type": "SYSTEM"}
	if !maps.Equal(f.Headers, want) {
		s.t.Fatalf("got %v %s, want %v", f.Headers, f.Payload, want)
	}
	var payload map[string]any
	if err := json.Unmarshal([]byte(f.Payload), &payload); err != nil {
		s.t.Fatal(err)
	}
	return payload
}

// token takes a SYSTEM event that has nothing but a resume token, which it answers.
func (s socket) token(event string) string {
	s.t.Helper()
	payload := s.system(event)
	token, _ := payload["ResumeToken"].(string)
	if len(payload) != 1 || token == "" || strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		s.t.Fatalf("the payload of %s is %v", event, payload)
	}
	return token
}

// logged takes an event of the log: its type with the content of a message, and its position.
func (s socket) logged() (about string, position uint64) {
	s.t.Helper()
	f := s.next()
	position, err := strconv.ParseUint(f.Headers["x-carillon-position"], 10, 64)
	if err != nil || position == 0 {
		s.t.Fatalf("%v %s has no position", f.Headers, f.Payload)
	}
	return strings.TrimSpace(f.Event() + " " + f.Field("Content")), position
}

// log takes as many events of the log as are wanted, and answers the last position.
func (s socket) log(want ...string) (last uint64) {
	s.t.Helper()
	for i, line := range want {
		about, position := s.logged()
		if about != line || position <= last {
			s.t.Errorf("event %d is %q at %d after %d, want %q", i, about, position, last, line)
		}
		last = position
	}
	return last
}

// TestResumedOverAKill kills the program between a client's sockets: the client gets what it
// missed before and after, in order and once, and then what comes.
func TestResumedOverAKill(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: it starts the program twice")
	}
	v := newVictim(t)
	v.launch()
	room := v.room()
	ann, bob := room.users[0], room.users[1]
	send := func(content, persistence string) {
		var sent struct{ MessageId string }
		v.call("POST", "/channels/"+url.PathEscape(room.channel)+"/messages", ann,
			map[string]string{"Content": content, "Type": "STANDARD", "Persistence": persistence, "ClientRequestToken": uuid.NewString()}, &sent)
	}
	member := func(method, more string, request any) {
		body, _ := json.Marshal(request)
		got, err := v.Send(t.Context(), method, "/channels/"+url.PathEscape(room.channel)+"/memberships"+more, ann, body)
		if err != nil || got.Status/100 != 2 {
			t.Fatalf("%s: %d %s %v", method, got.Status, got.Body, err)
		}
	}
	s := resuming(t, v.Peer, bob, "")
	token := s.token("SESSION_ESTABLISHED")
	send("1", "PERSISTENT")
	send("2", "PERSISTENT")
	seen := s.log("CREATE_CHANNEL_MESSAGE 1")
	_ = s.CloseNow() // it never handles 2

	send("3", "PERSISTENT")
	send("live", "NON_PERSISTENT") // reaches open sockets only
	v.kill()
	v.launch()
	member("DELETE", "/"+url.PathEscape(bob), nil)
	send("not for bob", "PERSISTENT")
	member("POST", "", map[string]string{"MemberArn": bob, "Type": "DEFAULT"})
	send("4", "PERSISTENT")

	missed := []string{"CREATE_CHANNEL_MESSAGE 2", "CREATE_CHANNEL_MESSAGE 3", "DELETE_CHANNEL_MEMBERSHIP",
		"CREATE_CHANNEL_MEMBERSHIP", "CREATE_CHANNEL_MESSAGE 4"}
	for _, from := range []string{token + "." + strconv.FormatUint(seen, 10), token} {
		if from == token { // what the client has of later comes again
			missed = append([]string{"CREATE_CHANNEL_MESSAGE 1"}, missed...)
		}
		s := resuming(t, v.Peer, bob, from, "prefetch-on", "connect")
		s.token("SESSION_ESTABLISHED")
		last := s.log(missed...)
		resumed := s.system("SESSION_RESUMED")
		if again, _ := resumed["ResumeToken"].(string); again == "" || len(resumed) != 2 || resumed["Events"] != float64(len(missed)) {
			t.Errorf("SESSION_RESUMED tells %v, after %d events", resumed, len(missed))
		}
		if details := s.system("CHANNEL_DETAILS"); details["Channel"] == nil {
			t.Errorf("prefetched %v", details)
		}
		send("live again", "PERSISTENT")
		if about, position := s.logged(); about != "CREATE_CHANNEL_MESSAGE live again" || position <= last {
			t.Errorf("then comes %s at %d, after %d", about, position, last)
		}
		_ = s.CloseNow()
		missed = append(missed, "CREATE_CHANNEL_MESSAGE live again")
	}
}

// TestNotResumed brings tokens that are of no use: the answer says so and why, and the session
// goes on from now.
func TestNotResumed(t *testing.T) {
	var kept store.Store
	n := startWith(t, map[string]string{"event-retention": "1h"}, app.Deps{
		Decorate: func(s store.Store, b bus.Bus) (store.Store, bus.Bus) { kept = s; return s, b }})
	alice, bob, channel := n.Seeded().UserARNs[0], n.Seeded().UserARNs[1], n.Seeded().ChannelARN
	other := must[*chimesdkidentity.CreateAppInstanceOutput](t)(n.identity.CreateAppInstance(&chimesdkidentity.CreateAppInstanceInput{Name: p("other"), ClientRequestToken: p("other")}))
	namesake := must[*chimesdkidentity.CreateAppInstanceUserOutput](t)(n.identity.CreateAppInstanceUser(&chimesdkidentity.CreateAppInstanceUserInput{
		AppInstanceArn: other.AppInstanceArn, AppInstanceUserId: p("bob"), Name: p("bob"), ClientRequestToken: p("bob")}))
	send := func(content string) {
		must[*chimesdkmessaging.SendChannelMessageOutput](t)(n.messaging.SendChannelMessage(&chimesdkmessaging.SendChannelMessageInput{
			ChannelArn: &channel, ChimeBearer: &alice, Content: &content, Persistence: p("PERSISTENT"), Type: p("STANDARD"), ClientRequestToken: p(uuid.NewString())}))
	}
	tokenOf := func(user string) string { return resuming(t, n.Peer(), user, "").token("SESSION_ESTABLISHED") }

	old := resuming(t, n.Peer(), bob, "")
	token := old.token("SESSION_ESTABLISHED")
	send("a")
	send("b")
	old.log("CREATE_CHANNEL_MESSAGE a", "CREATE_CHANNEL_MESSAGE b")
	refused := func(from, reason string) {
		t.Helper()
		s := resuming(t, n.Peer(), bob, from, "prefetch-on", "connect")
		s.token("SESSION_ESTABLISHED")
		answer := s.system("SESSION_NOT_RESUMED")
		message, _ := answer["Message"].(string)
		fresh, _ := answer["ResumeToken"].(string)
		if len(answer) != 3 || answer["Reason"] != reason || message == "" || fresh == "" {
			t.Errorf("%q is answered with %v, want the Reason %s", from, answer, reason)
		}
		s.system("CHANNEL_DETAILS")
		send("then")
		s.log("CREATE_CHANNEL_MESSAGE then")
		_ = s.CloseNow()

		s = resuming(t, n.Peer(), bob, fresh) // the new token is as good as any
		s.token("SESSION_ESTABLISHED")
		s.log("CREATE_CHANNEL_MESSAGE then")
		s.system("SESSION_RESUMED")
		_ = s.CloseNow()
	}
	for _, from := range []string{"garbage", "garbage.7", ".7", token + ".", token + ".x", token + ".-1",
		token[:len(token)-1], "B" + token[1:], token[:20] + "AAAA" + token[24:]} {
		refused(from, "INVALID")
	}
	refused(token+".99999999", "INVALID")
	refused(tokenOf(alice), "OTHER_USER")
	refused(tokenOf(*namesake.AppInstanceUserArn), "OTHER_USER")

	// The pass that runs every minute, now and two hours later.
	for _, passed := range []time.Duration{0, 2 * time.Hour} {
		err := kept.Update(t.Context(), "", func(tx store.Tx) error {
			return store.Counts.Put(tx, store.K("", "store time"), uint64(passed.Milliseconds()))
		})
		if err != nil {
			t.Fatal(err)
		}
		clock, err := store.OpenClock(t.Context(), kept)
		if err != nil {
			t.Fatal(err)
		}
		cleaner := retention.New(retention.Options{Store: kept, Clock: clock, EventRetention: n.Config.EventRetention})
		if err := cleaner.Clean(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	refused(token, "EXPIRED")
}

// TestTokensStayYoung gives a quiet client newer tokens while others make the log longer.
func TestTokensStayYoung(t *testing.T) {
	n := start(t, map[string]string{"ws-ping-interval": "1s"})
	alice, bob := n.Seeded().UserARNs[0], n.Seeded().UserARNs[1]
	s, stock := resuming(t, n.Peer(), bob, ""), n.connect(t, bob)
	s.token("SESSION_ESTABLISHED")
	make := func(name string, members ...*string) {
		must[*chimesdkmessaging.CreateChannelOutput](t)(n.messaging.CreateChannel(&chimesdkmessaging.CreateChannelInput{
			AppInstanceArn: &n.Seeded().AppInstanceARN, ChimeBearer: &alice, Name: &name, ClientRequestToken: p(uuid.NewString()), MemberArns: members}))
	}
	make("of alice alone")
	token := s.token("RESUME_TOKEN")
	_ = s.CloseNow()
	make("of both", &bob)
	f := stock.next() // the first that it gets
	names := slices.Sorted(maps.Keys(f.Headers))
	if diff := cmp.Diff([]string{"x-amz-chime-event-type", "x-amz-chime-message-type"}, names); diff != "" || f.Event() != "CREATE_CHANNEL_MEMBERSHIP" {
		t.Errorf("a client of AWS got %v\n%s", f, diff)
	}
	s = resuming(t, n.Peer(), bob, token)
	s.token("SESSION_ESTABLISHED")
	s.log("CREATE_CHANNEL_MEMBERSHIP")
	s.system("SESSION_RESUMED")
}
