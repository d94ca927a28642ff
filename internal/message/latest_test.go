package message_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/message"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
)

// TestLatestCopiesWhatIsTheSame: messages whose records did not change are copied from earlier, all others are
// made anew, and the text is the one that is made without earlier.
func TestLatestCopiesWhatIsTheSame(t *testing.T) {
	servicetest.OnEach(t, "ann", func(t *testing.T, w *servicetest.World) {
		w.AddChannel("ann", "c")
		latest := func(earlier message.Latest) (latest message.Latest) {
			t.Helper()
			err := w.Store.View(context.Background(), w.AppID(), func(r store.Reader) error {
				v, err := channel.Enter(r, w.Site, w.User("ann"), w.Channel("c"))
				if err != nil {
					return err
				}
				_, latest, err = w.Messages.AppendLatest([]byte("before "), r, v, 3, earlier)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return latest
		}
		send := func(text string) string {
			w.Now = w.Now.Add(time.Second)
			return w.Send(w.Text("ann", "c", text))
		}
		send("oldest")
		send("old")
		redacted := send("removed")

		earlier := latest(message.Latest{})
		earlier.Text = bytes.ReplaceAll(earlier.Text, []byte("old"), []byte("OLD"))
		earlier.Text = bytes.ReplaceAll(earlier.Text, []byte("removed"), []byte("REMOVED"))
		w.Redact("ann", "c", redacted)
		send(`"new"`)

		// The oldest is not among the newest three any more.
		got, want := latest(earlier), latest(message.Latest{})
		if text := strings.Replace(string(got.Text), "OLD", "old", 1); text != string(want.Text) || text == string(got.Text) {
			t.Errorf("with earlier\n%s\nwithout\n%s", got.Text, want.Text)
		}
		if !got.More || !got.Common || len(got.Pieces) != 3 {
			t.Errorf("more %v, common %v, %d pieces", got.More, got.Common, len(got.Pieces))
		}
	})
}
