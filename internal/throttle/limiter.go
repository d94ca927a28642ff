package throttle

import (
	"context"
	"fmt"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
)

// Options of a Limiter.
type Options struct {
	// Rates are calls a second by the name of the rate; zero, or none, means that it is off.
	Rates map[string]int
	// Elastic reports whether a channel is an elastic one, which may have a rate of its own. It
	// is called for channels without a bucket. Nil: no channel is.
	Elastic func(ctx context.Context, channelARN string) bool
	Now     func() time.Time // nil means time.Now
}

// MaxRate is the highest rate, in calls a second.
const MaxRate = 1_000_000

// burstSeconds is how many seconds of its rate a full bucket holds (spec 10.7).
const burstSeconds = 2

// Limiter keeps the buckets. It is safe for concurrent use; nil admits everything.
type Limiter struct {
	services map[string]rules
	connect  rate
	elastic  func(context.Context, string) bool
	now      func() time.Time
	start    time.Time
	buckets  *buckets
}

// rules are the groups of one service as far as they are on.
type rules struct {
	of    map[string][]rule // by operation
	every []rule            // for all operations
}

type rule struct {
	group
	rate        rate
	elasticRate rate
}

// rate is how one kind of bucket fills. A rate without calls is off.
type rate struct {
	name     string
	per      string // "one channel"
	number   byte   // part of the keys of its buckets
	calls    int    // a second
	interval int64  // nanoseconds for one call
}

// burst is how long a full bucket lasts for calls that come at once, in the time that it takes to
// fill, nanoseconds.
func (r rate) burst() int64 { return int64(r.calls) * burstSeconds * r.interval }

// New returns a Limiter, or nil when every rate is off. It refuses names that are no rate's and
// rates below zero or above MaxRate.
func New(o Options) (*Limiter, error) {
	rates, on, err := ratesOf(o.Rates)
	if err != nil || !on {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Limiter{
		services: make(map[string]rules), connect: rates[rateConnect], elastic: o.Elastic,
		now: o.Now, start: o.Now(), buckets: newBuckets(),
	}

	// Operations find their rules by name; a group without operations counts all of its service.
	for _, g := range groups {
		r := rule{group: g, rate: rates[g.name], elasticRate: rates[g.elastic]}
		if r.rate.calls == 0 && r.elasticRate.calls == 0 {
			continue
		}
		service, known := l.services[g.service]
		if !known {
			service.of = make(map[string][]rule)
		}
		for _, operation := range g.operations {
			service.of[operation] = append(service.of[operation], r)
		}
		if g.operations == nil {
			service.every = append(service.every, r)
		}
		l.services[g.service] = service
	}

	return l, nil
}

// ratesOf returns every rate by its name, and whether any is on.
func ratesOf(calls map[string]int) (rates map[string]rate, on bool, err error) {
	rates = make(map[string]rate)
	for i, name := range Names() {
		rates[name] = rate{name: name, number: byte(i), per: "one user"}
	}

	// A refusal names what the rate is counted for.
	for _, g := range groups {
		for _, name := range [...]string{g.name, g.elastic} {
			if r, known := rates[name]; known {
				r.per = g.per.words
				rates[name] = r
			}
		}
	}

	for name, n := range calls {
		r, known := rates[name]
		if !known {
			return nil, false, fmt.Errorf("throttle: there is no rate %q", name)
		}
		if n < 0 || n > MaxRate {
			return nil, false, fmt.Errorf("throttle: %s: must be 0 to %d calls a second", name, MaxRate)
		}
		if n > 0 {
			on = true
			r.calls, r.interval = n, (int64(time.Second)+int64(n)-1)/int64(n) // rounded up: never faster
			rates[name] = r
		}
	}
	return rates, on, nil
}

// Admit takes what a call needs from its buckets, or refuses it with ThrottledClientException.
// ctx is for Options.Elastic.
func (l *Limiter) Admit(ctx context.Context, op *api.Operation, req api.Request) error {
	if l == nil {
		return nil
	}
	service := l.services[op.Service]

	// All claims are taken together: a call that one rate refuses uses up none of the others.
	var claims [maxClaims]claim
	n := 0
	for _, list := range [...][]rule{service.of[op.Name], service.every} {
		for i := range list {
			if c, counted := l.claim(ctx, &list[i], req); counted {
				claims[n] = c
				n++
			}
		}
	}
	if n == 0 {
		return nil
	}

	short, wait := l.buckets.take(l.elapsed(), claims[:n])
	if wait == 0 {
		return nil
	}
	return short.refusal(wait)
}

// claim is what a call needs by one rule, if it falls under it.
func (l *Limiter) claim(ctx context.Context, r *rule, req api.Request) (c claim, counted bool) {
	if r.only != nil && !r.only(req) {
		return claim{}, false
	}
	id, part := r.per.of(req)
	if id == "" {
		return claim{}, false
	}
	c = l.buckets.claim(r.rate, id, part)
	if r.elastic != "" {
		if other := l.buckets.claim(r.elasticRate, id, part); l.isElastic(ctx, c, other, id) {
			c = other
		}
	}
	return c, c.rate.calls > 0
}

// isElastic decides which of its two rates a channel has: by the bucket that it has, else by
// Options.Elastic. So the store is read only for the first call in a while, and never to refuse.
func (l *Limiter) isElastic(ctx context.Context, standard, elastic claim, channelARN string) bool {
	switch {
	case l.elastic == nil || l.buckets.has(standard.key):
		return false
	case l.buckets.has(elastic.key):
		return true
	}
	return l.elastic(ctx, channelARN)
}

// Connect takes what a new WebSocket of the user needs, and returns how long it has to wait for its
// turn: turns are given in the order of the calls. It refuses a socket that would wait for longer
// than patience. A turn that is not waited for is lost. A socket that had its turn and still fails
// to open is to be given back with NotConnected, so that a client in a loop is not locked out by
// its own failures.
func (l *Limiter) Connect(userARN string, patience time.Duration) (wait time.Duration, err error) {
	if l == nil || l.connect.calls == 0 {
		return 0, nil
	}
	wait, reserved := l.buckets.reserve(l.elapsed(), l.buckets.claim(l.connect, userARN, ""), patience)
	if !reserved {
		return 0, l.connect.refusal(wait)
	}
	return wait, nil
}

// NotConnected undoes a Connect, unless later sockets wait: their turns are fixed.
func (l *Limiter) NotConnected(userARN string) {
	if l != nil && l.connect.calls > 0 {
		l.buckets.giveBack(l.elapsed(), l.buckets.claim(l.connect, userARN, ""))
	}
}

// elapsed is the time since the start in nanoseconds. It does not jump when the machine's clock
// is set.
func (l *Limiter) elapsed() int64 { return int64(l.now().Sub(l.start)) }

// refusal names the rate, so that its reader knows which setting it is.
func (r rate) refusal(wait time.Duration) error {
	what := "calls"
	if r.calls == 1 {
		what = "call"
	}
	err := api.Throttled("Rate exceeded: %s is %d %s a second for %s; try again in %s",
		r.name, r.calls, what, r.per, max(wait.Round(time.Millisecond), time.Millisecond))
	err.RetryAfter = wait
	return err
}
