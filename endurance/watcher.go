package main

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// happening is an event as the checker compares it: what two sessions that get it agree on.
type happening struct {
	kind, reason string
	channel, sub string
	id           string // of the message, or of the members, separated by spaces
	sum          uint64 // of a message's content
}

func (h happening) String() string {
	text := h.kind + " " + h.channel
	if h.sub != "" {
		text += "/" + h.sub
	}
	return text + " " + h.id
}

// delivery is a happening as a session got it. Position is its place in the log of the server.
type delivery struct {
	position uint64
	happening
}

// watcher keeps what one session of a user was given, over all its connections, in the order in
// which the session handed it on.
type watcher struct {
	name, user string

	mu       sync.Mutex
	got      []delivery
	journal  []remark
	up       bool
	downTime time.Time     // when the last connection ended
	gap      time.Duration // the longest time without one
	counts   sessionCounts
	odd      []string // what no session may be given, such as an event without a position
	// take is called with what was delivered, instead of keeping it in got; nil keeps it.
	take func(headers map[string]string, payload string)
}

type sessionCounts struct{ connects, resumed, notResumed int }

// remark is a line of the life of a session, kept as evidence.
type remark struct {
	at       time.Time
	position uint64 // of the last delivery before it
	text     string
}

// clockForm is how journals write the time.
const clockForm = "15:04:05.000"

func (n remark) String() string {
	return fmt.Sprintf("%s after %d: %s", n.at.Format(clockForm), n.position, n.text)
}

func newWatcher(name, user string) *watcher {
	return &watcher{name: name, user: user, downTime: time.Now()}
}

// established notes a new connection.
func (w *watcher) established() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts.connects++
	w.up = true
	w.gap = max(w.gap, time.Since(w.downTime))
	w.write("established")
}

// resumed notes that the server has sent what was missed.
func (w *watcher) resumed(events string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts.resumed++
	w.write("resumed: " + events)
}

func (w *watcher) notResumed(why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts.notResumed++
	w.odd = append(w.odd, "was not resumed: "+why)
	w.write("not resumed: " + why)
}

// lost notes the end of a connection.
func (w *watcher) lost(why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.up {
		w.up, w.downTime = false, time.Now()
	}
	w.write("lost: " + why)
}

// write adds a remark. The caller has the lock.
func (w *watcher) write(text string) {
	w.journal = append(w.journal, remark{time.Now(), w.last(), text})
}

// last is the position of the last delivery. The caller has the lock.
func (w *watcher) last() uint64 {
	if len(w.got) == 0 {
		return 0
	}
	return w.got[len(w.got)-1].position
}

// deliver keeps an event that was handed to the program.
func (w *watcher) deliver(headers map[string]string, payload string) {
	if w.take != nil {
		w.take(headers, payload)
		return
	}
	d, err := understand(headers, payload)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.odd = append(w.odd, fmt.Sprintf("got %v: %q", err, payload))
		return
	}
	w.got = append(w.got, d)
}

// has reports whether all the messages were delivered.
func (w *watcher) has(ids []string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		if !slices.ContainsFunc(w.got, func(d delivery) bool { return d.id == id }) {
			return false
		}
	}
	return true
}

// around is the part of the journal that is about what came before and after a position.
func (w *watcher) around(position uint64) string {
	const before, after = 4, 4
	at := 0
	for at < len(w.journal) && w.journal[at].position < position {
		at++
	}
	var b strings.Builder
	for _, n := range w.journal[max(0, at-before):min(len(w.journal), at+after)] {
		b.WriteString("\n      " + n.String())
	}
	return b.String()
}

// understand reads an event of the log.
func understand(headers map[string]string, payload string) (d delivery, err error) {
	d.kind, d.reason = headers["x-amz-chime-event-type"], headers["x-amz-chime-event-reason"]
	if d.position, err = strconv.ParseUint(headers["x-carillon-position"], 10, 64); err != nil {
		return d, fmt.Errorf("%s without a position", d.kind)
	}

	type arn struct{ Arn string }
	var about struct {
		ChannelArn, SubChannelId, MessageId, Content string
		Member                                       arn
		Members                                      []arn
	}
	if err := json.Unmarshal([]byte(payload), &about); err != nil {
		return d, fmt.Errorf("%s with a payload that is no JSON", d.kind)
	}

	// The id of a membership's event is that of its user, or those of a batch.
	d.channel, d.sub = suffix(about.ChannelArn), about.SubChannelId
	switch {
	case about.MessageId != "":
		d.id, d.sum = about.MessageId, sum(about.Content)
	case about.Member.Arn != "":
		d.id = suffix(about.Member.Arn)
	default:
		var ids []string
		for _, m := range about.Members {
			ids = append(ids, suffix(m.Arn))
		}
		d.id = strings.Join(ids, " ")
	}
	return d, nil
}

// suffix is the id at the end of an ARN.
func suffix(arn string) string { return strings.Clone(arn[strings.LastIndexByte(arn, '/')+1:]) }

func sum(content string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(content))
	return h.Sum64()
}

func (w *watcher) isUp() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.up
}
