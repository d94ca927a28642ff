//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/carillon-chat/carillon/bench/rig"
	"github.com/carillon-chat/carillon/internal/lab"
)

// carillon is the program of this repository in dev mode: every request is signed and authorised, and
// a send is answered when the message is on disk.
type carillon struct {
	label      string
	program    string
	compresses bool // what it sends to sockets, whose clients offer it
}

// queueBytes is how much may wait for one socket, of every peer: readers that wait for a saturated
// machine must not be closed as too slow.
const queueBytes = 8 << 20

func (c carillon) name() string { return c.label }

func (c carillon) start(ctx context.Context, dir string) (server, error) {
	return c.launch(ctx, dir)
}

func (c carillon) launch(ctx context.Context, dir string, args ...string) (*carillonServer, error) {
	args = append(args, "--ws-queue-bytes", fmt.Sprint(queueBytes), fmt.Sprintf("--ws-compression=%v", c.compresses))
	p, err := lab.Launch(ctx, c.program, dir, args...)
	if err != nil {
		return nil, err
	}
	return &carillonServer{Process: p, kind: c, dir: dir, calls: lab.Dev(p.Addr, 0)}, nil
}

type carillonServer struct {
	*lab.Process
	kind     carillon
	dir      string
	calls    lab.Peer // that signs with the root keys
	app      string
	users    []string // ARNs
	channels []string // ARNs
	senders  []string // of the channels: their first members

	memberships map[int]int // channels of each user
}

func (s *carillonServer) addr() string         { return s.Addr }
func (s *carillonServer) pids() ([]int, error) { return []int{s.PID()}, nil }
func (s *carillonServer) kill() error          { return s.Kill() }
func (s *carillonServer) stop() error          { return s.Stop() }

func (s *carillonServer) populate(ctx context.Context, channels [][]int) (err error) {
	api := rig.NewAPI(s.Addr)
	defer api.Close()
	users := 0
	s.memberships = map[int]int{}
	for _, members := range channels {
		for _, user := range members {
			users = max(users, user+1)
			s.memberships[user]++
		}
	}
	if s.app, err = api.MakeApp(ctx); err != nil {
		return err
	}
	if s.users, err = api.MakeUsers(ctx, s.app, users); err != nil {
		return err
	}

	s.channels, s.senders = make([]string, len(channels)), make([]string, len(channels))
	return rig.Parallel(rig.SetupCallers, len(channels), func(i int) (err error) {
		members := make([]string, len(channels[i]))
		for n, user := range channels[i] {
			members[n] = s.users[user]
		}
		s.senders[i] = members[0]
		s.channels[i], err = api.MakeChannel(ctx, s.app, fmt.Sprintf("channel-%05d", i), members)
		return err
	})
}

func (s *carillonServer) send(channel int, text string) ([]byte, error) {
	return s.request(http.MethodPost, s.messages(channel), s.senders[channel], fmt.Appendf(nil,
		`{"Content":%q,"Type":"STANDARD","Persistence":"PERSISTENT","ClientRequestToken":%q}`, text, uuid.NewString()))
}

// reader is over HTTP, as AWS's SDKs read.
func (s *carillonServer) reader(int) (rig.Conn, error) { return rig.DialHTTP(s.Addr) }

func (s *carillonServer) page(channel, messages int) ([]byte, error) {
	return s.request(http.MethodGet, fmt.Sprintf("%s?max-results=%d", s.messages(channel), messages), s.senders[channel], nil)
}

func (s *carillonServer) messages(channel int) string {
	return "/channels/" + lab.Escape(s.channels[channel]) + "/messages"
}

// request is a signed one as it goes over the connection.
func (s *carillonServer) request(method, target, bearer string, body []byte) ([]byte, error) {
	r, err := s.calls.Request(context.Background(), method, target, bearer, body)
	if err != nil {
		return nil, err
	}
	return rig.Wire(r)
}

func (s *carillonServer) entry(user int) (entry, error) { return s.enter(user) }

// join is with prefetch: after SESSION_ESTABLISHED each channel comes in a CHANNEL_DETAILS, with its
// latest messages and its members.
func (s *carillonServer) join(_ context.Context, user int) (e entry, texts int, err error) {
	e, err = s.enter(user, "prefetch-on", "connect")
	return e, 1 + s.memberships[user], err
}

// enter makes an entry with more of the connect URL's query, in pairs.
func (s *carillonServer) enter(user int, query ...string) (e entry, err error) {
	target, err := s.calls.Presign(s.users[user], time.Now(), 5*time.Minute, append(query, "sessionId", uuid.NewString())...)
	if err != nil {
		return e, err
	}
	r, err := rig.UpgradeRequest(target)
	if err != nil {
		return e, err
	}
	if s.kind.compresses {
		r.Header.Set("Sec-WebSocket-Extensions", "permessage-deflate")
	}
	e.request, err = rig.Wire(r)
	return e, err
}

func (s *carillonServer) again(ctx context.Context) error {
	next, err := s.kind.launch(ctx, s.dir, "--listen", s.Addr)
	if err != nil {
		return err
	}
	s.Process = next.Process
	return nil
}

func (s *carillonServer) texts(ctx context.Context, channel int) (texts []string, err error) {
	for token := ""; ; {
		target := s.messages(channel) + "?max-results=50"
		if token != "" {
			target += "&next-token=" + lab.Escape(token)
		}
		var page struct {
			ChannelMessages []struct{ Content string }
			NextToken       string
		}
		if err := s.calls.Call(ctx, http.MethodGet, target, s.senders[channel], nil, &page); err != nil {
			return nil, errors.Join(fmt.Errorf("history of channel %d", channel), err)
		}
		for _, m := range page.ChannelMessages {
			texts = append(texts, m.Content)
		}
		if token = page.NextToken; token == "" {
			return texts, nil
		}
	}
}

// profile keeps a CPU profile of the node's next so many seconds.
func (s *carillonServer) profile(ctx context.Context, file string, seconds float64) error {
	target := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", s.OpsAddr, max(1, int(seconds)))
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	got, err := s.calls.Do(r)
	if err == nil && got.Status != http.StatusOK {
		err = fmt.Errorf("GET %s: %d", target, got.Status)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(file, got.Body, 0o644)
}
