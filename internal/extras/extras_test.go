package extras_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/api"
	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/extras"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/unread"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	standard = messaging.ChannelMembershipTypeDefault
	hidden   = messaging.ChannelMembershipTypeHidden
)

// live is a world with a hub and the extras.
type live struct {
	*servicetest.World
	t      *testing.T
	hub    *realtime.Hub
	extras *extras.Service
	cursor store.Cursor

	clients []*client
}

func start(t *testing.T, users string, on ...realtime.Extras) *live {
	w := servicetest.New(t, strings.Fields(users)...)
	l := &live{World: w, t: t}
	o := extras.Options{Store: w.Store, Site: w.Site, Counter: unread.NewCounter(w.Channels, w.Messages), Now: w.Clock}
	for _, extra := range on {
		o.Always |= extra
	}
	l.extras = extras.New(o)
	l.hub = realtime.New(realtime.Options{Store: w.Store, Frame: func(text []byte, _ bool) []byte { return text }, Companion: l.extras})
	l.extras.Use(l.hub)
	var position uint64
	err := w.Store.View(t.Context(), "", func(r store.Reader) (err error) {
		position, err = r.Position()
		return err
	})
	if err == nil {
		l.cursor, err = w.Store.Follow("", position)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// deliver hands on what was committed and announced, as fast as clients take it.
func (l *live) deliver() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for {
		events, err := l.cursor.Next(ctx)
		if err != nil {
			return
		}
		for i := range events {
			l.hub.Deliver(events[i : i+1])
			l.extras.Deliver(events[i : i+1])
			for _, c := range l.clients {
				c.take()
			}
		}
	}
}

// flush lets an interval pass.
func (l *live) flush() {
	l.t.Helper()
	l.deliver()
	if err := l.extras.Flush(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	l.deliver()
}

// client is a socket. It keeps what it got as text.
type client struct {
	l       *live
	user    string
	session *realtime.Session
	woken   chan struct{} // there may be something
	lines   []string      // taken and not looked at
}

func (c *client) Probe() {}

func (c *client) Ready() {
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

func (c *client) Close(int, string) {}

func (l *live) connect(user string, wants realtime.Extras, authorize ...func(context.Context, string, api.Request) error) *client {
	l.t.Helper()
	c := &client{l: l, user: user, woken: make(chan struct{}, 1)}
	app := l.App[strings.LastIndex(l.App, "/")+1:]
	grant := realtime.Grant{App: app, User: chime.UserRef(user), UserARN: l.User(user), SessionID: fmt.Sprintf("%p", c), Extras: wants}
	if len(authorize) > 0 {
		grant.Authorize = authorize[0]
	}
	var err error
	if c.session, err = l.hub.Attach(l.t.Context(), grant, c); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(c.session.Detach)
	<-c.woken
	c.got()
	l.clients = append(l.clients, c)
	return c
}

// got lists what came since the last time, in order, but for the beginning of the session.
func (c *client) got() []string {
	c.take()
	lines := c.lines
	c.lines = nil
	return lines
}

// take reads what is there.
func (c *client) take() {
	for {
		frames := c.session.Take(nil, 1<<20)
		if len(frames) == 0 {
			return
		}
		for _, f := range frames {
			if line := c.line(f); line != "" {
				c.lines = append(c.lines, line)
			}
		}
	}
}

func (c *client) line(frame []byte) string {
	var f struct {
		Headers map[string]string
		Payload string
	}
	var p struct {
		ChannelArn, SubChannelId, ReadMarkerTimestamp, Content string
		OnlineCount, UnreadCount                               int
		Online, Offline                                        []string
		Complete                                               bool
		Sender                                                 struct{ Arn, Name string }
	}
	if err := json.Unmarshal(frame, &f); err != nil {
		c.l.t.Fatal(err)
	}
	if f.Payload != "" {
		if err := json.Unmarshal([]byte(f.Payload), &p); err != nil {
			c.l.t.Fatal(err)
		}
	}
	last := func(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }
	kind, at := f.Headers["x-amz-chime-event-type"], last(p.ChannelArn)
	if p.SubChannelId != "" {
		at += "@" + c.l.SubName(p.SubChannelId)
	}
	switch kind {
	case "SESSION_ESTABLISHED":
		return ""
	case "CHANNEL_PRESENCE":
		line := fmt.Sprintf("%s: %d online", at, p.OnlineCount)
		for _, arn := range p.Online {
			line += " +" + last(arn)
		}
		for _, arn := range p.Offline {
			line += " -" + last(arn)
		}
		if p.Complete {
			line += " complete"
		}
		return line
	case "UNREAD_COUNT":
		line := fmt.Sprintf("%s: %d unread", at, p.UnreadCount)
		if p.ReadMarkerTimestamp != "" {
			line += " since " + p.ReadMarkerTimestamp
		}
		return line
	case "TYPING":
		return fmt.Sprintf("%s: %s (%s) types", at, last(p.Sender.Arn), p.Sender.Name)
	}
	return kind
}

// expect compares what came, in any order: the extras of several channels have none.
func (c *client) expect(want ...string) {
	c.l.t.Helper()
	got := c.got()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		c.l.t.Errorf("%s received\n  %s\nwant\n  %s", c.user, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestUnreadCounts(t *testing.T) {
	l := start(t, "ann bob cy", realtime.ExtraUnread)
	l.AddChannel("ann", "c")
	l.AddMember("ann", "c", "bob", standard)
	l.AddMember("ann", "c", "cy", standard)
	bob, stock := l.connect("bob", realtime.ExtraUnread), l.connect("cy", 0)
	say := func(text string) string {
		l.Now = l.Now.Add(time.Second)
		return l.Send(l.Text("ann", "c", text))
	}
	say("1")
	first := say("2")
	l.flush()
	bob.expect("CREATE_CHANNEL_MESSAGE", "CREATE_CHANNEL_MESSAGE", "c: 2 unread")
	stock.expect("CREATE_CHANNEL_MESSAGE", "CREATE_CHANNEL_MESSAGE")
	l.Send(l.Text("bob", "c", "my own"))
	l.flush()
	bob.expect("CREATE_CHANNEL_MESSAGE") // no news
	if _, err := l.Messages.RedactChannelMessage(t.Context(), &messaging.RedactChannelMessageRequest{
		ChannelARN: l.Channel("c"), MessageID: first, ChimeBearer: l.User("ann")}); err != nil {
		t.Fatal(err)
	}
	l.flush()
	bob.expect("REDACT_CHANNEL_MESSAGE", "c: 1 unread")
	l.Now = l.Now.Add(time.Second)
	if _, err := l.Channels.UpdateChannelReadMarker(t.Context(), &messaging.UpdateChannelReadMarkerRequest{
		ChannelARN: l.Channel("c"), ChimeBearer: l.User("bob")}); err != nil {
		t.Fatal(err)
	}
	l.flush()
	since := " since " + l.Now.Format("2006-01-02T15:04:05.000Z")
	bob.expect("c: 0 unread" + since)
	say("3")
	l.flush()
	bob.expect("CREATE_CHANNEL_MESSAGE", "c: 1 unread"+since)
	l.Now = l.Now.Add(72 * time.Hour)
	days := 1
	if _, err := l.Identity.PutAppInstanceRetentionSettings(t.Context(), &identityapi.PutAppInstanceRetentionSettingsRequest{
		AppInstanceARN: l.App, AppInstanceRetentionSettings: &identityapi.AppInstanceRetentionSettings{
			ChannelRetentionSettings: &identityapi.ChannelRetentionSettings{RetentionDays: &days}},
	}); err != nil {
		t.Fatal(err)
	}
	l.flush()
	bob.expect("c: 0 unread" + since)
}

// typing is a client's call.
func typing(l *live, channel string) string {
	return fmt.Sprintf(`{"Action":"TYPING","ChannelArn":%q}`, l.Channel(channel))
}

func allow(context.Context, string, api.Request) error { return nil }

func TestTyping(t *testing.T) {
	l := start(t, "ann bob cy spy out", realtime.ExtraTyping)
	l.AddChannel("ann", "c")
	l.AddMember("ann", "c", "bob", standard)
	l.AddMember("ann", "c", "cy", standard)
	l.AddMember("ann", "c", "spy", hidden)
	asked := make(chan string, 10)
	ask := func(_ context.Context, operation string, req api.Request) error {
		asked <- operation + " " + req.Member("ChannelArn")
		return nil
	}
	ann, bob, cy := l.connect("ann", realtime.ExtraTyping, ask), l.connect("bob", realtime.ExtraTyping, allow), l.connect("cy", 0)
	ann.session.Received([]byte(typing(l, "c")))
	bob.wait()
	bob.expect("c: ann (ANN) types")
	ann.expect()
	cy.expect()
	if got, want := <-asked, "SendChannelMessage "+l.Channel("c"); got != want {
		t.Errorf("IAM was asked for %s, want %s", got, want)
	}

	ann.session.Received([]byte(typing(l, "c"))) // too soon
	l.Now = l.Now.Add(time.Second)
	deny := func(context.Context, string, api.Request) error { return errors.New("denied") }
	for _, silent := range []struct {
		client *client
		text   string
	}{
		{l.connect("out", realtime.ExtraTyping, allow), typing(l, "c")},  // no member
		{l.connect("spy", realtime.ExtraTyping, allow), typing(l, "c")},  // hidden members cannot send
		{l.connect("ann", realtime.ExtraTyping, deny), typing(l, "c")},   // IAM denies
		{l.connect("ann", realtime.ExtraTyping, allow), typing(l, "no")}, // no such channel
		{l.connect("ann", realtime.ExtraTyping, allow), `{"Action":"TYPING"`},
		{l.connect("ann", realtime.ExtraTyping, allow), "heartbeat"},
		{cy, typing(l, "c")},
	} {
		silent.client.session.Received([]byte(silent.text))
	}
	ann2 := l.connect("ann", realtime.ExtraTyping, allow)
	ann2.session.Received([]byte(typing(l, "c")))
	bob.wait()
	bob.expect("c: ann (ANN) types") // once
}

// wait delivers until the client has something.
func (c *client) wait() {
	c.l.t.Helper()
	for deadline := time.After(time.Minute); ; {
		c.l.deliver()
		select {
		case <-c.woken:
			return
		case <-deadline:
			c.l.t.Fatalf("%s got nothing", c.user)
		case <-time.After(time.Millisecond):
		}
	}
}

func TestAppInstancesOptIn(t *testing.T) {
	l := start(t, "ann")
	l.AddChannel("ann", "c")
	all := realtime.ExtraPresence | realtime.ExtraUnread
	ann := l.connect("ann", all)
	l.flush()
	ann.expect()
	ann.session.Detach()
	_, err := l.Identity.TagResource(t.Context(), &identityapi.TagResourceRequest{
		ResourceARN: l.App, Tags: []identityapi.Tag{{Key: chime.ExtrasTag, Value: "presence nonsense"}}})
	if err != nil {
		t.Fatal(err)
	}
	ann = l.connect("ann", all)
	l.flush()
	ann.expect("c: 1 online +ann", "c: 1 online +ann complete")
}

// What is told of a count last is what counting says, whatever happened.
func TestUnreadCountsAreExact(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	l := start(t, "ann bob cy", realtime.ExtraUnread)
	counts := unread.NewCounter(l.Channels, l.Messages)
	l.AddChannel("ann", "c")
	l.AddMember("ann", "c", "bob", standard)
	l.AddMember("ann", "c", "cy", standard)
	bob := l.connect("bob", realtime.ExtraUnread)
	var place chime.Place
	app := l.App[strings.LastIndex(l.App, "/")+1:]
	err := l.Store.View(t.Context(), "", func(r store.Reader) error {
		return store.MembershipsOf.Each(r, store.Prefix(store.K(app, "user/bob")), func(_ store.Key, at chime.Place) (bool, error) {
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
				_, err = l.Messages.RedactChannelMessage(t.Context(), &messaging.RedactChannelMessageRequest{
					ChannelARN: l.Channel("c"), MessageID: ids[random.IntN(len(ids))], ChimeBearer: l.User("ann")})
			}
		case 5:
			_, err = l.Channels.UpdateChannelReadMarker(t.Context(), &messaging.UpdateChannelReadMarkerRequest{
				ChannelARN: l.Channel("c"), ChimeBearer: l.User("bob")})
		case 6:
			l.deliver()
		case 8: // counts what is delivered only later
			err = l.extras.Flush(t.Context())
		case 7:
			l.flush()
			for _, line := range bob.got() {
				if strings.HasPrefix(line, "c: ") {
					told, _, _ = strings.Cut(strings.TrimPrefix(line, "c: "), " ")
				}
			}
			var now unread.Reading
			err := l.Store.View(t.Context(), "", func(r store.Reader) (err error) {
				now, err = counts.Read(r, app, "user/bob", place)
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
