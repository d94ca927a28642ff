package conformance

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/client"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// What docs/EXTENSIONS.md says of presence, typing and unread counts, through the SDK for Go. Beside
// each client that asks is one of AWS, which notices nothing.

// club is a node with an app instance that has opted in, and a channel of ann, bob, dan and the
// hidden cy.
type club struct {
	*node
	t       *testing.T
	app     string
	channel string
}

func newClub(t *testing.T) *club {
	n := start(t, map[string]string{"log-level": "debug"})
	c := &club{node: n, t: t}
	root := c.as("")
	c.app = must[*client.CreateAppInstanceResponse](t)(root.CreateAppInstance(t.Context(), &client.CreateAppInstanceRequest{Name: "club"})).AppInstanceARN
	must[*client.TagResourceResponse](t)(root.TagResource(t.Context(), &client.TagResourceRequest{
		ResourceARN: c.app, Tags: []client.Tag{{Key: "carillon:extras", Value: "presence typing unread"}}}))
	for _, id := range []string{"ann", "bob", "cy", "dan", "out"} {
		must[*client.CreateAppInstanceUserResponse](t)(root.CreateAppInstanceUser(t.Context(), &client.CreateAppInstanceUserRequest{
			AppInstanceARN: c.app, AppInstanceUserID: id, Name: strings.ToUpper(id)}))
	}
	ann := c.as("ann")
	c.channel = must[*client.CreateChannelResponse](t)(ann.CreateChannel(t.Context(), &client.CreateChannelRequest{
		AppInstanceARN: c.app, Name: "club", MemberARNs: []string{c.user("bob"), c.user("dan")}})).ChannelARN
	must[*client.CreateChannelMembershipResponse](t)(ann.CreateChannelMembership(t.Context(), &client.CreateChannelMembershipRequest{
		ChannelARN: c.channel, MemberARN: c.user("cy"), Type: client.ChannelMembershipTypeHidden}))
	return c
}

func (c *club) user(id string) string { return c.app + "/user/" + id }

// as is a client with the keys, those of the root when there are none.
func (c *club) as(id string, keys ...sigv4.Credentials) *client.Client {
	c.t.Helper()
	k := append(keys, c.RootKeys())[0]
	cfg := client.Config{Endpoint: "http://" + c.Addr(), Credentials: client.StaticCredentials(client.Credentials{
		AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey, SessionToken: k.SessionToken})}
	if id != "" {
		cfg.Bearer = c.user(id)
	}
	made, err := client.New(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(made.CloseIdleConnections)
	return made
}

func (c *club) say(id, content string) (messageID string) {
	c.t.Helper()
	return must[*client.SendChannelMessageResponse](c.t)(c.as(id).SendChannelMessage(c.t.Context(), &client.SendChannelMessageRequest{
		ChannelARN: c.channel, Content: content, Type: client.ChannelMessageTypeStandard, Persistence: client.ChannelMessagePersistenceTypePersistent})).MessageID
}

// listener is a session that asks for all extras. It tells each event of one as a line.
type listener struct {
	*client.Session
	c *club
}

var allExtras = []client.Extra{client.ExtraPresence, client.ExtraTyping, client.ExtraUnread}

func (c *club) listen(id string, cfg client.SessionConfig, keys ...sigv4.Credentials) listener {
	c.t.Helper()
	cfg.UserARN = c.user(id)
	if cfg.Extras == nil {
		cfg.Extras = allExtras
	}
	s, err := c.as(id, keys...).Connect(c.t.Context(), cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = s.Close() })
	return listener{s, c}
}

// line tells an event of an extra, and nothing of others.
func (l listener) line(e client.Event) (line string) {
	l.c.t.Helper()
	last := func(arns []string) (ids string) {
		for _, arn := range arns {
			ids += " " + arn[strings.LastIndex(arn, "/")+1:]
		}
		return ids
	}
	payload := map[string]any{}
	var channel string
	switch data := e.Data.(type) {
	case *client.Presence:
		channel = data.ChannelARN
		line = fmt.Sprintf("%d online: came%s, went%s", data.OnlineCount, last(data.Online), last(data.Offline))
		if data.Complete {
			line = fmt.Sprintf("%d online:%s", data.OnlineCount, last(data.Online))
		}
	case *client.Typing:
		channel = data.ChannelARN
		line = data.Sender.Name + " types"
	case *client.UnreadCount:
		channel = data.ChannelARN
		line = fmt.Sprintf("%d unread", data.UnreadCount)
	default:
		return ""
	}
	if err := json.Unmarshal([]byte(e.Payload), &payload); err != nil || channel != l.c.channel || e.MessageType != "SYSTEM" || len(e.Headers) != 2 {
		l.c.t.Errorf("%v %s: %v", e.Headers, e.Payload, err)
	}
	return line
}

