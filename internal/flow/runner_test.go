package flow_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/flow"
	"github.com/carillon-chat/carillon/internal/message"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
	"github.com/carillon-chat/carillon/internal/store/pebble"
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
	stop      func()
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
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = b.runner.Run(ctx) })
	b.stop = func() { cancel(); running.Wait() }
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

// TestOutcomes: a message is its sender's alone until its processor has answered, whatever it answers.
func TestOutcomes(t *testing.T) {
	const waits = "PENDING_CREATE_CHANNEL_MESSAGE to bob: hello (PENDING)"
	for _, tc := range []struct {
		name    string
		answer  func(*messaging.ChannelFlowCallbackRequest)
		event   string
		bob, cy string
		status  string
	}{
		{"as it is", nil, "CREATE_CHANNEL_MESSAGE to members: hello", "hello", "hello", "SENT"},
		{"changed", says("h***o"), "CREATE_CHANNEL_MESSAGE to members: h***o", "h***o", "h***o", "SENT"},
		{"denied", denied, "DENIED_CREATE_CHANNEL_MESSAGE to bob: hello (DENIED)", "", "", "Forbidden"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			within(t, func(b *bed) {
				b.is("f", callsBack)
				b.flowOf("f")
				sentAt := b.Now
				id := b.say("hello")
				b.expect("events", b.events(), waits)
				for by, want := range map[string]string{"bob": "hello PENDING", "cy": "", "ann": "", "adm": ""} {
					b.expect(by+" lists", b.sees(by), want)
				}
				b.expect("bob and then cy open the channel", b.opens("bob")+b.opens("cy"), "hello")
				b.expect("cy has unread", b.unread("cy"), 0)
				b.expect("status", b.status(id), "PENDING")
				b.expect("an edit meanwhile", b.edit(id, "again"), "Conflict")

				in := b.one()
				b.Now = b.Now.Add(time.Minute)
				b.expect("the callback", b.call(in, tc.answer), "ok")
				b.expect("events", b.events(), tc.event)
				b.expect("bob lists", b.sees("bob"), tc.bob)
				b.expect("cy lists", b.sees("cy"), tc.cy)
				b.expect("status", b.status(id), tc.status)
				b.expect("cy opens the channel", b.opens("cy"), tc.cy)
				b.expect("cy has unread", b.unread("cy"), map[bool]int{true: 1}[tc.cy != ""])
				b.expect("the same callback again", b.call(in, tc.answer), "ok")
				b.expect("another", b.call(in, says("other")), "Conflict")
				b.expect("events", b.events(), "")
				c, err := b.Channels.DescribeChannel(ctx, &messaging.DescribeChannelRequest{ChannelARN: b.Channel("c"), ChimeBearer: b.User("cy")})
				if err != nil || (c.Channel.LastMessageTimestamp != nil) != (tc.cy != "") {
					t.Errorf("the last message was at %v, %v", c.Channel.LastMessageTimestamp, err)
				} else if tc.cy != "" && !c.Channel.LastMessageTimestamp.Equal(sentAt) {
					t.Errorf("the last message was at %v, sent at %v", c.Channel.LastMessageTimestamp, sentAt)
				}
			})
		})
	}
}

// TestTheEventOfAProcessor says everything that a processor may need.
func TestTheEventOfAProcessor(t *testing.T) {
	within(t, func(b *bed) {
		b.is("f", callsBack)
		b.flowOf("f")
		req := b.Text("bob", "c", "hello")
		metadata, kind := "{}", "text/plain"
		target := b.User("cy")
		req.Metadata, req.ContentType = &metadata, &kind
		req.MessageAttributes = map[string]messaging.MessageAttributeValue{"k": {StringValues: []string{"v"}}}
		req.Target = []messaging.Target{{MemberARN: &target}}
		id := b.World.Send(req)
		in := b.one()
		m := in.ChannelMessage
		got := fmt.Sprint(in.EventType, m.MessageID == id, m.Content, m.Metadata, m.ContentType, m.ChannelARN == b.Channel("c"),
			m.Sender.Arn == b.User("bob"), m.Sender.Name, m.Persistence, m.Type, m.MessageAttributes, m.Target[0].MemberArn == target, m.CreatedTimestamp, m.LastEditedTimestamp)
		b.expect("the event", got, fmt.Sprint("CHANNEL_MESSAGE_EVENT", true, "hello", "{}", "text/plain", true, true, "BOB", "PERSISTENT", "STANDARD",
			map[string]struct{ StringValues []string }{"k": {[]string{"v"}}}, true, "2026-11-23T09:00:00.000Z", ""))
		b.call(in, nil)
		b.expect("events", b.events(), lines("PENDING_CREATE_CHANNEL_MESSAGE to bob: hello (PENDING)", "CREATE_CHANNEL_MESSAGE to bob,cy: hello"))
		b.expect("ann lists", b.sees("ann"), "")
		b.expect("cy lists", b.sees("cy"), "hello")
	})
}

