package faultnet

import (
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Weather is how bytes travel, in both directions.
type Weather struct {
	Delay, Jitter time.Duration // a chunk arrives after Delay and a random part of Jitter
	Segment       int           // most bytes of one write; 0 is no limit
	Rate          int           // bytes a second; 0 is no limit
}

// dialTimeout bounds how long a client waits for a target that does not answer.
const dialTimeout = 5 * time.Second

// Proxy hands connections on to a target.
type Proxy struct {
	listener net.Listener
	target   string
	group    sync.WaitGroup

	mu      sync.Mutex
	random  *rand.Rand
	links   map[*Link]struct{}
	weather func(*rand.Rand) Weather
	refuse  bool
	hold    time.Duration
	closed  bool
}

// Listen starts a proxy at an address for a target, both host:port. The seed decides what is
// random.
func Listen(address, target string, seed uint64) (*Proxy, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: listener, target: target, random: rand.New(rand.NewPCG(seed, 1)), links: map[*Link]struct{}{},
		weather: func(*rand.Rand) Weather { return Weather{} }}
	p.group.Go(p.accept)
	return p, nil
}

// Addr is where the proxy listens: host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close resets all connections and waits until nothing of the proxy runs.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.listener.Close()
	p.Each(1, (*Link).Reset)
	p.group.Wait()
	return err
}

// Each calls f for a random part of the connections, which 0 to 1 says, and returns how many.
func (p *Proxy) Each(part float64, f func(*Link)) int {
	p.mu.Lock()
	var chosen []*Link
	for l := range p.links {
		if part >= 1 || p.random.Float64() < part {
			chosen = append(chosen, l)
		}
	}
	p.mu.Unlock()
	for _, l := range chosen {
		f(l)
	}
	return len(chosen)
}

// SetWeather chooses the weather of all connections, now and later, each by its own call.
func (p *Proxy) SetWeather(choose func(*rand.Rand) Weather) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.weather = choose
	for l := range p.links {
		w := choose(p.random)
		l.weather.Store(&w)
	}
}

// Refuse lets the proxy reset new connections at once, or take them again.
func (p *Proxy) Refuse(refuse bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = refuse
}

// HoldNew lets each new connection begin with a stall of a time, or with none: what its client
// wrote arrives late, even after the client has given up.
func (p *Proxy) HoldNew(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold = d
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil { // else the client gave up while it waited
			p.group.Go(func() { p.serve(conn.(*net.TCPConn)) })
		}
	}
}

func (p *Proxy) serve(client *net.TCPConn) {
	var target net.Conn
	p.mu.Lock()
	refuse := p.refuse || p.closed
	p.mu.Unlock()
	err := errors.New("refused")
	if !refuse {
		target, err = net.DialTimeout("tcp", p.target, dialTimeout)
	}
	if err != nil {
		reset(client)
		return
	}
	l := newLink(client, target.(*net.TCPConn))
	if !p.add(l) {
		l.Reset()
		return
	}
	l.run()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// add makes the connection known to faults, and gives it its weather and randomness.
func (p *Proxy) add(l *Link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	for _, pipe := range []*pipe{&l.down, &l.up} {
		pipe.random = rand.New(rand.NewPCG(p.random.Uint64(), 2))
	}
	w := p.weather(p.random)
	l.weather.Store(&w)
	if p.hold > 0 {
		l.Stall(p.hold)
	}
	p.links[l] = struct{}{}
	return true
}

// reset ends a connection with RST: what was not sent yet is dropped.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
