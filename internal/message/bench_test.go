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

// BenchmarkHistory is a page of 50 messages of 600 bytes as JSON, of one of 100 channels after the other: the
// newest, which is kept, and one that is read.
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

	for name, change := range map[string]func(*messaging.ListChannelMessagesRequest){
		"newest": func(*messaging.ListChannelMessagesRequest) {},
		"read":   func(r *messaging.ListChannelMessagesRequest) { r.NotAfter = new(w.Now) },
	} {
		b.Run(name, func(b *testing.B) {
			var text []byte
			b.ReportAllocs()
			for i := range b.N {
				req := &messaging.ListChannelMessagesRequest{
					ChannelARN: w.Channel(fmt.Sprint("channel-", i%channels)), ChimeBearer: w.User(people[i%len(people)])}
				change(req)
				page, err := w.Messages.EncodeChannelMessages(context.Background(), req)
				if err != nil {
					b.Fatal(err)
				}
				text = page.AppendJSON(text[:0], api.Epoch)
			}
			b.SetBytes(int64(len(text)))
		})
	}
}