// TestProcessorsRunInOrder: each has the result of the one before, and a CallbackId of its own.
func TestProcessorsRunInOrder(t *testing.T) {
	within(t, func(b *bed) {
		b.is("one", callsBack)
		b.is("two", func(in invoked) (string, error) {
			return `{"ChannelMessage":{"Content":"` + in.ChannelMessage.Content + `+2"}}`, nil
		})
		b.is("three", callsBack)
		b.flowOf("one two three!")
		b.say("m")
		first := b.one()
		b.expect("the first", b.call(first, says("m+1")), "ok")
		synctest.Wait()
		calls := b.processor.take()
		if len(calls) != 2 || calls[0].ChannelMessage.Content != "m+1" || calls[1].ChannelMessage.Content != "m+1+2" || calls[1].CallbackID == first.CallbackID {
			t.Fatalf("then %+v", calls)
		}
		b.expect("nobody else lists", b.sees("cy"), "")
		b.expect("the third", b.call(calls[1], nil), "ok")
		b.expect("cy lists", b.sees("cy"), "m+1+2")
		b.expect("the first again", b.call(first, says("m+1")), "ok")
	})
}

// TestFailingProcessors are tried three times in about half a minute, and then their fallback action is
// taken; the operator is told.
func TestFailingProcessors(t *testing.T) {
	for _, tc := range []struct{ functions, event, cy, status string }{
		{"bad", "CREATE_CHANNEL_MESSAGE to members: hello", "hello", "SENT"},
		{"bad!", "FAILED_CREATE_CHANNEL_MESSAGE to bob: hello (FAILED)", "", "FAILED"},
		{"bad good", "CREATE_CHANNEL_MESSAGE to members: good", "good", "SENT"},
		{"good bad!", "FAILED_CREATE_CHANNEL_MESSAGE to bob: good (FAILED)", "", "FAILED"},
		{"none good", "CREATE_CHANNEL_MESSAGE to members: good", "good", "SENT"},
		{"good none!", "FAILED_CREATE_CHANNEL_MESSAGE to bob: good (FAILED)", "", "FAILED"},
		{"wrong!", "FAILED_CREATE_CHANNEL_MESSAGE to bob: hello (FAILED)", "", "FAILED"},
	} {
		t.Run(tc.functions, func(t *testing.T) {
			within(t, func(b *bed) {
				var tries []time.Duration
				began := time.Now()
				b.is("bad", func(invoked) (string, error) {
					tries = append(tries, time.Since(began).Round(time.Second))
					return "", errors.New("503")
				})
				b.is("good", func(invoked) (string, error) { return `{"ChannelMessage":{"Content":"good"}}`, nil })
				b.is("wrong", func(invoked) (string, error) { return `{"ChannelMessage":{"Content":""}}`, nil })
				b.flowOf(tc.functions)
				id := b.say("hello")
				time.Sleep(30 * time.Second)
				synctest.Wait()
				b.expect("events", b.events(), lines("PENDING_CREATE_CHANNEL_MESSAGE to bob: hello (PENDING)", tc.event))
				b.expect("cy lists", b.sees("cy"), tc.cy)
				b.expect("status", b.status(id), tc.status)
				if strings.Contains(tc.functions, "bad") {
					b.expect("tries", tries, "[0s 8s 20s]")
				}
				if calls := b.processor.take(); strings.HasSuffix(tc.functions, "bad!") {
					b.expect("a callback after the fallback", b.call(calls[len(calls)-1], nil), "Forbidden")
				}
			})
		})
	}
}

