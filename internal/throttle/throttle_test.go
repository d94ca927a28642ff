package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/apitest"
	"github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/throttle"
)

// tester is what a *testing.T and a *rapid.T both are.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// world is a limiter with its clock.
type world struct {
	*throttle.Limiter
	t   tester
	now time.Time
}

func newWorld(t tester, rates map[string]int, elastic ...string) *world {
	t.Helper()
	w := &world{t: t, now: time.UnixMilli(1_700_000_000_000)}
	var err error
	w.Limiter, err = throttle.New(throttle.Options{
		Rates: rates, Now: func() time.Time { return w.now },
		Elastic: func(_ context.Context, arn string) bool { return slices.Contains(elastic, arn) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// request is a call with the given members.
type request map[string]string

func (r request) Decode(*api.Input) error   { return nil }
func (r request) Validate() error           { return nil }
func (r request) Member(name string) string { return r[name] }

// call makes one and tells how it was refused, nil when it was not.
func (w *world) call(operation string, req api.Request) *api.Error {
	w.t.Helper()
	op := api.Operation{Service: "chime-sdk-messaging", Name: operation}
	if strings.Contains(operation, "AppInstance") && !strings.HasSuffix(operation, "ForAppInstanceUser") && !strings.HasSuffix(operation, "ByAppInstanceUser") {
		op.Service = "chime-sdk-identity"
	}
	return refusal(w.t, w.Admit(context.Background(), &op, req))
}

func refusal(t tester, err error) *api.Error {
	t.Helper()
	var e *api.Error
	if err != nil && (!errors.As(err, &e) || e.Type != "ThrottledClientException" || e.Status != 429 || e.RetryAfter <= 0) {
		t.Fatalf("refused with %v", err)
	}
	return e
}

// members puts the app instance a into the members that name something of it.
func members(pairs ...string) func(app, id string) request {
	return func(app, id string) request {
		r := request{}
		for i := 0; i < len(pairs); i += 2 {
			r[pairs[i]] = strings.NewReplacer("APP", "arn:aws:chime:us-east-1:000000000000:app-instance/"+app, "ID", id).Replace(pairs[i+1])
		}
		return r
	}
}

// TestEachRateOfTheSpec takes the tables of spec 11.2 and 11.3 line by line. Calls with other
// says which call is counted in another bucket: of another app instance, or of another id in the
// same one; none for rates of the account.
func TestEachRateOfTheSpec(t *testing.T) {
	app, user, channel := members("AppInstanceArn", "APP"), members("AppInstanceUserArn", "APP/user/ID"), members("ChannelArn", "APP/channel/ID")
	part := members("ChannelArn", "APP/channel/c", "SubChannelId", "ID")
	const otherApp, otherID, nothing = "another app instance", "another id", ""
	type line struct {
		rate  string
		calls map[string]func(app, id string) request
		of    int
		per   string
		other string
	}
	same := func(req func(app, id string) request, operations ...string) map[string]func(app, id string) request {
		calls := map[string]func(app, id string) request{}
		for _, operation := range operations {
			calls[operation] = req
		}
		return calls
	}
	lines := []line{
		{"rate-change-app-instances", same(app, "CreateAppInstance", "UpdateAppInstance", "DeleteAppInstance"), 5, "the account", nothing},
		{"rate-change-users", map[string]func(app, id string) request{
			"CreateAppInstanceUser": app, "UpdateAppInstanceUser": user, "DeleteAppInstanceUser": user}, 10, "one app instance", otherApp},
		{"rate-describe-app-instance", same(app, "DescribeAppInstance"), 20, "one app instance", otherApp},
		{"rate-describe-user", same(user, "DescribeAppInstanceUser"), 20, "one user", otherID},
		{"rate-list-app-instances", same(app, "ListAppInstances"), 10, "the account", nothing},
		{"rate-list-users", same(app, "ListAppInstanceUsers"), 10, "one app instance", otherApp},
		{"rate-identity", map[string]func(app, id string) request{
			"CreateAppInstance": app, "ListAppInstanceUserEndpoints": user, "DescribeAppInstanceBot": app}, 50, "the account", nothing},

		{"rate-change-channels", map[string]func(app, id string) request{
			"CreateChannel": app, "UpdateChannel": channel, "DeleteChannel": channel}, 15, "one app instance", otherApp},
		{"rate-list-channels", same(app, "ListChannels"), 10, "one app instance", otherApp},
		{"rate-describe-channel", same(channel, "DescribeChannel"), 20, "one channel", otherID},
		{"rate-change-members", same(channel, "CreateChannelMembership", "DeleteChannelMembership", "CreateChannelBan",
			"DeleteChannelBan", "CreateChannelModerator", "DeleteChannelModerator"), 15, "one channel", otherID},
		{"rate-list-members", same(channel, "ListChannelMemberships", "ListChannelBans", "ListChannelModerators"), 15, "one channel", otherID},
		{"rate-send-message", same(part, "SendChannelMessage", "UpdateChannelMessage", "RedactChannelMessage",
			"DeleteChannelMessage"), 30, "one channel or sub-channel", otherID},
		{"rate-list-messages", same(part, "ListChannelMessages"), 30, "one channel or sub-channel", otherID},
		{"rate-get-message", same(part, "GetChannelMessage"), 30, "one channel or sub-channel", otherID},
		{"rate-list-channels-of-user", map[string]func(app, id string) request{
			"ListChannelMembershipsForAppInstanceUser": user,
			"ListChannelsModeratedByAppInstanceUser":   members("ChimeBearer", "APP/user/ID"), // who asks about itself
		}, 15, "one user", otherID},
		{"rate-list-sub-channels", same(channel, "ListSubChannels"), 15, "one channel", otherID},
		{"rate-batch", same(channel, "BatchCreateChannelMembership"), 1, "one channel", otherID},
		{"rate-bearer", same(members("ChannelArn", "APP/channel/c", "ChimeBearer", "APP/user/ID"),
			"SendChannelMessage", "ListChannels", "SearchChannels", "GetChannelMembershipPreferences"), 10, "one ChimeBearer", otherID},
	}
	for _, line := range lines {
		t.Run(line.rate, func(t *testing.T) {
			w := newWorld(t, map[string]int{line.rate: line.of})
			var operations []string
			for operation := range line.calls {
				operations = append(operations, operation)
			}
			slices.Sort(operations)
			next := 0
			call := func(app, id string) *api.Error {
				operation := operations[next%len(operations)]
				next++
				return w.call(operation, line.calls[operation](app, id))
			}
			for i := range 2 * line.of {
				if e := call("a", "x"); e != nil {
					t.Fatalf("call %d of the burst: %v", i+1, e)
				}
			}
			for range operations {
				e := call("a", "x")
				if e == nil {
					t.Fatalf("more than the burst; the next call would be %s", operations[next%len(operations)])
				}
				for _, want := range []string{line.rate + " is " + fmt.Sprint(line.of) + " call", "a second for " + line.per + ";"} {
					if !strings.Contains(e.Message, want) {
						t.Errorf("%q does not say %q", e.Message, want)
					}
				}
				if most := time.Second/time.Duration(line.of) + 1; e.RetryAfter > most {
					t.Errorf("told to wait %v, longer than %v", e.RetryAfter, most)
				}
			}
			switch line.other {
			case otherApp:
				if e := call("b", "x"); e != nil {
					t.Errorf("another app instance: %v", e)
				}
			case otherID:
				if e := call("a", "y"); e != nil {
					t.Errorf("another id: %v", e)
				}
			}
			if e := call("b", "y"); (e != nil) != (line.other == nothing) {
				t.Errorf("all other: %v", e)
			}
			w.now = w.now.Add(time.Second)
			for i := range line.of {
				if e := call("a", "x"); e != nil && i < line.of-1 { // intervals are rounded up
					t.Fatalf("call %d a second later: %v", i+1, e)
				}
			}
			if e := call("a", "x"); e == nil {
				t.Error("more than the rate")
			}
		})
	}
	names := []string{"rate-connect", "rate-change-members-elastic"} // with tests of their own
	for _, line := range lines {
		names = append(names, line.rate)
	}
	slices.Sort(names)
	if all := slices.Sorted(slices.Values(throttle.Names())); !slices.Equal(all, names) {
		t.Errorf("rates %q, shown %q", all, names)
	}
}

// TestRealRequestsHaveTheirScopes: with each rate alone on, every operation that falls under it
// is refused in the end, so its request has the members that the scope is found by.
func TestRealRequestsHaveTheirScopes(t *testing.T) {
	counted := map[string]int{}
	for _, op := range slices.Concat(identity.Operations(identity.Unbuilt{}), messaging.Operations(messaging.Unbuilt{})) {
		if !op.Declares("ThrottledClientException") {
			t.Errorf("%s declares no ThrottledClientException", op.Name)
		}
		req := minimal(t, op)
		for _, name := range throttle.Names() {
			w := newWorld(t, map[string]int{name: 1})
			for range 3 {
				if e := refusal(t, w.Admit(t.Context(), &op, req)); e != nil {
					counted[name]++
				}
			}
		}
	}
	want := map[string]int{
		"rate-identity": 30, "rate-change-app-instances": 3, "rate-change-users": 3, "rate-describe-app-instance": 1,
		"rate-describe-user": 1, "rate-list-app-instances": 1, "rate-list-users": 1,
		"rate-change-channels": 3, "rate-list-channels": 1, "rate-describe-channel": 1, "rate-change-members": 6,
		"rate-list-members": 3, "rate-send-message": 4, "rate-list-messages": 1, "rate-get-message": 1,
		"rate-list-channels-of-user": 2, "rate-list-sub-channels": 1, "rate-batch": 1,
		"rate-bearer": bearers(),
	}
	for _, name := range throttle.Names() {
		if counted[name] != want[name] {
			t.Errorf("%s is of %d operations, want %d", name, counted[name], want[name])
		}
	}
}

// bearers is how many operations have a bearer in a minimal request: two of those that need one
// call it optional.
func bearers() (n int) {
	for _, op := range messaging.Operations(messaging.Unbuilt{}) {
		if op.Bearer && op.Name != "SearchChannels" && op.Name != "PutChannelExpirationSettings" {
			n++
		}
	}
	return n
}

var loadModel = map[string]func() (*apitest.Service, error){
	"chime-sdk-identity":  sync.OnceValues(func() (*apitest.Service, error) { return apitest.Load("chime-sdk-identity") }),
	"chime-sdk-messaging": sync.OnceValues(func() (*apitest.Service, error) { return apitest.Load("chime-sdk-messaging") }),
}

func minimal(t testing.TB, op api.Operation) api.Request {
	t.Helper()
	model, err := loadModel[op.Service]()
	if err != nil {
		t.Fatal(err)
	}
	sample, err := model.Minimal(op.Name)
	if err != nil {
		t.Fatal(err)
	}
	req, err := op.Decode(sample.Input())
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestWhatIsRefusedTakesFromNoBucket(t *testing.T) {
	w := newWorld(t, map[string]int{"rate-send-message": 1, "rate-bearer": 10})
	send := func(channel string) *api.Error {
		return w.call("SendChannelMessage", request{"ChannelArn": channel, "ChimeBearer": "alice"})
	}
	for i := range 50 {
		if e := send("c"); (e != nil) != (i >= 2) {
			t.Fatalf("send %d: %v", i+1, e)
		}
	}
	for i := range 18 { // of the bearer's 20
		if e := send(fmt.Sprint("other ", i)); e != nil {
			t.Fatalf("after %d: %v", i, e)
		}
	}
	if e := send("one more"); e == nil || !strings.Contains(e.Message, "rate-bearer") {
		t.Errorf("the twenty-first: %v", e)
	}
	w.now = w.now.Add(100 * time.Millisecond)
	if e := send("one more"); e != nil {
		t.Errorf("its refusal emptied the bucket of the channel: %v", e)
	}
	if e := send("c"); e == nil || !strings.Contains(e.Message, "rate-send-message") || e.RetryAfter != 900*time.Millisecond {
		t.Errorf("of two empty buckets, the one that is empty for longer is told: %v", e)
	}
}

func TestElasticChannelsHaveTheirOwnRate(t *testing.T) {
	asked := 0
	now := time.UnixMilli(0)
	l, err := throttle.New(throttle.Options{
		Rates: map[string]int{"rate-change-members": 15, "rate-change-members-elastic": 30},
		Elastic: func(_ context.Context, arn string) bool {
			asked++
			return arn == "elastic"
		},
		Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		channel string
		calls   int
		want    string
	}{{"standard", 30, "rate-change-members is 15 calls"}, {"elastic", 60, "rate-change-members-elastic is 30 calls"}} {
		asked = 0
		call := func() *api.Error {
			return refusal(t, l.Admit(t.Context(), &api.Operation{Service: "chime-sdk-messaging", Name: "CreateChannelBan"}, request{"ChannelArn": test.channel}))
		}
		for i := range test.calls {
			if e := call(); e != nil {
				t.Fatalf("%s: call %d: %v", test.channel, i+1, e)
			}
		}
		for range 10 {
			if e := call(); e == nil || !strings.Contains(e.Message, test.want) {
				t.Errorf("%s: %v", test.channel, e)
			}
		}
		if asked != 1 {
			t.Errorf("%s: asked %d times what the channel is", test.channel, asked)
		}
	}
}

func TestOnlyCallbacksThatChangeAMessageAreCounted(t *testing.T) {
	text := "x"
	for name, test := range map[string]struct {
		req     *messaging.ChannelFlowCallbackRequest
		counted bool
	}{
		"passed":   {&messaging.ChannelFlowCallbackRequest{ChannelMessage: &messaging.ChannelMessageCallback{}}, false},
		"deleted":  {&messaging.ChannelFlowCallbackRequest{DeleteResource: true, ChannelMessage: &messaging.ChannelMessageCallback{}}, true},
		"content":  {&messaging.ChannelFlowCallbackRequest{ChannelMessage: &messaging.ChannelMessageCallback{Content: &text}}, true},
		"metadata": {&messaging.ChannelFlowCallbackRequest{ChannelMessage: &messaging.ChannelMessageCallback{Metadata: &text, SubChannelID: &text}}, true},
	} {
		w := newWorld(t, map[string]int{"rate-send-message": 1})
		test.req.ChannelARN = "c"
		for range 2 {
			if e := w.call("ChannelFlowCallback", test.req); e != nil {
				t.Errorf("%s: %v", name, e)
			}
		}
		if e := w.call("ChannelFlowCallback", test.req); (e != nil) != test.counted {
			t.Errorf("%s: %v", name, e)
		}
	}
}

func TestConnectionsThatComeToNothingAreGivenBack(t *testing.T) {
	w := newWorld(t, map[string]int{"rate-connect": 1})
	connect := func(user string) bool {
		wait, err := w.Connect(user, 0)
		return refusal(t, err) == nil && wait == 0
	}
	for range 10 {
		if !connect("alice") {
			t.Fatal("what was given back is gone")
		}
		w.NotConnected("alice")
	}
	for i := range 4 {
		if got := connect("alice"); got != (i < 2) {
			t.Errorf("connection %d at once: %v", i+1, got)
		}
	}
	if !connect("bob") {
		t.Error("bob is alice")
	}
	w.now = w.now.Add(time.Second)
	if !connect("alice") || connect("alice") {
		t.Error("not one a second")
	}
}

func TestConnectionsOverTheRateWaitTheirTurn(t *testing.T) {
	w := newWorld(t, map[string]int{"rate-connect": 1})
	const patience = 5 * time.Second
	for i, want := range []time.Duration{0, 0, 1, 2, 3, 4, 5} {
		if wait, err := w.Connect("alice", patience); err != nil || wait != want*time.Second {
			t.Errorf("connection %d waits %v, %v; want %v", i+1, wait, err, want*time.Second)
		}
	}
	_, err := w.Connect("alice", patience)
	if e := refusal(t, err); e == nil || e.RetryAfter != 6*time.Second {
		t.Errorf("one more: %v", err)
	}
	if wait, err := w.Connect("bob", patience); wait != 0 || err != nil {
		t.Errorf("bob waits for alice: %v, %v", wait, err)
	}
	// A turn that came to nothing is not given to two while others wait for theirs.
	w.now = w.now.Add(time.Second)
	w.NotConnected("alice")
	if wait, err := w.Connect("alice", patience); err != nil || wait != 5*time.Second {
		t.Errorf("after a second: %v, %v", wait, err)
	}
	if _, err := w.Connect("alice", patience); err == nil {
		t.Error("two have one turn")
	}
}

func TestWrongRatesAreRefused(t *testing.T) {
	for name, rates := range map[string]map[string]int{
		"no such":  {"rate-of-nothing": 1},
		"negative": {"rate-bearer": -1},
		"too high": {"rate-bearer": throttle.MaxRate + 1},
	} {
		if _, err := throttle.New(throttle.Options{Rates: rates}); err == nil || !strings.Contains(err.Error(), "rate-") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := throttle.New(throttle.Options{Rates: map[string]int{"rate-bearer": throttle.MaxRate}}); err != nil {
		t.Error(err)
	}
}

func TestRatesThatAreOffCostNothing(t *testing.T) {
	l, err := throttle.New(throttle.Options{Rates: map[string]int{"rate-bearer": 0}})
	if l != nil || err != nil {
		t.Fatalf("got %v, %v", l, err)
	}
	op := api.Operation{Service: "chime-sdk-messaging", Name: "SendChannelMessage"}
	var req api.Request = &messaging.SendChannelMessageRequest{ChannelARN: "c", ChimeBearer: "b"}
	n := testing.AllocsPerRun(100, func() {
		_, err := l.Connect("u", time.Minute)
		if err != nil || l.Admit(context.Background(), &op, req) != nil {
			t.Error("refused")
		}
		l.NotConnected("u")
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAKnownScopeAllocatesNothing(t *testing.T) {
	w := newWorld(t, map[string]int{"rate-send-message": throttle.MaxRate, "rate-bearer": throttle.MaxRate})
	op := api.Operation{Service: "chime-sdk-messaging", Name: "SendChannelMessage"}
	var req api.Request = &messaging.SendChannelMessageRequest{ChannelARN: "c", ChimeBearer: "b"}
	n := testing.AllocsPerRun(1000, func() {
		if w.Admit(context.Background(), &op, req) != nil {
			t.Error("refused")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestFullBucketsAreForgotten(t *testing.T) {
	w := newWorld(t, map[string]int{"rate-bearer": 10})
	for round := range 20 {
		for i := range 5000 {
			if e := w.call("ListChannels", request{"ChimeBearer": fmt.Sprint(round, " ", i)}); e != nil {
				t.Fatal(e)
			}
		}
		w.now = w.now.Add(3 * time.Second)
	}
	if n := w.Known(); n > 2*5000 {
		t.Errorf("%d buckets are kept of 100000", n)
	}
}

// TestManyAtOnce: callers of crossing scopes get exactly the burst between them, and none waits
// for another forever.
func TestManyAtOnce(t *testing.T) {
	w := newWorld(t, map[string]int{"rate-send-message": 50, "rate-bearer": 50})
	var admitted [8]atomic.Int64
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 2000 {
				channel := (g + i) % 8
				op := api.Operation{Service: "chime-sdk-messaging", Name: "SendChannelMessage"}
				req := request{"ChannelArn": fmt.Sprint(channel), "ChimeBearer": fmt.Sprint((channel + i) % 16)}
				if w.Admit(context.Background(), &op, req) == nil {
					admitted[channel].Add(1)
				}
			}
		})
	}
	all.Wait()
	for channel := range admitted {
		if n := admitted[channel].Load(); n != 100 {
			t.Errorf("channel %d got %d", channel, n)
		}
	}
}
