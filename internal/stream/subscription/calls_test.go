package subscription_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/api/carillon"
	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/stream/subscription"
)

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }

// TestWhatCallsRefuse is a table of requests that are refused, with the member that is at fault.
func TestWhatCallsRefuse(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		b.create(one, nil)
		for name, tc := range map[string]struct {
			change        func(*carillon.CreateWebhookRequest)
			kind, mention string
		}{
			"plain HTTP":        {func(r *carillon.CreateWebhookRequest) { r.URL = "http://x.example" }, "BadRequestException", "Url"},
			"a password":        {func(r *carillon.CreateWebhookRequest) { r.URL = "https://u:p@x.example" }, "BadRequestException", "Url"},
			"no URL":            {func(r *carillon.CreateWebhookRequest) { r.URL = "https://%zz" }, "BadRequestException", "Url"},
			"a name again":      {func(r *carillon.CreateWebhookRequest) { r.Name = one }, "ConflictException", "Name"},
			"an unknown event":  {func(r *carillon.CreateWebhookRequest) { r.EventTypes = []string{"TYPING"} }, "BadRequestException", "EventTypes"},
			"a batch":           {func(r *carillon.CreateWebhookRequest) { r.EventTypes = []string{"BATCH_CREATE_CHANNEL_MEMBERSHIP"} }, "BadRequestException", "EventTypes"},
			"another's channel": {func(r *carillon.CreateWebhookRequest) { r.Channels = []string{b.App + "0/channel/c"} }, "BadRequestException", "Channels"},
			"no app instance":   {func(r *carillon.CreateWebhookRequest) { r.AppInstanceARN = b.App + "0" }, "NotFoundException", "AppInstanceArn"},
			"no ARN":            {func(r *carillon.CreateWebhookRequest) { r.AppInstanceARN = b.User("ann") }, "BadRequestException", "AppInstanceArn"},
		} {
			req := &carillon.CreateWebhookRequest{AppInstanceARN: b.App, Name: name, URL: two}
			tc.change(req)
			_, err := b.hooks.CreateWebhook(ctx, req)
			expectError(t, err, tc.kind, tc.mention, name)
		}

		none := b.Site.WebhookARN(b.AppID(), "none")
		for name, err := range map[string]error{
			"describe": second(b.hooks.DescribeWebhook(ctx, &carillon.DescribeWebhookRequest{WebhookARN: none})),
			"update":   second(b.hooks.UpdateWebhook(ctx, &carillon.UpdateWebhookRequest{WebhookARN: none, Name: "n", URL: one})),
			"rotate":   second(b.hooks.RotateWebhookSecret(ctx, &carillon.RotateWebhookSecretRequest{WebhookARN: none})),
			"list":     second(b.hooks.ListWebhookDeliveries(ctx, &carillon.ListWebhookDeliveriesRequest{WebhookARN: none})),
			"resend":   second(b.hooks.ResendWebhookDelivery(ctx, &carillon.ResendWebhookDeliveryRequest{WebhookARN: none, DeliveryID: "1-0"})),
			"all":      second(b.hooks.ResendWebhookDeliveries(ctx, &carillon.ResendWebhookDeliveriesRequest{WebhookARN: none})),
			"replay":   second(b.hooks.ReplayWebhook(ctx, &carillon.ReplayWebhookRequest{WebhookARN: none, FromPosition: new(int)})),
		} {
			expectError(t, err, "NotFoundException", "WebhookArn", name)
		}
		if _, err := b.hooks.DeleteWebhook(ctx, &carillon.DeleteWebhookRequest{WebhookARN: none}); err != nil {
			t.Errorf("what is gone already: %v", err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestSubscriptionsAreLimited(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		for i := range subscription.MaxWebhooks {
			b.create(fmt.Sprintf("https://%d.example", i), nil)
		}
		_, err := b.hooks.CreateWebhook(ctx, &carillon.CreateWebhookRequest{AppInstanceARN: b.App, Name: "more", URL: one})
		expectError(t, err, "ResourceLimitExceededException", "100 webhooks")
		resp, err := b.hooks.ListWebhooks(ctx, &carillon.ListWebhooksRequest{AppInstanceARN: b.App})
		if err != nil || len(resp.Webhooks) != subscription.MaxWebhooks || resp.Webhooks[7].Name != "https://7.example" {
			t.Errorf("%d are listed, %v", len(resp.Webhooks), err)
		}
	})
}

// TestAnUpdateHoldsAtOnce changes what is selected, and the URL while deliveries wait.
func TestAnUpdateHoldsAtOnce(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		arn := b.create(one, nil)
		b.receiver.answers(func(at, _ string) int {
			if at == one {
				return 0
			}
			return http.StatusOK
		})
		b.say("c:a")
		synctest.Wait()
		if err := b.update(arn, func(r *carillon.UpdateWebhookRequest) { r.URL, r.Channels = two, []string{b.Channel("d")} }); err != nil {
			t.Fatal(err)
		}
		b.receiver.expect(two, "a") // it was queued already
		b.say("c:b", "d:c")
		b.receiver.expect(two, "c")

		if err := b.update(arn, func(r *carillon.UpdateWebhookRequest) { r.Status = carillon.WebhookStatusDisabled }); err != nil {
			t.Fatal(err)
		}
		b.say("d:d")
		b.receiver.expect(two, "")
		if err := b.update(arn, func(r *carillon.UpdateWebhookRequest) { r.Status = carillon.WebhookStatusEnabled }); err != nil {
			t.Fatal(err)
		}
		b.receiver.expect(two, "d")
	})
}

