package servicetest_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

// mortal is what the model knows of a channel or user.
type mortal struct {
	born, last time.Time // last is the time of the latest message, zero when there is none
	days       int       // zero: it does not expire
	byMessage  bool
}

func (m *mortal) expired(now time.Time) bool {
	from := m.born
	if m.byMessage && m.last.After(from) {
		from = m.last
	}
	return m.days > 0 && !now.Before(from.Add(time.Duration(m.days)*aDay))
}

// said is a message of the model.
type said struct {
	content string
	at      time.Time
}

// TestExpiryAgainstAModel makes channels, users and messages, changes settings, lets days pass, and compares
// what is there with what should be.
func TestExpiryAgainstAModel(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	servicetest.OnEach(t, "ann", func(t *testing.T, w *servicetest.World) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		w.AddChannel("ann", "talk")
		rooms, people := map[string]*mortal{}, map[string]*mortal{}
		var messages []said
		var retention int
		var grace time.Time
		criterion := func(m *mortal) messaging.ExpirationCriterion {
			if m.byMessage {
				return lastMessage
			}
			return created
		}
		for n := range 250 {
			w.Now = w.Now.Add(time.Duration(1+rnd.IntN(600)) * time.Minute)
			id := fmt.Sprint(rnd.IntN(6))
			room, person := rooms["c"+id], people["p"+id]
			switch rnd.IntN(9) {
			case 0, 1:
				if room == nil {
					m := &mortal{born: w.Now, days: rnd.IntN(6), byMessage: rnd.IntN(2) == 0}
					change := []func(*messaging.CreateChannelRequest){}
					if m.days > 0 {
						change = append(change, expires(m.days, criterion(m)))
					}
					w.AddChannel("ann", "c"+id, change...)
					rooms["c"+id] = m
				}
			case 2:
				if room != nil {
					room.days, room.byMessage = rnd.IntN(8), rnd.IntN(2) == 0
					setExpiry(t, w, "c"+id, room.days, criterion(room))
				}
			case 3:
				if room != nil {
					w.Send(w.Text("ann", "c"+id, "x"))
					room.last = w.Now
				}
			case 4:
				if person == nil {
					people["p"+id] = &mortal{born: w.Now, days: rnd.IntN(6)}
					createUser(t, w, "p"+id, people["p"+id].days)
				}
			case 5:
				if person != nil {
					person.days = rnd.IntN(8)
					setUserExpiry(t, w, "p"+id, person.days)
				}
			case 6:
				if rnd.IntN(6) == 0 {
					retention, grace = rnd.IntN(40), w.Now.Add(30*aDay)
					w.Retain(retention)
				}
			case 7:
				if rnd.IntN(6) == 0 {
					w.Now = w.Now.Add(20 * aDay)
				}
			case 8:
				messages = append(messages, said{fmt.Sprint("m", n), w.Now})
				w.Send(w.Text("ann", "talk", fmt.Sprint("m", n)))
			}
			if rnd.IntN(3) > 0 {
				continue
			}

			// What is due goes in a pass, and nothing else.
			after(t, w, 0)
			gone := func(_ string, m *mortal) bool { return m.expired(w.Now) }
			maps.DeleteFunc(rooms, gone)
			maps.DeleteFunc(people, gone)
			if retention > 0 && !w.Now.Before(grace) {
				messages = slices.DeleteFunc(messages, func(m said) bool { return m.at.Before(w.Now.Add(-time.Duration(retention) * aDay)) })
			}
			for i := range 6 {
				c, p := fmt.Sprint("c", i), fmt.Sprint("p", i)
				if _, want := rooms[c]; exists(t, w, c) != want {
					t.Fatalf("step %d: %s is there: %v", n, c, !want)
				}
				if _, want := people[p]; userExists(t, w, p) != want {
					t.Fatalf("step %d: %s is there: %v", n, p, !want)
				}
			}
			var want []string
			for _, m := range messages {
				want = append(want, m.content)
			}
			got := slices.DeleteFunc(strings.Fields(kept(t, w)), func(content string) bool { return content == "x" })
			if !slices.Equal(got, want) {
				t.Fatalf("step %d: the store has %q, want %q", n, got, want)
			}
		}
	})
}
