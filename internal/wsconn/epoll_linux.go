package wsconn

import (
	"net"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-chat/carillon/internal/lockorder"
)

const (
	// maxShards bounds the shards; there are two for each core, so that one which waits for the
	// kernel does not hold up the rest.
	maxShards = 32
	// eventBuffer is how many reports one call returns.
	eventBuffer = 256
	// inputBuffer is read into by all connections of a shard in turn.
	inputBuffer = 16 << 10
	// readsPerTurn bounds what one client may send before others of its shard are read.
	readsPerTurn = 8
	// batchesPerTurn does the same for what it is sent.
	batchesPerTurn = 8
	// writesPerYield keeps fan-out from holding a core: other goroutines get it in between.
	writesPerYield = 16
)

// poller is EngineEpoll: a few shards, each with an epoll instance. Two goroutines of each shard
// work for all of its connections.
type poller struct {
	// writers has a slot for each shard that may write at a time, one less than there are Ps: the scheduler
	// looks for input, such as the next requests, when a P has nothing else to do.
	writers chan struct{}

	mu      lockorder.Mutex[lockorder.Poller]
	shards  []*shard
	next    int
	stopped bool
}

func newPoller() *poller {
	return &poller{writers: make(chan struct{}, max(runtime.GOMAXPROCS(0)-1, 1))}
}

// shard returns the next connection's, nil when no epoll instance can be had.
func (p *poller) shard() *shard {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return nil
	}
	if p.shards == nil {
		for range min(2*runtime.GOMAXPROCS(0), maxShards) {
			if s := newShard(p.writers); s != nil {
				p.shards = append(p.shards, s)
			}
		}
	}
	if len(p.shards) == 0 {
		return nil
	}
	p.next = (p.next + 1) % len(p.shards)
	return p.shards[p.next]
}

// catchUp waits until every connection that wants to write now has had its turn.
func (p *poller) catchUp() {
	p.mu.Lock()
	shards := p.shards
	p.mu.Unlock()
	for _, s := range shards {
		if over := s.round(); over != nil {
			select {
			case <-over:
			case <-s.stopped:
			}
		}
	}
}

// stop ends the goroutines once there are no connections any more.
func (p *poller) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	for _, s := range p.shards {
		close(s.stopped)
		s.epoll.Close()
	}
	p.shards = nil
}

// shard watches and serves its part of the connections.
type shard struct {
	epoll   *os.File // known to the runtime's poller, so that waiting holds no thread
	control syscall.RawConn
	stopped chan struct{}
	woken   chan struct{} // holds one token: first is not nil any more
	writers chan struct{} // the poller's

	mu          lockorder.Mutex[lockorder.Shard]
	watched     map[int32]*polled // by descriptor
	first, last *polled           // those that want to write, linked by next
	serving     bool              // the writer has some of them
	ended, next chan struct{}     // closed when those have had their turns, and when first and those behind have

	events [eventBuffer]unix.EpollEvent
	input  [inputBuffer]byte
	unread []*polled // they have more than a turn allowed
}

func newShard(writers chan struct{}) *shard {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil
	}
	s := &shard{
		epoll: os.NewFile(uintptr(fd), "epoll"), watched: make(map[int32]*polled),
		stopped: make(chan struct{}), woken: make(chan struct{}, 1), writers: writers,
	}
	if s.control, err = s.epoll.SyscallConn(); err != nil {
		s.epoll.Close()
		return nil
	}
	go s.listen()
	go s.serve()
	return s
}

// watch begins to report what happens on the descriptor, what has happened already included.
func (s *shard) watch(p *polled, fd int32) error {
	s.mu.Lock()
	s.watched[fd] = p
	s.mu.Unlock()
	event := unix.EpollEvent{Fd: fd, Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET}
	var err error
	if closed := s.control.Control(func(epoll uintptr) {
		err = unix.EpollCtl(int(epoll), unix.EPOLL_CTL_ADD, int(fd), &event)
	}); closed != nil {
		return closed
	}
	return err
}

// forget is called before the descriptor is closed, which ends the reports. One that is under
// way finds no connection, or the next owner of the number: therefore reports are hints, no more.
func (s *shard) forget(fd int32) {
	s.mu.Lock()
	delete(s.watched, fd)
	s.mu.Unlock()
}

// listen is the goroutine that reads.
func (s *shard) listen() {
	for {
		n := 0
		err := s.control.Read(func(epoll uintptr) bool {
			var err error
			for n, err = unix.EpollWait(int(epoll), s.events[:], 0); err == unix.EINTR; {
				n, err = unix.EpollWait(int(epoll), s.events[:], 0)
			}
			return n > 0 || len(s.unread) > 0
		})
		if err != nil {
			return // closed by stop
		}

		again := s.unread
		s.unread = nil
		for i := range s.events[:max(n, 0)] {
			s.report(&s.events[i])
		}
		for _, p := range again {
			s.read(p, true)
		}
	}
}

func (s *shard) report(e *unix.EpollEvent) {
	s.mu.Lock()
	p := s.watched[e.Fd]
	s.mu.Unlock()
	if p == nil {
		return
	}
	const broken = unix.EPOLLERR | unix.EPOLLHUP // a write returns how
	if e.Events&(unix.EPOLLOUT|broken) != 0 {
		p.writable()
	}
	if e.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|broken) != 0 {
		ends := e.Events&(unix.EPOLLRDHUP|broken) != 0
		p.left = p.left || ends
		s.read(p, ends)
	}
}

func (s *shard) read(p *polled, ends bool) {
	if more := p.readable(s.input[:], ends); more {
		s.unread = append(s.unread, p)
	}
}

// enqueue puts a connection at the end of those that want to write.
func (s *shard) enqueue(p *polled) {
	s.mu.Lock()
	wake := s.first == nil
	if wake {
		s.first = p
	} else {
		s.last.next = p
	}
	s.last = p
	s.mu.Unlock()
	if wake {
		select {
		case s.woken <- struct{}{}:
		default:
		}
	}
}

// dequeue takes all that want to write. Those that were taken before have had their turns.
func (s *shard) dequeue() *polled {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		close(s.ended)
	}
	first := s.first
	s.ended, s.next, s.serving = s.next, nil, first != nil
	s.first, s.last = nil, nil
	return first
}

// round returns a channel that is closed when all that want to write now have had their turns, nil when none
// does.
func (s *shard) round() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	over := &s.next
	if s.first == nil {
		if over = &s.ended; !s.serving {
			return nil
		}
	}
	if *over == nil {
		*over = make(chan struct{})
	}
	return *over
}

// pause lets other goroutines run, the writer of another shard among them.
func (s *shard) pause() {
	<-s.writers
	runtime.Gosched()
	s.writers <- struct{}{}
}

// serve is the goroutine that writes.
func (s *shard) serve() {
	b := new(batch)
	writes := 0
	for {
		select {
		case <-s.woken:
		case <-s.stopped:
			return
		}
		s.writers <- struct{}{}
		for p := s.dequeue(); p != nil; {
			next := p.next
			p.next = nil
			writes += p.writeTurn(b)
			if writes >= writesPerYield {
				writes = 0
				s.pause()
			}
			if p = next; p == nil {
				p = s.dequeue()
			}
		}
		<-s.writers
		b.reset()
	}
}

// limitSilence has the kernel give up a peer that acknowledges nothing for so long.
func limitSilence(tcp *net.TCPConn, limit time.Duration) {
	limit = min(limit, time.Hour) // the kernel's number is a small one
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { // pings find out otherwise
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(limit.Milliseconds()))
	})
}
