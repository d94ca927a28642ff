package app_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/service/chimesdkmessaging"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/app/datadir"
	"github.com/carillon-chat/carillon/internal/app/moving"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/move"
	"github.com/carillon-chat/carillon/internal/store/pebble"
	"github.com/carillon-chat/carillon/internal/store/pgtest"
)

// TestANodeIsMoved: a node with messages, memberships, read markers, a flow that has not answered, keys of IAM and the
// positions of a follower is moved from its folder to a database and back, and its clients see the same.
func TestANodeIsMoved(t *testing.T) {
	url := pgtest.NewDatabase(t)
	processor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })) // and never calls back
	defer processor.Close()
	streams := filepath.Join(t.TempDir(), "streams")
	onFolder := func(folder string) config.Config {
		return lab.Settings(t, config.Dev, map[string]string{
			"data": folder, "streams": "all * file:" + streams + " size=1MiB", "functions": "* " + processor.URL,
			"functions-secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		})
	}
	first, last := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "last")
	onDatabase := onFolder(filepath.Join(t.TempDir(), "local"))
	onDatabase.DatabaseURL = config.NewSecret(url)

	p := &person{t: t}
	n := p.begin(onFolder(first))
	n.stream(t, map[string]string{"ChannelMessage": "all", "Channel": "all"})
	p.arrive()
	p.live("arn:aws:lambda:us-east-1:000000000000:function:waits")
	before := n.connect(t, "http", n.RootKeys(), p.bob, "resume-from", "")
	token := read(t, before).Field("ResumeToken")
	missed := *p.say("plain", nil)
	keys, err := n.Peer().MakeUser(t.Context(), "desk", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"chime:*","Resource":"*"}}`)
	if err != nil {
		t.Fatal(err)
	}
	done[*chimesdkmessaging.UpdateChannelReadMarkerOutput](p)(p.messaging.UpdateChannelReadMarker(&chimesdkmessaging.UpdateChannelReadMarkerInput{
		ChannelArn: p.channel("plain"), ChimeBearer: &p.bob,
	}))
	marker := func() string {
		out := done[*chimesdkmessaging.DescribeChannelMembershipForAppInstanceUserOutput](p)(p.messaging.DescribeChannelMembershipForAppInstanceUser(
			&chimesdkmessaging.DescribeChannelMembershipForAppInstanceUserInput{ChannelArn: p.channel("plain"), AppInstanceUserArn: &p.bob, ChimeBearer: &p.bob}))
		return out.ChannelMembership.AppInstanceUserMembershipSummary.ReadMarkerTimestamp.String()
	}
	pages, marked := p.pages(), marker()
	to := moving.Place{URL: onDatabase.DatabaseURL}
	if _, err := moving.Run(t.Context(), moving.Options{From: moving.Place{Folder: first}, To: to}); !errors.Is(err, datadir.ErrInUse) {
		t.Errorf("while the node has it open: %v", err)
	}

	from := moving.Place{Folder: first}
	for _, stop := range []struct {
		place moving.Place
		cfg   config.Config
	}{{to, onDatabase}, {moving.Place{Folder: last}, onFolder(last)}} {
		if err := n.Stop(); err != nil {
			t.Fatal(err)
		}
		report, err := moving.Run(t.Context(), moving.Options{From: from, To: stop.place})
		if err != nil || report.Events == 0 || report.AppInstances < 2 {
			t.Fatalf("%+v %v", report, err)
		}
		if _, err := moving.Run(t.Context(), moving.Options{From: from, To: stop.place}); !errors.Is(err, move.ErrNotEmpty) {
			t.Errorf("once more: %v", err)
		}
		n, from = p.begin(stop.cfg), stop.place

		if got := p.pages(); got != pages {
			t.Errorf("clients see %s, not %s", got, pages)
		}
		if got := marker(); got != marked {
			t.Errorf("bob has read up to %s, not %s", got, marked)
		}
		back := n.connect(t, "http", n.RootKeys(), p.bob, "resume-from", token)
		found := false
		for event := ""; event != "SESSION_RESUMED"; {
			frame := read(t, back)
			if event = frame.Event(); event == "SESSION_NOT_RESUMED" {
				t.Fatal(frame.Payload)
			}
			found = found || strings.Contains(frame.Payload, missed)
		}
		if !found {
			t.Error("the session that resumes is not sent what it missed")
		}
		_ = back.CloseNow()
		if err := n.Peer().As(keys).Call(t.Context(), http.MethodGet, "/app-instances", "", nil, nil); err != nil {
			t.Errorf("with a key of IAM: %v", err)
		}
		var followers app.FollowersReport
		await(t, "the follower", func() bool {
			followers = app.FollowersReport{}
			_, body := n.opsCall(t, http.MethodGet, "/followers")
			if err := json.Unmarshal([]byte(body), &followers); err != nil || len(followers.Followers) == 0 {
				return false
			}
			for _, f := range followers.Followers {
				if f.Behind > 0 || f.Lost > 0 || f.DeadLetters > 0 {
					return false
				}
			}
			return true
		})
		p.say("plain", nil)
		pages = p.pages()
	}
	if err := n.Stop(); err != nil {
		t.Error(err)
	}
}

// TestAPartIsNotServed: a node does not start on the copy of a store that is not complete.
func TestAPartIsNotServed(t *testing.T) {
	cfg := lab.Settings(t, config.Dev, map[string]string{"data": t.TempDir()})
	st, err := pebble.Open(filepath.Join(cfg.Data, "store"), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = st.Update(t.Context(), "", func(tx store.Tx) error { return store.Moves.Put(tx, store.K(""), chime.Move{Done: true}) })
	if err := errors.Join(err, st.Close(), os.WriteFile(filepath.Join(cfg.Data, "CARILLON"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	n, err := lab.Run(t.Context(), cfg, app.Deps{})
	if !errors.Is(err, move.ErrUnfinished) {
		t.Errorf("a node starts: %v", err)
	}
	if err == nil {
		_ = n.Stop()
	}
}
