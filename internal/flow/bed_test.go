package flow_test

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

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/flow"
	"github.com/carillon-chat/carillon/internal/message"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
	"github.com/carillon-chat/carillon/internal/unread"
)

// invoked is what a processor is invoked with.
type invoked struct {
	Lambda         string `json:"-"`
	EventType      string
	CallbackID     string `json:"CallbackId"`
	ChannelMessage struct {
		MessageID           string `json:"MessageId"`
		Content, Metadata   string
		ContentType         string
		ChannelARN          string `json:"ChannelArn"`
		Sender              struct{ Arn, Name string }
		Persistence, Type   string
		CreatedTimestamp    string
		LastEditedTimestamp string
		SubChannelID        string `json:"SubChannelId"`
		PushNotification    struct{ Title, Body, Type string }
		MessageAttributes   map[string]struct{ StringValues []string }
		Target              []struct{ MemberArn string }
	}
}

// processors are functions by name; each is invoked with events and says how that goes.
type processors struct {
	mu    sync.Mutex
	each  map[string]func(invoked) (answer string, err error)
	calls []invoked
}

func (p *processors) Invoke(_ context.Context, call flow.Invocation) ([]byte, error) {
	in := invoked{Lambda: call.Lambda}
	if err := json.Unmarshal(call.Event, &in); err != nil {
		return nil, err
	}
	_, name, _ := strings.Cut(call.Lambda, "function:")
	p.mu.Lock()
	f := p.each[name]
	p.calls = append(p.calls, in)
	p.mu.Unlock()
	answer, err := f(in)
	if answer == "" || err != nil {
		return nil, err
	}
	return []byte(answer), nil
}

// ends knows the functions that have a behaviour.
func (p *processors) ends(lambda string) flow.Invoker {
	_, name, _ := strings.Cut(lambda, "function:")
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.each[name] == nil {
		return nil
	}
	return p
}

// take returns the invocations since the last call.
func (p *processors) take() []invoked {
	p.mu.Lock()
	defer p.mu.Unlock()
	calls := p.calls
	p.calls = nil
	return calls
}

// contents are what the messages of the invocations since the last call say.
func (p *processors) contents() (list []string) {
	for _, c := range p.take() {
		list = append(list, c.ChannelMessage.Content)
	}
	return list
}

// bed is a world whose flows run, in virtual time. bob sends, cy and ann are members, adm is an admin.
type bed struct {
	*servicetest.World
	t         *testing.T
	processor *processors
	runner    *flow.Runner
	kill      func() // ends the runner as a crash does, and does not wait
	stop      func() // waits
}

// callsBack is a processor that answers later.
func callsBack(invoked) (string, error) { return "", nil }

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
	b := &bed{World: servicetest.Over(t, st, "adm", "ann", "bob", "cy"), t: t, processor: &processors{each: map[string]func(invoked) (string, error){}}}
	b.MakeAdmin("adm")
	b.start()
	b.AddChannel("ann", "c")
	b.AddMember("ann", "c", "bob", messaging.ChannelMembershipTypeDefault)
	b.AddMember("ann", "c", "cy", messaging.ChannelMembershipTypeDefault)
	b.World.Events()
	return b
}

// start makes the services anew, as a start of the node does, and runs them.
func (b *bed) start() {
	b.t.Helper()
	b.prepare()
	b.run()
}

// prepare makes the services.
func (b *bed) prepare() {
	b.t.Helper()
	clock, err := store.OpenClock(b.t.Context(), b.Store)
	if err != nil {
		b.t.Fatal(err)
	}
	queue := flow.NewQueue(b.processor.ends)
	b.Messages = message.New(message.Options{
		Store: b.Store, Bus: b.Bus, Site: b.Site, Now: b.Clock, Random: rand.Reader, Processors: queue, Clock: clock,
	})
	b.Flows = flow.New(flow.Options{Store: b.Store, Site: b.Site, Now: b.Clock, Random: rand.Reader, Messages: b.Messages})
	b.runner = flow.NewRunner(flow.RunnerOptions{Queue: queue, Service: b.Flows, Log: slog.New(slog.DiscardHandler), Random: rand.Reader})
}

func (b *bed) run() {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = b.runner.Run(ctx) })
	b.kill, b.stop = cancel, func() { cancel(); running.Wait() }
}

