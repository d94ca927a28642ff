//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
	"github.com/carillon-chat/carillon/internal/lab"
)

const (
	sinkChannels = 8    // of a node; the sink takes so many at once
	sinkMembers  = 10   // of each, all online
	sinkRate     = 5    // times the size rate: sends a second of paced rounds
	sinkSlower   = 1.05 // what sends may cost and take while a sink is down, against no sink
	// sinkFollower is what metrics call the follower of the sink.
	sinkFollower = `{follower="stream-hook"}`
	// sinkPatience bounds how long a sink may take to catch up.
	sinkPatience = 20 * time.Minute
)

// streamed is a node whose events a sink gets, or is to get, or not.
type streamed struct {
	*node
	rooms   []room
	users   []string
	address string // of its sink
	sent    float64
}

// sinkDown compares a node whose sink is down, with as much waiting for it as an hour brings, with a node without a sink, and, for
// what a sink costs, with one whose sink is up.
func (b *bench) sinkDown(ctx context.Context) error {
	var nodes [3]*streamed
	defer func() {
		for _, s := range nodes {
			if s != nil {
				_ = s.Stop()
			}
		}
	}()
	for i, name := range []string{"without", "down", "up"} {
		var err error
		if nodes[i], err = b.streamedNode(ctx, name, i > 0); err != nil {
			return err
		}
	}
	without, down, up := nodes[0], nodes[1], nodes[2]

	// Both that are compared have the same history, which waits for the sink of one.
	for _, s := range []*streamed{without, down} {
		if err := s.fill(ctx, b.sizes.backlog); err != nil {
			return err
		}
	}
	receiver, err := startHook(ctx, up.address)
	if err != nil {
		return err
	}
	defer receiver.stop()
	if err := b.sinkRounds(ctx, without, down, up); err != nil {
		return err
	}
	return b.sinkIsBack(ctx, without, down)
}

// streamedNode starts a node with channels, of which all is streamed to a sink unless it has none.
func (b *bench) streamedNode(ctx context.Context, name string, sink bool) (s *streamed, err error) {
	s = new(streamed)
	args := append([]string(nil), b.args...)
	if sink {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		s.address = l.Addr().String()
		if err := l.Close(); err != nil {
			return nil, err
		}
		secret := filepath.Join(b.dir, "sink-secret")
		if err := os.WriteFile(secret, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"), 0o600); err != nil {
			return nil, err
		}
		args = append(args, "--streams", "hook * http://"+s.address+"/ secret-file="+secret)
	}
	if s.node, err = startNode(ctx, b.program, filepath.Join(b.dir, "sink-"+name), args...); err != nil {
		return nil, err
	}
	if err := s.makeRooms(ctx, sink); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *streamed) makeRooms(ctx context.Context, sink bool) error {
	calls := rig.NewAPI(s.Addr)
	defer calls.Close()
	app, err := calls.MakeApp(ctx)
	if err != nil {
		return err
	}
	if sink {
		err := calls.Call(ctx, http.MethodPut, "/app-instances/"+lab.Escape(app)+"/streaming-configurations", "", map[string]any{
			"StreamingConfigurations": []map[string]string{{"DataType": "ChannelMessage", "ResourceArn": "arn:aws:kinesis:us-east-1:000000000000:stream/chime-messaging-all"}},
		}, nil)
		if err != nil {
			return err
		}
	}
	if s.users, err = calls.MakeUsers(ctx, app, sinkMembers); err != nil {
		return err
	}
	for i := range sinkChannels {
		channel, err := calls.MakeChannel(ctx, app, fmt.Sprint("channel-", i), s.users)
		if err != nil {
			return err
		}
		s.rooms = append(s.rooms, room{Channel: channel, Bearer: s.users[0]})
	}
	return nil
}

// load runs one load on the node. So many members are online.
func (s *streamed) load(ctx context.Context, seconds, rate float64, stock, online int) (loadResult, error) {
	result, err := ask[loadResult](ctx, "load", loadJob{
		Addr: s.Addr, PID: s.PID(), Rooms: s.rooms, Sender: s.users[0], Members: s.users[:online], Seconds: seconds, Rate: rate,
		Stock: stock, Keys: lab.DevKeys(), Fresh: rate > 0 || stock > 100_000,
	})
	s.sent += result.Sends
	return result, err
}

// fill sends so many messages.
func (s *streamed) fill(ctx context.Context, messages int) error {
	for s.sent < float64(messages) {
		if _, err := s.load(ctx, 60, 0, messages-int(s.sent), 0); err != nil {
			return err
		}
	}
	return nil
}

