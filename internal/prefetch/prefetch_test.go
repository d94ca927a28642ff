package prefetch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/prefetch"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/unread"
)

var ctx = context.Background()

// world is an app instance with what its clients are told when they connect.
type world struct {
	*servicetest.World
	t        *testing.T
	prefetch *prefetch.Service
}

// onEach runs a test over the model store and over Pebble. adm is an admin.
func onEach(t *testing.T, users string, test func(*world)) {
	servicetest.OnEach(t, users, func(t *testing.T, w *servicetest.World) {
		test(&world{w, t, prefetch.New(w.Store, w.Channels, w.Messages, unread.NewCounter(w.Channels, w.Messages))})
	})
}

// app is the id of the app instance.
func app(w *servicetest.World) string { return w.App[strings.LastIndexByte(w.App, '/')+1:] }

func (w *world) places(user, sort string) []chime.ChannelEntry {
	w.t.Helper()
	places, err := w.prefetch.Channels(ctx, app(w.World), chime.UserRef(user), sort)
	if err != nil {
		w.t.Fatal(err)
	}
	return places
}

// list names the channels of a user in order, those of an elastic channel with the sub-channel.
func (w *world) list(user, sort string) string {
	w.t.Helper()
	var names []string
	for _, at := range w.places(user, sort) {
		name := at.ChannelID
		if at.Sub != "" {
			name += "/" + w.SubName(at.Sub)
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// details are the members of the payload that tests look at.
type details struct {
	Channel struct {
		ChannelArn           string
		LastMessageTimestamp string
	}
	SubChannelId        string
	ReadMarkerTimestamp string
	ChannelMessages     []struct {
		Content      string
		Sender       struct{ Name string }
		Redacted     bool
		SubChannelId string
	}
	ChannelMessagesHasMore bool
	ChannelMemberships     []struct{ Member struct{ Name string } }
	UnreadCount            *int
}

func (w *world) details(user string, at chime.ChannelEntry, unread bool) (d details, text string) {
	w.t.Helper()
	payload, ok, err := w.prefetch.AppendDetails(ctx, nil, app(w.World), chime.UserRef(user), at, unread)
	if err != nil || ok != (payload != nil) {
		w.t.Fatal(ok, err)
	}
	if !ok {
		return d, "none"
	}
	if err := json.Unmarshal(fmt.Appendf(nil, `"%s"`, payload), &text); err != nil {
		w.t.Fatalf("%v in %s", err, payload)
	}
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		w.t.Fatalf("%v in %s", err, payload)
	}
	return d, text
}

// first are the details of the first channel of a user.
func (w *world) first(user string) details {
	w.t.Helper()
	d, _ := w.details(user, w.places(user, "")[0], true)
	return d
}

func (d details) contents() string {
	var all []string
	for _, m := range d.ChannelMessages {
		if m.Redacted {
			m.Content += "(redacted)"
		}
		all = append(all, m.Content)
	}
	return strings.Join(all, " ")
}

func (d details) members() string {
	var all []string
	for _, m := range d.ChannelMemberships {
		all = append(all, strings.ToLower(m.Member.Name))
	}
	return strings.Join(all, " ")
}

func (w *world) in(sub string) func(*messaging.SendChannelMessageRequest) {
	return func(r *messaging.SendChannelMessageRequest) { r.SubChannelID = w.SubID(sub) }
}

func (w *world) position() (position uint64) {
	w.must(nil, w.Store.View(ctx, w.AppID(), func(r store.Reader) (err error) {
		position, err = r.Position()
		return err
	}))
	return position
}

func (w *world) must(_ any, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) expect(what string, got, want any) {
	w.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

const (
	standard = messaging.ChannelMembershipTypeDefault
	hidden   = messaging.ChannelMembershipTypeHidden
)

func TestDetailsText(t *testing.T) {
	onEach(t, "ann bob", func(w *world) {
		topic := "what it is about"
		w.AddChannel("ann", "c", func(r *messaging.CreateChannelRequest) { r.Metadata = &topic })
		w.AddMember("ann", "c", "bob", standard)
		first := w.Say("bob", "c", "nul \x00 and \"ü\"")
		w.Read("ann", "c")
		second := w.Say("bob", "c", "for ann", w.To("ann"))
		_, text := w.details("ann", w.places("ann", "")[0], true)
		for i, id := range []string{first, second} {
			text = strings.ReplaceAll(text, id, fmt.Sprint("id-", i+1))
		}
		w.expect("payload", strings.ReplaceAll(text, w.App, "APP"), `{"Channel":{"Name":"c","ChannelArn":"APP/channel/c","Mode":"UNRESTRICTED","Privacy":"PUBLIC",`+
			`"Metadata":"what it is about","LastMessageTimestamp":"2026-11-23T09:00:02.000Z"},"ChannelMessages":[`+
			`{"MessageId":"id-2","Content":"for ann","Type":"STANDARD","CreatedTimestamp":"2026-11-23T09:00:02.000Z",`+
			`"LastUpdatedTimestamp":"2026-11-23T09:00:02.000Z","Sender":{"Arn":"APP/user/bob","Name":"BOB"},"Redacted":false,"Status":{"Value":"SENT"},"Target":[{"MemberArn":"APP/user/ann"}]},`+
			`{"MessageId":"id-1","Content":"nul \u0000 and \"ü\"","Type":"STANDARD","CreatedTimestamp":"2026-11-23T09:00:01.000Z",`+
			`"LastUpdatedTimestamp":"2026-11-23T09:00:01.000Z","Sender":{"Arn":"APP/user/bob","Name":"BOB"},"Redacted":false,"Status":{"Value":"SENT"}}],`+
			`"ChannelMessagesHasMore":false,"ChannelMemberships":[{"Member":{"Arn":"APP/user/ann","Name":"ANN"}},{"Member":{"Arn":"APP/user/bob","Name":"BOB"}}],`+
			`"ReadMarkerTimestamp":"2026-11-23T09:00:01.000Z","UnreadCount":1}`)

		w.AddChannel("ann", "empty")
		_, text = w.details("ann", w.places("ann", "")[1], false)
		w.expect("payload of an empty channel", strings.ReplaceAll(text, w.App, "APP"), `{"Channel":{"Name":"empty","ChannelArn":"APP/channel/empty","Mode":"UNRESTRICTED","Privacy":"PUBLIC"},`+
			`"ChannelMessages":[],"ChannelMessagesHasMore":false,"ChannelMemberships":[{"Member":{"Arn":"APP/user/ann","Name":"ANN"}}]}`)
	})
}

// Everybody is shown what it could list, and nobody a hidden member.
func TestDetailsShowWhatTheUserSees(t *testing.T) {
	onEach(t, "ann bob cy spy boss", func(w *world) {
		w.AddChannel("ann", "c")
		w.AddMember("ann", "c", "bob", standard)
		w.AddMember("ann", "c", "cy", standard)
		w.AddMember("ann", "c", "spy", hidden)
		w.AddMember("ann", "c", "boss", hidden)
		w.MakeModerator("ann", "c", "boss")
		w.Say("bob", "c", "all")
		gone := w.Say("bob", "c", "gone")
		w.Redact("bob", "c", gone)
		w.Delete("adm", "c", w.Say("bob", "c", "deleted"))
		w.Say("ann", "c", "private", w.To("bob"))
		w.Say("ann", "c", "live", func(r *messaging.SendChannelMessageRequest) {
			r.Persistence = messaging.ChannelMessagePersistenceTypeNonPersistent
		})
		for _, tc := range []struct{ user, messages, members string }{
			{"ann", "private (redacted) all", "ann bob cy"},
			{"bob", "private (redacted) all", "ann bob cy"},
			{"cy", "(redacted) all", "ann bob cy"},
			{"spy", "(redacted) all", ""},
			{"boss", "(redacted) all", "ann bob cy"},
		} {
			d := w.first(tc.user)
			w.expect("messages of "+tc.user, d.contents(), tc.messages)
			w.expect("members of "+tc.user, d.members(), tc.members)
		}
		w.expect("latest message that cy sees", w.first("cy").Channel.LastMessageTimestamp, "2026-11-23T09:00:03.000Z")
		w.expect("latest message that bob sees", w.first("bob").Channel.LastMessageTimestamp, "2026-11-23T09:00:04.000Z")
	})
}

func TestDetailsAreBounded(t *testing.T) {
	users := "ann bob"
	for i := range 33 {
		users += fmt.Sprint(" u", i)
	}
	onEach(t, users, func(w *world) {
		w.AddChannel("ann", "c", func(r *messaging.CreateChannelRequest) { r.MemberARNs = w.Users(strings.Fields(users)[1:]...) })
		for i := range 20 {
			w.Say("ann", "c", fmt.Sprint(i))
			w.Say("ann", "c", "private", w.To("u0"))
		}
		d := w.first("bob")
		w.expect("messages", d.contents(), "19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0")
		w.expect("more messages", d.ChannelMessagesHasMore, false)
		w.expect("members", len(d.ChannelMemberships), 30)
		w.Say("ann", "c", "20")
		d = w.first("bob")
		w.expect("messages", d.contents(), "20 19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1")
		w.expect("more messages", d.ChannelMessagesHasMore, true)
	})
}

func TestDetailsOfWhatIsGone(t *testing.T) {
	onEach(t, "ann bob cy out", func(w *world) {
		for _, id := range []string{"left", "banned", "deleted", "kept"} {
			w.AddChannel("ann", id)
			w.AddMember("ann", id, "bob", standard)
		}
		places := w.places("bob", "")
		w.Remove("bob", "left", "bob")
		w.Ban("ann", "banned", "bob")
		w.must(w.API.DeleteChannel(ctx, &messaging.DeleteChannelRequest{ChannelARN: w.Channel("deleted"), ChimeBearer: w.User("ann")}))
		w.AddChannel("ann", "deleted") // under the same id
		w.AddMember("ann", "deleted", "bob", standard)
		for _, at := range places {
			_, text := w.details("bob", at, false)
			w.expect("details of "+at.ChannelID, text != "none", at.ChannelID == "kept")
			_, text = w.details("out", at, false)
			w.expect("details for an outsider", text, "none")
		}
		w.expect("channels", w.list("bob", ""), "deleted kept")
	})
}

func TestElasticChannels(t *testing.T) {
	onEach(t, "ann a b c d e", func(w *world) {
		w.AddChannel("ann", "hall", servicetest.Elastic(3, 4, 40))
		for _, u := range []string{"a", "b", "d", "e", "c"} { // d and e, the newest, are moved for c
			w.AddMember(u, "hall", u, standard)
		}
		w.Log() // names the sub-channels
		for _, sub := range []string{"s1", "s2"} {
			w.must(w.Channels.CreateChannelMembership(ctx, &messaging.CreateChannelMembershipRequest{
				ChannelARN: w.Channel("hall"), MemberARN: w.User("ann"), Type: standard, SubChannelID: w.SubID(sub), ChimeBearer: w.User("ann")}))
		}
		w.Say("a", "hall", "one", w.in("s1"))
		w.Say("d", "hall", "two", w.in("s2"))
		w.Say("ann", "hall", "for e", w.in("s2"), w.To("e"))
		w.expect("places of a", w.list("a", ""), "hall/s1")
		w.expect("places of the moderator", w.list("ann", ""), "hall/s2 hall/s1")
		for _, tc := range []struct{ user, messages, members, latest, unread string }{
			{"a", "one", "a b c ann", "01", "0"}, {"b", "one", "a b c ann", "01", "1"},
			{"d", "two", "d e ann", "02", "0"}, {"e", "for e two", "d e ann", "03", "2"},
			{"ann", "for e two", "d e ann", "03", "1"},
		} {
			d := w.first(tc.user)
			w.expect("messages of "+tc.user, d.contents(), tc.messages)
			w.expect("members around "+tc.user, d.members(), tc.members)
			w.expect("latest of "+tc.user, d.Channel.LastMessageTimestamp, "2026-11-23T09:00:"+tc.latest+".000Z")
			w.expect("unread of "+tc.user, *d.UnreadCount, tc.unread)
			for _, m := range d.ChannelMessages {
				w.expect("sub-channel of a message", m.SubChannelId, d.SubChannelId)
			}
		}
		d, _ := w.details("ann", w.places("ann", "")[1], true)
		w.expect("the moderator's other sub-channel", w.SubName(d.SubChannelId)+" "+d.contents()+" "+d.members(), "s1 one a b c ann")

		was := w.places("a", "")[0]
		w.Remove("b", "hall", "b")
		w.Remove("c", "hall", "c") // a alone is too few: it is moved
		_, text := w.details("a", was, false)
		w.expect("details of a sub-channel that the user was moved from", text, "none")
		w.expect("where a is now", w.list("a", ""), "hall/s2")
		w.expect("what a sees now", w.first("a").contents(), "two")
	})
}

func TestChannelsInOrder(t *testing.T) {
	onEach(t, "ann bob cy", func(w *world) {
		for _, id := range []string{"silent", "read-early", "unread-early", "read-late", "unread-late", "private", "not-for-ann"} {
			w.AddChannel("ann", id)
			w.AddMember("ann", id, "bob", standard)
			w.AddMember("ann", id, "cy", standard)
		}
		w.Say("bob", "read-early", "hello")
		w.Read("ann", "read-early")
		w.Say("bob", "unread-early", "hello")
		w.Say("bob", "private", "hello", w.To("ann"))
		w.Say("bob", "unread-late", "hello")
		w.Say("bob", "read-late", "hello")
		w.Read("ann", "read-late")
		w.Say("bob", "not-for-ann", "hello", w.To("cy"))
		unread := "unread-late private unread-early read-late read-early not-for-ann silent"
		for sort, want := range map[string]string{
			"": unread, "unread": unread, "nonsense": unread,
			"last-message-timestamp": "read-late unread-late private unread-early read-early not-for-ann silent",
		} {
			w.expect("channels sorted by "+sort, w.list("ann", sort), want)
		}
		w.Say("bob", "read-early", "again")
		w.expect("channels after a message", w.list("ann", ""), "read-early unread-late private unread-early read-late not-for-ann silent")
		w.expect("channels of nobody", w.list("nobody", ""), "")
	})
}

func TestFiftyChannels(t *testing.T) {
	onEach(t, "ann bob", func(w *world) {
		var want []string
		for i := range 60 {
			id := fmt.Sprint("c", i)
			w.AddChannel("ann", id)
			w.AddMember("ann", id, "bob", standard)
			w.Say("ann", id, "hello")
			if i%6 == 0 {
				w.Read("bob", id)
			} else {
				want = append(want, id)
			}
		}
		slices.Reverse(want) // the fifty unread ones, the latest first
		w.expect("the fifty", w.list("bob", ""), strings.Join(want, " "))
		got := w.list("bob", prefetch.SortByLatest)
		w.expect("the fifty latest", strings.HasPrefix(got, "c59 c58 c57 c56 c55 c54 ") && strings.HasSuffix(got, " c10"), true)

		// A channel whose deletion is not done takes no place of another.
		w.must(nil, w.Store.Update(ctx, w.AppID(), func(tx store.Tx) error { return store.Channels.Delete(tx, store.K(app(w.World), "c59")) }))
		w.expect("the fifty without one", w.list("bob", ""), strings.Join(append(want[1:], "c54"), " "))
	})
}

func TestClosedStore(t *testing.T) {
	onEach(t, "ann", func(w *world) {
		w.AddChannel("ann", "c")
		at := w.places("ann", "")[0]
		w.Store.Close()
		if _, err := w.prefetch.Channels(ctx, app(w.World), "user/ann", ""); err == nil {
			t.Error("channels were read from a closed store")
		}
		if _, ok, err := w.prefetch.AppendDetails(ctx, nil, app(w.World), "user/ann", at, true); err == nil || ok {
			t.Error("details were read from a closed store")
		}
	})
}
