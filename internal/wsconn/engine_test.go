package wsconn

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/realtime"
)

// networkConn is the TCP connection of a peer.
func (p *peer) networkConn() *net.TCPConn { return innermost(p.nc).(*net.TCPConn) }

// TestSlowReadersGetEverything: what the kernel does not take at once follows when it does, whole
// and in order, with control frames between.
func TestSlowReadersGetEverything(t *testing.T) { everyWay(t, testSlowReadersGetEverything) }

func testSlowReadersGetEverything(t *testing.T, w way) {
	hub := newFakeHub()
	s, address := w.start(t, Options{Hub: hub, SendBuffer: 32 << 10})
	random := rand.New(rand.NewPCG(1, 2))
	var sizes []int
	for range 300 {
		sizes = append(sizes, random.IntN(2000)) // many in one write
		if random.IntN(20) == 0 {
			sizes = append(sizes, random.IntN(100_000)) // more than the kernel takes
		}
	}
	const sessions = 12 // some share a writer
	event := func(session, i int) string {
		return fmt.Sprintf("%d %s", i, strings.Repeat(string(rune('a'+(session+i)%26)), sizes[i]))
	}
	var clients sync.WaitGroup
	for number := range sessions {
		p := dial(t, address)
		if err := p.networkConn().SetReadBuffer(64 << 10); err != nil {
			t.Fatal(err)
		}
		session := hub.session(t)
		clients.Go(func() {
			for i := range sizes {
				session.push(TextFrame([]byte(event(number, i)), false))
			}
		})
		clients.Go(func() {
			for i := range 40 {
				if _, err := p.nc.Write(ping(fmt.Sprint(i))); err != nil {
					t.Error(err)
				}
			}
			for i := 0; i < len(sizes); {
				h, payload, err := p.next()
				switch {
				case err != nil:
					t.Error(err)
					return
				case h.OpCode == ws.OpPong:
				case payload == event(number, i):
					i++
				default:
					t.Errorf("got %x %.40q instead of event %d", h.OpCode, payload, i)
					return
				}
			}
			p.nc.Close()
		})
	}
	clients.Wait()
	shutdown(t, s)
	if n := s.Stats().FramesWritten; n != uint64(sessions*len(sizes)) {
		t.Errorf("%d frames counted", n)
	}
}

// A session that the hub ends as too slow does not wait for its reader for long.
func TestHubClosesWhoDoesNotRead(t *testing.T) { everyWay(t, testHubClosesWhoDoesNotRead) }

func testHubClosesWhoDoesNotRead(t *testing.T, w way) {
	hub := newFakeHub()
	s, address := w.start(t, Options{Hub: hub, CloseTimeout: 50 * time.Millisecond})
	dial(t, address) // and read nothing
	session := hub.session(t)
	fill(session)
	session.transport.Close(1011, "slow consumer")
	session.waitDetached(t)
	shutdown(t, s)
	if n := s.Stats().Closed[Ended{"hub", 1011}]; n != 1 {
		t.Errorf("closed = %v", s.Stats().Closed)
	}
}

// A peer that says nothing after the server's close frame is not waited for long.
func TestSilentPeerIsLeft(t *testing.T) { everyWay(t, testSilentPeerIsLeft) }

func testSilentPeerIsLeft(t *testing.T, w way) {
	hub := newFakeHub()
	_, address := w.start(t, Options{Hub: hub, CloseTimeout: 50 * time.Millisecond})
	p := dial(t, address)
	hub.session(t).transport.Close(4003, "kicked")
	p.wantClose(4003)
	p.wantEOF()
}

func TestPeersReset(t *testing.T) { everyWay(t, testPeersReset) }

func testPeersReset(t *testing.T, w way) {
	hub := newFakeHub()
	s, address := w.start(t, Options{Hub: hub})
	const count = 60
	for i := range count {
		p := dial(t, address)
		session := hub.session(t)
		switch i % 3 {
		case 1:
			fill(session) // a write is under way, and stays so
		case 2:
			session.push(TextFrame([]byte("one"), false))
		}
		if err := p.networkConn().SetLinger(0); err != nil {
			t.Fatal(err)
		}
		p.networkConn().Close()
		session.waitDetached(t)
	}
	shutdown(t, s)
	if n := s.Stats().Closed[Ended{"lost", 1006}]; n != count {
		t.Errorf("closed = %v", s.Stats().Closed)
	}
}

// TestNobodyGetsTheEventsOfAnother: descriptors are used again at once, while others are still
// written to.
func TestNobodyGetsTheEventsOfAnother(t *testing.T) { everyWay(t, testNobodyGetsTheEventsOfAnother) }

func testNobodyGetsTheEventsOfAnother(t *testing.T, w way) {
	hub := attachFunc(func(_ realtime.Grant, transport realtime.Transport) (Session, error) {
		return newChatter(transport), nil
	})
	_, address := w.start(t, Options{Hub: hub, CloseTimeout: time.Second})
	var clients sync.WaitGroup
	for worker := range 8 {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 1))
			for range 12 {
				p := dial(t, address)
				name := ""
				for n := range 1 + random.IntN(30) {
					_, payload, err := p.next()
					var from string
					var number int
					if _, scanned := fmt.Sscanf(payload, "%s %d", &from, &number); err != nil || scanned != nil {
						t.Errorf("got %q, %v", payload, err)
						return
					}
					if name == "" {
						name = from
					}
					if from != name || number != n {
						t.Errorf("%s got event %d of %s, not its own %d", name, number, from, n)
						return
					}
				}
				if random.IntN(2) == 0 {
					_ = p.networkConn().SetLinger(0)
				}
				p.networkConn().Close()
			}
		})
	}
	clients.Wait()
}