// TestSecretsChangeOver has both secrets verify until the former one ends.
func TestSecretsChangeOver(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		arn := b.create(one, nil)
		hours := 2
		made, err := b.hooks.RotateWebhookSecret(ctx, &carillon.RotateWebhookSecretRequest{WebhookARN: arn, OverlapHours: &hours})
		if err != nil {
			t.Fatal(err)
		}
		former := b.receiver.secrets[one][0]
		b.receiver.secrets[one] = []string{former, made.Secret}
		b.say("c:both")
		b.receiver.expect(one, "both")
		if w := b.describe(arn); w.FormerSecretUntil == nil || !w.FormerSecretUntil.Equal(*made.FormerSecretUntil) {
			t.Errorf("it is described as %+v", w)
		}

		time.Sleep(2 * time.Hour)
		b.receiver.secrets[one] = []string{made.Secret}
		var secrets int
		b.receiver.hold = nil
		b.say("c:new")
		b.receiver.expect(one, "new")
		if w := b.describe(arn); w.FormerSecretUntil != nil {
			t.Errorf("it is described as %+v", w)
		}

		// At once, and more often than secrets are kept.
		none := 0
		for range 5 {
			if made, err = b.hooks.RotateWebhookSecret(ctx, &carillon.RotateWebhookSecretRequest{WebhookARN: arn, OverlapHours: &none}); err != nil {
				t.Fatal(err)
			}
		}
		b.receiver.secrets[one] = []string{made.Secret}
		b.say("c:last")
		b.receiver.expect(one, "last")

		// The store has them sealed.
		err = b.Store.View(ctx, b.AppID(), func(r store.Reader) error {
			hook, _, err := store.Webhooks.Get(r, store.K(b.AppID(), arn[strings.LastIndexByte(arn, '/')+1:]))
			for _, s := range hook.Secrets {
				secrets++
				if !strings.HasPrefix(string(s.Sealed), "sealed for webhook ") {
					t.Errorf("a secret is kept as %q", s.Sealed)
				}
			}
			return err
		})
		if err != nil || secrets != 1 {
			t.Errorf("%d secrets, %v", secrets, err)
		}
	})
}

