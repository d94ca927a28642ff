package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/lab"
)

// sent is an acknowledged message. Began and ended are times of the workload's clock.
type sent struct {
	id, channel  string
	sum          uint64
	user         int
	author, n    int // a sender and the number of the message among its own
	began, ended int64
}

// moved is an acknowledged change of a membership.
type moved struct {
	channel      string
	user         int
	in           bool
	began, ended int64
}

// traffic is what goes on in an workload: senders and movers. Each works by its own seed, and what
// it began it ends, so that nothing is in doubt.
type traffic struct {
	*workload
	mu    sync.Mutex
	sent  []sent
	moved []moved
}

// send sends messages at a steady rate, all senders together, until ctx ends. work bounds what
// was begun.
func (t *traffic) send(ctx, work context.Context, author int, every time.Duration, random *rand.Rand) error {
	subs := map[string]string{}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		ch := t.channels[random.IntN(len(t.channels))]
		user := ch.stay[random.IntN(len(ch.stay))]
		content := fmt.Sprintf("%d.%d %s", author, n, strings.Repeat("lorem ", random.IntN(40)*(1+15*random.IntN(40)/39)))
		began := t.clock.Add(1)
		id, err := t.sendOne(work, ch, user, content, fmt.Sprintf("m-%d-%d", author, n), subs)
		if err != nil {
			return fmt.Errorf("message %d.%d: %w", author, n, err)
		}
		t.mu.Lock()
		t.sent = append(t.sent, sent{id, suffix(ch.arn), sum(content), user, author, n, began, t.clock.Add(1)})
		t.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	return nil
}

// sendOne sends until the message is acknowledged. A member of an elastic channel may have been
// moved: then the try stays refused, and the next one, with another token, goes to where
// the member is now.
func (t *traffic) sendOne(ctx context.Context, ch *workloadChannel, user int, content, token string, subs map[string]string) (string, error) {
	key := seatOf(ch, user)
	for try := 0; ; try++ {
		request := object{"Content": content, "Type": "STANDARD", "Persistence": "PERSISTENT", "ClientRequestToken": fmt.Sprint(token, "-", try)}
		if ch.elastic {
			if subs[key] == "" {
				sub, err := t.subOf(ctx, ch, user)
				if err != nil {
					return "", err
				}
				subs[key] = sub
			}
			request["SubChannelId"] = subs[key]
		}
		var made struct{ MessageId string }
		err := t.call(ctx, "POST", "/channels/"+lab.Escape(ch.arn)+"/messages", t.users[user], request, &made)
		var refused *lab.Refusal
		if !ch.elastic || try > 20 || !errors.As(err, &refused) || refused.Status >= 500 {
			return made.MessageId, err
		}
		delete(subs, key)
	}
}

// seatOf names a user in a channel, for what is known of its sub-channel.
func seatOf(ch *workloadChannel, user int) string { return fmt.Sprint(ch.arn, user) }

