package identity_test

import (
	"context"
	"regexp"
	"slices"
	"testing"
	"time"

	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/identity"
)

func (w *world) describeApp(arn string) (*wire.AppInstance, error) {
	resp, err := w.DescribeAppInstance(context.Background(), &wire.DescribeAppInstanceRequest{AppInstanceARN: arn})
	if err != nil {
		return nil, err
	}
	return resp.AppInstance, nil
}

func TestAppInstanceIsDescribedAsCreatedAndUpdated(t *testing.T) {
	onEachEngine(t, func(w *world) {
		ctx := context.Background()
		created, err := w.CreateAppInstance(ctx, &wire.CreateAppInstanceRequest{Name: "one", Metadata: ptr("{}")})
		ok(w.t, err)
		arn := created.AppInstanceARN
		if !regexp.MustCompile(`^arn:aws:chime:us-east-1:000000000000:app-instance/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(arn) {
			w.t.Errorf("ARN %s", arn)
		}
		first, err := w.describeApp(arn)
		ok(w.t, err)
		if first.AppInstanceARN != arn || first.Name != "one" || first.Metadata != "{}" ||
			!first.CreatedTimestamp.Equal(w.now) || !first.LastUpdatedTimestamp.Equal(w.now) {
			w.t.Errorf("described as %+v", first)
		}

		w.pass(time.Hour)
		position := w.position(arn)
		updated, err := w.UpdateAppInstance(ctx, &wire.UpdateAppInstanceRequest{AppInstanceARN: arn, Name: "two", Metadata: ptr("")})
		ok(w.t, err)
		second, err := w.describeApp(arn)
		ok(w.t, err)
		if updated.AppInstanceARN != arn || second.Name != "two" || second.Metadata != "" ||
			!second.CreatedTimestamp.Equal(*first.CreatedTimestamp) || !second.LastUpdatedTimestamp.Equal(w.now) {
			w.t.Errorf("after the update: %+v", second)
		}
		if got := w.events(arn, position); !slices.Equal(got, []string{"UPDATE_APP_INSTANCE"}) {
			w.t.Errorf("events %q", got)
		}
	})
}

func TestCreateAppInstanceIsIdempotentByToken(t *testing.T) {
	onEachEngine(t, func(w *world) {
		ctx := context.Background()
		create := func(name, token string) (string, error) {
			resp, err := w.CreateAppInstance(ctx, &wire.CreateAppInstanceRequest{Name: name, ClientRequestToken: token})
			if err != nil {
				return "", err
			}
			return resp.AppInstanceARN, nil
		}
		first, err := create("one", "t1")
		ok(w.t, err)
		again, err := create("one", "t1")
		ok(w.t, err)
		if again != first {
			w.t.Errorf("the same call made %s and %s", first, again)
		}
		_, err = create("two", "t1")
		refused(w.t, err, "ConflictException", "ClientRequestToken")

		sameName, err := create("one", "t2")
		ok(w.t, err)
		if sameName == first {
			w.t.Error("another token was answered with the same app instance")
		}
		for _, arn := range []string{first, sameName} {
			if got := w.events(arn, 0); !slices.Equal(got, []string{"CREATE_APP_INSTANCE"}) {
				w.t.Errorf("events %q", got)
			}
		}

		ok(w.t, w.deleteApp(first))
		again, err = create("one", "t1")
		ok(w.t, err)
		if again == first {
			w.t.Error("the token of an app instance that was deleted is answered with its ARN")
		}
		_, err = w.describeApp(again)
		ok(w.t, err)
		_, err = w.describeApp(first)
		refused(w.t, err, "ForbiddenException", "AppInstanceArn")
	})
}

func TestCallsAtTheSameMomentWithOneTokenMakeOneThing(t *testing.T) {
	onEachEngine(t, func(w *world) {
		made := make(chan string)
		const calls = 8
		for range calls {
			go func() {
				resp, err := w.CreateAppInstance(context.Background(), &wire.CreateAppInstanceRequest{Name: "one", ClientRequestToken: "t1"})
				if err != nil {
					w.t.Error(err)
					resp = new(wire.CreateAppInstanceResponse)
				}
				made <- resp.AppInstanceARN
			}()
		}
		first := <-made
		for range calls - 1 {
			if arn := <-made; arn != first {
				w.t.Errorf("made %s and %s", first, arn)
			}
		}
		w.wantList(w.apps(), "one")
	})
}

func TestAppInstanceLimit(t *testing.T) {
	onEachEngine(t, func(w *world) {
		w.limits = identity.Limits{AppInstances: 2}
		w.start()
		one := w.app("one")
		w.app("two")
		create := func() error {
			_, err := w.CreateAppInstance(context.Background(), &wire.CreateAppInstanceRequest{Name: "three", ClientRequestToken: "app-three"})
			return err
		}
		refused(w.t, create(), "ResourceLimitExceededException", "2 app instances")
		ok(w.t, w.deleteApp(one))
		ok(w.t, create())
		refused(w.t, func() error {
			_, err := w.CreateAppInstance(context.Background(), &wire.CreateAppInstanceRequest{Name: "four"})
			return err
		}(), "ResourceLimitExceededException", "2 app instances")
	})
}
