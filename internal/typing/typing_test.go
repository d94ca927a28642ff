package typing_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
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

func TestCallsThatComeTooFastAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := servicetest.NewLive(t, chime.ExtraTyping, "ann")
		l.AddChannel("ann", "c")
		authorised := 0
		ann := l.Connect("ann", chime.ExtraTyping, func(context.Context, string, api.Request) error {
			authorised++
			return nil
		})
		for _, step := range []struct {
			after time.Duration
			want  int
		}{{0, 1}, {0, 1}, {499 * time.Millisecond, 1}, {time.Millisecond, 2}, {time.Hour, 3}} {
			l.Now = l.Now.Add(step.after)
			ann.Session.Received([]byte(typing(l, "c")))
			synctest.Wait()
			if authorised != step.want {
				t.Errorf("%v later %d calls were authorised, want %d", step.after, authorised, step.want)
			}
		}
	})
}

// However many sockets call at once, the service works on a bounded number.
func TestCallsAtOnceAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var users []string
		for i := range 40 {
			users = append(users, fmt.Sprint("u", i))
		}
		l := servicetest.NewLive(t, chime.ExtraTyping, users...)
		l.AddChannel("u0", "c")
		var authorised atomic.Int64
		leave := make(chan struct{})
		for _, user := range users {
			s := l.Connect(user, chime.ExtraTyping, func(context.Context, string, api.Request) error {
				authorised.Add(1)
				<-leave
				return nil
			})
			s.Session.Received([]byte(typing(l, "c")))
		}
		synctest.Wait()
		if n := authorised.Load(); n != 16 {
			t.Errorf("%d calls are authorised at once, want 16", n)
		}
		close(leave)
		synctest.Wait()
	})
}
