package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/carillon-chat/carillon/internal/lab"
)

// worker makes random calls, one after the other, on channels that are its own. Workers run at the same
// time. What one of them calls follows from its seed and from the answers of its own calls.
type worker struct {
	*appInstance
	name     string
	seed     uint64
	rnd      *rand.Rand
	ids      []string            // of its channels
	channels map[string]*channel // those that there are
	elastic  bool
	sockets  bool         // it opens and closes sockets, too
	other    *appInstance // of whose users the calls are to be refused
	number   int          // calls so far
	latest   uint64       // the number of the latest among those of all workers
	history  []string     // of the latest calls
	ended    map[string]int
}

func newWorker(a *appInstance, name string, seed uint64, ids ...string) *worker {
	var stream uint64
	for _, b := range []byte(name) {
		stream = stream*131 + uint64(b)
	}
	return &worker{appInstance: a, name: name, seed: seed, rnd: rand.New(rand.NewPCG(seed, stream)), ids: ids, channels: map[string]*channel{}, ended: map[string]int{}}
}

// object is a JSON object that is sent.
type object = map[string]any

// request is one call: whose it is, whether a user with that role may make it at all, and what
// it causes when it is accepted.
type request struct {
	text         string
	method, path string
	by           string // the bearer
	in           object
	out          any
	// wrong says why the call must not be accepted, empty when it may be.
	wrong string
	done  func() []expected
	after string // channel that the events are of
}

// make makes the call and notes what it causes. Refusals are as good as answers, but for errors of
// the server.
func (w *worker) make(ctx context.Context, r request) error {
	w.number++
	call := w.begun.Add(1)
	w.latest = call
	err := w.Call(ctx, r.method, r.path, w.user(r.by), r.in, r.out)
	outcome := "ok"
	var refused *lab.Refusal
	if errors.As(err, &refused) && refused.Status/100 == 4 {
		outcome, err = strings.TrimSuffix(refused.Type(), "Exception"), nil
	}
	w.history = append(w.history[max(0, len(w.history)-40):], fmt.Sprintf("%d %s: %s", call, r.text, outcome))
	if err != nil {
		return w.fault(err)
	}
	w.ended[outcome]++
	switch {
	case outcome != "ok":
		return nil
	case r.wrong != "":
		return w.fault(fmt.Errorf("%s was accepted, though %s", r.text, r.wrong))
	case r.done != nil:
		w.expect(call, r.after, r.done())
		w.revise(r.after, w.channelAt(r.after))
	}
	return nil
}

// channelAt is a channel by its ARN, nil when it is gone.
func (w *worker) channelAt(arn string) *channel {
	for _, c := range w.channels {
		if c.arn == arn {
			return c
		}
	}
	return nil
}

// fault adds the worker and the number of its call.
func (w *worker) fault(err error) error {
	return fmt.Errorf("%s, call %d: %w", w.name, w.number, err)
}

// run makes some calls.
func (w *worker) run(ctx context.Context, calls int) error {
	for range calls {
		if err := w.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) step(ctx context.Context) error {
	if w.sockets && w.chance(12) {
		return w.changeSockets(ctx)
	}
	id := w.one(w.ids)
	c := w.channels[id]
	switch {
	case c == nil:
		return w.create(ctx, id)
	case w.other != nil && w.chance(40):
		return w.stranger(ctx, c)
	case w.elastic:
		return w.elasticCall(ctx, id, c)
	}
	return w.standardCall(ctx, id, c)
}

// chance is true once in n times.
func (w *worker) chance(n int) bool { return w.rnd.IntN(n) == 0 }

func (w *worker) one(of []string) string { return of[w.rnd.IntN(len(of))] }

// likely is mostly one of those, and at times any user.
func (w *worker) likely(of []string) string {
	if len(of) == 0 || w.chance(8) {
		return w.one(w.users)
	}
	return w.one(of)
}

func (w *worker) which(f func(string) bool) (some []string) {
	for _, who := range w.users {
		if f(who) {
			some = append(some, who)
		}
	}
	return some
}

func (w *worker) managers(c *channel) []string { return w.which(c.manages) }

// text is a content that no other message has. Its end is found in a file although blocks of files
// are compressed.
func (w *worker) text() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %d", w.seed, w.name, w.number))
	return fmt.Sprintf("%s-%d-%s", w.name, w.number, base64.RawURLEncoding.EncodeToString(sum[:uniqueEnd*3/4]))
}

// uniqueEnd is how many bytes at the end of a content are like no others.
const uniqueEnd = 24

// path of a resource of a channel.
func path(c *channel, parts ...string) string {
	p := "/channels/" + lab.Escape(c.arn)
	for _, part := range parts {
		p += "/" + part
	}
	return p
}

// within adds the sub-channel to a query.
func within(path, sub string) string {
	if sub == "" {
		return path
	}
	return path + "?sub-channel-id=" + url.QueryEscape(sub)
}

func (w *worker) changeSockets(ctx context.Context) error {
	all := slices.DeleteFunc(w.everySocket(), func(s *socket) bool { return s.left })
	if len(all) == 0 || len(all) <= 2*len(w.users) && w.chance(2) {
		return w.openSome(ctx)
	}
	s := all[w.rnd.IntN(len(all))]
	if w.chance(2) { // another of the same id comes, and both live
		if _, err := w.open(ctx, s.user, opening{session: s.id}); err != nil {
			return w.fault(err)
		}
	}
	s.close()
	w.mayResume(s)
	return nil
}

// stranger makes calls as a user of the other app instance, and has one made a member. The ids of
// users and channels are the same in both.
func (w *worker) stranger(ctx context.Context, c *channel) error {
	who := w.one(w.users)
	r := request{text: "a stranger sends", method: http.MethodPost, path: path(c, "messages"), by: who,
		in: object{"Content": "stranger", "Type": "STANDARD", "Persistence": "PERSISTENT", "ClientRequestToken": uuid.NewString()}}
	if w.chance(2) {
		r = request{text: "a stranger is added", method: http.MethodPost, path: path(c, "memberships"), by: w.likely(w.managers(c)),
			in: object{"MemberArn": w.other.user(who), "Type": "DEFAULT"}}
		r.wrong = "it is of another app instance"
		return w.make(ctx, r)
	}
	w.number++
	err := w.Call(ctx, r.method, r.path, w.other.user(who), r.in, nil)
	var refused *lab.Refusal
	if errors.As(err, &refused) && refused.Status/100 == 4 {
		return nil
	}
	return w.fault(fmt.Errorf("a call by a user of another app instance: %w", errors.Join(err, errors.New("was not refused"))))
}

// remove takes away what a deleted user had in the worker's channels. It gets no event itself: its
// sockets are closed.
func (w *worker) remove(who string) {
	call := w.begun.Add(1)
	for _, id := range w.ids {
		c := w.channels[id]
		if c == nil {
			continue
		}
		events := c.forget(who)
		for i := range events {
			events[i].to = slices.DeleteFunc(events[i].to, func(one string) bool { return one == who })
		}
		w.expect(call, c.arn, events)
	}
}
