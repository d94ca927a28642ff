package pebble

import (
	"fmt"
	"hash/maphash"
	"log/slog"
	"maps"
	"math"
	"path/filepath"
	"sync"
	"sync/atomic"

	crdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Options of Open. The zero value is good.
type Options struct {
	// Logger gets what an operator should know; nil for nothing.
	Logger *slog.Logger
	// CacheBytes is the size of the cache of uncompressed blocks; 0 stands for 128 MiB. Records that
	// are read again and again take half as much in addition at most. What is not flushed yet
	// takes LogBytes twice in addition, while flushes lag up to twice as much.
	CacheBytes int64
	// ReserveBytes of the disk are left free: with less, Updates are refused with
	// store.ErrFull. 0 stands for an eighth of the disk and 256 MiB at most, -1 for no reserve.
	ReserveBytes int64
	// LogBytes is the size of a file of the write-ahead log, of which there are up to five and
	// whose room is taken when it is made. 0 stands for a 32nd of the disk, from 4 to 64 MiB.
	LogBytes int64
	// OpenTables is how many tables are held open at most; 0 stands for 1000.
	OpenTables int

	fs           vfs.FS // the disk; tests put another in its place
	memTableSize uint64
	fileSize     int64  // bytes of a table of level 0, half of those of the next level; 0 for the engine's choice
	erasePiece   uint64 // bytes of files that Erase rewrites at once, about
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 128 << 20
	}
	if o.fs == nil {
		o.fs = vfs.Default
	}
	if o.memTableSize == 0 {
		o.memTableSize = uint64(o.LogBytes)
	}
	if o.erasePiece == 0 {
		o.erasePiece = 4 << 20
	}
	return o
}

// fit chooses the sizes that depend on that of the disk.
func (o Options) fit(dir string) Options {
	const most = math.MaxInt64
	size := int64(most)
	if usage, err := o.fs.GetDiskUsage(dir); err == nil && usage.TotalBytes > 0 {
		size = int64(min(usage.TotalBytes, most))
	}
	if o.ReserveBytes == 0 {
		o.ReserveBytes = min(size/8, 256<<20)
	}
	if o.memTableSize == 0 {
		o.memTableSize = uint64(min(max(size/32, 4<<20), 64<<20))
	}
	return o
}

// Store is a store.Store in a folder.
type Store struct {
	dir     string
	db      *crdb.DB
	lock    *crdb.Lock
	disk    *disk
	health  *health
	feeds   *store.Feeds
	ackMark *ackMark

	closeMu sync.RWMutex // held for reading while db is used, for writing by Close
	closed  bool

	line    line
	group   group  // of the Update that leads
	commits uint64 // number of the latest commit; of the leader
	ends    *ends

	// Numbers of commits: applied may be in a snapshot, visible is in every new one, synced is on
	// disk, durable is also marked and published.
	applied, visible, synced, durable atomic.Uint64
	moments                           moments
	cache                             *cache
	versions                          *versions

	publishing  sync.Mutex
	waiting     queue
	durableCond wakeup
	stats       counters
	background  sync.WaitGroup

	wakeMonitor      chan struct{}
	maxMemTableBytes uint64
	erasePieceBytes  uint64
	manifests        atomic.Uint64 // that were begun
}

