package wsconn

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
)

// floods are ways to keep a server busy with what is allowed frame by frame.
var floods = []struct {
	name  string
	first []byte
	frame []byte
}{
	{"texts", nil, text("hello")},
	{"long texts", nil, text(stars(4000))},
	{"pings", nil, ping("")},
	{"pongs", nil, pong("")},
	{"empty pieces of one message", frame(1, ""), frame(0, "")},
}

func TestFloodsEndWith1008(t *testing.T) { everyWay(t, testFloodsEndWith1008) }

func testFloodsEndWith1008(t *testing.T, w way) {
	for _, flood := range floods {
		t.Run(flood.name, func(t *testing.T) {
			t.Parallel() // an engine that does not read notices late that the client has left
			hub := newFakeHub()
			s, address := w.start(t, Options{Hub: hub})
			p := dial(t, address)
			go func() {
				more := append(bytes.Clone(flood.first), bytes.Repeat(flood.frame, 64)...)
				for {
					if _, err := p.nc.Write(more); err != nil {
						return // cut off: the flood went on
					}
					more = bytes.Repeat(flood.frame, 64)
				}
			}()
			for {
				h, body, err := p.next()
				if err != nil {
					t.Fatalf("no close frame: %v", err)
				}
				if h.OpCode == ws.OpClose {
					if body != "\x03\xf0the client sends too fast" {
						t.Errorf("closed with %q", body)
					}
					break
				}
			}
			p.nc.Close()
			hub.session(t).waitDetached(t)
			shutdown(t, s)
			if stats := s.Stats(); stats.Closed[Ended{"flood", 1008}] != 1 {
				t.Errorf("closed = %v", stats.Closed)
			}
		})
	}
}

// A client that keeps to the pace may do so for ever, and after a while be quick again.
func TestClientsThatKeepThePaceStay(t *testing.T) {
	virtual(t, Options{Hub: quiet, ClientFrames: 10, ClientBytes: 1000}, func(t *testing.T, s *Server, p *peer) {
		burst := func() {
			for range 80 { // of the hundred that ten seconds allow
				p.send(text("")...) // and 480 bytes of ten thousand
			}
		}
		go io.Copy(io.Discard, p.nc) // pings
		burst()
		for range 1000 {
			time.Sleep(time.Second / 8)
			p.send(text("")...)
		}
		time.Sleep(time.Minute)
		burst()
		synctest.Wait()
		if stats := s.Stats(); stats.Open != 1 || len(stats.Closed) != 0 {
			t.Errorf("%d open, closed = %v", stats.Open, stats.Closed)
		}
	})
}

func TestPaceCountsFramesAndBytesTogether(t *testing.T) {
	p := newPace(100, 1000)
	var spent time.Duration
	p.start = time.Now()
	if ahead := p.spend(&spent, 50, 500); ahead > time.Second || ahead < time.Second/2 {
		t.Errorf("half of the frames and half of the bytes of a second use up %v", ahead)
	}
}

func TestInputAllocatesNothing(t *testing.T) {
	s := New(Options{Hub: quiet, Authenticate: allow, ClientFrames: 1 << 20, ClientBytes: 1 << 30})
	l := &blocking{conn: conn{srv: s, session: silent{}}}
	input := append(text("some text"), pong("")...)
	masked := bytes.Clone(input)
	if allocations := testing.AllocsPerRun(100, func() {
		copy(masked, input) // it is unmasked in place
		l.received(masked)
	}); allocations != 0 {
		t.Errorf("%.1f allocations", allocations)
	}
}