// next waits for the next event of an extra whose line has the word.
func (l listener) next(about string) string {
	l.c.t.Helper()
	for {
		if line := l.line(l.take()); line != "" && strings.Contains(line, about) {
			return line
		}
	}
}

func (l listener) take() client.Event {
	l.c.t.Helper()
	timer := time.AfterFunc(20*time.Second, func() { _ = l.Close() })
	defer timer.Stop()
	e, err := l.Next(l.c.t.Context())
	if err != nil {
		l.c.t.Fatal(err)
	}
	return e
}

// until takes everything up to a message, and lists the lines of the extras on the way.
func (l listener) until(messageID string) (lines []string) {
	l.c.t.Helper()
	for {
		e := l.take()
		if m := e.Message(); m != nil && e.Type == client.EventCreateChannelMessage && m.MessageID == messageID {
			return lines
		}
		if line := l.line(e); line != "" {
			lines = append(lines, line)
		}
	}
}

func (l listener) expect(want, about string) {
	l.c.t.Helper()
	if got := l.next(about); got != want {
		l.c.t.Errorf("told %q, want %q", got, want)
	}
}

func TestPresenceOfAChannel(t *testing.T) {
	c := newClub(t)
	ann := c.listen("ann", client.SessionConfig{})
	ann.expect("1 online: came ann, went", "online")
	ann.expect("1 online: ann", "online")
	bob := c.listen("bob", client.SessionConfig{})
	ann.expect("2 online: came bob, went", "online")
	bob.expect("2 online: came bob, went", "online")
	bob.expect("2 online: ann bob", "online")

	cy := c.listen("cy", client.SessionConfig{}) // hidden: sees, and is not shown
	cy.expect("2 online: ann bob", "online")
	dan := c.connect(t, c.user("dan")) // a client of AWS is shown
	for _, l := range []listener{ann, bob, cy} {
		l.expect("3 online: came dan, went", "online")
	}
	phone := c.listen("bob", client.SessionConfig{})
	phone.expect("3 online: ann bob dan", "online")
	_ = bob.Close() // the phone is still there
	_ = cy.Close()
	_ = dan.CloseNow()
	ann.expect("2 online: came, went dan", "online")
	must[*client.DeleteChannelMembershipResponse](t)(c.as("ann").DeleteChannelMembership(t.Context(), &client.DeleteChannelMembershipRequest{
		ChannelARN: c.channel, MemberARN: c.user("bob")}))
	ann.expect("1 online: came, went bob", "online")
}

