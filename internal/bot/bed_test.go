package bot_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/bot"
	"github.com/carillon-chat/carillon/internal/chime"
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
		functions: map[string]func() (string, error){},
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
		Store: b.Store, Bus: queue.Listen(b.Bus), Site: b.Site, Now: b.Clock, Random: rand.Reader, Processors: invocations, Clock: clock,
	})
	b.Flows = flow.New(flow.Options{Store: b.Store, Site: b.Site, Now: b.Clock, Random: rand.Reader, Messages: b.Messages})
	flows := flow.NewRunner(flow.RunnerOptions{Queue: invocations, Service: b.Flows, Log: quiet, Random: rand.Reader})
	b.service = bot.New(bot.Options{
		Store: b.Store, Site: b.Site, Now: b.Clock, Log: quiet, Random: rand.Reader, Queue: queue, Messages: b.Messages,
		Ends: func(alias string) bot.End { return b.ends[alias[len(alias)-1:]] },
	})
	followers, err := follow.New(follow.Options{Store: b.Store, Node: "node", Log: quiet, Random: rand.Reader, Body: b.Messages.Body}, b.service.Follower())
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

// look waits until nothing moves, and returns the events for sockets since the last look, with names in
// place of the ids of bots.
func (b *bed) look() string {
	synctest.Wait()
	events := strings.Join(b.World.Events(), "\n")
	for name, arn := range b.bots {
		events = strings.ReplaceAll(events, arn[strings.LastIndexByte(arn, '/')+1:], name)
	}
	return events
}

// lists is what a user reads of a channel: sender, target, type and content of each message.
func (b *bed) lists(by, channel string) string {
	b.t.Helper()
	synctest.Wait()
	resp, err := b.Messages.ListChannelMessages(ctx, &messaging.ListChannelMessagesRequest{
		ChannelARN: b.Channel(channel), ChimeBearer: b.User(by), SortOrder: messaging.SortOrderAscending,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	var all []string
	for _, m := range resp.ChannelMessages {
		all = append(all, strings.ToLower(m.Sender.Name)+": "+text(m.Content, m.ContentType))
	}
	return strings.Join(all, ", ")
}

// text is the text of a message, of one of Lex that of its messages.
func text(content *string, contentType string) string {
	var lex struct{ Messages []struct{ Content string } }
	switch {
	case content == nil:
		return "(redacted)"
	case contentType != "application/amz-chime-lex-msgs":
		return *content
	case json.Unmarshal([]byte(*content), &lex) != nil:
		return "unreadable " + *content
	}
	var texts []string
	for _, m := range lex.Messages {
		texts = append(texts, m.Content)
	}
	return strings.Join(texts, "+")
}

// newest is the newest message of c as ann sees it.
func (b *bed) newest() messaging.ChannelMessageSummary {
	b.t.Helper()
	synctest.Wait()
	resp, err := b.Messages.ListChannelMessages(ctx, &messaging.ListChannelMessagesRequest{ChannelARN: b.Channel("c"), ChimeBearer: b.User("ann")})
	if err != nil || len(resp.ChannelMessages) == 0 {
		b.t.Fatalf("%+v, %v", resp, err)
	}
	return resp.ChannelMessages[0]
}

// notices are the reasons of the failures in the log since it began.
func (b *bed) notices() (reasons []string) {
	b.t.Helper()
	synctest.Wait()
	cursor, err := b.Store.Follow(b.AppID(), 0)
	if err != nil {
		b.t.Fatal(err)
	}
	defer cursor.Close()
	for {
		events, _, err := cursor.Poll()
		if err != nil || len(events) == 0 {
			return reasons
		}
		for _, e := range events {
			var detail struct {
				ResourceArn, FailureReason string
			}
			if e.Type == chime.EventBotFailure && json.Unmarshal(e.Payload, &detail) == nil && strings.HasPrefix(detail.ResourceArn, b.App+"/bot/") {
				reasons = append(reasons, detail.FailureReason)
			}
		}
	}
}

// left counts the turns and conversations that are stored.
func (b *bed) left() (turns, sessions int) {
	b.t.Helper()
	synctest.Wait()
	err := b.Store.View(ctx, b.AppID(), func(r store.Reader) error {
		if err := store.BotTurns.Each(r, store.Range{}, func(store.Key, chime.BotTurn) (bool, error) { turns++; return true, nil }); err != nil {
			return err
		}
		return store.BotSessions.Each(r, store.Range{}, func(store.Key, chime.BotSession) (bool, error) { sessions++; return true, nil })
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return turns, sessions
}

func (b *bed) expect(what string, got, want any) {
	b.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// mentioning has a message name bots in the attribute.
func (b *bed) mentioning(names ...string) func(*messaging.SendChannelMessageRequest) {
	return func(r *messaging.SendChannelMessageRequest) {
		var arns []string
		for _, name := range names {
			arns = append(arns, b.bots[name])
		}
		r.MessageAttributes = map[string]messaging.MessageAttributeValue{"CHIME.mentions": {StringValues: arns}}
	}
}

// to targets a message to a bot.
func (b *bed) to(name string) func(*messaging.SendChannelMessageRequest) {
	return func(r *messaging.SendChannelMessageRequest) {
		arn := b.bots[name]
		r.Target = []messaging.Target{{MemberARN: &arn}}
	}
}

func control(r *messaging.SendChannelMessageRequest) { r.Type = messaging.ChannelMessageTypeControl }

func live(r *messaging.SendChannelMessageRequest) {
	r.Persistence = messaging.ChannelMessagePersistenceTypeNonPersistent
}

// rewind has the follower begin anew at the beginning of the log, as after the loss of its position.
func (b *bed) rewind() {
	b.t.Helper()
	err := b.Store.Update(ctx, b.AppID(), func(tx store.Tx) error {
		return store.Followings.Put(tx, store.K(b.AppID(), bot.FollowerName), chime.Following{})
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// newestOf is the id of the newest message of a user in c.
func (b *bed) newestOf(user string) string {
	b.t.Helper()
	resp, err := b.Messages.ListChannelMessages(ctx, &messaging.ListChannelMessagesRequest{ChannelARN: b.Channel("c"), ChimeBearer: b.User(user)})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, m := range resp.ChannelMessages {
		if m.Sender.ARN == b.User(user) {
			return m.MessageID
		}
	}
	b.t.Fatalf("%s has said nothing", user)
	return ""
}
