package message_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/lab/cputime"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store/pebble"
)

// BenchmarkSend is a durable send of 600 bytes with a token of its own, to one of 1,000 channels, with 64
// callers at once. The CPU is that of the process, with what the engine does in the background.
func BenchmarkSend(b *testing.B) {
	st, err := pebble.Open(b.TempDir(), pebble.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	w := servicetest.Over(b, st, "ann")
	const channels, callers = 1000, 64
	arns := make([]string, channels)
	for i := range arns {
		id := fmt.Sprint("channel-", i)
		w.AddChannel("ann", id)
		arns[i] = w.Channel(id)
	}
	content := strings.Repeat("carillon", 75)

	var next atomic.Int64
	var group sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	before := cputime.Process(b)
	for range callers {
		group.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				req := &messaging.SendChannelMessageRequest{
					ChannelARN: arns[i*7919%channels], ChimeBearer: w.User("ann"), ClientRequestToken: rand.Text(),
					Content: content, Type: messaging.ChannelMessageTypeStandard, Persistence: messaging.ChannelMessagePersistenceTypePersistent,
				}
				if _, err := w.Messages.SendChannelMessage(context.Background(), req); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.StopTimer()
	b.ReportMetric(float64((cputime.Process(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/send")
}