// TestFailedDeliveriesAreSentAgain has some fail, and those of a time sent again in their order.
func TestFailedDeliveriesAreSentAgain(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		b.AddChannel("ann", "e")
		arn := b.create(one, nil)
		b.receiver.answers(func(_, content string) int {
			if strings.HasPrefix(content, "bad") {
				return http.StatusBadRequest
			}
			return http.StatusOK
		})
		b.say("c:bad1", "c:good1", "d:bad2")
		for range 80 { // others are taken meanwhile, so it stays enabled
			time.Sleep(time.Hour)
			b.say("e:tick")
		}
		since := time.Now()
		synctest.Wait()
		b.say("c:bad3")
		for range 80 {
			time.Sleep(time.Hour)
			b.say("e:tick")
		}
		synctest.Wait()
		if w := b.describe(arn); w.Status != carillon.WebhookStatusEnabled {
			t.Fatalf("it is %+v", w)
		}
		failed := b.deliveries(arn, carillon.WebhookDeliveryStatusFailed)
		if len(failed) != 3 || failed[0].LastStatusCode != http.StatusBadRequest {
			t.Fatalf("failed are %+v", failed)
		}
		b.receiver.took(one)
		b.receiver.answers(nil)
		for _, step := range []struct {
			since *time.Time
			n     int
			took  string
		}{{&since, 1, "bad3"}, {nil, 2, "bad1 bad2"}, {nil, 0, ""}} {
			resp, err := b.hooks.ResendWebhookDeliveries(ctx, &carillon.ResendWebhookDeliveriesRequest{WebhookARN: arn, Since: step.since})
			if err != nil || resp.Resent != step.n {
				t.Errorf("%+v, %v, want %d", resp, err, step.n)
			}
			got := strings.Fields(b.receiver.took(one))
			slices.Sort(got)
			if strings.Join(got, " ") != step.took {
				t.Errorf("took %v, want %s", got, step.took)
			}
		}

		// One that was taken comes again under its id.
		all := b.deliveries(arn, carillon.WebhookDeliveryStatusDelivered)
		b.receiver.ids[one] = nil
		if _, err := b.hooks.ResendWebhookDelivery(ctx, &carillon.ResendWebhookDeliveryRequest{WebhookARN: arn, DeliveryID: all[0].DeliveryID}); err != nil {
			t.Fatal(err)
		}
		b.receiver.expect(one, "bad1")
		if ids := b.receiver.ids[one]; len(ids) != 1 || ids[0] != all[0].Key {
			t.Errorf("the id is %v, want %s", ids, all[0].Key)
		}
		for _, id := range []string{"1", "x-0", "01-0", "1--1"} {
			_, err := b.hooks.ResendWebhookDelivery(ctx, &carillon.ResendWebhookDeliveryRequest{WebhookARN: arn, DeliveryID: id})
			expectError(t, err, "BadRequestException", "DeliveryId")
		}
		_, err := b.hooks.ResendWebhookDelivery(ctx, &carillon.ResendWebhookDeliveryRequest{WebhookARN: arn, DeliveryID: "1-0"})
		expectError(t, err, "NotFoundException", "DeliveryId")
	})
}

// TestReplayBeginsAgain sets a subscription back by position and by time, while nothing and while something
// waits.
func TestReplayBeginsAgain(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		b.say("c:earlier")
		arn := b.create(one, func(r *carillon.CreateWebhookRequest) { r.DataType = carillon.MessagingDataTypeChannelMessage })
		b.say("c:a", "c:b")
		time.Sleep(time.Minute)
		at := time.Now()
		b.say("c:c", "c:d")
		b.receiver.expect(one, "a b c d")
		keys := slices.Clone(b.receiver.ids[one])
		replay := func(req carillon.ReplayWebhookRequest) error {
			req.WebhookARN = arn
			_, err := b.hooks.ReplayWebhook(ctx, &req)
			return err
		}
		if err := replay(carillon.ReplayWebhookRequest{FromTimestamp: &at}); err != nil {
			t.Fatal(err)
		}
		b.receiver.expect(one, "c d")
		if again := b.receiver.ids[one][4:]; !slices.Equal(again, keys[2:]) {
			t.Errorf("the ids are %v, want %v", again, keys[2:])
		}

		// As far as the log reaches, also to before the subscription.
		if err := replay(carillon.ReplayWebhookRequest{FromTimestamp: new(time.Time)}); err != nil {
			t.Fatal(err)
		}
		b.receiver.expect(one, "earlier a b c d")

		// With some that wait: in order all the same.
		b.receiver.answers(func(string, string) int { return 0 })
		b.say("c:e", "c:f")
		synctest.Wait()
		if err := replay(carillon.ReplayWebhookRequest{FromTimestamp: &at}); err != nil {
			t.Fatal(err)
		}
		b.receiver.answers(nil)
		time.Sleep(time.Hour)
		b.receiver.expect(one, "c d e f")
		if w := b.describe(arn); w.Pending != 0 {
			t.Errorf("%d are pending", w.Pending)
		}

		// What the log no longer has is refused with what it has.
		b.trim()
		first := int(0)
		if err := b.Store.View(ctx, b.AppID(), func(r store.Reader) error {
			start, err := store.LogStart(r, b.AppID())
			first = int(start) + 1
			return err
		}); err != nil {
			t.Fatal(err)
		}
		before := first - 1
		expectError(t, replay(carillon.ReplayWebhookRequest{FromPosition: &before}), "BadRequestException", fmt.Sprintf("FromPosition: the log reaches back to position %d of 2", first))
		early := at.Add(-time.Second)
		expectError(t, replay(carillon.ReplayWebhookRequest{FromTimestamp: &early}), "BadRequestException", "FromTimestamp")
		if err := replay(carillon.ReplayWebhookRequest{FromPosition: &first}); err != nil {
			t.Error(err)
		}
		ahead := first + 100
		expectError(t, replay(carillon.ReplayWebhookRequest{FromPosition: &ahead}), "BadRequestException", "FromPosition")
		expectError(t, replay(carillon.ReplayWebhookRequest{}), "BadRequestException", "FromPosition")
		expectError(t, replay(carillon.ReplayWebhookRequest{FromPosition: &first, FromTimestamp: &at}), "BadRequestException", "FromPosition")
	})
}

