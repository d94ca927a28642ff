package message_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store/pebble"
)

// BenchmarkHistory is the newest page of 50 messages of 600 bytes as JSON, of one of 100 channels after
// the other.
func BenchmarkHistory(b *testing.B) {
	st, err := pebble.Open(b.TempDir(), pebble.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	people := []string{"ann"}
	for i := range 9 {
		people = append(people, fmt.Sprint("person-", i))
	}
	w := servicetest.Over(b, st, people...)
	const channels = 100
	content := strings.Repeat("carillon", 75)
	for i := range channels {
		id := fmt.Sprint("channel-", i)
		w.AddChannel("ann", id, func(r *messaging.CreateChannelRequest) { r.MemberARNs = w.Users(people[1:]...) })
		for j := range 60 {
			w.Send(w.Text(people[j%len(people)], id, content))
		}
	}

	var page []byte
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		page = page[:0]
		id := fmt.Sprint("channel-", i%channels)
		resp, err := w.Messages.ListChannelMessages(context.Background(), &messaging.ListChannelMessagesRequest{
			ChannelARN: w.Channel(id), ChimeBearer: w.User(people[i%len(people)])})
		if err != nil || len(resp.ChannelMessages) != 50 {
			b.Fatal(len(resp.ChannelMessages), err)
		}
		page = resp.AppendJSON(page, api.Epoch)
	}
	b.SetBytes(int64(len(page)))
}
