package push_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/message"
	"github.com/carillon-chat/carillon/internal/notice"
	"github.com/carillon-chat/carillon/internal/push"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
	"github.com/carillon-chat/carillon/internal/unread"
)

const (
	phones   = "arn:aws:mobiletargeting:us-east-1:000000000000:apps/phones"
	unlisted = "arn:aws:mobiletargeting:us-east-1:000000000000:apps/unlisted"
)

// sent is a notification that the push service was given.
type sent struct {
	token string // of the device
	push.Notification
}

// service is a push service. Devices are named by their tokens.
type service struct {
	mu    sync.Mutex
	types []string // of the endpoints that it takes
	fail  func(token string) error
	sent  []sent
	tried int
}

func (s *service) Takes(device *chime.Endpoint) bool { return slices.Contains(s.types, device.Type) }

func (s *service) Send(_ context.Context, device *chime.Endpoint, n *push.Notification) error {
	token := device.DeviceToken
	if n.Call && device.VoipToken != "" {
		token = device.VoipToken
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried++
	if s.fail != nil {
		if err := s.fail(token); err != nil {
			return err
		}
	}
	s.sent = append(s.sent, sent{token, *n})
	return nil
}

// take returns what was sent since the last call.
func (s *service) take() []sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.sent
	s.sent = nil
	slices.SortFunc(list, func(a, b sent) int { return strings.Compare(a.token, b.token) })
	return list
}

// tokens are the devices that were sent something since the last call, in the order of their names.
func (s *service) tokens() string {
	var list []string
	for _, n := range s.take() {
		list = append(list, n.token)
	}
	return strings.Join(list, " ")
}

// bed is a world with a push service. ann made the channel c, in which bob and cy are members.
type bed struct {
	*servicetest.World
	t      *testing.T
	phones *service
	queue  *push.Queue
	push   *push.Service
	handle follow.Follower
	at     uint64 // position of the latest event that was handled
	online map[chime.Ref]bool

	published string // titles of messages that are not persistent, in a channel with a flow
}

func newBed(t *testing.T, users ...string) *bed {
	t.Helper()
	st := memstore.New()
	t.Cleanup(func() { st.Close() })
	return bedOver(t, st, users...)
}

func bedOver(t *testing.T, st store.Store, users ...string) *bed {
	t.Helper()
	b := &bed{
		World: servicetest.Over(t, st, append([]string{"adm", "ann", "bob", "cy"}, users...)...), t: t, online: map[chime.Ref]bool{},
		phones: &service{types: []string{"APNS", "GCM"}}, queue: push.NewQueue(),
	}
	b.MakeAdmin("adm")
	b.Messages = message.New(message.Options{
		Store: st, Bus: b.Bus, Site: b.Site, Now: b.Clock, Random: rand.New(rand.NewSource(2)), Notify: b.queue.Notify,
	})
	b.AddChannel("ann", "c")
	b.AddMember("ann", "c", "bob", messaging.ChannelMembershipTypeDefault)
	b.AddMember("ann", "c", "cy", messaging.ChannelMembershipTypeDefault)
	b.start(push.Application{Name: "phones", Pattern: "*:apps/phones", Sender: b.phones, Badge: true})
	b.at = b.position()
	return b
}

// start makes the service anew, as a start of the node does.
func (b *bed) start(applications ...push.Application) {
	b.push = push.New(push.Options{
		Store: b.Store, Site: b.Site, Now: b.Clock, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Messages: b.Messages,
		Unread: unread.NewCounter(b.Channels, b.Messages), Applications: applications, TTL: time.Hour, Queue: b.queue,
		Online: func(_ string, user chime.Ref) bool { return b.online[user] },
		Sleep:  func(context.Context, time.Duration) {},
	})
	b.handle = b.push.Followers()[0]
}