// flowOf gives the channel a flow of functions, each "name" or "name!" for one that aborts.
func (b *bed) flowOf(functions string) string {
	b.t.Helper()
	req := &messaging.CreateChannelFlowRequest{AppInstanceARN: b.App, Name: "flow", ClientRequestToken: b.Token()}
	for i, f := range strings.Fields(functions) {
		name, aborts := strings.CutSuffix(f, "!")
		p := processor(i+1, lambda(name))
		if p.FallbackAction = messaging.FallbackActionContinue; aborts {
			p.FallbackAction = messaging.FallbackActionAbort
		}
		req.Processors = append(req.Processors, p)
	}
	created, err := b.Flows.CreateChannelFlow(ctx, req)
	if err != nil {
		b.t.Fatal(err)
	}
	if got := associate(b.World, "ann", "c", created.ChannelFlowARN); got != "ok" {
		b.t.Fatal(got)
	}
	return created.ChannelFlowARN
}

// is has a function behave so.
func (b *bed) is(name string, f func(invoked) (string, error)) {
	b.processor.mu.Lock()
	defer b.processor.mu.Unlock()
	b.processor.each[name] = f
}

// call calls back for an invocation.
func (b *bed) call(in invoked, change func(*messaging.ChannelFlowCallbackRequest)) string {
	req := &messaging.ChannelFlowCallbackRequest{
		ChannelARN: in.ChannelMessage.ChannelARN, CallbackID: in.CallbackID,
		ChannelMessage: &messaging.ChannelMessageCallback{MessageID: in.ChannelMessage.MessageID},
	}
	if change != nil {
		change(req)
	}
	_, err := b.Flows.ChannelFlowCallback(ctx, req)
	return servicetest.Outcome(err)
}

func denied(req *messaging.ChannelFlowCallbackRequest) { req.DeleteResource = true }

func says(content string) func(*messaging.ChannelFlowCallbackRequest) {
	return func(req *messaging.ChannelFlowCallbackRequest) { req.ChannelMessage.Content = &content }
}

// sees is what a user lists, with states other than SENT.
func (b *bed) sees(by string) string {
	resp, err := b.Messages.ListChannelMessages(ctx, &messaging.ListChannelMessagesRequest{
		ChannelARN: b.Channel("c"), ChimeBearer: b.User(by), SortOrder: messaging.SortOrderAscending,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	var all []string
	for _, m := range resp.ChannelMessages {
		text := *m.Content
		if m.Status.Value != messaging.ChannelMessageStatusSent {
			text += " " + string(m.Status.Value)
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// opens is what a client gets that opens the channel, from the page that is kept for the next.
func (b *bed) opens(by string) (contents string) {
	b.t.Helper()
	page, err := b.Messages.EncodeChannelMessages(ctx, &messaging.ListChannelMessagesRequest{ChannelARN: b.Channel("c"), ChimeBearer: b.User(by)})
	if err != nil {
		b.t.Fatal(err)
	}
	var answer struct{ ChannelMessages []struct{ Content string } }
	if err := json.Unmarshal(page.AppendJSON(nil, api.Epoch), &answer); err != nil {
		b.t.Fatal(err)
	}
	for _, m := range answer.ChannelMessages {
		contents += m.Content
	}
	return contents
}

// unread is the count of a member.
func (b *bed) unread(user string) (count uint64) {
	b.t.Helper()
	counter := unread.NewCounter(b.Channels, b.Messages)
	err := b.Store.View(ctx, b.AppID(), func(r store.Reader) error {
		return store.MembershipsOf.Each(r, store.Prefix(store.K(b.AppID(), string(chime.UserRef(user)))), func(_ store.Key, at chime.ChannelEntry) (bool, error) {
			now, err := counter.Read(r, b.AppID(), chime.UserRef(user), at)
			count = now.Count
			return false, err
		})
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return count
}

func (b *bed) status(id string) string {
	resp, err := b.Messages.GetChannelMessageStatus(ctx, &messaging.GetChannelMessageStatusRequest{ChannelARN: b.Channel("c"), MessageID: id, ChimeBearer: b.User("bob")})
	if err != nil {
		return servicetest.Outcome(err)
	}
	return string(resp.Status.Value)
}

func (b *bed) expect(what string, got, want any) {
	b.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// one is the only invocation since the last look.
func (b *bed) one() invoked {
	b.t.Helper()
	synctest.Wait()
	calls := b.processor.take()
	if len(calls) != 1 {
		b.t.Fatalf("%d invocations, want one", len(calls))
	}
	return calls[0]
}

func (b *bed) say(content string) string { return b.World.Send(b.Text("bob", "c", content)) }

func (b *bed) edit(id, content string) string {
	resp, err := b.Messages.UpdateChannelMessage(ctx, &messaging.UpdateChannelMessageRequest{
		ChannelARN: b.Channel("c"), MessageID: id, Content: content, ChimeBearer: b.User("bob"),
	})
	if err != nil {
		return servicetest.Outcome(err)
	}
	return string(resp.Status.Value)
}

// events are those for sockets since the last look.
func (b *bed) events() string { return strings.Join(b.World.Events(), "\n") }

func lines(l ...string) string { return strings.Join(l, "\n") }