// chatter is a session with events without end.
type chatter struct {
	deaf
	transport realtime.Transport
	mu        sync.Mutex
	n         int
}

func newChatter(t realtime.Transport) *chatter {
	t.Ready()
	return &chatter{transport: t}
}

func (c *chatter) Take(frames [][]byte, _ int) [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range 3 {
		frames = append(frames, TextFrame(fmt.Appendf(nil, "%p %d", c, c.n), false))
		c.n++
	}
	return frames
}

func (c *chatter) Detach() {}

// TestNothingIsLeftOpen counts the descriptors of the process.
func TestNothingIsLeftOpen(t *testing.T) { everyWay(t, testNothingIsLeftOpen) }

func testNothingIsLeftOpen(t *testing.T, w way) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("no /proc/self/fd: ", err)
	}
	before := descriptors(t)
	hub := newFakeHub()
	s, address := w.start(t, Options{Hub: hub})
	const count = 200
	var peers []*peer
	for range count {
		peers = append(peers, dial(t, address))
		hub.session(t).push(TextFrame([]byte("hello"), false))
	}
	var clients sync.WaitGroup
	for i, p := range peers {
		p.want(ws.OpText, "hello")
		if i%2 == 0 {
			p.nc.Close()
			continue
		}
		clients.Go(func() {
			p.wantClose(1012)
			p.send(closeOf(1012, "")...)
			p.wantEOF()
			p.nc.Close()
		})
	}
	shutdown(t, s)
	clients.Wait()
	const own = 2 // the listener, and the poller of the runtime when this is the first test
	deadline := time.Now().Add(patience)
	for descriptors(t) > before+own && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond) // net/http's are about to end
	}
	if n := descriptors(t); n > before+own {
		t.Errorf("%d descriptors more than before", n-before)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestShutdownOfThousands(t *testing.T) { everyWay(t, testShutdownOfThousands) }

func testShutdownOfThousands(t *testing.T, w way) {
	if testing.Short() {
		t.Skip("opens 1,000 connections")
	}
	hub := newFakeHub()
	s, address := w.start(t, Options{Hub: hub})
	count := 1000
	if w.secure {
		count = 200 // handshakes take their time
	}
	var clients sync.WaitGroup
	for range count {
		p := dial(t, address)
		session := hub.session(t)
		clients.Go(func() {
			p.want(ws.OpText, "last words")
			p.wantClose(1012)
			p.send(closeOf(1012, "")...)
			p.wantEOF()
			p.nc.Close()
		})
		session.push(TextFrame([]byte("last words"), false))
	}
	waitPending(t, s)
	shutdown(t, s)
	clients.Wait()
	if stats := s.Stats(); stats.Open != 0 || stats.Closed[Ended{"shutdown", 1012}] != uint64(count) {
		t.Errorf("stats = %+v", stats)
	}
}

// attentive is a session that wants the client's texts.
type attentive struct {
	silent
	texts chan string
}

func (a attentive) Received(text []byte) { a.texts <- string(text) }

func TestTextsOfClients(t *testing.T) { everyWay(t, testTextsOfClients) }

func testTextsOfClients(t *testing.T, w way) {
	session := attentive{texts: make(chan string, 10)}
	opts := Options{
		Hub:          attachFunc(func(realtime.Grant, realtime.Transport) (Session, error) { return session, nil }),
		Authenticate: granting(realtime.Grant{Extras: chime.ExtraTyping}),
	}
	_, address := w.start(t, opts)
	p := dial(t, address)
	for _, bytes := range list(
		text("whole"), binaryFrame("not text"), frame(1, "in "), ping("between"), frame(0, "three "), frame(fin, "parts"),
		text(""), text(stars(4096)), pong(""), text("late"),
	) {
		p.send(bytes...)
	}
	for _, want := range []string{"whole", "in three parts", "", stars(4096), "late"} {
		select {
		case got := <-session.texts:
			if got != want {
				t.Fatalf("got %.40q, want %.40q", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("never got %.40q", want)
		}
	}
	p.want(ws.OpPong, "between")
	p.send(text("bad \xff")...)
	p.wantClose(1007)
	p.wantEOF()
	if len(session.texts) > 0 {
		t.Errorf("the session got %q", <-session.texts)
	}
}

// Who does not ask for anything that needs them is not given the client's texts.
func TestTextsAreDropped(t *testing.T) { everyWay(t, testTextsAreDropped) }

func testTextsAreDropped(t *testing.T, w way) {
	session := attentive{texts: make(chan string, 10)}
	_, address := w.start(t, Options{Hub: attachFunc(func(realtime.Grant, realtime.Transport) (Session, error) { return session, nil })})
	p := dial(t, address)
	p.send(append(text("heartbeat"), ping("after it")...)...)
	p.want(ws.OpPong, "after it")
	if len(session.texts) > 0 {
		t.Errorf("the session got %q", <-session.texts)
	}
}

// Input of any size and number of pieces is read to its end, though each client has its turn.
func TestMuchInputAtOnce(t *testing.T) { everyWay(t, testMuchInputAtOnce) }

func testMuchInputAtOnce(t *testing.T, w way) {
	_, address := w.start(t, Options{Hub: quiet, ClientBytes: 1 << 20})
	p := dial(t, address)
	var all []byte
	for range 400 {
		all = append(all, binaryFrame(stars(4096))...)
	}
	p.send(append(all, ping("the end")...)...)
	p.want(ws.OpPong, "the end")
	p.send(closeOf(1000, "")...)
	p.wantClose(1000)
	if _, err := io.ReadAll(p.br); err != nil {
		t.Error(err)
	}
}