// Open opens the store in the folder, which it makes when there is none.
func Open(dir string, opts Options) (_ *Store, err error) {
	opts = opts.withDefaults()
	dir = filepath.Clean(dir)
	s := &Store{dir: dir, health: newHealth(opts.Logger), wakeMonitor: make(chan struct{}, 1), ends: newEnds()}
	defer func() {
		if err != nil {
			err = fmt.Errorf("open %s: %w", dir, err)
			s.release()
		}
	}()

	// The folder is locked and checked before anything in it changes.
	if s.lock, err = lockFolder(opts.fs, dir); err != nil {
		return nil, err
	}
	opts = opts.fit(dir)
	s.maxMemTableBytes, s.erasePieceBytes = maxMemTables*opts.memTableSize, opts.erasePiece
	s.disk = newDisk(opts.fs, dir, opts.ReserveBytes, s.health)
	if err := verify(dir, s.lock, opts); err != nil {
		return nil, err
	}

	s.disk.measure()
	options := s.listen(tuned(opts, s.disk))
	options.Lock = s.lock
	if s.db, err = open(dir, options); err != nil {
		return nil, s.disk.explain(err)
	}

	// The mark and the counters go on where the last commit ended.
	last, err := migrate(s.db)
	if err != nil {
		return nil, s.disk.explain(err)
	}
	if s.ackMark, err = createAckMark(opts.fs, dir, last.commits); err != nil {
		return nil, s.disk.explain(err)
	}
	if err := s.health.broken(); err != nil { // which the disk kept from the engine
		return nil, s.disk.explain(err)
	}

	s.commits = last.commits
	s.applied.Store(last.commits)
	s.visible.Store(last.commits)
	s.synced.Store(last.commits)
	s.durable.Store(last.commits)
	s.cache, s.versions = newCache(opts.CacheBytes/cacheShare), &versions{seed: maphash.MakeSeed()}
	s.group = group{store: s}
	absent, before, err := newAbsent(s.db)
	if err != nil {
		return nil, err
	}
	s.group.absent = absent
	parts := maps.Clone(absent.parts) // the leader changes its own
	s.background.Go(func() { fill(before, parts, s.health.closing) })
	s.feeds = store.NewFeeds(s.logEnd, s.readLog)
	s.background.Go(s.monitor)
	return s, nil
}

// release gives back whatever Open had got.
func (s *Store) release() (err error) {
	s.health.close()
	s.background.Wait()
	if s.ackMark != nil {
		err = s.ackMark.close()
	}
	if s.db != nil {
		s.moments.drop(math.MaxUint64)
		if closed := s.db.Close(); err == nil {
			err = closed
		}
	}
	if s.lock != nil {
		if closed := s.lock.Close(); err == nil {
			err = closed
		}
	}
	return err
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.health.close() // what waits to write gives up
	s.feeds.Close()
	s.closeMu.Lock()
	defer s.closeMu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return s.release()
}

// Backup makes a copy of the store in a folder that must not exist: everything whose Update
// had returned, and perhaps later commits. Tables are hard links where the disk allows it. The
// copy is opened like any other folder.
func (s *Store) Backup(dir string) error {
	s.closeMu.RLock()
	defer s.closeMu.RUnlock()
	if s.closed {
		return store.ErrUnavailable
	}
	if err := s.health.refusal(); err != nil {
		return err
	}
	if err := s.db.Checkpoint(filepath.Clean(dir), crdb.WithFlushedWAL()); err != nil {
		return fmt.Errorf("backup to %s: %w", dir, s.disk.explain(err))
	}
	return nil
}

// Follow implements store.Store.
func (s *Store) Follow(app string, after uint64) (store.Cursor, error) {
	return s.feeds.Follow(app, after)
}

// logEnd is where a log ends that is on disk; what follows is yet to be published.
func (s *Store) logEnd(app string) (uint64, error) {
	s.closeMu.RLock()
	defer s.closeMu.RUnlock()
	if s.closed {
		return 0, store.ErrUnavailable
	}
	snapshot := s.db.NewSnapshot()
	defer snapshot.Close()
	if known, ok := s.ends.find(app); ok {
		return known.synced, nil
	}
	return store.LogEnd(&reader{from: snapshot, app: app, ends: s.ends}, app) // no commit of this opening is in it
}

func (s *Store) readLog(app string, after uint64, limit int) ([]*chime.Event, error) {
	s.closeMu.RLock()
	defer s.closeMu.RUnlock()
	if s.closed {
		return nil, store.ErrUnavailable
	}
	return store.ReadEvents(&reader{from: s.db, app: app, ends: s.ends}, app, after, limit)
}
