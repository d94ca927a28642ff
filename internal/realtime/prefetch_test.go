package realtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
)

// shelf is a Prefetcher whose details tell how many were asked for.
type shelf struct {
	mu    sync.Mutex
	sort  string
	asked int
	fails error
}

func (s *shelf) Channels(_ context.Context, _ string, _ chime.Ref, sort string) (list []chime.ChannelEntry, err error) {
	s.sort = sort
	for i := range 50 {
		list = append(list, chime.ChannelEntry{UID: fmt.Sprint(i)})
	}
	return list, s.fails
}

func (s *shelf) AppendDetails(_ context.Context, b []byte, _ string, _ chime.Ref, at chime.ChannelEntry, unread bool) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	return fmt.Appendf(b, "%s unread %v", at.UID, unread), at.UID != "7", nil
}

// prefetch connects and asks for the details of the channels.
func (r *resumer) prefetch(h *Hub, resume string) {
	s, err := h.Attach(context.Background(), Grant{
		App: "A", User: chime.UserRef(r.user), SessionID: "s", Prefetch: true, PrefetchSort: "unread",
		Extras: chime.ExtraUnread, Resume: resume != "", ResumeFrom: resume,
	}, r)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.(*testing.T).Cleanup(s.Detach)
	r.session = s
}

func TestPrefetchIsReadAsItIsTaken(t *testing.T) {
	from := new(shelf)
	w := newWorld(t, func(o *Options) { o.Prefetch, o.Extras = from, chime.AllExtras })
	w.commit(join("c", "ann"))
	w.deliver()
	ann := newResumer(t, "ann")
	ann.prefetch(w.hub, "")
	for i := range 3 {
		ann.takeNext()
		from.mu.Lock()
		if from.asked > i+1 {
			t.Errorf("after %d frames %d details were read", i+1, from.asked)
		}
		from.mu.Unlock()
	}
	w.commit(message("c", "live"))
	w.deliver()
	var want []string
	for i := range 50 {
		if i != 7 { // no member of it any more
			want = append(want, fmt.Sprintf("CHANNEL_DETAILS %d unread true", i))
		}
	}
	for len(ann.events) < len(want)+1 {
		ann.takeNext()
	}
	live := slices.Index(ann.events, "MSG live")
	if live < 0 || live > 5 {
		t.Errorf("the live event is frame %d of %d", live, len(ann.events))
	}
	if got := slices.Delete(ann.events, live, live+1); !slices.Equal(got, want) {
		t.Errorf("received %q, want %q", got, want)
	}
	if from.sort != "unread" {
		t.Errorf("sorted by %q", from.sort)
	}
}

// takeNext reads the next frame, and waits for it.
func (r *resumer) takeNext() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for had := len(r.events) + len(r.notes); had == len(r.events)+len(r.notes); {
		for !r.ready {
			r.woken.Wait()
		}
		r.takeOne()
	}
}

func TestPrefetchFollowsWhatWasMissed(t *testing.T) {
	w := newWorld(t, signed, func(o *Options) { o.Prefetch, o.Extras = new(shelf), chime.AllExtras })
	w.commit(join("c", "ann"))
	w.deliver()
	ann := w.away("ann")
	w.commit(message("c", "missed"))
	w.deliver()
	ann.prefetch(w.hub, ann.token)
	for len(ann.events) < 50 {
		ann.takeNext()
	}
	if ann.events[0] != "MSG missed" || ann.events[1] != "CHANNEL_DETAILS 0 unread true" {
		t.Errorf("received %q first", ann.events[:2])
	}
}

func TestPrefetchThatFailsClosesTheSession(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Prefetch = &shelf{fails: errors.New("disk")} })
	w.deliver()
	ann := newResumer(t, "ann")
	ann.prefetch(w.hub, "")
	ann.mu.Lock()
	defer ann.mu.Unlock()
	for ann.closed == nil {
		if !ann.takeOne() && ann.closed == nil {
			ann.woken.Wait()
		}
	}
	if ann.closed.Code != CloseInternalError {
		t.Errorf("closed with %v", ann.closed)
	}
}
