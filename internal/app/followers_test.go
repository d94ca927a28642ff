package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/lab"
)

// opsCall asks the operations port.
func (n node) opsCall(t *testing.T, method, path string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+n.OpsAddr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// An operator sees a follower that gave an event up, replays it when what kept it from that is gone, and
// discards what is not worth a replay.
func TestOperatorsLookAfterFollowers(t *testing.T) {
	var away atomic.Bool
	away.Store(true)
	var handled atomic.Int32
	made := func(name string) follow.Follower {
		return follow.Follower{
			Name: name, MaxAttempts: 1, Wants: func(e *chime.Event) bool { return e.Channel != "" && e.MessageType == "" },
			Handle: func(context.Context, string, []*chime.Event) error {
				if away.Load() {
					return errors.New("the receiver is away")
				}
				handled.Add(1)
				return nil
			},
		}
	}
	n := node{lab.Start(t, lab.Settings(t, config.Dev, nil), app.Deps{Followers: []follow.Follower{made("hook")}})}

	// Dev mode has made a channel, which the follower wants to hear of.
	var letters app.DeadLettersReport
	for len(letters.DeadLetters) == 0 {
		status, body := n.opsCall(t, http.MethodGet, "/dead-letters")
		if err := json.Unmarshal([]byte(body), &letters); status != 200 || err != nil {
			t.Fatal(status, body, err)
		}
	}
	l := letters.DeadLetters[0]
	if l.Follower != "hook" || l.LastError != "the receiver is away" || l.Attempts != 1 || l.Topic.Channel == "" {
		t.Errorf("dead letter %+v", l)
	}
	at := fmt.Sprintf("/dead-letters/%s/hook/%d", l.Topic.App, l.Position)
	if status, body := n.opsCall(t, http.MethodPost, at+"/replay"); status != http.StatusBadGateway || !strings.Contains(body, "the receiver is away") {
		t.Errorf("a replay in vain: %d %s", status, body)
	}
	var one app.DeadLetterReport
	status, body := n.opsCall(t, http.MethodGet, at)
	if err := json.Unmarshal([]byte(body), &one); status != 200 || err != nil || !one.Replayable || one.Attempts != 2 {
		t.Errorf("%d %s %v", status, body, err)
	}

	away.Store(false)
	if status, body := n.opsCall(t, http.MethodPost, at+"/replay"); status != http.StatusNoContent || handled.Load() == 0 {
		t.Errorf("a replay: %d %s", status, body)
	}
	for call, want := range map[string]int{
		"GET " + at: 404, "POST " + at + "/replay": 404, "DELETE " + at: 404, "GET /dead-letters/a/b/c": 400, "GET /dead-letters?after=x": 400, "GET /elsewhere": 404,
	} {
		method, path, _ := strings.Cut(call, " ")
		if status, body := n.opsCall(t, method, path); status != want {
			t.Errorf("%s: %d %s", call, status, body)
		}
	}

	var report app.FollowersReport
	status, body = n.opsCall(t, http.MethodGet, "/followers")
	if err := json.Unmarshal([]byte(body), &report); status != 200 || err != nil {
		t.Fatal(status, body, err)
	}
	hook := slices.IndexFunc(report.Followers, func(s follow.Status) bool { return s.Follower == "hook" })
	if hook < 0 || report.Followers[hook].AppInstances != 1 || len(report.Jobs) == 0 {
		t.Errorf("report %+v", report)
	}
	_, metrics := n.opsCall(t, http.MethodGet, "/metrics")
	for _, line := range []string{
		`carillon_follower_lag_events{follower="hook"}`, `carillon_follower_lag_seconds{follower="hook"}`, `carillon_follower_dead_letters{follower="hook"}`,
		`carillon_follower_retries_total{follower="hook"}`, `carillon_follower_lost_events_total{follower="hook"} 0`, `carillon_jobs_pending{kind="delete user"} 0`,
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("no metric %s", line)
		}
	}
}

// A follower that will lose events is told of, and the node works on.
func TestALaggingFollowerDegradesTheNode(t *testing.T) {
	never := follow.Follower{Name: "never", MaxAttempts: -1, Handle: func(context.Context, string, []*chime.Event) error { return errors.New("never") }}
	cfg := lab.Settings(t, config.Dev, nil)
	cfg.FollowerRetention, cfg.EventRetention = 1, 1 // nanosecond: any lag is too much
	n := node{lab.Start(t, cfg, app.Deps{Followers: []follow.Follower{never}})}
	for {
		status, body := n.opsCall(t, http.MethodGet, "/readyz")
		if status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		if strings.Contains(body, "followers: degraded: ") && strings.Contains(body, "never is ") && strings.HasSuffix(body, "\nready\n") {
			return
		}
	}
}
