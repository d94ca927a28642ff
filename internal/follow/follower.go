package follow

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Errors of the kit.
var (
	// ErrFenced reports that another node took the lease, so the write of a former holder is
	// refused.
	ErrFenced = errors.New("another node took the lease")
	// ErrNotHere reports that another node holds the lease of a follower in an app instance.
	ErrNotHere = errors.New("another node works for this follower in this app instance")
	// ErrNotFound reports that there is no such follower, app instance or dead letter.
	ErrNotFound = errors.New("not found")
	// ErrNothing is what Handle returns when the events left nothing to do. It is no failure: how far the follower
	// is need not be written at once then.
	ErrNothing = errors.New("nothing to do")

	errDeleted = errors.New("the app instance is deleted")
	errUnborn  = errors.New("the app instance is being created")
	errEnded   = errors.New("the follower is no more")
	errRewound = errors.New("the follower was set back")
)

// Start says where a follower begins in an app instance that it has not followed before.
type Start uint8

// Where to begin. In an app instance that is created while a follower runs both are the same.
const (
	// Beginning is the first event that the log still has.
	Beginning Start = iota
	// End is after the events that are there already.
	End
	// Given is where its owner has set it in the store. Without a position the follower does nothing.
	Given
)

// Follower is one reader of the log.
type Follower struct {
	// Name is stored, and names the follower in metrics and for operators: up to 32 lower-case
	// letters, digits and hyphens.
	Name string
	// Start is where to begin where the follower has no position.
	Start Start
	// Wants reports whether the follower handles the event; nil stands for all events. It is called
	// for every event of the log and must not block.
	Wants func(e *chime.Event) bool
	// Handle does the follower's work for events of one app instance, in the order of the log. It may
	// get the same events again, after a crash for example. It must return soon after ctx ends, which
	// is when the node no longer holds the lease, and must neither change nor keep the events. It is
	// called from one goroutine at a time for each app instance, and a panic counts as an error. A handler that
	// finds nothing to do returns ErrNothing, which saves a commit.
	Handle func(ctx context.Context, app string, events []*chime.Event) error
	// Begin, when set, is called when this node has taken the lease in an app instance, before Handle. What
	// it starts ends with ctx, which is when the node gives the lease up, and end waits for that.
	Begin func(ctx context.Context, app string) (end func())

	// BatchEvents and BatchBytes bound what Handle gets at once; bytes are those of payloads, and one
	// event may exceed them. Zero means DefaultBatchEvents and DefaultBatchBytes.
	BatchEvents, BatchBytes int
	// MaxAttempts is how often an event is tried by itself before it becomes a dead letter. Zero means
	// DefaultMaxAttempts, less than zero that it is tried for ever and the app instance's later events
	// wait.
	MaxAttempts int

	// Paused keeps the follower from being handed events. The log is kept for it as for others.
	Paused bool
	// Needs, when set, returns the position after which the follower still needs the log, where that is
	// before its own: events that it has handled in part. found is false when it needs nothing so.
	Needs func(r store.Reader, app string) (position uint64, found bool, err error)
}

// What a Follower has unless it says otherwise. The attempts take about four minutes.
const (
	DefaultBatchEvents = 100
	DefaultBatchBytes  = 1 << 20
	DefaultMaxAttempts = 8
)

var namePattern = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// complete checks the follower and sets what it leaves out.
func (f *Follower) complete() error {
	if !namePattern.MatchString(f.Name) {
		return fmt.Errorf("follow: the name %q is not 1 to 32 lower-case letters, digits and hyphens", f.Name)
	}
	if f.Handle == nil {
		return fmt.Errorf("follow: %s has no Handle", f.Name)
	}
	if f.BatchEvents <= 0 {
		f.BatchEvents = DefaultBatchEvents
	}
	if f.BatchBytes <= 0 {
		f.BatchBytes = DefaultBatchBytes
	}
	if f.MaxAttempts == 0 {
		f.MaxAttempts = DefaultMaxAttempts
	}
	return nil
}

// Key is the idempotency key of what a follower does for the event at a position of an app instance's
// log: the same each time the event is handled, and no other effect has it.
func Key(app string, position uint64, follower string) string {
	return fmt.Sprintf("%s/%d/%s", app, position, follower)
}
