package notice_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/notice"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var site = chime.Site{Region: "us-east-1", Account: "123456789012"}

// sink keeps what it is sent. It fails while away is set.
type sink struct {
	away  atomic.Bool
	tried []string // ids
	got   []notice.Notice
}

func (s *sink) Send(_ context.Context, notices []notice.Notice) error {
	for _, n := range notices {
		s.tried = append(s.tried, n.ID)
	}
	if s.away.Load() {
		return errors.New("away")
	}
	s.got = append(s.got, notices...)
	return nil
}

// TestForms: each notice has the form that AWS documents.
func TestForms(t *testing.T) {
	topic, app := chime.Topic{App: "app", Channel: "uid"}, site.AppInstanceARN("app")
	for _, test := range []struct {
		detail notice.Detail
		want   string
	}{
		{
			notice.ProcessorInvocationFailure{
				AppInstanceARN: app, ChannelARN: app + "/channel/c", MessageID: "m1",
				ProcessorResourceARN: "arn:aws:lambda:us-east-1:123456789012:function:words", FailureReason: "it answered 502",
			},
			`{"version":"0","id":"ID","detail-type":"Chime ChannelFlow Processing Status","source":"aws.chime","account":"123456789012",` +
				`"time":"2026-11-30T09:40:00Z","region":"us-east-1","resources":[],"detail":{"eventType":"ProcessorInvocationFailure",` +
				`"appInstanceArn":"arn:aws:chime:us-east-1:123456789012:app-instance/app",` +
				`"channelArn":"arn:aws:chime:us-east-1:123456789012:app-instance/app/channel/c","messageId":"m1",` +
				`"processorResourceArn":"arn:aws:lambda:us-east-1:123456789012:function:words","failureReason":"it answered 502"}}`,
		},
		{
			notice.BotFailure{ResourceARN: app + "/bot/b", FailureReason: "it \"said\" nothing"},
			`{"version":"0","id":"ID","detail-type":"Chime Messaging AppInstanceBot Lex Failure","source":"aws.chime","account":"123456789012",` +
				`"time":"2026-11-30T09:40:00Z","region":"us-east-1","resources":[],"detail":{` +
				`"resourceArn":"arn:aws:chime:us-east-1:123456789012:app-instance/app/bot/b","failureReason":"it \"said\" nothing"}}`,
		},
		{
			notice.PushFailure{ResourceARN: app + "/user/ann", EndpointID: "e1", FailureReason: strings.Repeat("é", 600)},
			`{"version":"0","id":"ID","detail-type":"Chime Messaging AppInstanceUserEndpoint Delivery Failure","source":"aws.chime","account":"123456789012",` +
				`"time":"2026-11-30T09:40:00Z","region":"us-east-1","resources":[],"detail":{` +
				`"resourceArn":"arn:aws:chime:us-east-1:123456789012:app-instance/app/user/ann","endpointId":"e1","failureReason":"` + strings.Repeat("é", 512) + `"}}`,
		},
	} {
		e := notice.Event(chime.At(time.Date(2026, 11, 30, 9, 40, 0, 0, time.UTC)), topic, test.detail)
		e.Position = 7
		s := new(sink)
		f := notice.Follower("notices", site, s)
		if !f.Wants(&e) || e.MessageType != "" {
			t.Errorf("%s: wanted %v, to sockets as %q", e.Type, f.Wants(&e), e.MessageType)
		}
		if err := f.Handle(t.Context(), "app", []*chime.Event{&e}); err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(s.got[0])
		if want := strings.Replace(test.want, `"ID"`, `"`+notice.ID("app", 7)+`"`, 1); err != nil || string(got) != want {
			t.Errorf("%s\nwant %s (%v)", got, want, err)
		}
	}
}

// TestANoticeIsToldWhenItsTransactionCommits: what a processor appended reaches a sink that fails at
// first, once it works, with the id of the first attempt; what it took back does not.
func TestANoticeIsToldWhenItsTransactionCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New()
		defer st.Close()
		must(t, st.Update(t.Context(), "", func(tx store.Tx) error {
			_, err := tx.Append(chime.Event{Type: chime.EventUpdateAppInstances})
			return errors.Join(err, store.AppInstancesInOrder.Put(tx, store.Key(nil).Num(1), "app"))
		}))
		must(t, st.Update(t.Context(), "app", func(tx store.Tx) error {
			_, err := tx.Append(chime.Event{Type: chime.EventCreateAppInstance, Topic: chime.Topic{App: "app"}})
			return errors.Join(err, store.AppInstances.Put(tx, store.K("app"), chime.AppInstance{ID: "app"}))
		}))
		s := new(sink)
		s.away.Store(true)
		runner, err := follow.New(follow.Options{Store: st, Log: slog.New(slog.DiscardHandler), Random: rand.Reader},
			notice.Follower("notices", site, s))
		must(t, err)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- runner.Run(ctx) }()
		synctest.Wait()

		failure := func(reason string) chime.Event {
			return notice.Event(chime.At(time.Now()), chime.Topic{App: "app"}, notice.BotFailure{ResourceARN: "bot", FailureReason: reason})
		}
		back := errors.New("taken back")
		err = st.Update(t.Context(), "app", func(tx store.Tx) error {
			_, err := tx.Append(failure("taken back"))
			return errors.Join(err, back)
		})
		if !errors.Is(err, back) {
			t.Fatal(err)
		}
		must(t, st.Update(t.Context(), "app", func(tx store.Tx) error {
			_, err := tx.Append(failure("kept"))
			return err
		}))
		synctest.Wait()
		s.away.Store(false)
		time.Sleep(time.Minute) // of the virtual clock
		stop()
		must(t, <-ended)

		if len(s.got) != 1 || !strings.Contains(string(s.got[0].Detail), "kept") {
			t.Errorf("told %v", s.got)
		}
		if ids := slices.Compact(s.tried); len(s.tried) < 2 || len(ids) != 1 {
			t.Errorf("ids of the attempts: %v", s.tried)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