func (b *bed) position() (p uint64) {
	b.t.Helper()
	err := b.Store.View(b.t.Context(), b.AppID(), func(r store.Reader) (err error) {
		p, err = r.Position()
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// events are those of the log that the follower was not handed yet.
func (b *bed) events() (wanted []*chime.Event) {
	b.t.Helper()
	cursor, err := b.Store.Follow(b.AppID(), b.at)
	if err != nil {
		b.t.Fatal(err)
	}
	defer cursor.Close()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for {
		events, err := cursor.Next(ended)
		if errors.Is(err, context.Canceled) {
			return wanted
		}
		if err != nil {
			b.t.Fatal(err)
		}
		for _, e := range events {
			if b.handle.Wants(e) {
				wanted = append(wanted, e)
			}
		}
	}
}

// try hands the events to the follower once.
func (b *bed) try() error {
	b.t.Helper()
	events := b.events()
	if len(events) == 0 {
		return nil
	}
	err := b.handle.Handle(b.t.Context(), b.AppID(), events)
	if err == nil {
		b.at = events[len(events)-1].Position
	}
	return err
}

// pushed are the devices that are sent what is new in the log.
func (b *bed) pushed() string {
	b.t.Helper()
	if err := b.try(); err != nil {
		b.t.Fatal(err)
	}
	return b.phones.tokens()
}

// device registers a device of a user, which is named by its token.
func (b *bed) device(user, token string, change ...func(*identityapi.RegisterAppInstanceUserEndpointRequest)) string {
	b.t.Helper()
	req := &identityapi.RegisterAppInstanceUserEndpointRequest{
		AppInstanceUserARN: b.User(user), Type: identityapi.AppInstanceUserEndpointTypeApns, ResourceARN: phones,
		EndpointAttributes: &identityapi.EndpointAttributes{DeviceToken: token}, ClientRequestToken: b.Token(),
	}
	for _, f := range change {
		f(req)
	}
	resp, err := b.Identity.RegisterAppInstanceUserEndpoint(b.t.Context(), req)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.EndpointID
}

// state is that of a device: the status and its reason.
func (b *bed) state(user, id string) string {
	b.t.Helper()
	resp, err := b.Identity.DescribeAppInstanceUserEndpoint(b.t.Context(), &identityapi.DescribeAppInstanceUserEndpointRequest{AppInstanceUserARN: b.User(user), EndpointID: id})
	if err != nil {
		b.t.Fatal(err)
	}
	state := resp.AppInstanceUserEndpoint.EndpointState
	return strings.TrimSpace(fmt.Sprint(state.Status, " ", state.StatusReason))
}

// prefer sets the preferences of a member of c.
func (b *bed) prefer(user string, allow messaging.AllowNotifications, rule string) {
	b.t.Helper()
	p := &messaging.PushNotificationPreferences{AllowNotifications: allow}
	if rule != "" {
		p.FilterRule = &rule
	}
	_, err := b.API.PutChannelMembershipPreferences(b.t.Context(), &messaging.PutChannelMembershipPreferencesRequest{
		ChannelARN: b.Channel("c"), MemberARN: b.User(user), ChimeBearer: b.User(user), Preferences: &messaging.ChannelMembershipPreferences{PushNotifications: p},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

type change = func(*messaging.SendChannelMessageRequest)

// notify gives a message a notification.
func notify(title string) change {
	return func(r *messaging.SendChannelMessageRequest) {
		body := title + "!"
		r.PushNotification = &messaging.PushNotificationConfiguration{Title: &title, Body: &body, Type: messaging.PushNotificationTypeDefault}
	}
}

// call gives a message a notification of a call.
func call(title string) change {
	return func(r *messaging.SendChannelMessageRequest) {
		r.PushNotification = &messaging.PushNotificationConfiguration{Title: &title, Type: messaging.PushNotificationTypeVoip}
	}
}

func live(r *messaging.SendChannelMessageRequest) {
	r.Persistence = messaging.ChannelMessagePersistenceTypeNonPersistent
}

// say sends a message to c. Message services are made anew by the bed, so that w.API is not asked.
func (b *bed) say(by string, changes ...change) string {
	b.t.Helper()
	return b.World.Say(by, "c", "hello", changes...)
}

// notices are the reasons of the notices since a position of the log, with the users they are about.
func (b *bed) notices(after uint64) (list []string) {
	b.t.Helper()
	cursor, err := b.Store.Follow(b.AppID(), after)
	if err != nil {
		b.t.Fatal(err)
	}
	defer cursor.Close()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	var gathered []notice.Notice
	follower := notice.Follower("test", b.Site, sinkFunc(func(n []notice.Notice) { gathered = append(gathered, n...) }))
	for {
		events, err := cursor.Next(ended)
		if err != nil {
			break
		}
		for _, e := range events {
			if follower.Wants(e) {
				_ = follower.Handle(b.t.Context(), b.AppID(), []*chime.Event{e})
			}
		}
	}
	for _, n := range gathered {
		list = append(list, n.DetailType+" "+string(n.Detail))
	}
	return list
}

type sinkFunc func([]notice.Notice)

func (f sinkFunc) Send(_ context.Context, notices []notice.Notice) error {
	f(notices)
	return nil
}