// move takes members out and lets them in again until ctx ends; in the end all are in.
func (t *traffic) move(ctx, work context.Context, every time.Duration, random *rand.Rand) error {
	var changing []*workloadChannel
	for _, ch := range t.channels {
		if len(ch.move) > 0 {
			changing = append(changing, ch)
		}
	}

	out := map[*workloadChannel]map[int]bool{}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for len(changing) > 0 && ctx.Err() == nil {
		ch := changing[random.IntN(len(changing))]
		user := ch.move[random.IntN(len(ch.move))]
		if out[ch] == nil {
			out[ch] = map[int]bool{}
		}
		if err := t.moveOne(work, ch, user, out[ch][user]); err != nil {
			return err
		}
		out[ch][user] = !out[ch][user]
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}

	// All are in again, so that the last messages are for all.
	for ch, users := range out {
		for user, gone := range users {
			if gone {
				if err := t.moveOne(work, ch, user, true); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (t *traffic) moveOne(ctx context.Context, ch *workloadChannel, user int, in bool) error {
	change, began := t.leave, t.clock.Add(1)
	if in {
		change = t.join
	}
	if err := change(ctx, ch, user); err != nil {
		return fmt.Errorf("moving %s in %s: %w", suffix(t.users[user]), suffix(ch.arn), err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.moved = append(t.moved, moved{suffix(ch.arn), user, in, began, t.clock.Add(1)})
	return nil
}

// flush sends last messages, of which each member gets at least one, and returns for each user all
// that it gets: a user that has got them has got all before them. In an elastic channel every member sends
// one, and what a member gets is what was sent in its sub-channel, as the checker has it.
func (t *traffic) flush(ctx context.Context, round int) (map[string][]string, error) {
	last := map[string][]string{}

	// In a standard channel one author is enough; subs has the sub-channel of each in an elastic one.
	for _, ch := range t.channels {
		members := append(append([]int(nil), ch.stay...), ch.move...)
		authors := members[:1]
		if ch.elastic {
			authors = members
		}
		subs := map[string]string{}
		for _, author := range authors {
			content, began := fmt.Sprintf("last %d of %s", round, suffix(ch.arn)), t.clock.Add(1)
			id, err := t.sendOne(ctx, ch, author, content, fmt.Sprintf("last-%d-%s-%d", round, suffix(ch.arn), author), subs)
			if err != nil {
				return nil, err
			}
			t.sent = append(t.sent, sent{id, suffix(ch.arn), sum(content), author, -1, len(t.sent), began, t.clock.Add(1)})
		}

		ids := t.sent[len(t.sent)-len(authors):]
		for i, author := range authors {
			for _, m := range members {
				if subs[seatOf(ch, m)] == subs[seatOf(ch, author)] || !ch.elastic {
					name := suffix(t.users[m])
					last[name] = append(last[name], ids[i].id)
				}
			}
		}
	}
	return last, nil
}

// stored is a message of history.
type stored struct {
	id  string
	sum uint64
}

// history lists a channel, or the sub-channel that the reader is in, the oldest first.
func (w *workload) history(ctx context.Context, ch *workloadChannel, reader string) (list []stored, err error) {
	target := "/channels/" + lab.Escape(ch.arn) + "/messages?sort-order=ASCENDING&max-results=50"
	err = w.pages(ctx, target, reader, func(page *listing) {
		for _, m := range page.ChannelMessages {
			list = append(list, stored{m.MessageId, sum(m.Content)})
		}
	})
	return list, err
}

// listing is a page of any list that is read here.
type listing struct {
	ChannelMessages    []struct{ MessageId, Content string }
	ChannelMemberships []struct{ Member struct{ Arn string } }
	SubChannels        []struct{ SubChannelId string }
	NextToken          string
}

func (w *workload) pages(ctx context.Context, target, bearer string, each func(*listing)) error {
	for token := ""; ; {
		page, query := new(listing), ""
		if token != "" {
			query = "&next-token=" + lab.Escape(token)
		}
		if err := w.call(ctx, http.MethodGet, target+query, bearer, nil, page); err != nil {
			return err
		}
		each(page)
		if token = page.NextToken; token == "" {
			return nil
		}
	}
}

// truth is what the API says after a run, by channel and sub-channel.
type truth struct {
	history map[room][]stored
	members map[room][]string
}

// room is a channel or a sub-channel, by ids.
type room struct{ channel, sub string }

// read asks the API for all messages and memberships.
func (w *workload) read(ctx context.Context) (*truth, error) {
	t := &truth{map[room][]stored{}, map[room][]string{}}
	for _, ch := range w.channels {
		subs := []string{""}
		if ch.elastic {
			subs = nil
			err := w.pages(ctx, "/channels/"+lab.Escape(ch.arn)+"/subchannels?max-results=50", ch.owner, func(page *listing) {
				for _, s := range page.SubChannels {
					subs = append(subs, s.SubChannelId)
				}
			})
			if err != nil {
				return nil, err
			}
		}
		for _, sub := range subs {
			if err := w.readRoom(ctx, ch, sub, t); err != nil {
				return nil, err
			}
		}
	}
	return t, nil
}

func (w *workload) readRoom(ctx context.Context, ch *workloadChannel, sub string, t *truth) error {
	at, target := room{suffix(ch.arn), sub}, "/channels/"+lab.Escape(ch.arn)+"/memberships?max-results=50"
	if sub != "" {
		target += "&sub-channel-id=" + sub
	}
	reader := ""
	err := w.pages(ctx, target, ch.owner, func(page *listing) {
		for _, m := range page.ChannelMemberships {
			reader = m.Member.Arn
			t.members[at] = append(t.members[at], suffix(reader))
		}
	})
	if err == nil && reader != "" {
		t.history[at], err = w.history(ctx, ch, reader)
	}
	return err
}
