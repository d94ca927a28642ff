package push_test

import (
	"math/rand"
	"testing"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/message"
	"github.com/carillon-chat/carillon/internal/push"
	"github.com/carillon-chat/carillon/internal/store"
)

// processor is one that takes every message and notes the latest.
type processor struct{ waiting message.Waiting }

func (*processor) Reaches(string) bool        { return true }
func (p *processor) Invoke(w message.Waiting) { p.waiting = w }

// addFlow gives c a channel flow with a processor.
func (b *bed) addFlow() *processor {
	b.t.Helper()
	p := new(processor)
	clock, err := store.OpenClock(b.t.Context(), b.Store)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Messages = message.New(message.Options{
		Store: b.Store, Bus: b.Bus, Site: b.Site, Now: b.Clock, Random: rand.New(rand.NewSource(3)), Processors: p, Clock: clock,
		Notify: func(_ string, _ chime.ChannelEntry, m *chime.Message) { b.published += m.Push.Title },
	})
	b.start(push.Application{Name: "phones", Pattern: "*:apps/phones", Sender: b.phones})
	flow, err := b.Flows.CreateChannelFlow(b.t.Context(), &messaging.CreateChannelFlowRequest{
		AppInstanceARN: b.App, Name: "flow", ClientRequestToken: b.Token(), Processors: []messaging.Processor{{
			Name: "step", ExecutionOrder: 1, FallbackAction: messaging.FallbackActionAbort,
			Configuration: &messaging.ProcessorConfiguration{Lambda: &messaging.LambdaConfiguration{
				ResourceARN: "arn:aws:lambda:us-east-1:000000000000:function:f", InvocationType: messaging.InvocationTypeAsync,
			}},
		}},
	})
	if err == nil {
		_, err = b.Flows.AssociateChannelFlow(b.t.Context(), &messaging.AssociateChannelFlowRequest{
			ChannelARN: b.Channel("c"), ChannelFlowARN: flow.ChannelFlowARN, ChimeBearer: b.User("ann"),
		})
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// TestThroughChannelFlows: the notification is pushed when the message is sent, and is what the flow made of it.
func TestThroughChannelFlows(t *testing.T) {
	title := "flow"
	added := &messaging.PushNotificationConfiguration{Title: &title, Type: messaging.PushNotificationTypeDefault}
	for name, test := range map[string]struct {
		send []change
		deny bool
		push *messaging.PushNotificationConfiguration
		want string
	}{
		"as it was sent":        {send: []change{notify("sent")}, want: "sent"},
		"that the flow adds":    {push: added, want: "flow"},
		"that the flow changes": {send: []change{notify("sent")}, push: added, want: "flow"},
		"none":                  {want: ""},
		"denied":                {send: []change{notify("sent")}, deny: true, want: ""},
	} {
		for _, persistent := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				b := newBed(t)
				b.device("bob", "bob")
				p := b.addFlow()
				send := test.send
				if !persistent {
					send = append([]change{live}, send...)
				}
				id := b.say("ann", send...)
				if got := b.titles(persistent); got != "" {
					t.Errorf("%q is pushed before the flow has decided", got)
				}
				err := b.Messages.Settle(t.Context(), chime.Resource{App: b.AppID(), Kind: chime.KindChannel, ID: "c"}, &messaging.ChannelFlowCallbackRequest{
					ChannelARN: b.Channel("c"), CallbackID: p.waiting.Callback, DeleteResource: test.deny,
					ChannelMessage: &messaging.ChannelMessageCallback{MessageID: id, PushNotification: test.push},
				})
				if err != nil {
					t.Fatal(err)
				}
				if got := b.titles(persistent); got != test.want {
					t.Errorf("%q, want %q", got, test.want)
				}
			})
		}
	}
}

// titles are those of what is pushed, off the log or, of a message that is not persistent, when it is published.
func (b *bed) titles(persistent bool) (titles string) {
	b.t.Helper()
	if !persistent {
		titles, b.published = b.published, ""
		return titles
	}
	if err := b.try(); err != nil {
		b.t.Fatal(err)
	}
	for _, n := range b.phones.take() {
		titles += n.Title
	}
	return titles
}
