// Package servicetest gives tests the services of one app instance over the model store, with
// a clock of their own and the log of events as text.
package servicetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/bus/inproc"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/flow"
	"github.com/carillon-chat/carillon/internal/follow/jobs"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/message"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
	"github.com/carillon-chat/carillon/internal/store/pebble"
	"github.com/carillon-chat/carillon/internal/store/pgtest"
	"github.com/carillon-chat/carillon/internal/store/postgres"
	"github.com/carillon-chat/carillon/internal/stream"
)

// World is one app instance. Its users are named by their ids.
type World struct {
	t     testing.TB
	Store store.Store
	Bus   *inproc.Bus
	Site  chime.Site
	// Began is the position of the log when the world and its users were made.
	Began    uint64
	Now      time.Time
	Random   io.Reader // of all services
	Jobs     *jobs.Queue
	App      string // ARN
	Identity *identity.Service
	Channels *channel.Service
	Messages *message.Service
	Flows    *flow.Service
	Exports  *stream.Service
	API      messaging.Handler // the services together

	stream *bus.Stream
	tokens int
	subs   []string // ids of sub-channels in the order in which they came up
}

// messagingAPI joins the services as the program does.
type messagingAPI struct {
	*channels
	*messages
	*flows
	*exports
	unbuilt
}

type (
	channels = channel.Service
	messages = message.Service
	flows    = flow.Service
	exports  = stream.Service
	unbuilt  struct{ messaging.Unbuilt }
)

// New makes a world with the given users over a fresh model store.
func New(t testing.TB, users ...string) *World {
	st := memstore.New()
	t.Cleanup(func() { st.Close() })
	return Over(t, st, users...)
}