// TestCallbacksAreChecked: a callback is about the message, the channel and the time of its invocation.
func TestCallbacksAreChecked(t *testing.T) {
	within(t, func(b *bed) {
		b.is("f", callsBack)
		b.flowOf("f")
		b.AddChannel("ann", "d")
		b.say("hello")
		in := b.one()
		for name, change := range map[string]func(*messaging.ChannelFlowCallbackRequest){
			"another channel":     func(r *messaging.ChannelFlowCallbackRequest) { r.ChannelARN = b.Channel("d") },
			"no channel":          func(r *messaging.ChannelFlowCallbackRequest) { r.ChannelARN = b.Channel("none") },
			"another message":     func(r *messaging.ChannelFlowCallbackRequest) { r.ChannelMessage.MessageID += "0" },
			"another sub-channel": func(r *messaging.ChannelFlowCallbackRequest) { s := "s"; r.ChannelMessage.SubChannelID = &s },
			"unknown":             func(r *messaging.ChannelFlowCallbackRequest) { r.CallbackID = strings.Repeat("0", 32) },
		} {
			b.expect(name, b.call(in, change), "Forbidden")
		}
		b.expect("cy lists", b.sees("cy"), "")
		time.Sleep(48*time.Hour - time.Minute)
		b.expect("nearly too late", b.call(in, nil), "ok")

		// Nothing is known of a callback that is too old.
		b.say("second")
		late := b.one()
		b.events()
		time.Sleep(48*time.Hour + 2*time.Minute)
		synctest.Wait()
		b.expect("events", b.events(), "FAILED_CREATE_CHANNEL_MESSAGE to bob: second (FAILED)")
		b.expect("too late", b.call(late, nil), "Forbidden")
		b.expect("the first again", b.call(in, nil), "Forbidden")
		b.expect("bob lists", b.sees("bob"), "hello, second FAILED")
		b.expect("cy lists", b.sees("cy"), "hello")
	})
}

// TestEditsWait: others see the old version until the new one has passed, and after one that did not.
func TestEditsWait(t *testing.T) {
	within(t, func(b *bed) {
		id := b.say("old")
		b.is("f", callsBack)
		arn := b.flowOf("f")
		b.events()
		step := func(what string, answer func(*messaging.ChannelFlowCallbackRequest), event, after string) {
			b.t.Helper()
			b.Now = b.Now.Add(time.Second)
			before := b.sees("cy")
			b.expect(what+": reply", b.edit(id, what), "PENDING")
			b.expect(what+": another edit", b.edit(id, "x"), "Conflict")
			b.expect(what+": status", b.status(id), "PENDING")
			b.expect(what+": cy lists", b.sees("cy"), before)
			b.expect(what+": bob lists", b.sees("bob"), before)
			in := b.one()
			if in.ChannelMessage.LastEditedTimestamp == "" || in.ChannelMessage.Content != what {
				b.t.Errorf("the event of an edit is %+v", in)
			}
			b.expect(what+": callback", b.call(in, answer), "ok")
			b.expect(what+": events", b.events(), lines("PENDING_UPDATE_CHANNEL_MESSAGE to bob: "+what+" (PENDING)", event))
			b.expect(what+": status", b.status(id), "SENT")
			b.expect(what+": cy lists", b.sees("cy"), after)
		}
		step("new", nil, "UPDATE_CHANNEL_MESSAGE to members: new", "new")
		step("worse", denied, "DENIED_UPDATE_CHANNEL_MESSAGE to bob: worse (DENIED)", "new")
		step("bad", says("b*d"), "UPDATE_CHANNEL_MESSAGE to members: b*d", "b*d")

		// An edit that passes no flow any more overtakes one that waits.
		b.expect("waits", b.edit(id, "slow"), "PENDING")
		in := b.one()
		disassociate(b.World, "ann", "c", arn)
		b.Now = b.Now.Add(time.Second)
		b.expect("does not", b.edit(id, "fast"), "SENT")
		b.events()
		b.expect("the first is too late", b.call(in, nil), "ok")
		b.expect("events", b.events(), "FAILED_UPDATE_CHANNEL_MESSAGE to bob: slow (FAILED)")
		b.expect("cy lists", b.sees("cy"), "fast")
	})
}

