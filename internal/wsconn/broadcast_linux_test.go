package wsconn

import (
	"io"
	"sync"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/lab/cputime"
	"github.com/carillon-chat/carillon/internal/realtime"
)

// broadcaster is a hub of sessions that all get the same frame.
type broadcaster struct {
	mu    sync.Mutex
	all   []*listener
	taken sync.WaitGroup
}

type listener struct {
	deaf
	to        *broadcaster
	transport realtime.Transport
	mu        sync.Mutex
	frame     []byte
}

func (h *broadcaster) attach(_ realtime.Grant, t realtime.Transport) (Session, error) {
	l := &listener{to: h, transport: t}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, l)
	return l, nil
}

func (l *listener) Take(frames [][]byte, _ int) [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frame != nil {
		frames = append(frames, l.frame)
		l.frame = nil
		l.to.taken.Done()
	}
	return frames
}

func (l *listener) Detach() {}

// send gives everybody the frame and waits until all are about to be written.
func (h *broadcaster) send(frame []byte) {
	h.taken.Add(len(h.all))
	for _, l := range h.all {
		l.mu.Lock()
		l.frame = frame
		l.mu.Unlock()
		l.transport.Ready()
	}
	h.taken.Wait()
}

// BenchmarkBroadcast sends one frame to all sockets, in turn with plain calls of write on the same
// ones: the ratios say which part of the raw rate is reached. The receivers are a process of
// their own, on the same cores.
func BenchmarkBroadcast(b *testing.B) {
	const count = 500
	h := new(broadcaster)
	s, address := way{engine: EngineEpoll}.start(b, Options{Hub: attachFunc(h.attach)})
	open, stop := startClient(b, address)
	defer stop()
	open(count)
	waitPending(b, s)
	var fds []int32
	for _, c := range s.wheel.all() {
		fds = append(fds, c.link.(*polled).fd)
	}
	frame := TextFrame([]byte(stars(600)), false)
	var raw, engine cost
	for b.Loop() {
		raw.add(b, func() {
			for _, fd := range fds {
				if n, err := writeFD(fd, frame); n < len(frame) || err != nil {
					b.Fatalf("wrote %d bytes, %v", n, err)
				}
			}
		})
		engine.add(b, func() { h.send(frame) })
	}
	frames := float64(b.N * count)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(raw.cpu.Nanoseconds())/frames, "raw-cpu-ns/frame")
	b.ReportMetric(float64(engine.cpu.Nanoseconds())/frames, "engine-cpu-ns/frame")
	b.ReportMetric(float64(raw.cpu)/float64(engine.cpu), "cpu-ratio")
	b.ReportMetric(float64(raw.wall)/float64(engine.wall), "wall-ratio")
}

// cost is the time that passed and the CPU time of this process, which other load disturbs less.
type cost struct{ wall, cpu time.Duration }

func (c *cost) add(b *testing.B, f func()) {
	wall, cpu := time.Now(), cputime.Process(b)
	f()
	c.wall += time.Since(wall)
	c.cpu += cputime.Process(b) - cpu
}

// In the steady state nothing is allocated for what is delivered.
func TestDeliveryAllocatesNothing(t *testing.T) {
	h := new(broadcaster)
	s, address := way{engine: EngineEpoll}.start(t, Options{Hub: attachFunc(h.attach)})
	const count = 20
	for range count {
		p := dial(t, address)
		go io.Copy(io.Discard, p.nc)
	}
	waitPending(t, s)
	frame := TextFrame([]byte(stars(600)), false)
	if n := testing.AllocsPerRun(200, func() { h.send(frame) }); n > 1 {
		t.Errorf("%v allocations for %d frames", n, count)
	}
}