// openPostgres opens an empty store on the server that tests have, nil when they have none.
func openPostgres(t testing.TB) store.Store {
	t.Helper()
	url, err := pgtest.DatabaseOf(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if url == "" {
		return nil
	}
	st, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// OnEach runs a test over the model store, over Pebble and, where tests have a PostgreSQL server, over that, in a world with the given users, separated by
// spaces, and adm, an admin.
func OnEach(t *testing.T, users string, test func(*testing.T, *World)) {
	engines := map[string]func() (store.Store, error){
		"model":  func() (store.Store, error) { return memstore.New(), nil },
		"pebble": func() (store.Store, error) { return pebble.Open(t.TempDir(), pebble.Options{}) },
	}
	if onServer := openPostgres(t); onServer != nil {
		engines["postgres"] = func() (store.Store, error) { return onServer, nil }
	}
	for name, open := range engines {
		t.Run(name, func(t *testing.T) {
			st, err := open()
			if err != nil {
				t.Fatal(err)
			}
			defer st.Close()
			w := Over(t, st, strings.Fields("adm "+users)...)
			w.MakeAdmin("adm")
			test(t, w)
		})
	}
}

// Over makes a world with the given users in a store.
func Over(t testing.TB, st store.Store, users ...string) *World {
	t.Helper()
	w := &World{
		t: t, Store: st, Bus: inproc.New(), Site: chime.Site{Region: "us-east-1", Account: "000000000000"},
		Now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC),
	}

	// The services share a store, a clock and a source of randomness.
	random := rand.New(rand.NewSource(1))
	w.Random = random
	w.Jobs = jobs.New(jobs.Options{Store: st, Log: slog.New(slog.DiscardHandler), Random: random, Now: w.Clock})
	w.Channels = channel.New(channel.Options{Store: st, Site: w.Site, Now: w.Clock, Random: random, Jobs: w.Jobs})
	w.Messages = message.New(message.Options{Store: st, Bus: w.Bus, Site: w.Site, Now: w.Clock, Random: random})
	w.Flows = flow.New(flow.Options{Store: st, Site: w.Site, Now: w.Clock, Random: random, Messages: w.Messages})
	w.Exports = stream.New(stream.Options{Store: st, Site: w.Site, Now: w.Clock, Log: slog.New(slog.DiscardHandler)})
	w.API = messagingAPI{channels: w.Channels, messages: w.Messages, flows: w.Flows, exports: w.Exports}
	w.Identity = identity.New(identity.Options{
		Store: st, Site: w.Site, Now: w.Clock, Random: random, Users: w.Channels, Jobs: w.Jobs,
	})

	// One app instance with the users, before the test looks at the log.
	created, err := w.Identity.CreateAppInstance(context.Background(), &identityapi.CreateAppInstanceRequest{Name: "test", ClientRequestToken: w.Token()})
	if err != nil {
		t.Fatal(err)
	}
	w.App = created.AppInstanceARN
	for _, u := range users {
		w.AddUser(u)
	}
	w.Began = w.position()
	w.stream = w.Stream(w.Began)
	return w
}

// Stream hands out the events after a position of the log, and ephemeral ones.
func (w *World) Stream(after uint64) *bus.Stream {
	w.t.Helper()
	live := w.Bus.Subscribe(w.AppID())
	cursor, err := w.Store.Follow(w.AppID(), after)
	if err != nil {
		w.t.Fatal(err)
	}
	return bus.NewStream(cursor, after, live)
}

// AppID is the id of the world's app instance.
func (w *World) AppID() string { return w.Site.AppOf(w.App) }

// Clock is the time in the world.
func (w *World) Clock() time.Time { return w.Now }

func (w *World) position() (p uint64) {
	w.t.Helper()
	err := w.Store.View(context.Background(), w.AppID(), func(r store.Reader) (err error) {
		p, err = r.Position()
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// AddUser makes a user whose name is its id in capitals.
func (w *World) AddUser(id string) {
	w.t.Helper()
	_, err := w.Identity.CreateAppInstanceUser(context.Background(), &identityapi.CreateAppInstanceUserRequest{
		AppInstanceARN: w.App, AppInstanceUserID: id, Name: strings.ToUpper(id), ClientRequestToken: w.Token(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// Replace deletes a user and makes another of the same id, under the name.
func (w *World) Replace(id, name string) {
	w.t.Helper()
	_, err := w.Identity.DeleteAppInstanceUser(context.Background(), &identityapi.DeleteAppInstanceUserRequest{AppInstanceUserARN: w.User(id)})
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = w.Identity.CreateAppInstanceUser(context.Background(), &identityapi.CreateAppInstanceUserRequest{
		AppInstanceARN: w.App, AppInstanceUserID: id, Name: name, ClientRequestToken: w.Token(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// MakeAdmin gives a user the role of app instance admin.
func (w *World) MakeAdmin(id string) {
	w.t.Helper()
	_, err := w.Identity.CreateAppInstanceAdmin(context.Background(), &identityapi.CreateAppInstanceAdminRequest{
		AppInstanceARN: w.App, AppInstanceAdminARN: w.User(id),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// Token is a client request token that was not used before.
func (w *World) Token() string {
	w.tokens++
	return fmt.Sprintf("token-%d", w.tokens)
}

// User is the ARN of a user.
func (w *World) User(id string) string { return w.App + "/user/" + id }

// Users are the ARNs of users.
func (w *World) Users(ids ...string) []string {
	arns := make([]string, len(ids))
	for i, id := range ids {
		arns[i] = w.User(id)
	}
	return arns
}

// Channel is the ARN of a channel.
func (w *World) Channel(id string) string { return w.App + "/channel/" + id }

// AddChannel makes a channel; change may alter the request.
func (w *World) AddChannel(creator, id string, change ...func(*messaging.CreateChannelRequest)) {
	w.t.Helper()
	req := &messaging.CreateChannelRequest{
		AppInstanceARN: w.App, Name: id, ChannelID: &id, ChimeBearer: w.User(creator), ClientRequestToken: w.Token(),
	}
	for _, f := range change {
		f(req)
	}
	if _, err := w.Channels.CreateChannel(context.Background(), req); err != nil {
		w.t.Fatal(err)
	}
}

// Elastic changes the request for a channel to one for an elastic channel.
func Elastic(subChannels, target, minimumPercent int) func(*messaging.CreateChannelRequest) {
	return func(r *messaging.CreateChannelRequest) {
		r.ElasticChannelConfiguration = &messaging.ElasticChannelConfiguration{
			MaximumSubChannels: subChannels, TargetMembershipsPerSubChannel: target, MinimumMembershipPercentage: minimumPercent,
		}
	}
}

// AddMember makes a user a member, in the name of a user that may do so.
func (w *World) AddMember(by, channelID, id string, kind messaging.ChannelMembershipType) {
	w.t.Helper()
	_, err := w.Channels.CreateChannelMembership(context.Background(), &messaging.CreateChannelMembershipRequest{
		ChannelARN: w.Channel(channelID), MemberARN: w.User(id), Type: kind, ChimeBearer: w.User(by),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// Ban bans a user, in the name of a user that may do so.
func (w *World) Ban(by, channelID, id string) {
	w.t.Helper()
	_, err := w.Channels.CreateChannelBan(context.Background(), &messaging.CreateChannelBanRequest{
		ChannelARN: w.Channel(channelID), MemberARN: w.User(id), ChimeBearer: w.User(by),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// MakeModerator gives a user the role of moderator, in the name of a user that may do so.
func (w *World) MakeModerator(by, channelID, id string) {
	w.t.Helper()
	_, err := w.Channels.CreateChannelModerator(context.Background(), &messaging.CreateChannelModeratorRequest{
		ChannelARN: w.Channel(channelID), ChannelModeratorARN: w.User(id), ChimeBearer: w.User(by),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// Text is a request for an ordinary message.
func (w *World) Text(by, channelID, content string) *messaging.SendChannelMessageRequest {
	return &messaging.SendChannelMessageRequest{
		ChannelARN: w.Channel(channelID), Content: content, ChimeBearer: w.User(by), ClientRequestToken: w.Token(),
		Type: messaging.ChannelMessageTypeStandard, Persistence: messaging.ChannelMessagePersistenceTypePersistent,
	}
}

// Send sends a message and returns its id.
func (w *World) Send(req *messaging.SendChannelMessageRequest) string {
	w.t.Helper()
	resp, err := w.Messages.SendChannelMessage(context.Background(), req)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.MessageID
}

// SubName is a short name for a sub-channel: s1, s2 and so on, as they come up.
func (w *World) SubName(id string) string {
	i := slices.Index(w.subs, id)
	if i < 0 {
		i = len(w.subs)
		w.subs = append(w.subs, id)
	}
	return fmt.Sprint("s", i+1)
}

// SubID is the id of the sub-channel of that name.
func (w *World) SubID(name string) *string {
	for _, id := range w.subs {
		if w.SubName(id) == name {
			return &id
		}
	}
	w.t.Helper()
	w.t.Fatalf("no sub-channel %s was seen", name)
	return nil
}

// SubChannels lists the sub-channels of an elastic channel with their numbers of members, such
// as "s1:4".
func (w *World) SubChannels(by, channelID string) (list []string) {
	w.t.Helper()
	resp, err := w.Channels.ListSubChannels(context.Background(), &messaging.ListSubChannelsRequest{
		ChannelARN: w.Channel(channelID), ChimeBearer: w.User(by),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, sub := range resp.SubChannels {
		list = append(list, fmt.Sprint(w.SubName(sub.SubChannelID), ":", sub.MembershipCount))
	}
	return list
}

// Outcome names how a call ended: "ok", or the exception without its suffix, such as
// "Forbidden".
func Outcome(err error) string {
	var e *api.Error
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &e):
		return strings.TrimSuffix(e.Type, "Exception")
	case errors.Is(err, store.ErrPageToken): // as transports say it
		return "BadRequest"
	}
	return err.Error()
}
