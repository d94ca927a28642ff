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

// lane makes random calls, one after the other, on channels that are its own. Lanes run at the same
// time. What one of them calls follows from its seed and from the answers of its own calls.
type lane struct {
	*tenant
	name     string
	seed     uint64
	rnd      *rand.Rand
	ids      []string            // of its channels
	channels map[string]*channel // those that there are
	elastic  bool
	sockets  bool     // it opens and closes sockets, too
	other    *tenant  // of whose users the calls are to be refused
	number   int      // calls so far
	latest   uint64   // the number of the latest among those of all lanes
	history  []string // of the latest calls
	ended    map[string]int
}

func newLane(t *tenant, name string, seed uint64, ids ...string) *lane {
	var stream uint64
	for _, b := range []byte(name) {
		stream = stream*131 + uint64(b)
	}
	return &lane{tenant: t, name: name, seed: seed, rnd: rand.New(rand.NewPCG(seed, stream)), ids: ids, channels: map[string]*channel{}, ended: map[string]int{}}
}

// object is a JSON object that is sent.
type object = map[string]any

// request is one call: whose it is, whether somebody with that role may make it at all, and what
// it causes when it is accepted.
type request struct {
	text         string
	method, path string
	by           string // the bearer
	in           object
	out          any
	// wrong says why the call must not be accepted, empty when it may be.
	wrong string
	done  func() []telling
	after string // channel that the events are of
}

// make makes the call and notes what it causes. Refusals are as good as answers, but for errors of
// the server.
func (l *lane) make(ctx context.Context, r request) error {
	l.number++
	call := l.begun.Add(1)
	l.latest = call
	err := l.Call(ctx, r.method, r.path, l.user(r.by), r.in, r.out)
	outcome := "ok"
	var refused *lab.Refusal
	if errors.As(err, &refused) && refused.Status/100 == 4 {
		outcome, err = strings.TrimSuffix(refused.Type(), "Exception"), nil
	}
	l.history = append(l.history[max(0, len(l.history)-40):], fmt.Sprintf("%d %s: %s", call, r.text, outcome))
	if err != nil {
		return l.fault(err)
	}
	l.ended[outcome]++
	switch {
	case outcome != "ok":
		return nil
	case r.wrong != "":
		return l.fault(fmt.Errorf("%s was accepted, though %s", r.text, r.wrong))
	case r.done != nil:
		l.tell(call, r.after, r.done())
		l.revise(r.after, l.channelAt(r.after))
	}
	return nil
}

// channelAt is a channel by its ARN, nil when it is gone.
func (l *lane) channelAt(arn string) *channel {
	for _, c := range l.channels {
		if c.arn == arn {
			return c
		}
	}
	return nil
}

// fault tells of which lane it is, and what was called last.
func (l *lane) fault(err error) error {
	return fmt.Errorf("%s, call %d: %w", l.name, l.number, err)
}

// run makes some calls.
func (l *lane) run(ctx context.Context, calls int) error {
	for range calls {
		if err := l.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (l *lane) step(ctx context.Context) error {
	if l.sockets && l.chance(12) {
		return l.changeSockets(ctx)
	}
	id := l.one(l.ids)
	c := l.channels[id]
	switch {
	case c == nil:
		return l.create(ctx, id)
	case l.other != nil && l.chance(40):
		return l.stranger(ctx, c)
	case l.elastic:
		return l.elasticCall(ctx, id, c)
	}
	return l.standardCall(ctx, id, c)
}

// chance is true once in n times.
func (l *lane) chance(n int) bool { return l.rnd.IntN(n) == 0 }

func (l *lane) one(of []string) string { return of[l.rnd.IntN(len(of))] }

// likely is mostly one of those, and now and then anybody.
func (l *lane) likely(of []string) string {
	if len(of) == 0 || l.chance(8) {
		return l.one(l.users)
	}
	return l.one(of)
}

func (l *lane) which(f func(string) bool) (some []string) {
	for _, who := range l.users {
		if f(who) {
			some = append(some, who)
		}
	}
	return some
}

func (l *lane) managers(c *channel) []string { return l.which(c.manages) }

// text is a content that no other message has. Its end is found in a file although blocks of files
// are compressed.
func (l *lane) text() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %d", l.seed, l.name, l.number))
	return fmt.Sprintf("%s-%d-%s", l.name, l.number, base64.RawURLEncoding.EncodeToString(sum[:uniqueEnd*3/4]))
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

func (l *lane) changeSockets(ctx context.Context) error {
	all := slices.DeleteFunc(l.everySocket(), func(s *socket) bool { return s.left })
	if len(all) == 0 || len(all) <= 2*len(l.users) && l.chance(2) {
		return l.openSome(ctx)
	}
	s := all[l.rnd.IntN(len(all))]
	if l.chance(2) { // another of the same id comes, and both live
		if _, err := l.open(ctx, s.user, opening{session: s.id}); err != nil {
			return l.fault(err)
		}
	}
	s.close()
	l.mayResume(s)
	return nil
}

// stranger makes calls as a user of the other app instance, and has one made a member. The ids of
// users and channels are the same in both.
func (l *lane) stranger(ctx context.Context, c *channel) error {
	who := l.one(l.users)
	r := request{text: "a stranger sends", method: http.MethodPost, path: path(c, "messages"), by: who,
		in: object{"Content": "stranger", "Type": "STANDARD", "Persistence": "PERSISTENT", "ClientRequestToken": uuid.NewString()}}
	if l.chance(2) {
		r = request{text: "a stranger is added", method: http.MethodPost, path: path(c, "memberships"), by: l.likely(l.managers(c)),
			in: object{"MemberArn": l.other.user(who), "Type": "DEFAULT"}}
		r.wrong = "it is of another app instance"
		return l.make(ctx, r)
	}
	l.number++
	err := l.Call(ctx, r.method, r.path, l.other.user(who), r.in, nil)
	var refused *lab.Refusal
	if errors.As(err, &refused) && refused.Status/100 == 4 {
		return nil
	}
	return l.fault(fmt.Errorf("a call by a user of another app instance: %w", errors.Join(err, errors.New("was not refused"))))
}

// remove takes away what a deleted user had in the lane's channels. It is told nothing itself: its
// sockets are closed.
func (l *lane) remove(who string) {
	call := l.begun.Add(1)
	for _, id := range l.ids {
		c := l.channels[id]
		if c == nil {
			continue
		}
		events := c.forget(who)
		for i := range events {
			events[i].to = slices.DeleteFunc(events[i].to, func(one string) bool { return one == who })
		}
		l.tell(call, c.arn, events)
	}
}
