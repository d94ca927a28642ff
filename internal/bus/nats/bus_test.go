package nats_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/bus/bustest"
	"github.com/carillon-chat/carillon/internal/bus/nats"
	"github.com/carillon-chat/carillon/internal/bus/nats/natstest"
	"github.com/carillon-chat/carillon/internal/chime"
)

func TestContract(t *testing.T) {
	bustest.Run(t, func(t *testing.T) bus.Bus { return open(t, at(serve(t, server.Options{}))) })
}

// Within the process nothing changes when NATS is away.
func TestContractWithoutAServer(t *testing.T) {
	bustest.Run(t, func(t *testing.T) bus.Bus {
		s := serve(t, server.Options{})
		stop(s)
		return begin(t, at(s))
	})
}

func TestBetweenNodes(t *testing.T) {
	bustest.RunBetween(t, func(t *testing.T) bustest.Pair {
		s := serve(t, server.Options{})
		return bustest.Pair{One: open(t, at(s)), Other: open(t, at(s))}
	})
}

func TestInstallationsThatShareANATSAreApart(t *testing.T) {
	s := serve(t, server.Options{})
	prefixed := func(prefix string) *nats.Bus {
		o := at(s)
		o.Prefix = prefix
		return open(t, o)
	}
	a, b, other := prefixed("one"), prefixed("one"), prefixed("two")
	mine, theirs := b.Subscribe(app), other.Subscribe(app)
	other.Subscribe(app)
	bustest.Reach(t, a, app, mine)
	bustest.Reach(t, a, app, mine)
	if messages, _ := theirs.Poll(); len(messages) > 0 {
		t.Errorf("%d messages came to the other installation", len(messages))
	}
}

// A node receives the app instances that it has subscriptions of, and no others.
func TestANodeReceivesWhatItsSubscribersNeed(t *testing.T) {
	s := serve(t, server.Options{})
	sender, b := open(t, at(s)), open(t, at(s))
	first, second := b.Subscribe(app), b.Subscribe(app)
	bustest.Reach(t, sender, app, first)
	if n := b.Stats().Subjects; n != 1 {
		t.Errorf("%d subjects", n)
	}
	first.Close()
	second.Close()
	other := b.Subscribe("other")
	bustest.Reach(t, sender, "other", other)
	if n := b.Stats().Subjects; n != 1 {
		t.Errorf("%d subjects after the last subscription was closed", n)
	}
	before := b.Stats().Received["live"]
	for range 20 {
		sender.Publish(app, 1, chime.Event{Type: chime.EventTyping})
	}
	bustest.Reach(t, sender, "other", other)
	if came := b.Stats().Received["live"] - before; came > 5 {
		t.Errorf("%d messages came", came)
	}
}

// A slow or stopped NATS holds up no caller, and what waits is bounded.
func TestNothingWaitsForNATS(t *testing.T) {
	s := serve(t, server.Options{})
	w := newWire(t, s)
	b := open(t, w.options())
	w.hold()
	defer w.goOn()
	events := []chime.Event{{Position: 1, Type: chime.EventCreateMessage, Payload: make([]byte, 64<<10)}}
	for range 2000 { // 128 MB
		b.Announce(app, events)
	}
	if st := b.Stats(); st.Lost["queue"] == 0 || st.WaitingBytes > 40<<20 {
		t.Errorf("%d bytes wait, %d messages are lost", st.WaitingBytes, st.Lost["queue"])
	}
}

// What is wrong with the server's answer is said, and ends when it is mended.
func TestItSaysWhyThereIsNoConnection(t *testing.T) {
	secret := rand.Text()
	s := serve(t, server.Options{Username: "node", Password: secret})
	o := at(s)
	o.User, o.Password = "node", secret+"wrong"
	b := begin(t, o)
	natstest.Await(t, "the refusal", func() bool {
		err := b.Degraded()
		return err != nil && strings.Contains(strings.ToLower(err.Error()), "authorization")
	})
	if err := b.Degraded(); strings.Contains(err.Error(), secret) {
		t.Errorf("the error shows the password: %v", err)
	}
}

func TestOptionsThatCannotBeUsed(t *testing.T) {
	for name, o := range map[string]nats.Options{
		"no such credentials": {CredentialsFile: "missing.creds"}, "no such nkey": {NkeyFile: "missing.nk"}, "no such CA": {CAFile: "missing.pem"},
		"no such certificate": {CertFile: "missing.pem", KeyFile: "missing.key"},
	} {
		o.URLs = []string{"nats://127.0.0.1:1"}
		if b, err := nats.Open(o); err == nil {
			t.Errorf("%s: no error", name)
			_ = b.Close()
		}
	}
}
