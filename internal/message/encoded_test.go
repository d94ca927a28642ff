package message_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

// A page that is encoded as it is read is that of ListChannelMessages, byte for byte: with every kind of
// message, for every kind of caller, and after every change.
func TestEncodedPages(t *testing.T) {
	servicetest.OnEach(t, "ann bob cy", func(t *testing.T, w *servicetest.World) {
		random := rand.New(rand.NewSource(1))
		w.AddChannel("ann", "c")
		w.AddMember("ann", "c", "bob", messaging.ChannelMembershipTypeDefault)
		w.AddMember("ann", "c", "cy", messaging.ChannelMembershipTypeHidden)
		pages := 0
		compare := func() {
			t.Helper()
			for _, caller := range []string{"ann", "bob", "cy", "adm"} {
				for _, change := range []func(*messaging.ListChannelMessagesRequest){
					func(*messaging.ListChannelMessagesRequest) {},
					func(r *messaging.ListChannelMessagesRequest) { r.MaxResults = new(50) },
					func(r *messaging.ListChannelMessagesRequest) { r.MaxResults = new(1 + random.Intn(7)) },
					func(r *messaging.ListChannelMessagesRequest) { r.SortOrder = messaging.SortOrderAscending },
					func(r *messaging.ListChannelMessagesRequest) { r.NotBefore = new(w.Now.Add(-5 * time.Second)) },
					func(r *messaging.ListChannelMessagesRequest) { r.NotAfter = new(w.Now.Add(-3 * time.Second)) },
				} {
					req := &messaging.ListChannelMessagesRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User(caller)}
					change(req)
					pages += samePages(t, w, req)
				}
			}
		}

		sent := []string{}
		for i := range 80 {
			w.Now = w.Now.Add(time.Second)
			switch say := w.Text([]string{"ann", "bob"}[i%2], "c", fmt.Sprintf("message %d \"quoted\" \\ \u00fc \u2028 \x01", i)); {
			case i%9 == 3:
				w.To("bob")(say)
				sent = append(sent, w.Send(say))
			case i%9 == 5:
				say.Metadata, say.ContentType = new(`{"a":1}`), new("text/plain")
				say.MessageAttributes = map[string]messaging.MessageAttributeValue{"x": {StringValues: []string{"y", "z"}}}
				sent = append(sent, w.Send(say))
			case i%9 == 7:
				w.Redact("adm", "c", sent[random.Intn(len(sent))])
			case i%9 == 8:
				at := random.Intn(len(sent))
				w.Delete("adm", "c", sent[at])
				sent = append(sent[:at], sent[at+1:]...)
			default:
				sent = append(sent, w.Send(say))
			}
			if i%5 == 0 || i > 75 {
				compare()
			}
		}

		// What a page shows of others than its messages.
		w.Replace("bob", "another BOB")
		compare()
		if _, err := w.Identity.UpdateAppInstanceUser(context.Background(), &identityapi.UpdateAppInstanceUserRequest{
			AppInstanceUserARN: w.User("ann"), Name: "renamed", Metadata: new(""),
		}); err != nil {
			t.Fatal(err)
		}
		compare()
		w.Retain(1)
		compare()
		w.Now = w.Now.Add(24*time.Hour - 30*time.Second)
		compare()
		w.Retain(0)
		compare()
		if pages < 1000 {
			t.Errorf("only %d pages were compared", pages)
		}
	})
}

// samePages follows a list to its end both ways and returns the number of pages.
func samePages(t *testing.T, w *servicetest.World, req *messaging.ListChannelMessagesRequest) (pages int) {
	t.Helper()
	for {
		want, err := w.Messages.ListChannelMessages(context.Background(), req)
		got, encodedErr := w.Messages.EncodeChannelMessages(context.Background(), req)
		if fmt.Sprint(err) != fmt.Sprint(encodedErr) {
			t.Fatalf("%v, encoded %v", err, encodedErr)
		}
		if err != nil {
			return pages
		}
		a, b := want.AppendJSON([]byte("x"), api.Epoch), got.AppendJSON([]byte("x"), api.Epoch)
		if !bytes.Equal(a, b) || want.NextToken != *got.PageToken() {
			t.Fatalf("page %d\nis      %s\nencoded %s", pages, a, b)
		}
		if pages++; want.NextToken == "" {
			return pages
		}
		req.NextToken = &want.NextToken
	}
}
