package subscription_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/carillon"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/stream/subscription"
)

var ctx = context.Background()

// receiver stands for the webhooks of the tests: it verifies what comes with the published library, by the
// secret of its URL, and takes or refuses it.
type receiver struct {
	t *testing.T

	mu      sync.Mutex
	secrets map[string][]string // by URL; each has to verify
	taken   map[string][]string // contents by URL, in order
	ids     map[string][]string // webhook-id of each
	calls   map[string]int
	answer  func(url, content string) int // nil takes all; zero fails to connect
	hold    func(ctx context.Context, url string)
}

func newReceiver(t *testing.T) *receiver {
	return &receiver{t: t, secrets: map[string][]string{}, taken: map[string][]string{}, ids: map[string][]string{}, calls: map[string]int{}}
}

func (r *receiver) Check(u *url.URL) error {
	if u.Scheme != "https" {
		return outbound.ErrRefused
	}
	return nil
}

func (r *receiver) Do(ctx context.Context, request *http.Request, _ int64) (*outbound.Answer, error) {
	at := request.URL.String()
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	if r.hold != nil {
		r.hold(ctx, at)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	for _, secret := range r.secrets[at] {
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err == nil {
			err = verifier.Verify(body, request.Header)
		}
		if err != nil {
			r.t.Errorf("%s with %s: %v", body, secret, err)
		}
	}
	content := contentOf(r.t, body)
	r.calls[at]++
	status := http.StatusOK
	if r.answer != nil {
		status = r.answer(at, content)
	}
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	if status/100 == 2 {
		r.taken[at] = append(r.taken[at], content)
		r.ids[at] = append(r.ids[at], request.Header.Get("webhook-id"))
	}
	return &outbound.Answer{Host: request.URL.Host, Status: status}, nil
}

// contentOf shows a posted event: what a message says, or the name of a member, or the type of the event.
func contentOf(t *testing.T, body []byte) string {
	var event struct {
		EventType string
		Payload   struct {
			Content string
			Member  struct{ Name string }
		}
	}
	if err := json.Unmarshal(body, &event); err != nil {
		t.Errorf("%s: %v", body, err)
	}
	for _, text := range []string{event.Payload.Content, event.Payload.Member.Name} {
		if text != "" {
			return text
		}
	}
	return event.EventType
}

// took returns what a URL has taken since the last call, once all that can go on has.
func (r *receiver) took(at string) string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	list := strings.Join(r.taken[at], " ")
	r.taken[at] = nil
	return list
}

func (r *receiver) expect(at, want string) {
	r.t.Helper()
	if got := r.took(at); got != want {
		r.t.Errorf("%s took %q, want %q", at, got, want)
	}
}

func (r *receiver) answers(f func(url, content string) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// plain is a Sealer whose text can be told from a secret.
type plain struct{}

func (plain) Seal(text, context []byte) ([]byte, error) {
	return slices.Concat([]byte("sealed for "), context, []byte(":"), text), nil
}

func (plain) Unseal(sealed, context []byte) ([]byte, error) {
	text, found := strings.CutPrefix(string(sealed), "sealed for "+string(context)+":")
	if !found {
		return nil, errors.New("sealed for another")
	}
	return []byte(text), nil
}

// bed is a world with subscriptions, in virtual time.
type bed struct {
	*servicetest.World
	t        *testing.T
	receiver *receiver
	hooks    *subscription.Service
	runner   *follow.Runner
	clock    *store.Clock
	stop     func()
}

func inBed(t *testing.T, test func(t *testing.T, b *bed)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bed{World: servicetest.New(t, "ann", "bob", "cy"), t: t, receiver: newReceiver(t)}
		b.Now = time.Now()
		b.AddChannel("ann", "c")
		b.AddChannel("ann", "d")
		var err error
		if b.clock, err = store.OpenClock(ctx, b.Store); err != nil {
			t.Fatal(err)
		}
		b.start()
		defer func() { b.stop() }() // the latest
		test(t, b)
	})
}

