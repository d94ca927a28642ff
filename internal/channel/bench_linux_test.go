package channel_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/lab/cputime"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/pebble"
)

// BenchmarkElastic fills an elastic channel by batches of 100 members on the engine, and compares the
// time and the CPU time of the last tenth of the batches with those of the first. The cost of a member does not
// grow: -benchtime 2000x makes 200,000 members. Flushes and compactions, which follow the bytes that the
// store has, are in the times and all-cpu alone. Then it deletes the channel.
func BenchmarkElastic(b *testing.B) {
	const batch = 100
	st, err := pebble.Open(b.TempDir(), pebble.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	w := servicetest.Over(b, st, "ann")
	w.AddChannel("ann", "c", servicetest.Elastic(1000, 1000, 40))
	for i := range b.N {
		addUsers(b, w, i*batch, batch)
	}

	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	all := cputime.Process(b)
	start := time.Now()
	var times [3][]time.Duration // at the beginning and after each batch
	look := func() {
		for i, now := range [...]time.Duration{time.Since(start), cputime.Process(b), cputime.Thread(b)} {
			times[i] = append(times[i], now)
		}
	}
	look()
	b.ResetTimer()
	for i := range b.N {
		arns := make([]string, batch)
		for j := range arns {
			arns[j] = w.User(fmt.Sprint("u", i*batch+j))
		}
		resp, err := w.Channels.BatchCreateChannelMembership(b.Context(), &messaging.BatchCreateChannelMembershipRequest{
			ChannelARN: w.Channel("c"), MemberARNs: arns, ChimeBearer: w.User("ann")})
		if err != nil || len(resp.Errors) > 0 {
			b.Fatalf("batch %d: %v, refused: %v", i, err, resp.Errors)
		}
		look()
	}
	all = cputime.Process(b) - all

	b.ReportMetric(float64(all.Microseconds())/float64(b.N), "all-cpu-µs/op")
	for i, of := range [...]string{"time", "all-cpu", "cpu"} {
		if tenth := b.N / 10; tenth > 0 {
			first, last := times[i][tenth]-times[i][0], times[i][b.N]-times[i][b.N-tenth]
			b.ReportMetric(float64(first.Microseconds())/float64(tenth), "first-"+of+"-µs/op")
			b.ReportMetric(float64(last.Microseconds())/float64(tenth), "last-"+of+"-µs/op")
			b.ReportMetric(float64(last)/float64(first), "last/first-"+of)
		}
	}

	b.StopTimer()
	start, all = time.Now(), cputime.Process(b)
	if _, err := w.Channels.DeleteChannel(b.Context(), &messaging.DeleteChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("ann")}); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(time.Since(start).Seconds(), "delete-s")
	b.ReportMetric((cputime.Process(b) - all).Seconds(), "delete-cpu-s")
}

// addUsers writes the records of n users, from u followed by the number first, in one transaction.
func addUsers(t testing.TB, w *servicetest.World, first, n int) {
	t.Helper()
	err := w.Store.Update(t.Context(), w.AppID(), func(tx store.Tx) error {
		for i := first; i < first+n; i++ {
			id := fmt.Sprint("u", i)
			if err := store.Users.Put(tx, store.K(w.AppID(), id), chime.User{ID: id, Name: id}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
