package typing_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	standard = messaging.ChannelMembershipTypeDefault
	hidden   = messaging.ChannelMembershipTypeHidden
)

// typing is a client's call.
func typing(l *servicetest.Live, channel string) string {
	return fmt.Sprintf(`{"Action":"TYPING","ChannelArn":%q}`, l.Channel(channel))
}

func allow(context.Context, string, api.Request) error { return nil }

func TestTyping(t *testing.T) {
	l := servicetest.NewLive(t, chime.ExtraTyping, "ann", "bob", "cy", "spy", "out")
	l.AddChannel("ann", "c")
	l.AddMember("ann", "c", "bob", standard)
	l.AddMember("ann", "c", "cy", standard)
	l.AddMember("ann", "c", "spy", hidden)
	asked := make(chan string, 10)
	ask := func(_ context.Context, operation string, req api.Request) error {
		asked <- operation + " " + req.Member("ChannelArn")
		return nil
	}
	ann, bob, cy := l.Connect("ann", chime.ExtraTyping, ask), l.Connect("bob", chime.ExtraTyping, allow), l.Connect("cy", 0)
	ann.Session.Received([]byte(typing(l, "c")))
	bob.Wait()
	bob.Expect("c: ann (ANN) types")
	ann.Expect()
	cy.Expect()
	if got, want := <-asked, "SendChannelMessage "+l.Channel("c"); got != want {
		t.Errorf("IAM was asked for %s, want %s", got, want)
	}

	ann.Session.Received([]byte(typing(l, "c"))) // too soon
	l.Now = l.Now.Add(time.Second)
	deny := func(context.Context, string, api.Request) error { return errors.New("denied") }
	for _, silent := range []struct {
		client *servicetest.Socket
		text   string
	}{
		{l.Connect("out", chime.ExtraTyping, allow), typing(l, "c")},  // no member
		{l.Connect("spy", chime.ExtraTyping, allow), typing(l, "c")},  // hidden members cannot send
		{l.Connect("ann", chime.ExtraTyping, deny), typing(l, "c")},   // IAM denies
		{l.Connect("ann", chime.ExtraTyping, allow), typing(l, "no")}, // no such channel
		{l.Connect("ann", chime.ExtraTyping, allow), `{"Action":"TYPING"`},
		{l.Connect("ann", chime.ExtraTyping, allow), "heartbeat"},
		{cy, typing(l, "c")},
	} {
		silent.client.Session.Received([]byte(silent.text))
	}
	ann2 := l.Connect("ann", chime.ExtraTyping, allow)
	ann2.Session.Received([]byte(typing(l, "c")))
	bob.Wait()
	bob.Expect("c: ann (ANN) types") // once
}
