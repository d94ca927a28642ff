//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/pebble"
)

// storeJob is one round of durable appends, for the roles "store" and "log".
type storeJob struct {
	Dir     string
	Seconds float64
	Size    int // of a raw record; what a transaction of the store writes comes to as much
}

// storeResult is what came of it.
type storeResult struct {
	Appends float64
	Seconds float64
	CPU     time.Duration
}

func (r storeResult) perSecond() float64 { return r.Appends / r.Seconds }

const appenders = 64

// The parts of a transaction, as a send makes them: keys of about 90 bytes and these values.
var (
	values  = [4]int{60, 260, 40, 60} // activity, message, reply, membership
	tables  = [4]store.TableID{store.Activities.ID, store.Messages.ID, store.Replies.ID, store.Memberships.ID}
	payload = 600 // of the event
)

const keySize = 90

// transactionSize is what one transaction puts on disk, without what the engine adds.
func transactionSize() int {
	size := payload
	for _, v := range values {
		size += keySize + v
	}
	return size
}

// hammer calls f from all appenders until time is up.
func hammer(seconds float64, f func(caller, i int) error) (result storeResult, err error) {
	before, err := rig.CPUTime(os.Getpid())
	if err != nil {
		return result, err
	}
	var appends atomic.Int64
	start := time.Now()
	err = rig.Parallel(appenders, appenders, func(caller int) error {
		for i := 0; time.Since(start).Seconds() < seconds; i++ {
			if err := f(caller, i); err != nil {
				return err
			}
			appends.Add(1)
		}
		return nil
	})
	result.Appends, result.Seconds = float64(appends.Load()), time.Since(start).Seconds()
	after, failed := rig.CPUTime(os.Getpid())
	if err == nil {
		err = failed
	}
	result.CPU = after - before
	return result, err
}

// runStore is the role "store".
func runStore(job storeJob) (result storeResult, err error) {
	dir, err := os.MkdirTemp(job.Dir, "store-")
	if err != nil {
		return result, err
	}
	defer os.RemoveAll(dir)
	s, err := pebble.Open(filepath.Join(dir, "data"), pebble.Options{})
	if err != nil {
		return result, err
	}
	defer s.Close()

	value := make([]byte, 1024)
	for i := range value {
		value[i] = byte('a' + i%23) // text compresses, so neither zeros nor noise
	}

	// Keys and values are as long as those of a send, and every caller has an app instance of its own.
	return hammer(job.Seconds, func(caller, i int) error {
		fixed := fmt.Sprintf("%034d", caller)
		keys := [4]store.Key{
			store.K(fixed, "activity-of-a-channel-with-a-usual-length-of-its"),
			store.K(fixed, fmt.Sprintf("message-%040d", i)),
			store.K(fixed, fmt.Sprintf("replies-%040d", i)),
			store.K(fixed, "membership-of-a-user-in-a-channel-of-usual-lengt"),
		}
		return s.Update(context.Background(), fixed, func(tx store.Tx) error {
			for n, key := range keys {
				if err := tx.Put(tables[n], key, value[:values[n]]); err != nil {
					return err
				}
			}
			_, err := tx.Append(chime.Event{
				Type: chime.EventUpdateChannel, Topic: chime.Topic{App: fixed, Channel: fixed}, MessageType: "SYSTEM", Payload: value[:payload],
			})
			return err
		})
	})
}

// rawLog is the reference: a file written over and over, and one fdatasync for all records that
// came while the one before was under way.
type rawLog struct {
	file *os.File
	size int64

	mu      sync.Mutex
	pending *group
	wake    chan struct{}
}

// group is what one fdatasync makes durable.
type group struct {
	bytes []byte
	done  chan struct{}
	err   error
}

func newGroup() *group { return &group{done: make(chan struct{})} }

// append returns when the record is on disk.
func (l *rawLog) append(record []byte) error {
	l.mu.Lock()
	g := l.pending
	g.bytes = append(g.bytes, record...)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	<-g.done
	return g.err
}

// run writes groups until wake is closed.
func (l *rawLog) run() {
	var at int64
	for range l.wake {
		l.mu.Lock()
		g := l.pending
		l.pending = newGroup()
		l.mu.Unlock()
		if at+int64(len(g.bytes)) > l.size {
			at = 0
		}
		if _, g.err = l.file.WriteAt(g.bytes, at); g.err == nil {
			g.err = syscall.Fdatasync(int(l.file.Fd()))
		}
		at += int64(len(g.bytes))
		close(g.done)
	}
}

// runLog is the role "log".
func runLog(job storeJob) (result storeResult, err error) {
	const size = 128 << 20
	file, err := preallocated(filepath.Join(job.Dir, "raw.log"), size)
	if err != nil {
		return result, err
	}
	defer file.Close()
	l := &rawLog{file: file, size: size, pending: newGroup(), wake: make(chan struct{}, 1)}
	var writer sync.WaitGroup
	writer.Go(l.run)
	record := make([]byte, job.Size)
	result, err = hammer(job.Seconds, func(int, int) error { return l.append(record) })
	close(l.wake)
	writer.Wait()
	return result, err
}
