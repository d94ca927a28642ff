package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/lab"
)

const (
	kills   = 20
	senders = 16
)

// TestKilledServerLosesNothing kills the program again and again in the middle of sending.
// Senders repeat what was cut with the same ClientRequestToken; readers connect again. At the
// end history has every acknowledged message once, and each socket saw a stretch of history,
// in its order.
func TestKilledServerLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: it starts the program 21 times")
	}
	p := newVictim(t)
	p.launch()
	room := p.room()
	ctx, stop := context.WithCancel(t.Context())
	var sending, reading sync.WaitGroup
	acked := make([]map[string]string, senders)
	var acks atomic.Int64
	for i := range senders {
		acked[i] = map[string]string{}
		sending.Go(func() { p.keepSending(ctx, room, i, acked[i], &acks) })
	}
	watch, stopWatching := context.WithCancel(context.Background())
	seen := make([][][]string, 2) // for each reader, the message ids of each of its connections
	for i := range seen {
		reading.Go(func() { seen[i] = p.keepReading(watch, room.users[i]) })
	}

	random := rand.New(rand.NewPCG(2026, 20))
	for range kills {
		// Somewhere in the middle of sending: counted in answers, not in time.
		await(t, "acknowledged messages", func(from int64) bool { return acks.Load() >= from+60+random.Int64N(150) }, acks.Load())
		p.kill()
		p.launch()
	}
	await(t, "messages after the last restart", func(from int64) bool { return acks.Load() >= from+200 }, acks.Load())
	stop()
	sending.Wait()
	stopWatching()
	reading.Wait()

	history := p.history(room)
	place := map[string]int{}
	contents := map[string]int{}
	for i, m := range history {
		place[m.id] = i
		contents[m.content]++
	}
	total := 0
	for _, messages := range acked {
		for id, content := range messages {
			total++
			if at, found := place[id]; !found {
				t.Errorf("lost: message %q, acknowledged as %s", content, id)
			} else if history[at].content != content {
				t.Errorf("%s was %q and became %q", id, content, history[at].content)
			}
		}
	}
	for content, n := range contents {
		if n != 1 {
			t.Errorf("%q is there %d times", content, n)
		}
	}
	frames := checkStretches(t, history, place, seen)
	t.Logf("%d kills, %d acknowledged, %d in history, %d frames over %d connections",
		kills, total, len(history), frames, len(seen[0])+len(seen[1]))
	if total < kills*60 || frames == 0 {
		t.Errorf("too little happened: %d acknowledged, %d frames", total, frames)
	}
}

// checkStretches compares what each connection got with history: a stretch without gaps.
func checkStretches(t *testing.T, history []sent, place map[string]int, seen [][][]string) (frames int) {
	for reader, connections := range seen {
		for c, ids := range connections {
			frames += len(ids)
			for i, id := range ids {
				at, found := place[id]
				if !found {
					t.Fatalf("reader %d, connection %d: frame %d is not in history", reader, c, i)
				}
				if i > 0 && at != place[ids[i-1]]+1 {
					t.Fatalf("reader %d, connection %d: frame %d is message %d of history, after message %d", reader, c, i, at, place[ids[i-1]])
				}
			}
		}
	}
	return frames
}

// await polls until the work has come so far.
func await(t *testing.T, what string, done func(from int64) bool, from int64) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(60 * time.Second)
	for !done(from) {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no %s within a minute", what)
		}
	}
}

// victim is the program in a process of its own.
type victim struct {
	t *testing.T
	lab.Peer
	data, program string
	args          []string     // of the program, beside its address
	process       *lab.Process // nil while it is down
}

func newVictim(t *testing.T) *victim {
	t.Helper()
	program, err := lab.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	v := &victim{t: t, data: filepath.Join(t.TempDir(), "data"), program: program}
	t.Cleanup(v.kill)
	return v
}

// launch starts the program, the first time on a free port and later on the same.
func (v *victim) launch() {
	v.t.Helper()
	listen := "127.0.0.1:0"
	if v.HTTP != nil {
		listen = strings.TrimPrefix(v.Base, "http://")
	}
	var err error
	if v.process, err = lab.Launch(context.Background(), v.program, v.data, append([]string{"--listen", listen}, v.args...)...); err != nil {
		v.t.Fatal(err)
	}
	if v.HTTP == nil { // others read it later
		v.Peer = lab.Dev(v.process.Addr, 10*time.Second)
		v.t.Cleanup(v.Close)
	}
}

func (v *victim) kill() {
	if v.process == nil {
		return
	}
	if err := v.process.Kill(); err != nil {
		v.t.Error(err)
	}
	if text := v.process.Stderr.String(); text != "" {
		v.t.Logf("the program said:\n%s", text)
	}
	v.process = nil
}

