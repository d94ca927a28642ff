package audit

import (
	"log/slog"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/ops"
)

// outage remembers how the latest attempt at something went, counts those that failed, and logs both sides of a
// change: failures a few times at most. It is safe for concurrent use.
type outage struct {
	log          *slog.Logger
	begun, ended string // what is logged of a failure, and of the first success after one
	failures     *ops.Sampler

	mu      sync.Mutex
	failure error
	count   uint64
}

func newOutage(log *slog.Logger, now func() time.Time, begun, ended string) *outage {
	return &outage{log: log, begun: begun, ended: ended, failures: ops.NewSampler(logInterval, now)}
}

// note notes an attempt, which failed unless err is nil.
func (o *outage) note(err error) {
	o.mu.Lock()
	former := o.failure
	if o.failure = err; err != nil {
		o.count++
	}
	o.mu.Unlock()

	if err == nil {
		if former != nil {
			o.log.Info(o.ended)
		}
		return
	}
	if omitted, ok := o.failures.Sample(); ok {
		o.log.Error(o.begun, "error", err, "omitted", omitted)
	}
}

// state returns how many attempts failed, and how the latest did, nil when it did not.
func (o *outage) state() (failures uint64, latest error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.count, o.failure
}
