package channel_test

import (
	"testing"
	"testing/synctest"

	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// TestTurns: while a batch has its turn another batch waits, and a call that writes one member does not.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New()
		defer st.Close()
		begun, held, release := 0, false, make(chan struct{})
		w := servicetest.Over(t, faulty.New(st, func(c faulty.Call) error {
			if c.Op != faulty.Update || !held {
				return nil
			}
			if begun++; begun == 1 {
				<-release
			}
			return nil
		}), "ann", "u0", "u1", "u2")
		w.AddChannel("ann", "c", servicetest.Elastic(2, 40, 40))

		held = true
		ends := make(chan error, 2)
		for _, user := range []string{"u0", "u1"} {
			go func() {
				_, _, err := batchOf(w, w.User(user))
				ends <- err
			}()
			synctest.Wait()
		}
		if begun != 1 {
			t.Errorf("%d batches have a turn", begun)
		}
		w.AddMember("ann", "c", "u2", dflt)
		if len(ends) > 0 {
			t.Error("a batch has ended")
		}

		close(release)
		for range cap(ends) {
			if err := <-ends; err != nil {
				t.Error(err)
			}
		}
		expect(t, "members", w.SubChannels("ann", "c"), []string{"s1:3"})
	})
}
