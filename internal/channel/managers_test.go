package channel_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
	"github.com/carillon-chat/carillon/internal/store/pebble"
)

// TestManyManagers: of more moderators than a transaction looks for, those that manage the channel in the
// end are told of a hidden member, whatever changes between the look for them and the transaction.
func TestManyManagers(t *testing.T) {
	t.Run("model", func(t *testing.T) { manyManagers(t, memstore.New()) })
	t.Run("pebble", func(t *testing.T) {
		st, err := pebble.Open(t.TempDir(), pebble.Options{})
		if err != nil {
			t.Fatal(err)
		}
		manyManagers(t, st)
	})
}

func manyManagers(t *testing.T, st store.Store) {
	const many = 600
	defer st.Close()
	updates, change := 0, func() {}
	w := servicetest.Over(t, faulty.New(st, func(c faulty.Call) error {
		if c.Op == faulty.Update {
			if updates++; updates == 2 { // the first finds that they are many
				change()
			}
		}
		return nil
	}), "ann", "hid", "late", "left", "lost")
	w.AddChannel("ann", "c")
	want := []string{"ann", "hid", "late"}
	for i := range many {
		id := fmt.Sprintf("m%03d", i)
		w.AddUser(id)
		w.AddMember("ann", "c", id, dflt)
		w.MakeModerator("ann", "c", id)
		want = append(want, id)
	}
	for _, id := range []string{"late", "left", "lost"} {
		w.AddMember("ann", "c", id, dflt)
	}
	w.MakeModerator("ann", "c", "left")
	w.MakeModerator("ann", "c", "lost")

	change = func() {
		change = func() {}
		w.MakeModerator("ann", "c", "late")
		if got := leave(w, "ann", "left", nil); got != "ok" {
			t.Error(got)
		}
		_, err := w.Channels.DeleteChannelModerator(ctx, &messaging.DeleteChannelModeratorRequest{
			ChannelARN: w.Channel("c"), ChannelModeratorARN: w.User("lost"), ChimeBearer: w.User("ann")})
		if err != nil {
			t.Error(err)
		}
	}
	updates = 0
	w.AddMember("ann", "c", "hid", messaging.ChannelMembershipTypeHidden)

	var got []string
	err := w.Store.View(ctx, w.AppID(), func(r store.Reader) error {
		end, err := r.Position()
		if err != nil {
			return err
		}
		e, err := store.ReadEvent(r, w.AppID(), end)
		for _, ref := range e.Only {
			got = append(got, ref.ID())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("told: %d, want %d: %v", len(got), len(want), got)
	}
	if updates < 2 {
		t.Error("the managers were not looked for before the transaction")
	}
}
