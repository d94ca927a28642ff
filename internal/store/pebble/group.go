package pebble

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	crdb "github.com/cockroachdb/pebble/v2"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// request is an Update that waits for its turn and then for its commit.
type request struct {
	ctx  context.Context
	app  string
	f    func(store.Tx) error
	turn chan bool // true: lead the next group; false: done

	wrote    bool
	err      error
	panicked any
}

var requests = sync.Pool{New: func() any { return &request{turn: make(chan bool, 1)} }}

// Update implements store.Store. Once f has returned, the end of ctx is ignored. f may run in the
// goroutine of another Update.
func (s *Store) Update(ctx context.Context, app string, f func(store.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.closeMu.RLock()
	defer s.closeMu.RUnlock()
	if s.closed {
		return store.ErrUnavailable
	}
	if err := s.health.admit(ctx); err != nil {
		return err
	}

	r := requests.Get().(*request)
	r.ctx, r.app, r.f = ctx, app, f
	if s.line.enter(r) || <-r.turn {
		s.lead(r)
	}

	err, panicked := r.err, r.panicked
	*r = request{turn: r.turn}
	requests.Put(r)
	if panicked != nil {
		panic(panicked)
	}
	return err
}

// Updates is how many have begun since the store was opened.
func (s *Store) Updates() uint64 {
	s.line.mu.Lock()
	defer s.line.mu.Unlock()
	return s.line.entered
}

// line is where Updates wait until their group has its turn.
type line struct {
	mu      sync.Mutex
	waiting []*request
	led     bool // a leader runs a group
	entered uint64
}

// enter reports whether the caller has to lead a group.
func (l *line) enter(r *request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entered++
	if !l.led {
		l.led = true
		return true
	}
	l.waiting = append(l.waiting, r)
	return false
}

// take returns the leader's request and all that wait, in their order.
func (l *line) take(leader *request) []*request {
	l.mu.Lock()
	defer l.mu.Unlock()
	group := append(append(make([]*request, 0, len(l.waiting)+1), leader), l.waiting...)
	clear(l.waiting)
	l.waiting = l.waiting[:0]
	return group
}

// handOver has the first that waits lead the next group; those given wait before all others.
func (l *line) handOver(first []*request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = slices.Insert(l.waiting, 0, first...)
	if l.led = len(l.waiting) > 0; l.led {
		l.waiting[0].turn <- true
		l.waiting = slices.Delete(l.waiting, 0, 1)
	}
}

// lead runs the caller's Update and those that wait with it, one after another, and commits what they
// wrote as one.
func (s *Store) lead(own *request) {
	members, ran := s.line.take(own), 0
	defer func() { // also when a function ends its goroutine
		ran = min(ran+1, len(members))
		s.settle(members[:ran], members[ran:])
	}()
	for began := time.Now(); ran < len(members); ran++ {
		s.group.left = len(members) - ran - 1
		s.group.run(members[ran])
		ended := time.Now()
		s.stats.held.observe(ended.Sub(began))
		began = ended
	}
}

// settle commits what a group wrote, lets the next one begin, and answers the members when all is on
// disk.
func (s *Store) settle(members, left []*request) {
	failed := s.group.flush()
	batches, number := s.group.batches, s.commits
	s.group.batches = nil
	s.line.handOver(left)

	// The disk.
	for _, batch := range batches {
		if err := batch.SyncWait(); err != nil && failed == nil {
			failed = s.health.unavailable(err)
		}
	}
	if broken := s.health.broken(); broken != nil {
		failed = s.health.unavailable(nil)
	}
	switch {
	case failed != nil:
	case len(batches) > 0:
		s.publish(number)
	default:
		failed = s.await(context.Background(), number) // what its functions read
	}

	// The members. The first is the leader's own.
	for _, batch := range batches {
		_ = batch.Close() // frees memory and knows no error
	}
	for i, r := range members {
		if failed != nil && r.panicked == nil {
			r.err = failed
		}
		if i > 0 {
			r.turn <- false
		}
	}
}

// group is what the transactions have written that the leader has run, and no batch has yet. It belongs to
// the leader.
type group struct {
	store   *Store
	absent  *absent
	writes  writes
	wrote   int           // transactions
	logs    []commit      // what they appended to logs
	batches []*crdb.Batch // that were applied, and are yet to be synced
	failed  error         // of a batch
	left    int           // members that are still to run

	tx tx // that runs, kept for its memory
}

// groupBytes is how much a group writes in one batch, about.
const groupBytes = 1 << 20

// errExited is the answer of an Update whose function ended the goroutine that ran it.
var errExited = errors.New("the function of a transaction did not return")

// run runs the function of a request.
func (g *group) run(r *request) {
	if r.err = r.ctx.Err(); r.err != nil {
		return
	}
	if r.err = g.store.health.refusal(); r.err != nil { // since it was admitted
		return
	}

	t := &g.tx
	*t = tx{
		reader: reader{
			from: g.store.db, app: r.app, ends: g.store.ends, room: t.room, cache: g.store.cache, commits: g.store.commits,
		},
		group: g, start: len(g.writes.list),
	}
	returned := false
	defer func() {
		if !returned {
			if r.err, r.panicked = errExited, recover(); r.panicked != nil {
				g.store.health.log.Error("a transaction panicked", "panic", r.panicked, "stack", string(debug.Stack()))
			}
			g.discard(t)
		}
	}()
	r.err = r.f(t)
	if returned = true; r.err == nil && t.hasWritten() {
		r.err = g.store.disk.take(t.size())
		r.wrote = r.err == nil
	}
	if !r.wrote {
		g.discard(t)
		return
	}
	g.keep(t)
}

// discard forgets what a transaction wrote.
func (g *group) discard(t *tx) {
	if t.indexed != nil {
		_ = t.indexed.Close() // frees memory and knows no error
		return
	}
	g.writes.takeBack(t.start)
}

// keep makes what a transaction wrote a part of the group.
func (g *group) keep(t *tx) {
	g.wrote++
	g.log(t)
	if t.indexed != nil { // all before it was flushed
		g.commit(t.indexed)
		return
	}
	if len(g.writes.room) > groupBytes {
		_ = g.flush() // settle has the error
	}
}

// log notes what a transaction did to its log, together with what the one before did to the same.
func (g *group) log(t *tx) {
	if t.restored > 0 {
		g.logs = append(g.logs, commit{app: t.app, restored: t.restored})
	}
	if len(t.events) == 0 && len(t.rewritten) == 0 && t.trimmed == 0 {
		return
	}
	if n := len(g.logs); n > 0 && len(t.rewritten) == 0 && g.logs[n-1].app == t.app && g.logs[n-1].trimmed == 0 && g.logs[n-1].restored == 0 {
		before := &g.logs[n-1]
		before.events, before.trimmed = append(before.events, t.events...), t.trimmed
		return
	}
	events := append(make([]chime.Event, 0, len(t.events)+g.left), t.events...) // most append one
	g.logs = append(g.logs, commit{app: t.app, events: events, rewritten: t.rewritten, trimmed: t.trimmed})
}

// end is the position of the latest event that the group has put at the end of a log.
func (g *group) end(app string) (position uint64, known bool) {
	for i := len(g.logs) - 1; i >= 0; i-- {
		if end := g.logs[i].end(); end > 0 && g.logs[i].app == app {
			return end, true
		}
	}
	return 0, false
}

// flush applies what was written, as one batch.
func (g *group) flush() error {
	if g.wrote > 0 {
		b := g.store.db.NewBatchWithSize(len(g.writes.room) + len(g.writes.list)*entryOverhead + lastSize*2)
		if err := g.writes.copyTo(b, 0); err != nil {
			g.failed = g.store.health.fail(err)
		}
		g.writes.clear()
		g.commit(b)
	}
	return g.failed
}

// entryOverhead is what an entry of a batch has in addition to key and value, at most.
const entryOverhead = 11

// commit gives the batch with what the group wrote to the engine.
func (g *group) commit(b *crdb.Batch) {
	s, logs, wrote := g.store, g.logs, g.wrote
	if g.logs, g.wrote = nil, 0; g.failed != nil {
		return
	}

	for i := range logs {
		if g.failed = logs[i].putEvents(b); g.failed != nil {
			g.failed = s.health.fail(g.failed)
			return
		}
	}

	// The commit's number is part of it, so that a gap in the log is noticed.
	number := s.commits + 1
	if err := b.Set(lastKey, last{commits: number}.encode(), nil); err != nil {
		g.failed = s.health.fail(err)
		return
	}

	events := 0
	for i := range logs {
		l := &logs[i]
		events += len(l.events)
		if l.number = number; l.end() > 0 {
			s.ends.grew(l.app, l.end(), number) // before a snapshot can have the commit
		}
	}
	g.remember(b, number)
	s.applied.Store(number)
	if err := s.db.ApplyNoSyncWait(b, crdb.Sync); err != nil {
		g.failed = s.health.fail(err)
		return
	}

	s.commits = number
	s.visible.Store(number)
	s.stats.committed(wrote, b.Len(), events)
	s.waiting.push(logs)
	g.batches = append(g.batches, b)
}

// remember notes in memory the entries of a commit, before they are in any moment.
func (g *group) remember(b *crdb.Batch, number uint64) {
	cache, versions := g.store.cache, g.store.versions
	for r := b.Reader(); ; {
		kind, path, value, more, err := r.Next()
		if !more || err != nil { // it is the engine's own batch
			return
		}
		if kind == crdb.InternalKeyKindRangeDelete {
			if coversTable(path, value, func(table byte) bool { return cachedTables[table] }) {
				cache.forget(number)
			}
			versions.removed(path, value, number)
			continue
		}

		g.absent.add(path)
		versions.wrote(path, number)
		switch {
		case !cachedTables[path[0]]:
		case kind == crdb.InternalKeyKindSet:
			cache.write(path, append(make([]byte, 0, len(value)), value...), number) // not nil
		default:
			cache.write(path, nil, number)
		}
	}
}

// coversTable reports whether a table of which is holds has keys between the paths, the upper one excluded.
func coversTable(lower, upper []byte, is func(table byte) bool) bool {
	for table := int(lower[0]); table <= int(upper[0]); table++ {
		if table == int(upper[0]) && len(upper) == 1 {
			break
		}
		if is(byte(table)) {
			return true
		}
	}
	return false
}