// TestWhatGoesMeanwhile: a message or channel that is gone has no outcome, and no processor is refused for it.
func TestWhatGoesMeanwhile(t *testing.T) {
	within(t, func(b *bed) {
		sign := b.say("sign")
		b.is("f", callsBack)
		arn := b.flowOf("f")
		b.events()

		id := b.say("deleted")
		in := b.one()
		b.Delete("adm", "c", id)
		b.events()
		b.expect("deleted", b.call(in, nil), "ok")

		b.expect("edited", b.edit(sign, "edit"), "PENDING")
		in = b.one()
		b.Redact("ann", "c", sign)
		b.events()
		b.expect("redacted", b.call(in, nil), "ok")
		b.expect("events", b.events(), "")

		// The flow and the sender may be gone: the message passes.
		b.say("kept")
		in = b.one()
		disassociate(b.World, "ann", "c", arn)
		b.expect("the flow goes", remove(b.World, arn), "ok")
		b.Remove("bob", "c", "bob")
		b.events()
		b.expect("kept", b.call(in, nil), "ok")
		b.expect("events", b.events(), "CREATE_CHANNEL_MESSAGE to members: kept")

		b.AddMember("ann", "c", "bob", messaging.ChannelMembershipTypeDefault)
		b.flowOf("f")
		b.say("last")
		in = b.one()
		_, err := b.Channels.DeleteChannel(ctx, &messaging.DeleteChannelRequest{ChannelARN: b.Channel("c"), ChimeBearer: b.User("ann")})
		b.expect("deletion", err, nil)
		b.expect("the channel is gone", b.call(in, nil), "Forbidden")
	})
}

// TestLiveMessages pass flows as others do, and are written nowhere.
func TestLiveMessages(t *testing.T) {
	live := func(b *bed, content string) string {
		req := b.Text("bob", "c", content)
		req.Persistence = messaging.ChannelMessagePersistenceTypeNonPersistent
		return b.World.Send(req)
	}
	within(t, func(b *bed) {
		b.is("f", callsBack)
		b.is("bad", func(invoked) (string, error) { return "", errors.New("502") })
		arn := b.flowOf("f")
		id := live(b, "hello")
		b.expect("events", b.events(), "PENDING_CREATE_CHANNEL_MESSAGE to bob: hello (PENDING)")
		b.expect("status", b.status(id), "PENDING")
		in := b.one()
		b.expect("persistence", in.ChannelMessage.Persistence, "NON_PERSISTENT")
		b.expect("callback", b.call(in, says("hi")), "ok")
		b.expect("again", b.call(in, says("hi")), "ok")
		b.expect("other", b.call(in, denied), "Conflict")
		b.expect("events", b.events(), "CREATE_CHANNEL_MESSAGE to members: hi")
		b.expect("status", b.status(id), "Forbidden")
		b.expect("bob lists", b.sees("bob"), "")

		live(b, "no")
		b.expect("denial", b.call(b.one(), denied), "ok")
		b.expect("events", b.events(), lines("PENDING_CREATE_CHANNEL_MESSAGE to bob: no (PENDING)", "DENIED_CREATE_CHANNEL_MESSAGE to bob: no (DENIED)"))
		live(b, "late")
		late := b.one()
		time.Sleep(48*time.Hour + 2*time.Minute)
		synctest.Wait()
		b.expect("events", b.events(), lines("PENDING_CREATE_CHANNEL_MESSAGE to bob: late (PENDING)", "FAILED_CREATE_CHANNEL_MESSAGE to bob: late (FAILED)"))
		b.expect("too late", b.call(late, nil), "Forbidden")

		disassociate(b.World, "ann", "c", arn)
		b.flowOf("bad f")
		live(b, "on")
		time.Sleep(30 * time.Second)
		synctest.Wait()
		calls := b.processor.take()
		b.expect("callback", b.call(calls[len(calls)-1], nil), "ok")
		b.expect("events", b.events(), lines("PENDING_CREATE_CHANNEL_MESSAGE to bob: on (PENDING)", "CREATE_CHANNEL_MESSAGE to members: on"))
	})
}

// TestRestarts: a processor that was not invoked is invoked after a start, one that will call back is not,
// and each message has one outcome.
func TestRestarts(t *testing.T) {
	within(t, func(b *bed) {
		b.is("f", callsBack)
		b.flowOf("f")
		b.say("invoked")
		before := b.one()
		b.stop()
		for i := range 5 {
			b.say(fmt.Sprint("not ", i))
		}
		b.start()
		synctest.Wait()
		calls := b.processor.take()
		var got []string
		for _, c := range calls {
			got = append(got, c.ChannelMessage.Content)
		}
		b.expect("invocations after the start", got, "[not 0 not 1 not 2 not 3 not 4]")
		for _, c := range append(calls, before) {
			b.expect("callback", b.call(c, nil), "ok")
		}
		b.expect("cy lists", b.sees("cy"), "invoked, not 0, not 1, not 2, not 3, not 4")
		b.stop()
		b.start()
		synctest.Wait()
		b.expect("invocations after another start", b.processor.contents(), "[]")
	})
}

