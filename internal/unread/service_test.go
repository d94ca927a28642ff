package unread_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/unread"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const standard = messaging.ChannelMembershipTypeDefault

// live is a world of users in which every app instance has unread counts.
func live(t *testing.T, users string) *servicetest.Live {
	return servicetest.NewLive(t, chime.ExtraUnread, strings.Fields(users)...)
}

func TestUnreadCounts(t *testing.T) {
	l := live(t, "ann bob cy")
	l.AddChannel("ann", "c")
	l.AddMember("ann", "c", "bob", standard)
	l.AddMember("ann", "c", "cy", standard)
	bob, stock := l.Connect("bob", chime.ExtraUnread), l.Connect("cy", 0)
	say := func(text string) string {
		l.Now = l.Now.Add(time.Second)
		return l.Send(l.Text("ann", "c", text))
	}
	say("1")
	first := say("2")
	l.Flush()
	bob.Expect("CREATE_CHANNEL_MESSAGE", "CREATE_CHANNEL_MESSAGE", "c: 2 unread")
	stock.Expect("CREATE_CHANNEL_MESSAGE", "CREATE_CHANNEL_MESSAGE")
	l.Send(l.Text("bob", "c", "my own"))
	l.Flush()
	bob.Expect("CREATE_CHANNEL_MESSAGE") // no news
	l.Redact("ann", "c", first)
	l.Flush()
	bob.Expect("REDACT_CHANNEL_MESSAGE", "c: 1 unread")
	l.Now = l.Now.Add(time.Second)
	l.Read("bob", "c")
	l.Flush()
	since := " since " + l.Now.Format("2006-01-02T15:04:05.000Z")
	bob.Expect("c: 0 unread" + since)
	say("3")
	l.Flush()
	bob.Expect("CREATE_CHANNEL_MESSAGE", "c: 1 unread"+since)
	l.Now = l.Now.Add(72 * time.Hour)
	l.Retain(1)
	l.Flush()
	bob.Expect("c: 0 unread" + since)
}

// What is told of a count last is what counting says, whatever happened.
func TestUnreadCountsAreExact(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	l := live(t, "ann bob cy")
	l.AddChannel("ann", "c")
	l.AddMember("ann", "c", "bob", standard)
	l.AddMember("ann", "c", "cy", standard)
	bob := l.Connect("bob", chime.ExtraUnread)
	var place chime.ChannelEntry
	app := l.AppID()
	err := l.Store.View(t.Context(), l.AppID(), func(r store.Reader) error {
		return store.MembershipsOf.Each(r, store.Prefix(store.K(app, "user/bob")), func(_ store.Key, at chime.ChannelEntry) (bool, error) {
			place = at
			return false, nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	told, ids := "", []string(nil)
	for step := range 4000 {
		if random.IntN(4) == 0 {
			l.Now = l.Now.Add(time.Millisecond) // or the same moment as before
		}
		switch random.IntN(9) {
		case 0, 1, 2:
			by := []string{"ann", "bob", "cy"}[random.IntN(3)]
			ids = append(ids, l.Send(l.Text(by, "c", fmt.Sprint(step))))
		case 3:
			req := l.Text("ann", "c", "for one")
			to := l.User([]string{"bob", "cy"}[random.IntN(2)])
			req.Target = []messaging.Target{{MemberARN: &to}}
			l.Send(req)
		case 4:
			if len(ids) > 0 {
				l.Redact("ann", "c", ids[random.IntN(len(ids))])
			}
		case 5:
			l.Read("bob", "c")
		case 6:
			l.Deliver()
		case 8: // counts what is delivered only later
			l.Unread.Flush(t.Context())
		case 7:
			l.Flush()
			for _, line := range bob.Got() {
				if strings.HasPrefix(line, "c: ") {
					told, _, _ = strings.Cut(strings.TrimPrefix(line, "c: "), " ")
				}
			}
			var now unread.Reading
			err := l.Store.View(t.Context(), l.AppID(), func(r store.Reader) (err error) {
				now, err = l.Counter.Read(r, app, "user/bob", place)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if told != "" && told != fmt.Sprint(now.Count) {
				t.Fatalf("step %d: told %s, counted %d", step, told, now.Count)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if told == "" {
		t.Error("nothing was told")
	}
}
