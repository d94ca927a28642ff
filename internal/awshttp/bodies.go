package awshttp

import (
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
)

// Limits of one body in bytes, by what the request claims to be. Each is above the largest body
// that the models of its operations allow, with every character escaped.
const (
	// MaxRESTBody is the limit of the messaging and identity APIs. Their largest, CreateAppInstanceBot
	// with 50 tags of escaped emoji, has 289 KiB; a long message has 25.
	MaxRESTBody = 320 << 10
	// MaxFormBody is the limit of signed forms: IAM simulates many policies at a time.
	MaxFormBody = 1 << 20
	// MaxOpenBody is the limit of operations without a signature, of STS and Cognito: a few tokens.
	MaxOpenBody = 64 << 10
)

// DefaultBodyBytes is the budget of Bodies in bytes unless it is set.
const DefaultBodyBytes = 64 << 20

// openShare is the part of the budget, one in so many, that requests without a signature have.
const openShare = 8

// busyWait is the Retry-After of a request that finds the budget used up.
const busyWait = time.Second

// Bodies is the budget of the request bodies in memory, of all requests together. Bytes are taken
// before they are read and given back after the answer. Requests without a signature share an
// eighth of it, so that they cannot crowd out signed requests. It is safe for concurrent use.
type Bodies struct {
	limit       int64
	used, open  atomic.Int64 // open is part of used
	refusals    atomic.Uint64
	openRefused atomic.Uint64
}

// NewBodies makes a budget of so many bytes; zero means DefaultBodyBytes.
func NewBodies(bytes int64) *Bodies {
	if bytes <= 0 {
		bytes = DefaultBodyBytes
	}
	return &Bodies{limit: bytes}
}

// BodyStats is what a budget holds, in bytes, and how many requests it refused.
type BodyStats struct {
	Limit, OpenLimit     int64
	Used, OpenUsed       int64 // OpenUsed is part of Used
	Refused, OpenRefused uint64
}

// Stats gives the present state of the budget.
func (b *Bodies) Stats() BodyStats {
	return BodyStats{
		Limit: b.limit, OpenLimit: b.limit / openShare, Used: b.used.Load(), OpenUsed: b.open.Load(),
		Refused: b.refusals.Load(), OpenRefused: b.openRefused.Load(),
	}
}

// loan is what one request has taken of a budget.
type loan struct {
	open  bool // out of the share of requests without a signature
	bytes int64
}

// take adds n bytes to a loan, or refuses with 503.
func (b *Bodies) take(l *loan, n int64) error {
	if l.open && b.open.Add(n) > b.limit/openShare {
		b.open.Add(-n)
		b.openRefused.Add(1)
		return errBusy
	}
	if b.used.Add(n) > b.limit {
		b.used.Add(-n)
		if l.open {
			b.open.Add(-n)
		}
		b.refusals.Add(1)
		return errBusy
	}
	l.bytes += n
	return nil
}

// giveBack ends a loan.
func (b *Bodies) giveBack(l *loan) {
	if l.bytes == 0 {
		return
	}
	b.used.Add(-l.bytes)
	if l.open {
		b.open.Add(-l.bytes)
	}
	*l = loan{}
}

// errBusy is shared by all requests that it refuses.
var errBusy = func() *api.Error {
	e := api.ServiceUnavailable("the server holds as many bytes of requests as it may; try again")
	e.RetryAfter = busyWait
	return e
}()
