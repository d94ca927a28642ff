package stream

import (
	"context"
	"slices"
	"sync"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/store"
)

// Route hands the streams whose ARN a pattern stands for to a sink.
type Route struct {
	// Name names the sink for operators, and its positions in the store: 1 to 24 lower-case letters,
	// digits and hyphens. Under another name a sink is handed again what the log still has.
	Name    string
	Pattern chime.Pattern
	Sink    Sink
}

// FollowerName is the name of the follower that feeds the sink of a route.
func (r Route) FollowerName() string { return "stream-" + r.Name }

// Sinks are the names of the sinks.
func (s *Service) Sinks() []string {
	names := make([]string, len(s.routes))
	for i, route := range s.routes {
		names[i] = route.Name
	}
	return names
}

// Followers feed the sinks: one for each, so that none waits for another.
func (s *Service) Followers() []follow.Follower {
	list := make([]follow.Follower, len(s.routes))
	for i, route := range s.routes {
		e := &exporter{Route: route, store: s.store, site: s.site, written: map[string]map[string]bool{}}
		list[i] = follow.Follower{
			Name: route.FollowerName(), Start: follow.Beginning, MaxAttempts: -1, // nothing is left out, so the order holds
			Wants:  (*chime.Event).IsStreamed,
			Handle: e.handle, Begin: e.begin,
		}
	}
	return list
}

// exporter feeds one sink.
type exporter struct {
	Route
	store store.Store
	site  chime.Site

	mu sync.Mutex
	// written are, by app instance, the keys of what was written in an attempt that failed as a whole: at
	// most those of one batch.
	written map[string]map[string]bool
}

// handle writes the records of events of one app instance.
func (x *exporter) handle(ctx context.Context, app string, events []*chime.Event) error {
	var streams []chime.Stream
	err := x.store.View(ctx, app, func(r store.Reader) (err error) {
		streams, _, err = store.Streams.Get(r, store.K(app))
		return err
	})
	if err != nil {
		return err
	}
	streams = slices.DeleteFunc(streams, func(s chime.Stream) bool { return !x.Pattern.Matches(s.ARN) })

	// Each event belongs to one stream at most, since an app instance has one of each type at a time.
	var all []Record
	for _, e := range events {
		i := slices.IndexFunc(streams, func(s chime.Stream) bool { return s.Carries(e) })
		if i < 0 {
			continue
		}
		list, err := Records(x.site, streams[i].ARN, e, follow.Key(app, e.Position, x.FollowerName()))
		if err != nil {
			return err
		}
		all = append(all, list...)
	}
	if len(all) == 0 {
		return follow.ErrNothing
	}
	left := x.unwritten(app, all)
	if len(left) > 0 {
		written, err := x.Sink.Write(ctx, left)
		if err != nil {
			x.note(app, written)
			return err
		}
	}
	x.forget(app, all)
	return nil
}

// begin forgets what was written before the lease was taken: the follower may have been set back since.
func (x *exporter) begin(_ context.Context, app string) (end func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.written, app)
	return func() {}
}

// unwritten leaves out what an earlier attempt has written.
func (x *exporter) unwritten(app string, all []Record) []Record {
	x.mu.Lock()
	defer x.mu.Unlock()
	keys := x.written[app]
	if len(keys) == 0 {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(r Record) bool { return keys[r.Key] })
}

func (x *exporter) note(app string, written []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.written[app] == nil {
		x.written[app] = map[string]bool{}
	}
	for _, key := range written {
		x.written[app][key] = true
	}
}

// forget drops the keys of records that need no other attempt.
func (x *exporter) forget(app string, all []Record) {
	x.mu.Lock()
	defer x.mu.Unlock()
	keys := x.written[app]
	for _, r := range all {
		delete(keys, r.Key)
	}
	if len(keys) == 0 {
		delete(x.written, app)
	}
}
