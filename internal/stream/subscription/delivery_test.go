package subscription_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/api/carillon"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/stream/subscription"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const one, two = "https://one.example/hook", "https://two.example/hook"

// TestASubscriptionGetsWhatItSelects has subscriptions by type, data type and channel.
func TestASubscriptionGetsWhatItSelects(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		b.say("c:before")
		all := b.create(one, nil)
		for at, change := range map[string]func(*carillon.CreateWebhookRequest){
			"https://channels.example": func(r *carillon.CreateWebhookRequest) { r.DataType = carillon.MessagingDataTypeChannel },
			"https://redact.example": func(r *carillon.CreateWebhookRequest) {
				r.EventTypes = []string{"REDACT_CHANNEL_MESSAGE", "DELETE_CHANNEL"}
			},
			"https://d.example":       func(r *carillon.CreateWebhookRequest) { r.Channels = []string{b.Channel("d")} },
			"https://pattern.example": func(r *carillon.CreateWebhookRequest) { r.Channels = []string{"*/none", "*/channel/d"} },
		} {
			b.create(at, change)
		}
		b.say("c:first", "d:second")
		if _, err := b.API.BatchCreateChannelMembership(ctx, &messaging.BatchCreateChannelMembershipRequest{
			ChannelARN: b.Channel("c"), MemberARNs: b.Users("bob", "cy"), ChimeBearer: b.User("ann"),
		}); err != nil {
			t.Fatal(err)
		}
		last := b.Send(b.Text("ann", "c", "third"))
		synctest.Wait()
		if _, err := b.API.RedactChannelMessage(ctx, &messaging.RedactChannelMessageRequest{ChannelARN: b.Channel("c"), MessageID: last, ChimeBearer: b.User("ann")}); err != nil {
			t.Fatal(err)
		}
		got := strings.Fields(b.receiver.took(one))
		slices.Sort(got) // channels come at once
		if want := "BOB CY REDACT_CHANNEL_MESSAGE first second third"; strings.Join(got, " ") != want {
			t.Errorf("all: %v", got)
		}
		b.receiver.expect("https://channels.example", "BOB CY")
		b.receiver.expect("https://redact.example", "REDACT_CHANNEL_MESSAGE")
		b.receiver.expect("https://d.example", "second")
		b.receiver.expect("https://pattern.example", "second")

		// Each has an id of its own, which its delivery names.
		ids := b.receiver.ids[one]
		list := b.deliveries(all, "")
		if len(list) != len(ids) {
			t.Fatalf("%d deliveries of %d", len(list), len(ids))
		}
		seen := map[string]bool{}
		for _, d := range list {
			seen[d.Key] = true
			if !slices.Contains(ids, d.Key) || d.Status != carillon.WebhookDeliveryStatusDelivered || d.Attempts != 1 || d.LastStatusCode != 200 {
				t.Errorf("a delivery is %+v", d)
			}
		}
		if len(seen) != len(ids) {
			t.Errorf("the keys are %v", seen)
		}
	})
}

// TestOrderHoldsInAChannel has a receiver that refuses one message for an hour: the later ones of its channel
// wait, those of another channel and of another subscription do not. It holds over restarts of the node.
func TestOrderHoldsInAChannel(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		arn := b.create(one, nil)
		b.create(two, nil)
		b.receiver.answers(func(at, content string) int {
			if at == one && content == "poison" {
				return http.StatusTeapot
			}
			return http.StatusAccepted
		})
		b.say("c:a", "c:poison", "c:b", "d:x", "c:e", "d:y")
		got := strings.Fields(b.receiver.took(one))
		slices.Sort(got)
		if strings.Join(got, " ") != "a x y" {
			t.Errorf("while one is refused: %v", got)
		}
		if got := strings.Fields(b.receiver.took(two)); len(got) != 6 {
			t.Errorf("the other subscription has %v", got)
		}
		if w := b.describe(arn); w.Pending != 3 || w.FailingSince == nil && b.receiver.calls[one] < 4 {
			t.Errorf("the subscription is %+v", w)
		}
		waiting := b.deliveries(arn, carillon.WebhookDeliveryStatusPending)
		if len(waiting) != 3 || waiting[0].LastStatusCode != http.StatusTeapot || waiting[0].Attempts != 1 ||
			waiting[0].NextAttemptTimestamp == nil || waiting[1].Attempts != 0 {
			t.Errorf("pending are %+v", waiting)
		}

		time.Sleep(time.Hour)
		b.restart()
		time.Sleep(time.Hour)
		b.receiver.answers(nil)
		time.Sleep(time.Hour)
		b.receiver.expect(one, "poison b e")
		b.receiver.expect(two, "")
		if w := b.describe(arn); w.Pending != 0 || w.FailingSince != nil {
			t.Errorf("the subscription is %+v", w)
		}
	})
}