// start starts a node over the store, with what a new process would have in memory.
func (b *bed) start() {
	b.t.Helper()
	b.hooks = subscription.New(subscription.Options{
		Store: b.Store, Site: b.Site, Clock: b.clock, Now: time.Now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
		Client: b.receiver, Sealer: plain{}, Body: b.Messages.Body,
	})
	var err error
	b.runner, err = follow.New(follow.Options{
		Store: b.Store, Log: slog.New(slog.DiscardHandler), Random: rand.Reader, Body: b.Messages.Body,
		Own: b.hooks.Followers, OwnName: "webhooks",
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.hooks.Bind(b.runner)
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error)
	go func() { ended <- b.runner.Run(ctx) }()
	synctest.Wait()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Error(err)
		}
	})
}

func (b *bed) restart() { b.stop(); b.start() }

// create subscribes a URL and has its receiver verify.
func (b *bed) create(at string, change func(*carillon.CreateWebhookRequest)) (arn string) {
	b.t.Helper()
	req := &carillon.CreateWebhookRequest{AppInstanceARN: b.App, Name: at, URL: at}
	if change != nil {
		change(req)
	}
	made, err := b.hooks.CreateWebhook(ctx, req)
	if err != nil {
		b.t.Fatal(err)
	}
	b.receiver.mu.Lock()
	defer b.receiver.mu.Unlock()
	b.receiver.secrets[at] = []string{made.Secret}
	return made.WebhookARN
}

// say sends messages to channels, each as channel and text.
func (b *bed) say(messages ...string) {
	b.t.Helper()
	synctest.Wait() // the clock of the world is read by what posts
	b.Now = time.Now()
	for _, m := range messages {
		channel, text, _ := strings.Cut(m, ":")
		b.Send(b.Text("ann", channel, text))
	}
}

func (b *bed) describe(arn string) *carillon.Webhook {
	b.t.Helper()
	resp, err := b.hooks.DescribeWebhook(ctx, &carillon.DescribeWebhookRequest{WebhookARN: arn})
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.Webhook
}

// deliveries lists them in the order of the log.
func (b *bed) deliveries(arn string, status carillon.WebhookDeliveryStatus) (list []carillon.WebhookDelivery) {
	b.t.Helper()
	two := 2
	req := &carillon.ListWebhookDeliveriesRequest{WebhookARN: arn, Status: status, MaxResults: &two}
	for {
		resp, err := b.hooks.ListWebhookDeliveries(ctx, req)
		if err != nil {
			b.t.Fatal(err)
		}
		list = append(list, resp.Deliveries...)
		if resp.NextToken == "" {
			slices.Reverse(list)
			return list
		}
		req.NextToken = &resp.NextToken
	}
}

func (b *bed) update(arn string, change func(*carillon.UpdateWebhookRequest)) error {
	w := b.describe(arn)
	req := &carillon.UpdateWebhookRequest{
		WebhookARN: arn, Name: w.Name, URL: w.URL, DataType: w.DataType, EventTypes: w.EventTypes, Channels: w.Channels,
	}
	change(req)
	_, err := b.hooks.UpdateWebhook(ctx, req)
	return err
}

// expectError asserts the code of a refusal, and that its text names something.
func expectError(t *testing.T, err error, kind, names string, of ...string) {
	t.Helper()
	var refused *api.Error
	if !errors.As(err, &refused) || refused.Type != kind || !strings.Contains(err.Error(), names) {
		t.Errorf("%v: the answer is %v, want %s about %s", of, err, kind, names)
	}
}

func numbers(channel string, from, to int) (messages []string, texts string) {
	var all []string
	for i := from; i < to; i++ {
		messages = append(messages, fmt.Sprintf("%s:%d", channel, i))
		all = append(all, fmt.Sprint(i))
	}
	return messages, strings.Join(all, " ")
}