// TestTypingIsToldToOthers tries who is heard typing, by whom.
func TestTypingIsToldToOthers(t *testing.T) {
	c := newClub(t)
	mute, err := c.Peer().MakeUser(t.Context(), "mute",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"chime:*","Resource":"*"},{"Effect":"Deny","Action":"chime:SendChannelMessage","Resource":"*"}]}`)
	if err != nil {
		t.Fatal(err)
	}

	dan := c.connect(t, c.user("dan"))
	ann, phone := c.listen("ann", client.SessionConfig{}), c.listen("ann", client.SessionConfig{})
	bob, cy := c.listen("bob", client.SessionConfig{}), c.listen("cy", client.SessionConfig{})
	types := func(l listener) {
		t.Helper()
		if err := l.SendTyping(t.Context(), c.channel); err != nil {
			t.Fatal(err)
		}
	}
	types(ann)
	bob.expect("ANN types", "types")
	cy.expect("ANN types", "types")

	refused := 0
	for _, l := range []listener{
		c.listen("out", client.SessionConfig{}), // no member
		cy,                                      // hidden members cannot send
		c.listen("ann", client.SessionConfig{}, mute), // IAM denies
	} {
		types(l)
		refused++
		await(t, "refusal of typing", func(int64) bool { return strings.Count(c.Log.String(), "typing: dropped") == refused }, 0)
	}
	types(c.listen("bob", client.SessionConfig{Extras: []client.Extra{client.ExtraUnread}})) // has no such extra
	if err := dan.Write(t.Context(), 1, []byte(`{"Action":"TYPING","ChannelArn":"`+c.channel+`"}`)); err != nil {
		t.Fatal(err)
	}

	fence := c.say("ann", "said")
	for who, l := range map[string]listener{"ann": ann, "ann's phone": phone, "bob": bob, "cy": cy} {
		for _, line := range l.until(fence) {
			if strings.HasSuffix(line, "types") {
				t.Errorf("%s is told %q", who, line)
			}
		}
	}
	dan.expect("CREATE_CHANNEL_MESSAGE STANDARD said") // and nothing before
}

// TestUnreadCountsOfAMember follows the count of one member, and asks after each step for the one
// that a new session prefetches.
func TestUnreadCountsOfAMember(t *testing.T) {
	c := newClub(t)
	dan := c.connect(t, c.user("dan"))
	bob := c.listen("bob", client.SessionConfig{})
	prefetched := func(want int) {
		t.Helper()
		s := c.listen("bob", client.SessionConfig{Prefetch: true})
		defer s.Close()
		for {
			e := s.take()
			details, ok := e.Data.(*client.ChannelDetails)
			if !ok || details.Channel.ChannelARN != c.channel {
				continue
			}
			if details.UnreadCount == nil || *details.UnreadCount != want {
				t.Errorf("CHANNEL_DETAILS have %s, want %d unread", e.Payload, want)
			}
			return
		}
	}
	// told waits until the count is told, and lets no other be told before, but for those on the way.
	told := func(want int, onTheWay ...string) {
		t.Helper()
		line := bob.next("unread")
		for len(onTheWay) > 0 && line == onTheWay[0] {
			line, onTheWay = bob.next("unread"), onTheWay[1:]
		}
		if line != fmt.Sprint(want, " unread") {
			t.Errorf("told %q, want %d", line, want)
		}
		prefetched(want)
	}
	prefetched(0)
	first := c.say("ann", "one")
	c.say("dan", "two")
	told(2, "1 unread")
	c.say("bob", "my own")
	prefetched(2)
	for _, m := range []client.SendChannelMessageRequest{
		{Type: client.ChannelMessageTypeControl, Persistence: client.ChannelMessagePersistenceTypePersistent},
		{Type: client.ChannelMessageTypeStandard, Persistence: client.ChannelMessagePersistenceTypeNonPersistent},
		{Type: client.ChannelMessageTypeStandard, Persistence: client.ChannelMessagePersistenceTypePersistent, Target: []client.Target{{MemberARN: c.user("ann")}}},
	} {
		m.ChannelARN, m.Content = c.channel, "no news for bob"
		must[*client.SendChannelMessageResponse](t)(c.as("dan").SendChannelMessage(t.Context(), &m))
	}
	prefetched(2)
	must[*client.RedactChannelMessageResponse](t)(c.as("ann").RedactChannelMessage(t.Context(), &client.RedactChannelMessageRequest{
		ChannelARN: c.channel, MessageID: first}))
	told(1)
	must[*client.UpdateChannelReadMarkerResponse](t)(c.as("bob").UpdateChannelReadMarker(t.Context(), &client.UpdateChannelReadMarkerRequest{ChannelARN: c.channel}))
	told(0)
	c.say("ann", "three")
	told(1)

	var types []string
	for {
		f := dan.next()
		if len(f.Headers) != 2 {
			t.Errorf("a client of AWS gets the headers %v", f.Headers)
		}
		types = append(types, strings.TrimSuffix(f.Event(), "_CHANNEL_MESSAGE"))
		if f.Field("Content") == "three" {
			break
		}
	}
	want := []string{"CREATE", "CREATE", "CREATE", "CREATE", "CREATE", "CREATE", "REDACT", "CREATE"}
	if diff := cmp.Diff(want, types); diff != "" {
		t.Errorf("a client of AWS gets (-want +got)\n%s", diff)
	}
}

// TestExtrasNeedTheAppInstance: in one that has not opted in, asking is of no use.
func TestExtrasNeedTheAppInstance(t *testing.T) {
	c := newClub(t)
	seeded := *c
	seeded.app, seeded.channel = c.Seeded().AppInstanceARN, c.Seeded().ChannelARN
	alice, bob := seeded.listen("alice", client.SessionConfig{}), seeded.listen("bob", client.SessionConfig{Prefetch: true})
	if err := alice.SendTyping(t.Context(), seeded.channel); err != nil {
		t.Fatal(err)
	}
	seeded.say("alice", "unread")
	// What is told of alice is told before what is told of ann, who came later, of a message that came later.
	ann := c.listen("ann", client.SessionConfig{})
	ann.expect("1 online: ann", "online: ann")
	c.say("bob", "unread")
	ann.expect("1 unread", "unread")
	if lines := bob.until(seeded.say("alice", "the end")); len(lines) > 0 {
		t.Errorf("told %q", lines)
	}
	details := c.listen("ann", client.SessionConfig{Prefetch: true, Extras: []client.Extra{client.ExtraTyping}})
	for _, l := range []listener{details, seeded.listen("bob", client.SessionConfig{Prefetch: true})} {
		for {
			if d, ok := l.take().Data.(*client.ChannelDetails); ok {
				if d.UnreadCount != nil {
					t.Errorf("CHANNEL_DETAILS with %d unread for who did not ask, or may not", *d.UnreadCount)
				}
				break
			}
		}
	}
}