// TestInvocationsAreInOrder, in each channel, also of processors that take their time; and one that hangs
// does not hold up the others.
func TestInvocationsAreInOrder(t *testing.T) {
	within(t, func(b *bed) {
		b.is("f", func(in invoked) (string, error) {
			if in.ChannelMessage.Content == "hangs" {
				time.Sleep(10 * time.Second)
			}
			time.Sleep(100 * time.Millisecond)
			return `{"ChannelMessage":{}}`, nil
		})
		b.flowOf("f")
		var want []string
		for i := range 20 {
			want = append(want, fmt.Sprint(i))
			b.say(want[i])
		}
		time.Sleep(5 * time.Second)
		b.expect("invocations", b.processor.contents(), want)
		b.events()
		b.say("hangs")
		b.say("goes on")
		time.Sleep(2 * time.Second)
		if got := b.events(); !strings.Contains(got, "CREATE_CHANNEL_MESSAGE to members: goes on") || strings.Contains(got, "to members: hangs") {
			t.Errorf("events:\n%s", got)
		}
		time.Sleep(20 * time.Second)
		b.expect("events", b.events(), "CREATE_CHANNEL_MESSAGE to members: hangs")
	})
}

// TestLatestIsThatOfTheHistory: a message that passes late takes its place in the history, and moves the
// latest time of no member back.
func TestLatestIsThatOfTheHistory(t *testing.T) {
	within(t, func(b *bed) {
		b.is("f", callsBack)
		b.flowOf("f")
		b.say("1")
		one := b.one()
		b.Now = b.Now.Add(time.Minute)
		second := b.Now
		b.say("2")
		b.call(b.one(), nil)
		b.expect("cy lists", b.sees("cy"), "2")
		b.call(one, nil)
		b.expect("cy lists", b.sees("cy"), "1, 2")
		c, err := b.Channels.DescribeChannel(ctx, &messaging.DescribeChannelRequest{ChannelARN: b.Channel("c"), ChimeBearer: b.User("cy")})
		if err != nil || !c.Channel.LastMessageTimestamp.Equal(second) {
			t.Errorf("the last message was at %v, %v; want %v", c.Channel.LastMessageTimestamp, err, second)
		}
	})
}

// TestFailuresAreNoticed: whatever the fallback action.
func TestFailuresAreNoticed(t *testing.T) {
	within(t, func(b *bed) {
		b.is("bad", func(invoked) (string, error) { return "", errors.New("the function answered 502") })
		b.flowOf("none bad")
		b.say("hello")
		time.Sleep(30 * time.Second)
		synctest.Wait()
		notices := slices.DeleteFunc(b.World.Log(), func(line string) bool { return !strings.HasPrefix(line, "PROCESSOR_INVOCATION_FAILURE") })
		b.expect("notices", len(notices), 2)
	})
}

// TestOverPebble: what waits is there after a restart, and has its outcome once.
func TestOverPebble(t *testing.T) {
	st, err := pebble.Open(t.TempDir(), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	b := newBed(t, st)
	defer func() { b.stop() }()
	calls := make(chan invoked, 10)
	b.is("f", func(in invoked) (string, error) { calls <- in; return "", nil })
	b.flowOf("f f")
	b.say("before")
	first := <-calls
	b.stop()
	b.say("after")
	b.start()
	second := <-calls
	for second.ChannelMessage.Content == "before" { // it was stopped before it noted the invocation
		second = <-calls
	}
	b.expect("the first", b.call(first, says("one")), "ok")
	b.expect("its next", b.call(<-calls, says("two")), "ok")
	b.expect("the second", b.call(second, denied), "ok")
	b.expect("the first again", b.call(first, says("one")), "ok")
	b.expect("cy lists", b.sees("cy"), "two")
	b.expect("events", b.events(), lines("PENDING_CREATE_CHANNEL_MESSAGE to bob: before (PENDING)", "PENDING_CREATE_CHANNEL_MESSAGE to bob: after (PENDING)",
		"CREATE_CHANNEL_MESSAGE to members: two", "DENIED_CREATE_CHANNEL_MESSAGE to bob: after (DENIED)"))
}
