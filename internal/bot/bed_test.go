package bot_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/bot"
	"github.com/carillon-chat/carillon/internal/flow"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/message"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

var ctx = context.Background()

// alias is the ARN of a bot alias; its last letter is that of its end.
func alias(end string) string {
	return "arn:aws:lex:us-east-1:000000000000:bot-alias/BOTBOTBOTB/ALIASALIA" + end
}

// end is one that answers as it is told to, and notes what it is asked.
type end struct {
	mu     sync.Mutex
	calls  []string
	answer func(bot.Question) (bot.Answer, error)
	greet  func() (*bot.Answer, error)
	leave  func() error
}

func (e *end) note(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = append(e.calls, fmt.Sprintf(format, args...))
}

// take returns the calls since the last look.
func (e *end) take() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	calls := strings.Join(e.calls, ", ")
	e.calls = nil
	return calls
}

func (e *end) Answer(_ context.Context, q bot.Question) (bot.Answer, error) {
	e.note("%s from %s", q.Text, q.SenderARN[strings.LastIndexByte(q.SenderARN, '/')+1:])
	if e.answer == nil {
		return says("re: " + q.Text), nil
	}
	return e.answer(q)
}

func (e *end) Greet(_ context.Context, _ bot.Session, intent string) (*bot.Answer, error) {
	e.note("greet with %s", intent)
	if e.greet == nil {
		a := says("hello")
		return &a, nil
	}
	return e.greet()
}

func (e *end) Leave(context.Context, bot.Session) error {
	e.note("leave")
	if e.leave == nil {
		return nil
	}
	return e.leave()
}

// writer is an end that writes: each call of write hands out pieces.
type writer struct {
	*end
	write func(ctx context.Context, q bot.Question, piece func(string)) error
}

func (w *writer) Write(ctx context.Context, q bot.Question, piece func(string)) error {
	w.note("write %s", q.Text)
	return w.write(ctx, q, piece)
}

func says(text string) bot.Answer {
	shown, _ := json.Marshal(map[string]string{"Content": text, "ContentType": "PlainText"})
	return bot.Answer{Messages: []json.RawMessage{shown}, Intent: "Talk", State: "Fulfilled"}
}

// bed is a world whose bots act, in virtual time. ann, bob and cy are members of c; ann is its moderator.
type bed struct {
	*servicetest.World
	t    *testing.T
	ends map[string]bot.End // by the last letter of the alias
	end  *end               // E
	bots map[string]string  // ARNs by name

	functions map[string]func() (string, error) // processors of flows, by name
	service   *bot.Service
	began     time.Time
	ahead     atomic.Int64 // of the clock of messages and bots
	stop      func()
}

// within runs a test over the model store, in a bubble with virtual time.
func within(t *testing.T, test func(*bed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New()
		defer st.Close()
		b := newBed(t, st)
		defer func() { b.stop() }()
		test(b)
	})
}

func newBed(t *testing.T, st store.Store) *bed {
	e := new(end)
	b := &bed{
		World: servicetest.Over(t, st, "adm", "ann", "bob", "cy"), t: t, end: e, ends: map[string]bot.End{"E": e}, bots: map[string]string{},
		functions: map[string]func() (string, error){}, began: time.Now(),
	}
	b.MakeAdmin("adm")
	b.start()
	b.AddChannel("ann", "c")
	b.AddMember("ann", "c", "bob", messaging.ChannelMembershipTypeDefault)
	b.AddMember("ann", "c", "cy", messaging.ChannelMembershipTypeDefault)
	b.look()
	return b
}

// start makes the services anew, as a start of the node does, and runs them.
func (b *bed) start() {
	b.t.Helper()
	clock, err := store.OpenClock(ctx, b.Store)
	if err != nil {
		b.t.Fatal(err)
	}
	queue, invocations := bot.NewQueue(), flow.NewQueue(func(lambda string) flow.Invoker {
		if b.functions[lambda[strings.LastIndexByte(lambda, ':')+1:]] == nil {
			return nil
		}
		return processor{b}
	})
	quiet := slog.New(slog.DiscardHandler)
	b.Messages = message.New(message.Options{
		Store: b.Store, Bus: queue.Listen(b.Bus), Site: b.Site, Now: b.clock, Random: rand.Reader, Processors: invocations, Clock: clock,
	})
	b.Flows = flow.New(flow.Options{Store: b.Store, Site: b.Site, Now: b.clock, Random: rand.Reader, Messages: b.Messages})
	flows := flow.NewRunner(flow.RunnerOptions{Queue: invocations, Service: b.Flows, Log: quiet, Random: rand.Reader})
	b.service = bot.New(bot.Options{
		Store: b.Store, Site: b.Site, Now: b.clock, Log: quiet, Random: rand.Reader, Queue: queue, Messages: b.Messages,
		Ends: func(alias string) bot.End { return b.ends[alias[len(alias)-1:]] },
	})
	followers, err := follow.New(follow.Options{Store: b.Store, Log: quiet, Random: rand.Reader, Body: b.Messages.Body}, b.service.Follower())
	if err != nil {
		b.t.Fatal(err)
	}

	running, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	for _, run := range []func(context.Context) error{flows.Run, b.service.Run, followers.Run} {
		work.Go(func() { _ = run(running) })
	}
	b.stop = func() { cancel(); work.Wait() }
	synctest.Wait()
}