// TestDeliveriesAreKeptForATime removes what is old, but nothing that waits.
func TestDeliveriesAreKeptForATime(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		arn := b.create(one, nil)
		messages, _ := numbers("c", 0, 500)
		b.say(messages...)
		synctest.Wait()
		time.Sleep(subscription.DefaultKeep - time.Hour)
		b.receiver.answers(func(string, string) int { return 0 })
		b.say("d:waits")
		synctest.Wait()
		if err := b.hooks.Clean(ctx); err != nil {
			t.Fatal(err)
		}
		if n := len(b.deliveries(arn, "")); n != 501 {
			t.Errorf("%d are listed before their time", n)
		}
		time.Sleep(2 * time.Hour)
		if err := b.hooks.Clean(ctx); err != nil {
			t.Fatal(err)
		}
		if list := b.deliveries(arn, ""); len(list) != 1 || list[0].Status != carillon.WebhookDeliveryStatusPending {
			t.Errorf("%d are left: %+v", len(list), list[:min(3, len(list))])
		}
	})
}

// TestADeletionLeavesNothing deletes a subscription, and the app instance of another.
func TestADeletionLeavesNothing(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		arn := b.create(one, nil)
		b.create(two, nil)
		b.receiver.answers(func(string, string) int { return 0 })
		b.say("c:a", "c:b")
		synctest.Wait()
		if _, err := b.hooks.DeleteWebhook(ctx, &carillon.DeleteWebhookRequest{WebhookARN: arn}); err != nil {
			t.Fatal(err)
		}
		calls := b.receiver.calls[one]
		b.receiver.answers(nil)
		b.say("c:c")
		time.Sleep(time.Hour)
		b.receiver.expect(two, "a b c")
		if n := b.receiver.calls[one]; n != calls {
			t.Errorf("%d calls after it was deleted", n-calls)
		}
		if n := b.rows(); n != 1+3 { // the other's
			t.Errorf("%d rows are left", n)
		}

		if _, err := b.Identity.DeleteAppInstance(ctx, &identityapi.DeleteAppInstanceRequest{AppInstanceARN: b.App}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := b.rows(); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		_, err := b.hooks.ListWebhooks(ctx, &carillon.ListWebhooksRequest{AppInstanceARN: b.App})
		expectError(t, err, "NotFoundException", "AppInstanceArn")
	})
}

// rows counts what there is of subscriptions.
func (b *bed) rows() (n int) {
	b.t.Helper()
	err := b.Store.View(ctx, b.AppID(), func(r store.Reader) error {
		n = 0
		for _, table := range []store.TableID{store.Webhooks.ID, store.WebhookDeliveries.ID, store.WebhookStates.ID} {
			if err := r.Scan(table, store.Prefix(store.K(b.AppID())), func(store.Key, []byte) (bool, error) { n++; return true, nil }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}
