//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
	"github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/app/datadir"
	"github.com/carillon-chat/carillon/internal/bus/inproc"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow/jobs"
	"github.com/carillon-chat/carillon/internal/idempotency"
	identities "github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/message"
	"github.com/carillon-chat/carillon/internal/retention"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/pebble"
)

// fillJob fills the data folder of a node that does not run. It is done through the services, and so
// writes what the API would have written, without the time that HTTP takes.
type fillJob struct {
	Data string
	crowd
}

// crowd is an app instance full of channels.
type crowd struct {
	App      string // ARN
	Users    int    // that are in channels, each in as many
	Others   int    // users that are in none
	Channels int
	Members  int // of each channel, the creator included
	Messages int // in channels at random
}

// filled is what came of it, and what is kept of it in the folder.
type filled struct {
	crowd
	Seconds float64
	Disk    map[string]float64 // bytes of what messages are in, and of all
	Gone    int                // channels, the last ones, that were deleted since
}

// anyone is the ARN of a user, user that of one in channels, other that of one in none.
func (c crowd) anyone(i int) string { return c.App + "/user/" + userID(i) }
func (c crowd) user(i int) string   { return c.anyone(i % c.Users) }
func (c crowd) other(i int) string  { return c.anyone(c.Users + i) }

func (c crowd) room(i int) room {
	return room{Channel: c.App + "/channel/" + roomID(i), Bearer: c.user(i)}
}

func userID(i int) string { return fmt.Sprintf("user-%06d", i) }
func roomID(i int) string { return fmt.Sprintf("room-%06d", i) }

const (
	fillers  = 512 // calls at once: those that wait together share a commit
	textSize = 600
	textPool = 256 << 10
)

// filler is a fill under way.
type filler struct {
	fillJob
	data     *datadir.Dir
	store    *pebble.Store
	users    *identities.Service
	channels *channel.Service
	messages *message.Service
	cleaner  *retention.Cleaner
}

// runFill is the role "fill". When ctx ends it leaves out the messages that are not sent yet.
func runFill(ctx context.Context, job fillJob) (result filled, err error) {
	began := time.Now()
	f, err := openFiller(ctx, job, time.Now)
	if err != nil {
		return result, err
	}
	defer func() {
		if closed := f.close(); err == nil {
			err = closed
		}
	}()

	// What a node removes by time is removed meanwhile.
	cleaning, stop := context.WithCancel(context.WithoutCancel(ctx))
	var cleaner sync.WaitGroup
	cleaner.Go(func() { _ = f.cleaner.Run(cleaning) })
	defer cleaner.Wait()
	defer stop()
	for _, step := range []func(context.Context) error{f.makeUsers, f.makeRooms, f.send} {
		if err := step(ctx); err != nil {
			return result, err
		}
	}

	result.crowd, result.Seconds = f.crowd, time.Since(began).Seconds()
	if result.Disk, err = f.disk(); err != nil {
		return result, err
	}
	return result, result.write(job.Data)
}

// filledName is the file beside a store that says what it was filled with.
const filledName = "filled.json"

func (f *filled) write(data string) error {
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(data, filledName), text, 0o644)
}

