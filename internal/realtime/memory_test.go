package realtime

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

type mute struct{}

func (mute) Ready()            {}
func (mute) Write()            {}
func (mute) Probe()            {}
func (mute) Close(int, string) {}

// An idle user is bounded: performance.md gives a session 1.5 KB, with its socket.
func TestAnIdleUserIsSmall(t *testing.T) {
	const users = 4000
	st := memstore.New()
	defer st.Close()
	hub := New(Options{
		Store: st, Frame: func(text []byte, _ bool) []byte { return bytes.Clone(text) },
		Follow: func(context.Context, string) (uint64, func(), error) { return 0, func() {}, nil },
	})
	err := st.Update(t.Context(), "A", func(tx store.Tx) error {
		if err := store.AppInstances.Put(tx, store.K("A"), chime.AppInstance{ID: "A"}); err != nil {
			return err
		}
		for i := range users {
			id := fmt.Sprintf("user-%032d", i)
			if err := store.Users.Put(tx, store.K("A", id), chime.User{ID: id}); err != nil {
				return err
			}
			for c := range 3 {
				at := chime.ChannelEntry{UID: fmt.Sprintf("channel-%d", (i+c)%50)}
				if err := store.MembershipsOf.Put(tx, store.K("A", "user/"+id, at.UID), at); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sessions := make([]*Session, users)
	before := inUse()
	for i := range sessions {
		g := Grant{App: strings.Clone("A"), User: chime.UserRef(fmt.Sprintf("user-%032d", i)), SessionID: fmt.Sprintf("%032d", i)}
		if sessions[i], err = hub.Attach(t.Context(), g, mute{}); err != nil {
			t.Fatal(err)
		}
		sessions[i].Take(nil, 1<<20)
	}
	each := float64(inUse()-before) / users
	t.Logf("%.0f bytes for each user with a session and three channels", each)
	if each > 900 {
		t.Errorf("an idle user holds %.0f bytes", each)
	}
	for _, s := range sessions {
		s.Detach()
	}
	runtime.KeepAlive(hub)
}

func inUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
