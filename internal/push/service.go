package push

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/store"
)

// Application is what the ARNs of Pinpoint applications stand for.
type Application struct {
	// Name names the application for operators, and its positions in the store: 1 to 24 lower-case letters,
	// digits and hyphens.
	Name    string
	Pattern chime.Pattern // over ARNs
	Sender  Sender
	// Badge has unread messages counted for each notification.
	Badge bool
}

// FollowerName is the name of the follower that pushes for the application.
func (a Application) FollowerName() string { return "push-" + a.Name }

// Messages finds the messages of events.
type Messages interface {
	// Notifying returns the message of an event as it is now; found is false when its notification is not to
	// be pushed any more.
	Notifying(r store.Reader, e *chime.Event) (m chime.Message, found bool, err error)
}

// Unread counts unread messages.
type Unread interface {
	// Total counts those of a user in all its channels, at most so many.
	Total(r store.Reader, app string, user chime.Ref, most uint64) (uint64, error)
}

// Options of a Service. All but Online and Queue are required.
type Options struct {
	Store    store.Store
	Site     chime.Site
	Now      func() time.Time
	Log      *slog.Logger
	Messages Messages
	Unread   Unread
	// Applications: of several that a device belongs to, the first counts.
	Applications []Application
	// TTL is for how long a notification is of use, but for a call.
	TTL time.Duration
	// Online reports whether a user has a live session, and is sent no notification for that; nil: none has.
	Online func(app string, user chime.Ref) bool
	// Queue has the notifications of messages that are not persistent; nil: there are none.
	Queue *Queue
	// Sleep waits between attempts for those; nil means follow.Sleep.
	Sleep func(ctx context.Context, d time.Duration)
}

// Service pushes notifications. It is safe for concurrent use.
type Service struct {
	o       Options
	pushers []*pusher // one for each application
}

// New makes a Service.
func New(o Options) *Service {
	if o.Online == nil {
		o.Online = func(string, chime.Ref) bool { return false }
	}
	if o.Queue == nil {
		o.Queue = NewQueue()
	}
	if o.Sleep == nil {
		o.Sleep = follow.Sleep
	}
	s := &Service{o: o}
	for i, application := range o.Applications {
		s.pushers = append(s.pushers, &pusher{
			Application: application, Service: s, index: i, log: o.Log.With("application", application.Name),
		})
	}
	return s
}

// pusher pushes for one application.
type pusher struct {
	Application
	*Service
	index int // among the applications
	log   *slog.Logger

	paused  atomic.Int64          // until when the push service asked to wait, in Unix nanoseconds
	trouble atomic.Pointer[Fault] // of the push service as a whole, nil once it has accepted something
	counts  counts
}

// counts are what happened since the node started.
type counts struct {
	delivered, gone, refused, expired, retried, quiet atomic.Uint64
}

// Counts are what happened to the notifications of an application since the node started, one for each device.
type Counts struct {
	Application string
	Delivered   uint64 // accepted by the push service
	Gone        uint64 // the device became INACTIVE
	Refused     uint64 // by the push service
	Expired     uint64 // given up after attempts, or for their age
	Retried     uint64 // attempts that failed and were made again
	Quiet       uint64 // not sent, because the user has a live session
}

// Counts returns the counts of each application.
func (s *Service) Counts() (list []Counts) {
	for _, p := range s.pushers {
		c := &p.counts
		list = append(list, Counts{
			p.Name, c.delivered.Load(), c.gone.Load(), c.refused.Load(), c.expired.Load(), c.retried.Load(), c.quiet.Load(),
		})
	}
	return list
}

// Followers push for the applications: one for each, so that none waits for another.
func (s *Service) Followers() (list []follow.Follower) {
	for _, p := range s.pushers {
		list = append(list, follow.Follower{
			Name: p.FollowerName(), Start: follow.End, MaxAttempts: -1, // what takes too long expires
			Wants:  func(e *chime.Event) bool { return e.Push },
			Handle: p.handle,
		})
	}
	return list
}

// owner finds the pusher of a device. One without is left to the first, which deactivates it.
func (s *Service) owner(device *chime.Endpoint) (p *pusher, known bool) {
	for _, p := range s.pushers {
		if p.Pattern.Matches(device.ResourceARN) && p.Sender.Takes(device) {
			return p, true
		}
	}
	return s.pushers[0], false
}