// TestASlowReceiverHoldsUpNoOther has one that never answers.
func TestASlowReceiverHoldsUpNoOther(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		slow := b.create(one, nil)
		b.create(two, nil)
		b.receiver.hold = func(ctx context.Context, at string) {
			if at == one {
				<-ctx.Done()
			}
		}
		messages, texts := numbers("c", 0, 20)
		b.say(messages...)
		b.receiver.expect(two, texts)
		if w := b.describe(slow); w.Pending != 20 {
			t.Errorf("%d are pending", w.Pending)
		}
	})
}

// TestAQueueIsBounded has a receiver that is away while more comes than is queued: the rest waits in the log,
// which is kept for it, and all arrives.
func TestAQueueIsBounded(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		arn := b.create(one, nil)
		b.receiver.answers(func(string, string) int { return 0 })
		messages, texts := numbers("c", 0, subscription.MaxPending+450)
		b.say(messages...)
		synctest.Wait()
		w := b.describe(arn)
		if w.Pending < subscription.MaxPending || w.Pending > subscription.MaxPending+100 {
			t.Errorf("%d are pending", w.Pending)
		}
		first := b.deliveries(arn, carillon.WebhookDeliveryStatusPending)[0]
		floor := func() (position uint64) {
			if err := b.Store.View(ctx, b.AppID(), func(r store.Reader) (err error) {
				position, _, err = b.runner.Floor(r, b.AppID())
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return position
		}
		if id := strings.TrimSuffix(first.DeliveryID, "-0"); id != itoa(floor()+1) {
			t.Errorf("the log is kept behind %d for the delivery %s", floor(), id)
		}
		status, err := b.runner.Status(ctx)
		if err != nil || len(status) != 1 || status[0].Follower != "webhooks" || status[0].Behind < 350 {
			t.Errorf("the followers are %+v, %v", status, err)
		}

		b.restart()
		b.receiver.answers(nil)
		time.Sleep(time.Hour)
		b.receiver.expect(one, texts)
		if w := b.describe(arn); w.Pending != 0 {
			t.Errorf("%d are pending", w.Pending)
		}
	})
}

// TestAnEndThatTakesNothingIsDisabled has a receiver that is away for longer than deliveries are tried, and
// comes back later.
func TestAnEndThatTakesNothingIsDisabled(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		arn := b.create(one, nil)
		b.receiver.answers(func(string, string) int { return http.StatusBadGateway })
		b.say("c:lost", "c:later")
		time.Sleep(71 * time.Hour)
		synctest.Wait()
		if w := b.describe(arn); w.Status != carillon.WebhookStatusEnabled || w.Pending != 2 || w.FailingSince == nil {
			t.Errorf("after 71 hours: %+v", w)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		w := b.describe(arn)
		if w.Status != carillon.WebhookStatusDisabled || !strings.Contains(w.StatusReason, "502") || w.Pending != 1 {
			t.Errorf("after 73 hours: %+v", w)
		}
		failed := b.deliveries(arn, carillon.WebhookDeliveryStatusFailed)
		if len(failed) != 1 || failed[0].Attempts < 100 {
			t.Fatalf("failed are %+v", failed)
		}
		if got := b.notices(); got != `{"webhookArn":"`+arn+`","failureReason":"`+w.StatusReason+`"}` {
			t.Errorf("the notices are %s", got)
		}

		// Nothing is posted while it is disabled, and nothing is lost.
		calls := b.receiver.calls[one]
		b.say("d:meanwhile")
		b.restart()
		time.Sleep(24 * time.Hour)
		b.receiver.answers(nil)
		synctest.Wait()
		if n := b.receiver.calls[one]; n != calls {
			t.Errorf("%d calls while it is disabled", n-calls)
		}
		if err := b.update(arn, func(r *carillon.UpdateWebhookRequest) { r.Status = carillon.WebhookStatusEnabled }); err != nil {
			t.Fatal(err)
		}
		got := strings.Fields(b.receiver.took(one))
		slices.Sort(got)
		if strings.Join(got, " ") != "later meanwhile" {
			t.Errorf("enabled again it takes %v", got)
		}
		if _, err := b.hooks.ResendWebhookDelivery(ctx, &carillon.ResendWebhookDeliveryRequest{WebhookARN: arn, DeliveryID: failed[0].DeliveryID}); err != nil {
			t.Fatal(err)
		}
		b.receiver.expect(one, "lost")
	})
}