// another runs a second process over the store, which takes the turns that are stored, as one does that believes
// to hold the lease.
func (b *bed) another() (stop func()) {
	second := bot.New(bot.Options{
		Store: b.Store, Site: b.Site, Now: b.clock, Log: slog.New(slog.DiscardHandler), Random: rand.Reader, Queue: bot.NewQueue(), Messages: b.Messages,
		Ends: func(alias string) bot.End { return b.ends[alias[len(alias)-1:]] },
	})
	running, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() { _ = second.Run(running) })
	second.Follower().Begin(running, b.Site.AppOf(b.App))
	synctest.Wait()
	return func() { cancel(); work.Wait() }
}

// clock is that of what runs beside the test.
func (b *bed) clock() time.Time {
	return time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC).Add(time.Since(b.began) + time.Duration(b.ahead.Load()))
}

// processor is what flows of the bed invoke.
type processor struct{ *bed }

func (p processor) Invoke(_ context.Context, call flow.Invocation) ([]byte, error) {
	answer, err := p.functions[call.Lambda[strings.LastIndexByte(call.Lambda, ':')+1:]]()
	if answer == "" || err != nil {
		return nil, err
	}
	return []byte(answer), nil
}

// flowOf gives the channel a flow of one processor that behaves so.
func (b *bed) flowOf(f func() (string, error)) {
	b.t.Helper()
	b.functions["f"] = f
	created, err := b.Flows.CreateChannelFlow(ctx, &messaging.CreateChannelFlowRequest{
		AppInstanceARN: b.App, Name: "flow", ClientRequestToken: b.Token(), Processors: []messaging.Processor{{
			Name: "f", ExecutionOrder: 1, FallbackAction: messaging.FallbackActionAbort, Configuration: &messaging.ProcessorConfiguration{
				Lambda: &messaging.LambdaConfiguration{
					ResourceARN: "arn:aws:lambda:us-east-1:000000000000:function:f", InvocationType: messaging.InvocationTypeAsync,
				},
			},
		}},
	})
	if err == nil {
		_, err = b.Flows.AssociateChannelFlow(ctx, &messaging.AssociateChannelFlowRequest{
			ChannelARN: b.Channel("c"), ChannelFlowARN: created.ChannelFlowARN, ChimeBearer: b.User("ann"),
		})
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// lex is a configuration for the end E.
func lex(change ...func(*identityapi.LexConfiguration)) *identityapi.LexConfiguration {
	locale := "en_US"
	c := &identityapi.LexConfiguration{LexBotAliasARN: alias("E"), LocaleID: &locale}
	for _, f := range change {
		f(c)
	}
	return c
}

// invokedBy changes which messages trigger a bot.
func invokedBy(standard, targeted string) func(*identityapi.LexConfiguration) {
	return func(c *identityapi.LexConfiguration) {
		c.InvokedBy = &identityapi.InvokedBy{StandardMessages: identityapi.StandardMessages(standard), TargetedMessages: identityapi.TargetedMessages(targeted)}
	}
}

func at(end string) func(*identityapi.LexConfiguration) {
	return func(c *identityapi.LexConfiguration) { c.LexBotAliasARN = alias(end) }
}

func welcomes(c *identityapi.LexConfiguration) {
	intent := "Welcome"
	c.WelcomeIntent = &intent
}

// addBot makes a bot.
func (b *bed) addBot(name string, change ...func(*identityapi.LexConfiguration)) {
	b.t.Helper()
	made, err := b.Identity.CreateAppInstanceBot(ctx, &identityapi.CreateAppInstanceBotRequest{
		AppInstanceARN: b.App, Name: &name, Configuration: &identityapi.Configuration{Lex: lex(change...)}, ClientRequestToken: b.Token(),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.bots[name] = made.AppInstanceBotARN
}

// join makes a bot a member of a channel.
func (b *bed) join(channel, name string, kind messaging.ChannelMembershipType) {
	b.t.Helper()
	_, err := b.Channels.CreateChannelMembership(ctx, &messaging.CreateChannelMembershipRequest{
		ChannelARN: b.Channel(channel), MemberARN: b.bots[name], Type: kind, ChimeBearer: b.User("ann"),
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// leave ends the membership of a bot.
func (b *bed) leave(channel, name string) {
	b.t.Helper()
	_, err := b.Channels.DeleteChannelMembership(ctx, &messaging.DeleteChannelMembershipRequest{
		ChannelARN: b.Channel(channel), MemberARN: b.bots[name], ChimeBearer: b.User("ann"),
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// host makes a bot that is a member of c.
func (b *bed) host(name string, change ...func(*identityapi.LexConfiguration)) {
	b.t.Helper()
	b.addBot(name, change...)
	b.join("c", name, messaging.ChannelMembershipTypeDefault)
	b.look()
}
