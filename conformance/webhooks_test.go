package conformance

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// collector is a webhook that fails now and then. It verifies what it gets with the published library, drops
// what it has by its id, and keeps the messages in the order in which they came.
type collector struct {
	t *testing.T

	mu        sync.Mutex
	verifier  *standardwebhooks.Webhook // nil until the secret is known
	ids       map[string]bool
	positions []int // of the log, which the ids name
	messages  map[string]int
	calls     int
	refused   int
	again     int // taken before
}

// counts are how many messages were taken, and how many calls refused.
func (c *collector) counts() (taken int64, refused int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int64(len(c.positions)), c.refused
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil { // the server was killed
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls++; c.verifier == nil || c.calls%7 == 0 {
		c.refused++
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var event struct {
		EventType, Key string
		Payload        struct{ MessageId string }
	}
	if err := c.verifier.Verify(body, r.Header); err != nil {
		c.t.Errorf("%s: %v", body, err)
	}
	id := r.Header.Get("webhook-id")
	if err := json.Unmarshal(body, &event); err != nil || event.Key != id {
		c.t.Errorf("%s with the id %s: %v", body, id, err)
	}
	if c.ids[id] {
		c.again++
		return
	}
	c.ids[id] = true
	position, err := strconv.Atoi(strings.Split(id, "/")[1])
	if err != nil {
		c.t.Errorf("the id %s: %v", id, err)
	}
	c.positions = append(c.positions, position)
	c.messages[event.Payload.MessageId]++
}

const rounds = 10

// TestKilledServerPostsEverything kills the program again and again while it posts to a webhook that fails now
// and then: each acknowledged message comes, in the order of the channel, and once by its id.
func TestKilledServerPostsEverything(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: it starts the program 11 times")
	}
	hook := &collector{t: t, ids: map[string]bool{}, messages: map[string]int{}}
	receiver := httptest.NewServer(hook)
	defer receiver.Close()
	p := newVictim(t)
	p.launch()
	room := p.room()
	app, _, _ := strings.Cut(room.channel, "/channel/")
	var made struct{ WebhookArn, Secret string }
	p.call("POST", "/carillon/app-instances/"+url.PathEscape(app)+"/webhooks", "", map[string]any{
		"Name": "collector", "Url": receiver.URL, "EventTypes": []string{"CREATE_CHANNEL_MESSAGE"},
	}, &made)
	verifier, err := standardwebhooks.NewWebhook(made.Secret)
	if err != nil {
		t.Fatal(err)
	}
	hook.mu.Lock()
	hook.verifier = verifier
	hook.mu.Unlock()

	// Kill in the middle of sending and posting: counted in answers and calls, not in time. What failed waits
	// for its next attempt, which an update makes now.
	target := "/carillon/webhooks/" + url.PathEscape(made.WebhookArn)
	update := map[string]any{"Name": "collector", "Url": receiver.URL, "EventTypes": []string{"CREATE_CHANNEL_MESSAGE"}}
	taken := func() int64 {
		n, _ := hook.counts()
		return n
	}
	acked := make([]map[string]string, rounds)
	var acks atomic.Int64
	for i := range acked {
		acked[i] = map[string]string{}
		ctx, stop := context.WithCancel(t.Context())
		var sending sync.WaitGroup
		sending.Go(func() { p.keepSending(ctx, room, i, acked[i], &acks) })
		await(t, "acknowledged and posted messages", func(from int64) bool { return acks.Load() >= from+20 && taken() > from }, acks.Load())
		p.kill()
		p.launch()
		stop()
		sending.Wait()
		for taken() < acks.Load() {
			had, refused := hook.counts()
			p.call("PUT", target, "", update, nil)
			for rests := 0; rests < 20 && had < acks.Load(); rests++ { // none while it goes on
				pause()
				now, more := hook.counts()
				if more > refused { // what follows waits
					break
				}
				if now > had {
					had, rests = now, 0
				}
			}
		}
	}
	p.kill()

	hook.mu.Lock()
	defer hook.mu.Unlock()
	for _, messages := range acked {
		for id, content := range messages {
			if hook.messages[id] != 1 {
				t.Errorf("message %q came %d times", content, hook.messages[id])
			}
		}
	}
	for i, position := range hook.positions {
		if i > 0 && position <= hook.positions[i-1] {
			t.Fatalf("position %d came after %d", position, hook.positions[i-1])
		}
	}
	t.Logf("%d messages in %d calls, %d came again", acks.Load(), hook.calls, hook.again)
}
