package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/endurance/processing"
	"github.com/carillon-chat/carillon/internal/lab"
)

// chat is a channel of a run of processing.
type chat struct {
	arn     string
	sub     string // of an elastic channel, each sub-channel is a chat
	flow    []processing.Processor
	owner   string // ARN of the user that made the channel and names it
	members []int  // users
	bot     string
}

func (c *chat) id() string { return placeID(c.arn, c.sub) }

// placeID is the id of a channel in a history, or that of a sub-channel, behind that of its channel.
func placeID(channelARN, sub string) string {
	if sub == "" {
		return suffix(channelARN)
	}
	return suffix(channelARN) + processing.SubChannel + sub
}

// mode is the Mode of the channel.
func (c *chat) mode() string {
	if c.sub != "" {
		return "RESTRICTED"
	}
	return "UNRESTRICTED"
}

// within adds the sub-channel to a request.
func (c *chat) within(request object) object {
	if c.sub == "" {
		return request
	}
	if request == nil {
		request = object{}
	}
	request["SubChannelId"] = c.sub
	return request
}

// path is a path of the channel, and of its sub-channel, with a query.
func (c *chat) path(more, query string) string {
	if c.sub != "" {
		query = strings.TrimPrefix(query+"&sub-channel-id="+url.QueryEscape(c.sub), "&")
	}
	if query != "" {
		more += "?" + query
	}
	return chatPath(c, more)
}

// said is a message that chatters know of.
type said struct {
	chat       *chat
	id         string
	user       int
	persistent bool
}

// chatter is what users do in the chats. What is begun is ended, so that nothing is in doubt.
type chatter struct {
	*workload
	chats   []*chat
	elastic []*chat // the channels of chats in sub-channels
	botARN  string

	mu        sync.Mutex
	sends     []processing.Send
	edits     []processing.Edit
	removals  []processing.Removal
	sightings []processing.Sighting
	said      []said // the latest
	edited    int    // calls that were accepted
}

// remembered is how many messages chatters know of, to change and look at.
const remembered = 200