// sinkRounds are rounds of the three in turns: saturated ones with one member online, for rates and CPU, and paced ones with all,
// for latency.
func (b *bench) sinkRounds(ctx context.Context, without, down, up *streamed) error {
	nodes := [...]*streamed{without, down, up}
	rate := float64(sinkRate * b.sizes.rate)
	var fast, paced [len(nodes)][]loadResult
	var lag []float64
	for round := range b.rounds {
		for i := range nodes {
			which := (i + round) % len(nodes)
			s := nodes[which]
			one, err := s.load(ctx, b.seconds, 0, int(b.seconds*40_000), 1)
			if err != nil {
				return err
			}
			two, err := s.load(ctx, b.seconds, rate, int(b.seconds*rate)+1, sinkMembers)
			if err != nil {
				return err
			}
			fast[which], paced[which] = append(fast[which], one), append(paced[which], two)

			// The next one is not to be measured while this one's sink catches up.
			switch s {
			case up:
				if _, err := up.caughtUp(ctx); err != nil {
					return err
				}
			case down:
				behind, err := s.metric(ctx, "carillon_follower_lag_events"+sinkFollower)
				if err != nil {
					return err
				}
				lag = append(lag, behind)
				if behind < s.sent {
					return fmt.Errorf("the sink is down for %.0f events, and the metric of its lag says %.0f", s.sent, behind)
				}
			}
		}
	}

	at := fmt.Sprintf("%d online, %.0f/s", sinkMembers, rate)
	for i, state := range []string{1: "down", 2: "up"} {
		if state == "" {
			continue
		}
		aimed := func(r row, t *target) row {
			if state == "down" {
				return r.aims(t)
			}
			return r
		}
		const raw = "without a sink"
		p50 := func(r loadResult) float64 { return r.P50 / 1000 }
		ack := func(r loadResult) float64 { return r.AckP50 / 1000 }
		of := ", its sink " + state
		b.add(aimed(figure("sink-down", "signed durable sends"+of, "/s", each(fast[i], loadResult.sendsPerSecond)).
			against(raw, each(fast[0], loadResult.sendsPerSecond)), ratioAtLeast(1/sinkSlower)),
			aimed(figure("sink-down", "server CPU of such a send"+of, "us", each(fast[i], loadResult.cpuPerSend)).
				against(raw, each(fast[0], loadResult.cpuPerSend)), ratioAtMost(sinkSlower)),
			aimed(figure("sink-down", "p50 of a send's answer, "+at+of, "ms", each(paced[i], ack)).against(raw, each(paced[0], ack)), ratioAtMost(sinkSlower)),
			aimed(figure("sink-down", "send to receive p50, "+at+of, "ms", each(paced[i], p50)).against(raw, each(paced[0], p50)), ratioAtMost(sinkSlower)))
	}
	b.add(figure("sink-down", "lag that the metrics show of the sink that is down", "events", lag))
	return nil
}

// sinkIsBack starts the sink that was down, waits until it has everything, and looks at its order. Meanwhile messages are sent.
func (b *bench) sinkIsBack(ctx context.Context, without, down *streamed) error {
	receiver, err := startHook(ctx, down.address)
	if err != nil {
		return err
	}
	defer receiver.stop()

	// Sends while it catches up take turns with sends on the node without a sink.
	began, waiting := time.Now(), down.sent
	rate := float64(sinkRate * b.sizes.rate)
	var during, compared []float64
	for range b.rounds {
		for _, s := range []*streamed{down, without} {
			result, err := s.load(ctx, b.seconds, rate, int(b.seconds*rate)+1, sinkMembers)
			if err != nil {
				return err
			}
			if s == down {
				during = append(during, result.AckP50/1000)
			} else {
				compared = append(compared, result.AckP50/1000)
			}
		}
	}

	got, err := down.caughtUp(ctx)
	if err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	if got.Disordered > 0 || got.Records != int(down.sent) {
		return fmt.Errorf("the sink that was down has %d of %.0f records, %d of them out of order", got.Records, down.sent, got.Disordered)
	}
	b.add(figure("sink-down", "events that waited, all of which came in order", "events", []float64{waiting}),
		figure("sink-down", "records that the sink took when it was back", "/s", []float64{down.sent / took}),
		figure("sink-down", "records that came twice, under the same key", "", []float64{float64(got.Doubled)}),
		figure("sink-down", "p50 of a send's answer while it catches up", "ms", during).against("without a sink", compared))
	return nil
}

// caughtUp waits until the sink has as much as was sent.
func (s *streamed) caughtUp(ctx context.Context) (got hooked, err error) {
	ctx, cancel := context.WithTimeout(ctx, sinkPatience)
	defer cancel()
	for {
		if got, err = askHook(ctx, s.address); err != nil || got.Records >= int(s.sent) {
			return got, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return got, fmt.Errorf("the sink has %d of %.0f records: %w", got.Records, s.sent, ctx.Err())
		}
	}
}

// hooked is what a webhook was sent.
type hooked struct{ Records, Doubled, Disordered int }

func askHook(ctx context.Context, address string) (got hooked, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return got, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return got, err
	}
	defer answer.Body.Close()
	return got, json.NewDecoder(answer.Body).Decode(&got)
}

// startHook starts the webhook and returns when it serves.
func startHook(ctx context.Context, address string) (*child, error) {
	c, err := spawnRole(ctx, "hook", address)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fscanln(c.out, new(string)); err != nil {
		return nil, errors.Join(fmt.Errorf("hook: %w: %s", err, c.errors.String()), c.stop())
	}
	return c, nil
}

// hook is a webhook that takes everything and counts it.
type hook struct {
	mu   sync.Mutex
	got  hooked
	last map[string]int64 // highest position of each channel's events
	seen map[string]bool  // keys
}

// runHook is the role "hook", until ctx ends.
func runHook(ctx context.Context, address string, out io.Writer) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: &hook{last: map[string]int64{}, seen: map[string]bool{}}}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if _, err := fmt.Fprintln(out, "ready"); err != nil {
		return err
	}
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// ServeHTTP takes a record, or answers what there was.
func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Method == http.MethodGet {
		_ = json.NewEncoder(w).Encode(h.got)
		return
	}
	var record struct {
		Key     string
		Payload struct{ ChannelArn string }
	}
	if err := json.NewDecoder(r.Body).Decode(&record); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}

	// Each key counts once, and is to be behind the others of its channel.
	if h.seen[record.Key] {
		h.got.Doubled++
		return
	}
	h.seen[record.Key] = true
	h.got.Records++
	var position int64
	if _, rest, found := strings.Cut(record.Key, "/"); found {
		_, _ = fmt.Sscan(strings.ReplaceAll(rest, "/", " "), &position) // APP/POSITION/FOLLOWER
	}
	if position <= h.last[record.Payload.ChannelArn] {
		h.got.Disordered++
	}
	h.last[record.Payload.ChannelArn] = position
}