// TestAnEndThatIsGoneIsDisabledAtOnce: 410 says so.
func TestAnEndThatIsGoneIsDisabledAtOnce(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		arn := b.create(one, nil)
		b.receiver.answers(func(string, string) int { return http.StatusGone })
		b.say("c:a")
		synctest.Wait()
		if w := b.describe(arn); w.Status != carillon.WebhookStatusDisabled || w.Pending != 1 || b.receiver.calls[one] != 1 {
			t.Errorf("%+v after %d calls", w, b.receiver.calls[one])
		}
	})
}

// TestEventsTheLogLostAreFailed trims the log while a receiver is away.
func TestEventsTheLogLostAreFailed(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		arn := b.create(one, nil)
		b.receiver.answers(func(string, string) int { return 0 })
		b.say("c:a", "c:b", "c:c")
		synctest.Wait()
		b.trim()
		b.receiver.answers(nil)
		time.Sleep(time.Hour)
		b.receiver.expect(one, "c")
		failed := b.deliveries(arn, carillon.WebhookDeliveryStatusFailed)
		if len(failed) != 2 || !strings.Contains(failed[0].LastError, "log no longer has") {
			t.Fatalf("failed are %+v", failed)
		}
		_, err := b.hooks.ResendWebhookDelivery(ctx, &carillon.ResendWebhookDeliveryRequest{WebhookARN: arn, DeliveryID: failed[0].DeliveryID})
		expectError(t, err, "BadRequestException", "the log no longer has")
		if resp, err := b.hooks.ResendWebhookDeliveries(ctx, &carillon.ResendWebhookDeliveriesRequest{WebhookARN: arn}); err != nil || resp.Resent != 0 {
			t.Errorf("%+v, %v", resp, err)
		}
	})
}

// TestWhatIsRemovedIsNotPosted redacts a message while its delivery waits.
func TestWhatIsRemovedIsNotPosted(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		b.create(one, nil)
		b.receiver.answers(func(string, string) int { return 0 })
		b.say("c:kept")
		id := b.Send(b.Text("ann", "c", "secret"))
		synctest.Wait()
		if _, err := b.API.RedactChannelMessage(ctx, &messaging.RedactChannelMessageRequest{ChannelARN: b.Channel("c"), MessageID: id, ChimeBearer: b.User("ann")}); err != nil {
			t.Fatal(err)
		}
		b.receiver.answers(nil)
		time.Sleep(time.Hour)
		b.receiver.expect(one, "kept CREATE_CHANNEL_MESSAGE REDACT_CHANNEL_MESSAGE")
	})
}

// notices are the payloads of the notices in the log.
func (b *bed) notices() (text string) {
	b.t.Helper()
	err := b.Store.View(ctx, b.AppID(), func(r store.Reader) error {
		text = ""
		events, err := store.ReadEvents(r, b.AppID(), 0, 1<<20)
		for _, e := range events {
			if e.Kind().Notice != "" {
				text += string(e.Payload)
			}
		}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// trim removes all but the last event of the log.
func (b *bed) trim() {
	b.t.Helper()
	err := b.Store.Update(ctx, b.AppID(), func(tx store.Tx) error {
		end, err := tx.Position()
		if err != nil {
			return err
		}
		return tx.TrimEvents(end - 1)
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// TestSubscriptionsBeginWithWhatIsSent deletes a message that its flow failed: its sender alone knew of it.
func TestSubscriptionsBeginWithWhatIsSent(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		b.MakeAdmin("bob")
		b.create(one, nil)
		b.say("c:sent")
		b.receiver.expect(one, "sent")
		b.FailMessages("ann", "c")
		b.Delete("bob", "c", b.Send(b.Text("ann", "c", "failed")))
		b.receiver.expect(one, "")
	})
}
