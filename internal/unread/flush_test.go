package unread_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// A count comes behind every message that it counts, though it was read before they were delivered.
func TestACountComesBehindItsMessages(t *testing.T) {
	l := live(t, "ann bob")
	l.AddChannel("ann", "c")
	l.AddMember("ann", "c", "bob", standard)
	bob := l.Connect("bob", chime.ExtraUnread)
	l.Send(l.Text("ann", "c", "1"))
	l.Deliver()
	l.Send(l.Text("ann", "c", "2"))
	l.Unread.Flush(t.Context())
	l.Send(l.Text("ann", "c", "3"))
	bob.ExpectInOrder("CREATE_CHANNEL_MESSAGE")
	l.Flush()
	bob.ExpectInOrder("CREATE_CHANNEL_MESSAGE", "c: 2 unread", "CREATE_CHANNEL_MESSAGE", "c: 3 unread")
}

// A count is exact after an absence, whatever was sent meanwhile and whenever the room hears of it.
func TestACountIsExactAfterAReconnect(t *testing.T) {
	for name, notice := range map[string]bool{"that is noticed": true, "between two looks": false} {
		l := live(t, "ann bob")
		l.AddChannel("ann", "c")
		l.AddMember("ann", "c", "bob", standard)
		send := func() {
			l.Send(l.Text("ann", "c", "hello"))
			l.Deliver()
		}
		bob := l.Connect("bob", chime.ExtraUnread)
		send()
		l.Flush()
		bob.Expect("CREATE_CHANNEL_MESSAGE", "c: 1 unread")

		bob.Session.Detach()
		send()
		send()
		if notice {
			l.Flush()
		}
		bob = l.Connect("bob", chime.ExtraUnread)
		send()
		l.Flush()
		bob.Expect("CREATE_CHANNEL_MESSAGE", "c: 4 unread")

		// What former sessions were sent is news to the session that is there now.
		bob.Session.Detach()
		bob = l.Connect("bob", chime.ExtraUnread)
		id := l.Send(l.Text("ann", "c", "gone"))
		l.Redact("ann", "c", id)
		l.Flush()
		bob.Expect("CREATE_CHANNEL_MESSAGE", "REDACT_CHANNEL_MESSAGE", "c: 4 unread")
		if t.Failed() {
			t.Fatalf("after an absence %s", name)
		}
	}
}

// A count that cannot be read is logged with its app instance and channel and sent when it can; others go
// on.
func TestAFlushThatFailsIsTriedAgain(t *testing.T) {
	model, failing := memstore.New(), false
	defer model.Close()
	st := faulty.New(model, func(c faulty.Call) error {
		if failing && c.Op == faulty.Scan && c.Table == store.Messages.ID {
			return errors.New("the disk is on fire")
		}
		return nil
	})
	l := servicetest.LiveOver(t, st, chime.ExtraUnread, "ann", "bob")
	for _, channel := range []string{"c", "d"} {
		l.AddChannel("ann", channel)
		l.AddMember("ann", channel, "bob", standard)
	}
	l.Deliver()
	bob := l.Connect("bob", chime.ExtraUnread)
	l.Send(l.Text("ann", "d", "1"))
	l.Flush()
	bob.Expect("CREATE_CHANNEL_MESSAGE", "d: 1 unread")

	failing = true
	l.Send(l.Text("ann", "c", "1")) // has to be read
	l.Send(l.Text("ann", "d", "2")) // has been read
	l.Flush()
	bob.Expect("CREATE_CHANNEL_MESSAGE", "CREATE_CHANNEL_MESSAGE", "d: 2 unread")
	for _, part := range []string{"unread: flush failed, will retry", "app_instance=" + l.AppID(), "channel=", "the disk is on fire"} {
		if !strings.Contains(l.Log.String(), part) {
			t.Errorf("logged %q, want %q in it", l.Log.String(), part)
		}
	}
	failing = false
	l.Flush()
	bob.Expect("c: 1 unread")
}