// readFilled reads what a folder was filled with; found is false when it was not.
func readFilled(data string) (f filled, found bool, err error) {
	text, err := os.ReadFile(filepath.Join(data, filledName))
	if errors.Is(err, fs.ErrNotExist) {
		return f, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	return f, err == nil, err
}

// openFiller builds the services over a store, and an app instance. now is the time of day of messages.
func openFiller(ctx context.Context, job fillJob, now func() time.Time) (f *filler, err error) {
	f = &filler{fillJob: job}
	if f.data, err = datadir.Open(job.Data, false); err != nil {
		return nil, err
	}
	if f.store, err = pebble.Open(f.data.Store(), pebble.Options{}); err != nil {
		return nil, errors.Join(err, f.data.Close())
	}
	clock, err := store.OpenClock(ctx, f.store)
	if err != nil {
		return nil, errors.Join(err, f.close())
	}

	// As the node has them by default.
	const hours = time.Hour
	site := chime.Site{Region: "us-east-1", Account: "000000000000"}
	tokens := idempotency.Tokens{Clock: clock}
	queue := jobs.New(jobs.Options{Store: f.store, Random: rand.Reader, Now: time.Now})
	f.channels = channel.New(channel.Options{Store: f.store, Site: site, Now: time.Now, Random: rand.Reader, Tokens: tokens, Jobs: queue})
	f.users = identities.New(identities.Options{Store: f.store, Site: site, Tokens: tokens, Users: f.channels, Jobs: queue})
	f.messages = message.New(message.Options{Store: f.store, Site: site, Now: now, Random: rand.Reader, Tokens: tokens, Bus: inproc.New()})
	f.cleaner = retention.New(retention.Options{
		Store: f.store, Clock: clock, Tokens: tokens, EventRetention: 24 * hours, FollowerRetention: 72 * hours,
		Eraser: f.store, EraseWithin: 24 * hours, Log: slog.New(slog.DiscardHandler),
	})

	made, err := f.users.CreateAppInstance(ctx, &identity.CreateAppInstanceRequest{Name: "bench", ClientRequestToken: "bench"})
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	f.App = made.AppInstanceARN
	return f, nil
}

func (f *filler) close() error { return errors.Join(f.store.Close(), f.data.Close()) }

func (f *filler) makeUsers(ctx context.Context) error {
	return rig.Parallel(fillers, f.Users+f.Others, func(i int) error {
		id := userID(i)
		_, err := f.users.CreateAppInstanceUser(ctx, &identity.CreateAppInstanceUserRequest{
			AppInstanceARN: f.App, AppInstanceUserID: id, Name: id, ClientRequestToken: id,
		})
		return err
	})
}

// makeRooms makes the channels with their members. Every other one is public.
func (f *filler) makeRooms(ctx context.Context) error {
	return rig.Parallel(fillers, f.Channels, func(i int) error {
		id, privacy := roomID(i), messaging.ChannelPrivacyPrivate
		if i%2 == 0 {
			privacy = messaging.ChannelPrivacyPublic
		}
		made, err := f.channels.CreateChannel(ctx, &messaging.CreateChannelRequest{
			AppInstanceARN: f.App, ChannelID: &id, Name: id, ClientRequestToken: id, ChimeBearer: f.user(i),
			Mode: messaging.ChannelModeUnrestricted, Privacy: privacy,
		})

		members := make([]string, 0, f.Members)
		for n := 1; n < f.Members; n++ {
			members = append(members, f.user(i+n))
		}
		for len(members) > 0 && err == nil {
			batch := members[:min(len(members), rig.BatchMembers)]
			members = members[len(batch):]
			_, err = f.channels.BatchCreateChannelMembership(ctx, &messaging.BatchCreateChannelMembershipRequest{
				ChannelARN: made.ChannelARN, Type: messaging.ChannelMembershipTypeDefault, MemberARNs: batch, ChimeBearer: f.user(i),
			})
		}
		return err
	})
}

// send sends messages of letters that do not compress well.
func (f *filler) send(ctx context.Context) error {
	pool := new(big.Int)
	pool, err := rand.Int(rand.Reader, pool.Lsh(pool.SetInt64(1), 8*textPool))
	if err != nil {
		return err
	}
	letters := pool.Text(62)

	var sent atomic.Int64
	err = rig.Parallel(fillers, f.Messages, func(i int) error {
		if ctx.Err() != nil {
			return nil
		}
		in, at := f.room(mathrand.IntN(f.Channels)), mathrand.IntN(len(letters)-textSize)
		_, err := f.messages.SendChannelMessage(context.WithoutCancel(ctx), &messaging.SendChannelMessageRequest{
			ChannelARN: in.Channel, Content: letters[at : at+textSize], Type: messaging.ChannelMessageTypeStandard,
			Persistence: messaging.ChannelMessagePersistenceTypePersistent, ClientRequestToken: fmt.Sprint("message-", i), ChimeBearer: in.Bearer,
		})
		sent.Add(1)
		return err
	})
	f.Messages = int(sent.Load())
	return err
}

// disk is how much of the disk the tables take that messages are in, and all of the store.
func (f *filler) disk() (map[string]float64, error) {
	taken := map[string]float64{"all": float64(f.store.Stats().DiskBytes)}
	for name, table := range map[string]store.TableID{
		"messages": store.Messages.ID, "events": store.TableEvents, "traces": store.TableTraces, "tokens": store.Replies.ID,
	} {
		bytes, err := f.store.TableBytes(table)
		if err != nil {
			return nil, err
		}
		taken[name] = float64(bytes)
	}
	return taken, nil
}
