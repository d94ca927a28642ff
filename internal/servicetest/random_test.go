package servicetest_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store/memstore"
	"github.com/carillon-chat/carillon/internal/store/pebble"
)

var (
	seed  = flag.Uint64("seed", 0, "seed of the random calls; 0 takes a new one")
	calls = flag.Int("calls", 3000, "number of random calls")
)

// TestRandomCalls makes the same random calls on a model store, on Pebble and on the plain model
// of the rules. The stores have to give equal answers and equal events, and the model has to
// foresee how each call ends.
func TestRandomCalls(t *testing.T) {
	r := newRun(t)
	r.make(r.choose)
}

// newRun has a world over each store.
func newRun(t *testing.T) *run {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("repeat with -seed %d", *seed)
	engine, err := pebble.Open(t.TempDir(), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	reference := memstore.New()
	t.Cleanup(func() { reference.Close() })
	return &run{t: t, rnd: rand.New(rand.NewPCG(*seed, 0)), model: newModel(), ended: map[string]int{},
		worlds: []*servicetest.World{servicetest.Over(t, reference, people...), servicetest.Over(t, engine, people...)}}
}

// make makes calls until one does not end as it has to.
func (r *run) make(choose func() action) {
	for n := range *calls {
		if !r.step(n, choose()) {
			return
		}
	}
	for _, ended := range []string{"ok", "Forbidden", "NotFound", "Conflict", "BadRequest"} {
		if r.ended[ended] == 0 {
			r.t.Errorf("no call ended with %s: the calls show little", ended)
		}
	}
	r.t.Log("how the calls ended:", r.ended)
}

var (
	people  = []string{"ann", "bob", "cyd", "dan", "eve"}
	roomIDs = []string{"one", "two", "three"}
)

// run is one sequence of calls.
type run struct {
	t      *testing.T
	rnd    *rand.Rand
	model  *model
	worlds []*servicetest.World
	ended  map[string]int
}

// action is one call: what it is, how it has to end (empty: in the same way on both stores), how
// to make it, and what it changes in the model when it is done.
type action struct {
	text   string
	want   string
	call   func(context.Context, *servicetest.World) (api.Response, error)
	change func(api.Response)
}

func (r *run) step(n int, a action) bool {
	var answers []string
	var done api.Response
	var ended string
	set := r.set()
	for _, w := range r.worlds {
		w.Now = w.Now.Add(time.Duration(n%7)*time.Millisecond + set)
		resp, err := a.call(context.Background(), w)
		answers = append(answers, r.answer(w, resp, err))
		done = resp
		if ended = servicetest.Outcome(err); a.want != "" && ended != a.want {
			r.t.Errorf("call %d, %s: %s, the rules say %s (%v)", n, a.text, ended, a.want, err)
			return false
		}
	}
	if answers[0] != answers[1] {
		r.t.Errorf("call %d, %s: the stores differ\nmodel store: %s\nPebble:      %s", n, a.text, answers[0], answers[1])
		return false
	}
	r.ended[ended]++
	if ended == "ok" && a.change != nil {
		a.change(done)
	}
	return true
}

// set is by how much the clock of the machine is set before a call, now and then.
func (r *run) set() time.Duration {
	if r.rnd.IntN(100) > 0 {
		return 0
	}
	return []time.Duration{-time.Hour, 24 * time.Hour, -24 * time.Hour}[r.rnd.IntN(3)]
}

// answer is all that a client could tell apart: the body or the error, and the events.
func (r *run) answer(w *servicetest.World, resp api.Response, err error) string {
	text := ""
	var refused *api.Error
	switch {
	case errors.As(err, &refused):
		text = refused.Error()
	case err != nil:
		r.t.Fatal(err)
	default:
		text = string(resp.AppendJSON(nil, api.Epoch))
	}
	return text + "\n" + strings.Join(w.Events(), "\n")
}

func (r *run) one(of []string) string { return of[r.rnd.IntN(len(of))] }

// choose makes up a call.
func (r *run) choose() action {
	by, who, id := r.one(people), r.one(people), r.one(roomIDs)
	makers := []func(by, who, id string, room *room) action{
		r.createChannel, r.updateChannel, r.deleteChannel, r.describeChannel, r.admin,
		r.addMember, r.addMember, r.addMember, r.batch, r.describeMember, r.listMembers, r.removeMember, r.removeMember,
		r.moderator, r.moderator, r.ban, r.ban, r.readMarker, r.preferences, r.search, r.membershipOf,
		r.send, r.send, r.send, r.send, r.list, r.list, r.get, r.edit, r.redact, r.deleteMessage, r.status,
	}
	return makers[r.rnd.IntN(len(makers))](by, who, id, r.model.rooms[id])
}

func act[Q, P any, Resp interface {
	*P
	api.Response
}](text, want string, op func(messaging.Handler, context.Context, *Q) (Resp, error), req func(*servicetest.World) *Q, change func(Resp)) action {
	a := action{text: text, want: want}
	a.call = func(ctx context.Context, w *servicetest.World) (api.Response, error) {
		resp, err := op(w.API, ctx, req(w))
		if resp == nil {
			resp = Resp(new(P))
		}
		return resp, err
	}
	if change != nil {
		a.change = func(resp api.Response) { change(resp.(Resp)) }
	}
	return a
}

func (r *run) createChannel(by, who, id string, at *room) action {
	privacy, mode := messaging.ChannelPrivacyPublic, messaging.ChannelModeUnrestricted
	if r.rnd.IntN(2) == 0 {
		privacy = messaging.ChannelPrivacyPrivate
	}
	if r.rnd.IntN(2) == 0 {
		mode = messaging.ChannelModeRestricted
	}
	made := newRoom(by, privacy == messaging.ChannelPrivacyPublic, mode == messaging.ChannelModeUnrestricted)
	made.members[who] = messaging.ChannelMembershipTypeDefault
	return act(fmt.Sprintf("%s makes %s %s %s with %s", by, id, privacy, mode, who), first(conflict(at != nil)),
		messaging.Handler.CreateChannel,
		func(w *servicetest.World) *messaging.CreateChannelRequest {
			return &messaging.CreateChannelRequest{AppInstanceARN: w.App, ChannelID: &id, Name: id, Privacy: privacy, Mode: mode,
				ChimeBearer: w.User(by), MemberARNs: []string{w.User(who)}, ClientRequestToken: w.Token()}
		},
		func(*messaging.CreateChannelResponse) { r.model.rooms[id] = made })
}

func (r *run) updateChannel(by, _, id string, at *room) action {
	mode := messaging.ChannelModeUnrestricted
	if r.rnd.IntN(2) == 0 {
		mode = messaging.ChannelModeRestricted
	}
	return act(fmt.Sprintf("%s updates %s to %s", by, id, mode), first(forbidden(at == nil || !r.model.manages(at, by))),
		messaging.Handler.UpdateChannel,
		func(w *servicetest.World) *messaging.UpdateChannelRequest {
			return &messaging.UpdateChannelRequest{ChannelARN: w.Channel(id), Mode: mode, ChimeBearer: w.User(by)}
		},
		func(*messaging.UpdateChannelResponse) { at.open = mode == messaging.ChannelModeUnrestricted })
}

func (r *run) deleteChannel(by, who, id string, at *room) action {
	if r.rnd.IntN(4) > 0 { // else nothing lives long enough
		return r.describeChannel(by, who, id, at)
	}
	return act(by+" deletes "+id, first(forbidden(at == nil || !r.model.manages(at, by))),
		messaging.Handler.DeleteChannel,
		func(w *servicetest.World) *messaging.DeleteChannelRequest {
			return &messaging.DeleteChannelRequest{ChannelARN: w.Channel(id), ChimeBearer: w.User(by)}
		},
		func(*messaging.DeleteChannelResponse) { delete(r.model.rooms, id) })
}

func (r *run) describeChannel(by, _, id string, at *room) action {
	return act(by+" describes "+id, first(forbidden(at == nil || !r.model.describes(at, by))),
		messaging.Handler.DescribeChannel,
		func(w *servicetest.World) *messaging.DescribeChannelRequest {
			return &messaging.DescribeChannelRequest{ChannelARN: w.Channel(id), ChimeBearer: w.User(by)}
		}, nil)
}
