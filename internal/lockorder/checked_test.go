//go:build lockcheck

package lockorder

import (
	"sync"
	"testing"
)

// panics returns what f panics with.
func panics(f func()) (message any) {
	defer func() { message = recover() }()
	f()
	return nil
}

func lockAndUnlock(l sync.Locker) {
	l.Lock()
	defer l.Unlock()
}

func TestTheWrongOrderPanics(t *testing.T) {
	var hub Mutex[Hub]
	var roster, other Mutex[Roster]
	var queue Mutex[Outbox]
	for name, tc := range map[string]struct {
		first, second sync.Locker
		want          any
	}{
		"in order":            {&roster, &queue, nil},
		"in order, with gaps": {&hub, &queue, nil},
		"wrong":               {&queue, &roster, "lockorder: realtime.roster is locked while outbox.Queue is held"},
		"wrong, with gaps":    {&queue, &hub, "lockorder: realtime.Hub is locked while outbox.Queue is held"},
		"two of a rank":       {&roster, &other, "lockorder: realtime.roster is locked while realtime.roster is held"},
		"twice":               {&roster, &roster, "lockorder: realtime.roster is locked while realtime.roster is held"},
	} {
		tc.first.Lock()
		got := panics(func() { lockAndUnlock(tc.second) })
		tc.first.Unlock()
		if got != tc.want {
			t.Errorf("%s: panics with %v, want %v", name, got, tc.want)
		}
	}
}

func TestWhatWasUnlockedIsNotHeld(t *testing.T) {
	var roster Mutex[Roster]
	var queue Mutex[Outbox]
	lockAndUnlock(&queue)
	roster.Lock()
	unlocked := make(chan struct{})
	go func() { // another goroutine may unlock
		roster.Unlock()
		close(unlocked)
	}()
	<-unlocked
	roster.Lock()
	done := make(chan any)
	go func() { // and what one holds is not what another holds
		done <- panics(func() { lockAndUnlock(&queue) })
	}()
	if got := <-done; got != nil {
		t.Error(got)
	}
	roster.Unlock()
	if len(locks.by)+len(locks.holders) > 0 {
		t.Errorf("held at the end: %v, %v", locks.by, locks.holders)
	}
}