// run lets a user act at a steady rate until ctx ends. work bounds what was begun.
func (c *chatter) run(ctx, work context.Context, user int, every time.Duration, random *rand.Rand) error {
	mine := c.chatsOf(user)
	acts := []struct {
		weight int
		do     func(ctx context.Context, user int, in *chat, n int, random *rand.Rand) error
	}{
		{55, c.send}, {12, c.edit}, {4, c.redact}, {4, c.delete}, {10, c.list}, {8, c.get}, {4, c.prefetch}, {3, c.rename},
	}
	total := 0
	for _, act := range acts {
		total += act.weight
	}

	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		at := random.IntN(total)
		for _, act := range acts {
			if at -= act.weight; at >= 0 {
				continue
			}
			if err := act.do(work, user, mine[random.IntN(len(mine))], n, random); err != nil {
				return fmt.Errorf("act %d of %s: %w", n, suffix(c.users[user]), err)
			}
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	return nil
}

func (c *chatter) send(ctx context.Context, user int, in *chat, n int, random *rand.Rand) error {
	m := processing.Send{Channel: in.id(), Sender: suffix(c.users[user]), Content: c.content(user, fmt.Sprint(n), random)}
	request := object{"Type": "STANDARD", "Persistence": "PERSISTENT", "ClientRequestToken": fmt.Sprint("p-", user, "-", n)}
	switch random.IntN(10) {
	case 0:
		m.Live = true
		request["Persistence"] = "NON_PERSISTENT"
	case 1:
		if to := in.members[random.IntN(len(in.members))]; to != user {
			m.Target = suffix(c.users[to])
			request["Target"] = []object{{"MemberArn": c.users[to]}}
		}
	}
	request["Content"] = m.Content
	if in.bot != "" && !m.Live && m.Target == "" && random.IntN(3) == 0 {
		m.Mentions = true
		c.mention(request)
	}

	var made struct{ MessageId string }
	m.Began = now()
	if err := c.call(ctx, http.MethodPost, chatPath(in, "/messages"), c.users[user], in.within(request), &made); err != nil {
		return err
	}
	m.ID, m.Ended = made.MessageId, now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sends = append(c.sends, m)
	if c.said = append(c.said, said{in, m.ID, user, !m.Live}); len(c.said) > remembered {
		c.said = c.said[1:]
	}
	return nil
}

// content is a new one, of which one in eight is to be denied.
func (c *chatter) content(user int, n string, random *rand.Rand) string {
	text := fmt.Sprintf("%s.%s", suffix(c.users[user]), n)
	if random.IntN(8) == 0 {
		text += " " + processing.WordDeny
	}
	return text + strings.Repeat(" lorem", random.IntN(20))
}

func chatPath(in *chat, more string) string { return "/channels/" + lab.Escape(in.arn) + more }

// pick is one of the messages that are known, which a predicate holds for.
func (c *chatter) pick(random *rand.Rand, fits func(said) bool) (m said, found bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range 20 {
		if len(c.said) == 0 {
			break
		}
		if m = c.said[random.IntN(len(c.said))]; fits(m) {
			return m, true
		}
	}
	return m, false
}

func (c *chatter) edit(ctx context.Context, user int, _ *chat, n int, random *rand.Rand) error {
	m, found := c.pick(random, func(m said) bool { return m.user == user && m.persistent })
	if !found {
		return nil
	}
	e := processing.Edit{Message: m.id, Content: c.content(user, fmt.Sprint(n, ".edit"), random), Began: now()}
	err := c.call(ctx, http.MethodPut, chatPath(m.chat, "/messages/"+m.id), c.users[user], m.chat.within(object{"Content": e.Content}), nil)
	e.Ended = now()
	c.mu.Lock()
	defer c.mu.Unlock()
	e.Accepted = err == nil
	c.edits = append(c.edits, e) // one that is refused may have been accepted before, and its answer lost
	if err == nil {
		c.edited++
	}
	return unlessRefused(err)
}

// unlessRefused forgives refusals, of what is gone or waits for its flow.
func unlessRefused(err error) error {
	var refused *lab.Refusal
	if errors.As(err, &refused) && refused.Status < 500 {
		return nil
	}
	return err
}

func (c *chatter) redact(ctx context.Context, user int, _ *chat, _ int, random *rand.Rand) error {
	m, found := c.pick(random, func(m said) bool { return m.user == user && m.persistent })
	if !found {
		return nil
	}
	return c.remove(ctx, m, http.MethodPost, chatPath(m.chat, "/messages/"+m.id+"?operation=redact"), c.users[user], m.chat.within(nil))
}

// delete is by the admin, which is no member.
func (c *chatter) delete(ctx context.Context, _ int, _ *chat, _ int, random *rand.Rand) error {
	m, found := c.pick(random, func(m said) bool { return m.persistent })
	if !found {
		return nil
	}
	return c.remove(ctx, m, http.MethodDelete, m.chat.path("/messages/"+m.id, ""), c.host, nil)
}

func (c *chatter) remove(ctx context.Context, m said, method, path, by string, request object) error {
	r := processing.Removal{Message: m.id, Began: now()}
	if err := c.call(ctx, method, path, by, request, nil); err != nil {
		return unlessRefused(err)
	}
	r.Ended = now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removals = append(c.removals, r)
	return nil
}

// saw keeps what an answer showed.
func (c *chatter) saw(how string, user int, began processing.Time, channel string, messages ...messagePayload) {
	ended := now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range messages {
		c.sightings = append(c.sightings, processing.Sighting{How: how, User: suffix(c.users[user]), Shown: m.shown(channel), Began: began, Ended: ended})
	}
}

func (c *chatter) list(ctx context.Context, user int, in *chat, _ int, random *rand.Rand) error {
	var page struct{ ChannelMessages []messagePayload }
	began := now()
	if err := c.call(ctx, http.MethodGet, in.path("/messages", fmt.Sprint("max-results=", 1+random.IntN(30))), c.users[user], nil, &page); err != nil {
		return err
	}
	c.saw("a list", user, began, in.id(), page.ChannelMessages...)
	return nil
}

func (c *chatter) get(ctx context.Context, user int, in *chat, _ int, random *rand.Rand) error {
	m, found := c.pick(random, func(m said) bool { return m.chat == in })
	if !found {
		return nil
	}
	var answer struct{ ChannelMessage messagePayload }
	began := now()
	if err := c.call(ctx, http.MethodGet, in.path("/messages/"+m.id, ""), c.users[user], nil, &answer); err != nil {
		return unlessRefused(err)
	}
	c.saw("a get", user, began, in.id(), answer.ChannelMessage)
	return nil
}

// chatsOf are those that a user is a member of.
func (c *chatter) chatsOf(user int) (list []*chat) {
	for _, one := range c.chats {
		if slices.Contains(one.members, user) {
			list = append(list, one)
		}
	}
	return list
}

// prefetch opens a session that prefetches its channels. One that ends before it has them all has seen less.
func (c *chatter) prefetch(ctx context.Context, user int, _ *chat, _ int, _ *rand.Rand) error {
	ctx, cancel := context.WithTimeout(ctx, prefetchWithin)
	defer cancel()
	began := now()
	conn, err := c.api.Connect(ctx, c.users[user], "prefetch-on", "connect")
	if err != nil {
		return nil // the node is away
	}
	defer conn.CloseNow()
	for range c.chatsOf(user) {
		f, err := conn.Until(ctx, func(f lab.Frame) bool { return f.Event() == "CHANNEL_DETAILS" })
		if err != nil {
			return nil
		}
		var details struct {
			Channel         struct{ ChannelArn string }
			SubChannelId    string
			ChannelMessages []messagePayload
		}
		if err := json.Unmarshal([]byte(f.Payload), &details); err != nil {
			return err
		}
		c.saw("prefetch", user, began, placeID(details.Channel.ChannelArn, details.SubChannelId), details.ChannelMessages...)
	}
	return nil
}

// prefetchWithin bounds a session that prefetches.
const prefetchWithin = 2 * time.Second

func (c *chatter) rename(ctx context.Context, _ int, in *chat, n int, random *rand.Rand) error {
	return c.call(ctx, http.MethodPut, chatPath(in, ""), in.owner, object{"Name": fmt.Sprint("name-", n, "-", random.IntN(1000)), "Mode": in.mode()}, nil)
}
