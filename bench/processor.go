//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"

	"github.com/carillon-chat/carillon/bench/rig"
	"github.com/carillon-chat/carillon/internal/lab"
)

const (
	flowChannels = 64 // with a flow, and as many without one
	flowRate     = 5  // times the size rate: sends a second of paced rounds
	// passes is the answer of a processor that lets a message pass.
	passes = `{"ChannelMessage":{}}`
)

// flowed is a node with channels that have a flow with a synchronous HTTP processor, and channels without.
type flowed struct {
	*node
	with, without []room
	users         []string // the sender, and a member that is online
}

// processor compares sends to channels whose flow has a synchronous HTTP processor on loopback with sends to channels without a
// flow, on one node in turns. A send counts, and its time ends, when a member has the message.
func (b *bench) processor(ctx context.Context) error {
	end, err := spawnRole(ctx, "processor", nil)
	if err != nil {
		return err
	}
	defer end.stop()
	var addr string
	if _, err := fmt.Fscanln(end.out, &addr); err != nil {
		return fmt.Errorf("processor: %w: %s", err, end.errors.String())
	}
	s, err := b.flowedNode(ctx, "http://"+addr+"/")
	if err != nil {
		return err
	}
	defer s.Stop()

	// As many as possible, and then at a rate at which nothing waits.
	through, plain, err := b.inTurns(ctx, s.load(s.with, b.seconds, 0, 40_000), s.load(s.without, b.seconds, 0, 40_000))
	if err != nil {
		return err
	}
	rate := float64(b.sizes.rate * flowRate)
	paced, bare, err := b.inTurns(ctx, s.load(s.with, b.seconds, rate, int(rate)+1), s.load(s.without, b.seconds, rate, int(rate)+1))
	if err != nil {
		return err
	}

	const none = "the same without a flow"
	p50, bare50 := each(paced, loadResult.p50), each(bare, loadResult.p50)
	at := fmt.Sprintf("%d channels, %.0f sends/s", flowChannels, rate)
	b.add(figure("processor", fmt.Sprintf("sends until they are received, %d channels, processor in the way", flowChannels), "/s", each(through, loadResult.sendsPerSecond)).
		against(none, each(plain, loadResult.sendsPerSecond)),
		figure("processor", "server CPU of a send", "us", each(through, loadResult.cpuPerSend)).against(none, each(plain, loadResult.cpuPerSend)),
		figure("processor", "send to receive p50, "+at, "ms", p50).against(none, bare50),
		figure("processor", "send to receive p99, "+at, "ms", each(paced, loadResult.p99)).against(none, each(bare, loadResult.p99)),
		figure("processor", "added p50, "+at, "ms", rig.Differences(p50, bare50)))
	return b.profiled(ctx, scene{node: s.node}, "processor", s.load(s.with, b.seconds, 0, 40_000))
}

func (r loadResult) p50() float64 { return r.P50 / 1000 }
func (r loadResult) p99() float64 { return r.P99 / 1000 }

// flowedNode starts a node whose flows have their processor at the URL.
func (b *bench) flowedNode(ctx context.Context, url string) (s *flowed, err error) {
	s = new(flowed)
	const function = "arn:aws:lambda:us-east-1:000000000000:function:bench"
	if s.node, err = startNode(ctx, b.program, filepath.Join(b.dir, "processor"), append([]string{"--functions", function + " " + url}, b.args...)...); err != nil {
		return nil, err
	}
	calls := rig.NewAPI(s.Addr)
	defer calls.Close()
	if err := s.makeRooms(ctx, calls, function); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *flowed) makeRooms(ctx context.Context, calls rig.API, function string) error {
	app, err := calls.MakeApp(ctx)
	if err != nil {
		return err
	}
	if s.users, err = calls.MakeUsers(ctx, app, 2); err != nil {
		return err
	}
	flow, err := calls.MakeFlow(ctx, app, function)
	if err != nil {
		return err
	}

	// Every second channel has the flow.
	for i := range 2 * flowChannels {
		channel, err := calls.MakeChannel(ctx, app, fmt.Sprint("channel-", i), s.users)
		if err != nil {
			return err
		}
		rooms := &s.without
		if i%2 == 0 {
			rooms = &s.with
			err = calls.Call(ctx, http.MethodPut, "/channels/"+lab.Escape(channel)+"/channel-flow", s.users[0], map[string]any{"ChannelFlowArn": flow}, nil)
		}
		if err != nil {
			return err
		}
		*rooms = append(*rooms, room{Channel: channel, Bearer: s.users[0]})
	}
	return nil
}

// load is a load on channels of the node. The member that does not send is online.
func (s *flowed) load(rooms []room, seconds, rate float64, perSecond int) loadJob {
	return loadJob{
		Addr: s.Addr, PID: s.PID(), Rooms: rooms, Sender: s.users[0], Members: s.users[1:], Seconds: seconds, Rate: rate,
		Stock: int(seconds * float64(perSecond)), Keys: lab.DevKeys(),
	}
}
