//go:build !race

package message_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store/pebble"
)

// A page that is kept costs the same however many messages it has, and another one little for each. The race
// detector lets pools forget what they hold, so it does not take part here.
func TestAllocationsOfAPage(t *testing.T) {
	st, err := pebble.Open(t.TempDir(), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	w := servicetest.Over(t, st, "ann")
	w.AddChannel("ann", "c")
	const messages = 50
	for range messages {
		w.Send(w.Text("ann", "c", strings.Repeat("carillon", 75)))
	}

	allocations := func(change func(*messaging.ListChannelMessagesRequest)) float64 {
		var room []byte
		return testing.AllocsPerRun(100, func() {
			req := &messaging.ListChannelMessagesRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("ann")}
			change(req)
			page, err := w.Messages.EncodeChannelMessages(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if room = page.AppendJSON(room[:0], api.Epoch); bytes.Count(room, []byte(`"MessageId"`)) != messages {
				t.Fatalf("a page is %s", room)
			}
		})
	}
	kept := allocations(func(*messaging.ListChannelMessagesRequest) {})
	read := allocations(func(r *messaging.ListChannelMessagesRequest) { r.NotAfter = new(w.Now) })
	if kept > 40 || read > 60+2*messages {
		t.Errorf("%v allocations for a page that is kept, %v for one that is read", kept, read)
	}
}

// A send allocates a bounded number of times from the decoded request to the commit: for its records, its
// event, and the answer.
func TestAllocationsOfASend(t *testing.T) {
	st, err := pebble.Open(t.TempDir(), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	w := servicetest.Over(t, st, "ann")
	w.AddChannel("ann", "c")
	const sends, most = 200, 75
	var requests []*messaging.SendChannelMessageRequest
	for range sends + 1 {
		requests = append(requests, w.Text("ann", "c", strings.Repeat("carillon", 75)))
	}
	each := testing.AllocsPerRun(sends, func() {
		if _, err := w.Messages.SendChannelMessage(t.Context(), requests[0]); err != nil {
			t.Fatal(err)
		}
		requests = requests[1:]
	})
	if each > most {
		t.Errorf("a send allocates %.0f times, want at most %d", each, most)
	}
}
