//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"path/filepath"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/bus/inproc"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow/jobs"
	"github.com/carillon-chat/carillon/internal/idempotency"
	"github.com/carillon-chat/carillon/internal/message"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/pebble"
)

// fillJob puts so much into the data folder of a node that does not run. It is done through the services, and
// so writes what the API would have written, without the time that HTTP takes.
type fillJob struct {
	Data     string
	App      string   // ARN
	Users    []string // ARNs
	Channels int      // each of an equal number of users
	Members  int      // of each channel
	Messages int      // in channels at random
}

// fillResult is what came of it.
type fillResult struct {
	Seconds float64
	Channel string // ARN of one of the channels
	Creator string // ARN
}

const fillers = 256

func runFill(ctx context.Context, job fillJob) (result fillResult, err error) {
	began := time.Now()
	st, err := pebble.Open(filepath.Join(job.Data, "store"), pebble.Options{})
	if err != nil {
		return result, err
	}
	defer func() {
		if closed := st.Close(); err == nil {
			err = closed
		}
		result.Seconds = time.Since(began).Seconds()
	}()

	clock, err := store.OpenClock(ctx, st)
	if err != nil {
		return result, err
	}
	arn := strings.Split(job.App, ":")
	site := chime.Site{Region: arn[3], Account: arn[4]}
	tokens := idempotency.Tokens{Clock: clock}
	queue := jobs.New(jobs.Options{Store: st, Node: "fill", Random: rand.Reader, Now: time.Now})
	channels := channel.New(channel.Options{Store: st, Site: site, Now: time.Now, Random: rand.Reader, Tokens: tokens, Jobs: queue})
	messages := message.New(message.Options{Store: st, Site: site, Now: time.Now, Random: rand.Reader, Tokens: tokens, Bus: inproc.New()})

	// Channels with their members.
	arns := make([]string, job.Channels)
	creator := func(i int) string { return job.Users[i%len(job.Users)] }
	err = rig.Parallel(fillers, job.Channels, func(i int) error {
		made, err := channels.CreateChannel(ctx, &messaging.CreateChannelRequest{
			AppInstanceARN: job.App, Name: fmt.Sprint("channel ", i), ClientRequestToken: fmt.Sprint("fill-", i), ChimeBearer: creator(i),
			Mode: messaging.ChannelModeUnrestricted, Privacy: messaging.ChannelPrivacyPrivate,
		})
		if err != nil {
			return err
		}
		arns[i] = made.ChannelARN
		members := make([]string, 0, job.Members)
		for n := 1; n < job.Members; n++ {
			members = append(members, job.Users[(i+n)%len(job.Users)])
		}
		for len(members) > 0 && err == nil {
			batch := members[:min(len(members), 100)]
			members = members[len(batch):]
			_, err = channels.BatchCreateChannelMembership(ctx, &messaging.BatchCreateChannelMembershipRequest{
				ChannelARN: made.ChannelARN, Type: messaging.ChannelMembershipTypeDefault, MemberARNs: batch, ChimeBearer: creator(i),
			})
		}
		return err
	})
	if err != nil {
		return result, err
	}
	result.Channel, result.Creator = arns[0], creator(0)

	// Messages of letters that do not compress well.
	text := new(big.Int)
	if text, err = rand.Int(rand.Reader, text.Lsh(big.NewInt(1), 8*textPool)); err != nil {
		return result, err
	}
	letters := text.Text(62)
	return result, rig.Parallel(fillers, job.Messages, func(i int) error {
		in, at := mathrand.IntN(len(arns)), mathrand.IntN(len(letters)-textSize)
		_, err := messages.SendChannelMessage(ctx, &messaging.SendChannelMessageRequest{
			ChannelARN: arns[in], Content: letters[at : at+textSize], Type: messaging.ChannelMessageTypeStandard,
			Persistence: messaging.ChannelMessagePersistenceTypePersistent, ClientRequestToken: fmt.Sprint("message-", i), ChimeBearer: creator(in),
		})
		return err
	})
}

const (
	textSize = 600
	textPool = 64 << 10
)
