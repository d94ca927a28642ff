package wsconn

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/carillon-chat/carillon/internal/realtime"
)

// probing is a session that keeps the answers to its probes.
type probing struct {
	silent
	transport realtime.Transport
	answers   chan bool
}

func (p probing) Probed(alive bool) { p.answers <- alive }

// probes lets sessions attach that a test can probe.
func probes(attached chan probing) Hub {
	return attachFunc(func(_ realtime.Grant, t realtime.Transport) (Session, error) {
		p := probing{transport: t, answers: make(chan bool, 1)}
		attached <- p
		return p, nil
	})
}

func TestAProbeTellsWhetherTheClientIsThere(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer []byte
		after  time.Duration
		alive  bool
	}{
		{"pong at once", pong(""), 0, true},
		{"anything, slowly", text("typing"), 2900 * time.Millisecond, true},
		{"nothing", nil, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			attached := make(chan probing, 1)
			virtual(t, Options{Hub: probes(attached), PingInterval: 10_000 * time.Hour}, func(t *testing.T, s *Server, p *peer) {
				session := <-attached
				p.send(pong("")...) // before the probe, so it tells nothing
				synctest.Wait()
				begin := time.Now()
				session.transport.Probe()
				p.want(ws.OpPing, "")
				time.Sleep(test.after)
				if test.answer != nil {
					p.send(test.answer...)
				}
				alive := <-session.answers
				if took := time.Since(begin); alive != test.alive || took != 3*time.Second {
					t.Errorf("alive = %v after %v, want %v after 3s", alive, took, test.alive)
				}
			})
		})
	}
}

func TestAProbeOfASocketThatEndsIsNotAnswered(t *testing.T) {
	attached := make(chan probing, 1)
	virtual(t, Options{Hub: probes(attached)}, func(t *testing.T, s *Server, p *peer) {
		session := <-attached
		session.transport.Probe()
		p.want(ws.OpPing, "")
		p.send(closeOf(1000, "")...)
		p.wantClose(1000)
		time.Sleep(time.Minute)
		session.transport.Probe()
		time.Sleep(time.Minute)
		if len(session.answers) > 0 {
			t.Error("it was answered")
		}
	})
}

func TestHalfOpenSocketsFailTheirProbe(t *testing.T) { everyWay(t, testHalfOpenSocketsFailTheirProbe) }

func testHalfOpenSocketsFailTheirProbe(t *testing.T, w way) {
	attached := make(chan probing, 1)
	_, address := w.start(t, Options{Hub: probes(attached), ProbeTimeout: 10 * time.Millisecond})
	p := dial(t, address)
	session := <-attached
	session.transport.Probe()
	select {
	case alive := <-session.answers:
		if alive {
			t.Error("a client that says nothing is alive")
		}
	case <-time.After(patience):
		t.Fatal("no answer")
	}
	p.want(ws.OpPing, "")
	p.nc.Close()
}