// room is where the senders send.
type room struct {
	channel  string
	users    []string
	notifies bool // messages are sent with a notification, whose title is their content
}

func (v *victim) call(method, target, bearer string, request, reply any) {
	v.t.Helper()
	if err := v.Call(v.t.Context(), method, target, bearer, request, reply); err != nil {
		v.t.Fatalf("%s %s: %v", method, target, err)
	}
}

func (v *victim) room() (r room) {
	v.t.Helper()
	var app struct{ AppInstanceArn string }
	v.call("POST", "/app-instances", "", map[string]string{"Name": "durable", "ClientRequestToken": "durable-app"}, &app)
	for i := range senders {
		var user struct{ AppInstanceUserArn string }
		v.call("POST", "/app-instance-users", "", map[string]string{
			"AppInstanceArn": app.AppInstanceArn, "AppInstanceUserId": fmt.Sprint("sender-", i), "Name": "S", "ClientRequestToken": fmt.Sprint("user-", i)}, &user)
		r.users = append(r.users, user.AppInstanceUserArn)
	}
	var channel struct{ ChannelArn string }
	v.call("POST", "/channels", r.users[0], map[string]any{"AppInstanceArn": app.AppInstanceArn, "Name": "c", "ClientRequestToken": "durable-channel"}, &channel)
	var added struct{ Errors []any }
	v.call("POST", "/channels/"+url.PathEscape(channel.ChannelArn)+"/memberships?operation=batch-create", r.users[0],
		map[string]any{"MemberArns": r.users[1:]}, &added)
	if len(added.Errors) > 0 {
		v.t.Fatal(added.Errors)
	}
	r.channel = channel.ChannelArn
	return r
}

// keepSending sends numbered messages until ctx ends, each until it is acknowledged, with one
// token for all its tries.
func (v *victim) keepSending(ctx context.Context, r room, sender int, acked map[string]string, acks *atomic.Int64) {
	target := "/channels/" + url.PathEscape(r.channel) + "/messages"
	for i := 0; ctx.Err() == nil; i++ {
		content := fmt.Sprintf("%d-%d", sender, i)
		body := fmt.Appendf(nil, `{"Content":%q,"Type":"STANDARD","Persistence":"PERSISTENT","ClientRequestToken":%q`, content, "token-"+content)
		if r.notifies {
			body = fmt.Appendf(body, `,"PushNotification":{"Title":%q,"Body":"b","Type":"DEFAULT"}`, content)
		}
		body = append(body, '}')
		// Also the last one: it is acknowledged, or the test fails, but never in doubt.
		for tries := 0; ; tries++ {
			got, err := v.Send(context.Background(), "POST", target, r.users[sender], body)
			if err == nil && got.Status == http.StatusCreated {
				var reply struct{ MessageId string }
				if err := json.Unmarshal(got.Body, &reply); err != nil {
					v.t.Error(err)
				}
				acked[reply.MessageId] = content
				acks.Add(1)
				break
			}
			if err == nil && got.Status < 500 || tries > 10_000 {
				v.t.Errorf("%s: %d %s %v", content, got.Status, got.Body, err)
				return
			}
			pause()
		}
	}
}

// pause keeps a client whose server is gone from turning in a loop.
func pause() { <-time.After(5 * time.Millisecond) }

// keepReading collects the message ids of one user's sockets until ctx ends.
func (v *victim) keepReading(ctx context.Context, user string) (connections [][]string) {
	for ctx.Err() == nil {
		conn, err := v.Open(ctx, user)
		if err != nil {
			pause()
			continue
		}
		connections = append(connections, readMessages(ctx, conn))
		_ = conn.CloseNow()
	}
	return connections
}

func readMessages(ctx context.Context, conn *lab.Socket) (ids []string) {
	for {
		f, err := conn.Next(ctx)
		if err != nil {
			return ids
		}
		if f.Event() == "CREATE_CHANNEL_MESSAGE" {
			ids = append(ids, f.Field("MessageId"))
		}
	}
}

// sent is a message of history.
type sent struct{ id, content string }

// history lists the channel, the oldest first.
func (v *victim) history(r room) (list []sent) {
	v.t.Helper()
	target := "/channels/" + url.PathEscape(r.channel) + "/messages?max-results=50"
	for token := ""; ; {
		var page struct {
			ChannelMessages []struct{ MessageId, Content string }
			NextToken       string
		}
		query := ""
		if token != "" {
			query = "&next-token=" + url.QueryEscape(token)
		}
		v.call("GET", target+query, r.users[0], nil, &page)
		for _, m := range page.ChannelMessages {
			list = append(list, sent{m.MessageId, m.Content})
		}
		if token = page.NextToken; token == "" {
			slices.Reverse(list)
			return list
		}
	}
}
