package message_test

import (
	"context"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/message"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
)

var ctx = context.Background()

func ptr[T any](v T) *T { return &v }

func expect(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n  %s\nwant\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// room is a channel "c" of ann, bob and cy.
func room(t testing.TB) *servicetest.World {
	w := servicetest.New(t, "ann", "bob", "cy", "adm", "out")
	w.MakeAdmin("adm")
	w.AddChannel("ann", "c", func(r *messaging.CreateChannelRequest) { r.MemberARNs = w.Users("bob", "cy") })
	w.Events()
	return w
}

func history(w *servicetest.World, by string, change ...func(*messaging.ListChannelMessagesRequest)) (contents []string, next string) {
	req := &messaging.ListChannelMessagesRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User(by)}
	for _, f := range change {
		f(req)
	}
	resp, err := w.Messages.ListChannelMessages(ctx, req)
	if err != nil {
		return []string{servicetest.Outcome(err)}, ""
	}
	for _, m := range resp.ChannelMessages {
		contents = append(contents, text(m.Content))
	}
	return contents, resp.NextToken
}

// text is an optional text, empty when absent.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func get(w *servicetest.World, by, id string) (*messaging.ChannelMessage, string) {
	resp, err := w.Messages.GetChannelMessage(ctx, &messaging.GetChannelMessageRequest{ChannelARN: w.Channel("c"), MessageID: id, ChimeBearer: w.User(by)})
	return resp.ChannelMessage, servicetest.Outcome(err)
}

func TestSentMessage(t *testing.T) {
	w := room(t)
	req := w.Text("ann", "c", "nul \x00, umlaut ä, clef 𝄞")
	req.Metadata, req.ContentType = ptr("{\n}"), ptr("text/plain")
	req.MessageAttributes = map[string]messaging.MessageAttributeValue{"mention": {StringValues: []string{"Bob", "Cy"}}}
	id := w.Send(req)
	m, outcome := get(w, "out", id)
	if outcome != "ok" {
		t.Fatal(outcome)
	}
	if text(m.Content) != req.Content || m.Metadata != "{\n}" || m.ContentType != "text/plain" || m.Sender.Name != "ANN" || m.Redacted ||
		m.Status.Value != messaging.ChannelMessageStatusSent || !slices.Equal(m.MessageAttributes["mention"].StringValues, []string{"Bob", "Cy"}) ||
		!m.CreatedTimestamp.Equal(w.Now) || !m.LastUpdatedTimestamp.Equal(w.Now) || m.LastEditedTimestamp != nil ||
		m.Persistence != messaging.ChannelMessagePersistenceTypePersistent || len(m.MessageID) != 64 {
		t.Errorf("the message is %+v", m)
	}
	expect(t, "events", w.Events(), []string{"CREATE_CHANNEL_MESSAGE to members: " + req.Content})
}

func TestSendRefusals(t *testing.T) {
	w := room(t)
	w.AddMember("ann", "c", "out", messaging.ChannelMembershipTypeHidden)
	for name, tc := range map[string]struct {
		change func(*messaging.SendChannelMessageRequest)
		want   string
	}{
		"4096 bytes":               {func(r *messaging.SendChannelMessageRequest) { r.Content = strings.Repeat("é", 2048) }, "ok"},
		"4098 bytes":               {func(r *messaging.SendChannelMessageRequest) { r.Content = strings.Repeat("é", 2049) }, "BadRequest"},
		"control of 30 bytes":      {func(r *messaging.SendChannelMessageRequest) { r.Type, r.Content = "CONTROL", strings.Repeat("x", 30) }, "ok"},
		"control of 31 bytes":      {func(r *messaging.SendChannelMessageRequest) { r.Type, r.Content = "CONTROL", strings.Repeat("x", 31) }, "BadRequest"},
		"control with metadata":    {func(r *messaging.SendChannelMessageRequest) { r.Type, r.Metadata = "CONTROL", ptr("m") }, "BadRequest"},
		"attributes of 1024 bytes": {func(r *messaging.SendChannelMessageRequest) { r.MessageAttributes = attributes(1024) }, "ok"},
		"attributes of 1025 bytes": {func(r *messaging.SendChannelMessageRequest) { r.MessageAttributes = attributes(1025) }, "BadRequest"},
		"target without member":    {func(r *messaging.SendChannelMessageRequest) { r.Target = []messaging.Target{{}} }, "BadRequest"},
		"target is no member": {func(r *messaging.SendChannelMessageRequest) {
			r.Target = []messaging.Target{{MemberARN: ptr(w.User("adm"))}}
		}, "BadRequest"},
		"target is hidden": {func(r *messaging.SendChannelMessageRequest) {
			r.Target = []messaging.Target{{MemberARN: ptr(w.User("out"))}}
		}, "BadRequest"},
		"target is a channel": {func(r *messaging.SendChannelMessageRequest) {
			r.Target = []messaging.Target{{MemberARN: ptr(w.Channel("c"))}}
		}, "BadRequest"},
		"target is the sender": {func(r *messaging.SendChannelMessageRequest) {
			r.Target = []messaging.Target{{MemberARN: ptr(w.User("ann"))}}
		}, "ok"},
		"sub-channel":     {func(r *messaging.SendChannelMessageRequest) { r.SubChannelID = ptr("s") }, "BadRequest"},
		"hidden member":   {func(r *messaging.SendChannelMessageRequest) { r.ChimeBearer = w.User("out") }, "Forbidden"},
		"missing channel": {func(r *messaging.SendChannelMessageRequest) { r.ChannelARN = w.Channel("none") }, "Forbidden"},
		"not persistent, hidden": {func(r *messaging.SendChannelMessageRequest) {
			r.Persistence, r.ChimeBearer = "NON_PERSISTENT", w.User("out")
		}, "Forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			req := w.Text("ann", "c", "x")
			tc.change(req)
			_, err := w.Messages.SendChannelMessage(ctx, req)
			if got := servicetest.Outcome(err); got != tc.want {
				t.Errorf("%s (%v), want %s", got, err, tc.want)
			}
		})
	}
}

func attributes(size int) map[string]messaging.MessageAttributeValue {
	half := strings.Repeat("v", 500)
	return map[string]messaging.MessageAttributeValue{"key": {StringValues: []string{half, half, strings.Repeat("w", size-1003)}}}
}

func TestSameTokenSendsOnce(t *testing.T) {
	for _, persistence := range []messaging.ChannelMessagePersistenceType{"PERSISTENT", "NON_PERSISTENT"} {
		t.Run(string(persistence), func(t *testing.T) {
			w := room(t)
			req := w.Text("ann", "c", "once")
			req.Persistence = persistence
			first, again := w.Send(req), w.Send(ptr(*req))
			if first != again {
				t.Error("the second call made another message")
			}
			expect(t, "events", w.Events(), []string{"CREATE_CHANNEL_MESSAGE to members: once"})
			other := *req
			other.Content = "other"
			if _, err := w.Messages.SendChannelMessage(ctx, &other); servicetest.Outcome(err) != "Conflict" {
				t.Errorf("other parameters: %v", err)
			}
			theirs := *req
			theirs.ChimeBearer = w.User("bob")
			if w.Send(&theirs) == first {
				t.Error("another sender's token is the same")
			}
		})
	}
}

func TestNonPersistentMessagesAreWrittenNowhere(t *testing.T) {
	w := room(t)
	before := dump(t, w.Store)
	req := w.Text("ann", "c", `{"Typing":"Indicator"}`)
	req.Type, req.Persistence = messaging.ChannelMessageTypeControl, messaging.ChannelMessagePersistenceTypeNonPersistent
	id := w.Send(req)
	if after := dump(t, w.Store); after != before {
		t.Error("the store changed")
	}
	expect(t, "events", w.Events(), []string{`CREATE_CHANNEL_MESSAGE to members: {"Typing":"Indicator"}`})
	if _, outcome := get(w, "ann", id); outcome != "NotFound" {
		t.Errorf("get: %s", outcome)
	}
}

func dump(t *testing.T, st store.Store) string {
	t.Helper()
	var all strings.Builder
	err := st.View(ctx, "", func(r store.Reader) error {
		for table := store.TableEvents; table < 30; table++ {
			err := r.Scan(table, store.Range{}, func(k store.Key, v []byte) (bool, error) {
				fmt.Fprintf(&all, "%d %x %x\n", table, k, v)
				return true, nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func TestTargetedMessagesConcernTwo(t *testing.T) {
	w := room(t)
	w.Send(w.Text("ann", "c", "to all"))
	atAll := w.Now
	w.Now = w.Now.Add(time.Second)
	req := w.Text("ann", "c", "psst")
	req.Target = []messaging.Target{{MemberARN: ptr(w.User("bob"))}}
	id := w.Send(req)
	expect(t, "events", w.Events(), []string{"CREATE_CHANNEL_MESSAGE to members: to all", "CREATE_CHANNEL_MESSAGE to ann,bob: psst"})
	for user, sees := range map[string]bool{"ann": true, "bob": true, "cy": false, "adm": false, "out": false} {
		want, last := []string{"to all"}, atAll
		if sees {
			want, last = []string{"psst", "to all"}, w.Now
		}
		got, _ := history(w, user)
		expect(t, user+" lists", got, want)
		if m, outcome := get(w, user, id); sees != (outcome == "ok") || sees && *m.Target[0].MemberARN != w.User("bob") {
			t.Errorf("%s gets it: %s", user, outcome)
		}
		resp, err := w.Channels.DescribeChannel(ctx, &messaging.DescribeChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User(user)})
		if err != nil || !resp.Channel.LastMessageTimestamp.Equal(last) {
			t.Errorf("%s sees the last message at %v, %v", user, resp.Channel.LastMessageTimestamp, err)
		}
	}
	one, err := w.Channels.DescribeChannelMembershipForAppInstanceUser(ctx, &messaging.DescribeChannelMembershipForAppInstanceUserRequest{ChannelARN: w.Channel("c"), AppInstanceUserARN: w.User("bob"), ChimeBearer: w.User("adm")})
	if err != nil || !one.ChannelMembership.ChannelSummary.LastMessageTimestamp.Equal(atAll) {
		t.Errorf("an admin sees in bob's membership: %+v, %v", one, err)
	}
	list, err := w.Channels.ListChannelMembershipsForAppInstanceUser(ctx, &messaging.ListChannelMembershipsForAppInstanceUserRequest{AppInstanceUserARN: ptr(w.User("bob")), ChimeBearer: w.User("adm")})
	if err != nil || !list.ChannelMemberships[0].ChannelSummary.LastMessageTimestamp.Equal(atAll) {
		t.Errorf("an admin sees in bob's memberships: %+v, %v", list, err)
	}
	redact := func(by string) string {
		_, err := w.Messages.RedactChannelMessage(ctx, &messaging.RedactChannelMessageRequest{ChannelARN: w.Channel("c"), MessageID: id, ChimeBearer: w.User(by)})
		return servicetest.Outcome(err)
	}
	if got := redact("adm"); got != "Forbidden" {
		t.Errorf("an admin redacts what it cannot see: %s", got)
	}
	if _, err := w.Messages.DeleteChannelMessage(ctx, &messaging.DeleteChannelMessageRequest{ChannelARN: w.Channel("c"), MessageID: id, ChimeBearer: w.User("adm")}); err != nil {
		t.Errorf("an admin deletes what it cannot see: %v", err)
	}
	expect(t, "events", w.Events(), []string{"DELETE_CHANNEL_MESSAGE to ann,bob:"})
}

func TestEdit(t *testing.T) {
	w := room(t)
	req := w.Text("bob", "c", "draft")
	req.Metadata, req.ContentType = ptr("m"), ptr("text/plain")
	id := w.Send(req)
	w.Events()
	sent := w.Now
	w.Now = w.Now.Add(time.Second)
	edit := func(by, content string, change ...func(*messaging.UpdateChannelMessageRequest)) string {
		req := &messaging.UpdateChannelMessageRequest{ChannelARN: w.Channel("c"), MessageID: id, Content: content, ChimeBearer: w.User(by)}
		for _, f := range change {
			f(req)
		}
		_, err := w.Messages.UpdateChannelMessage(ctx, req)
		return servicetest.Outcome(err)
	}
	for _, tc := range []struct{ what, got, want string }{
		{"another's", edit("ann", "x"), "Forbidden"},
		{"too long", edit("bob", strings.Repeat("x", 4097)), "BadRequest"},
		{"own", edit("bob", "final"), "ok"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %s, want %s", tc.what, tc.got, tc.want)
		}
	}
	m, _ := get(w, "cy", id)
	if text(m.Content) != "final" || m.Metadata != "m" || m.ContentType != "text/plain" || !m.CreatedTimestamp.Equal(sent) ||
		!m.LastEditedTimestamp.Equal(w.Now) || !m.LastUpdatedTimestamp.Equal(w.Now) {
		t.Errorf("the message is %+v", m)
	}
	expect(t, "events", w.Events(), []string{"UPDATE_CHANNEL_MESSAGE to members: final"})
	if got := edit("bob", "z", func(r *messaging.UpdateChannelMessageRequest) { r.MessageID = "unknown" }); got != "Forbidden" {
		t.Errorf("unknown message: %s", got)
	}
	if _, err := w.Channels.DeleteChannelMembership(ctx, &messaging.DeleteChannelMembershipRequest{ChannelARN: w.Channel("c"), MemberARN: w.User("bob"), ChimeBearer: w.User("bob")}); err != nil {
		t.Fatal(err)
	}
	if got := edit("bob", "z"); got != "Forbidden" {
		t.Errorf("after leaving: %s", got)
	}
}

func TestRedact(t *testing.T) {
	w := room(t)
	req := w.Text("bob", "c", "secret")
	req.Metadata, req.ContentType = ptr("m"), ptr("text/plain")
	req.MessageAttributes = map[string]messaging.MessageAttributeValue{"k": {StringValues: []string{"v"}}}
	id := w.Send(req)
	w.Events()
	redact := func(by string) string {
		_, err := w.Messages.RedactChannelMessage(ctx, &messaging.RedactChannelMessageRequest{ChannelARN: w.Channel("c"), MessageID: id, ChimeBearer: w.User(by)})
		return servicetest.Outcome(err)
	}
	for _, by := range []string{"cy", "out"} {
		if got := redact(by); got != "Forbidden" {
			t.Errorf("by %s: %s", by, got)
		}
	}
	for range 2 {
		if got := redact("ann"); got != "ok" {
			t.Errorf("by a moderator: %s", got)
		}
	}
	m, _ := get(w, "cy", id)
	if !m.Redacted || m.Content != nil || m.Metadata != "" || m.MessageAttributes != nil || m.ContentType != "text/plain" || m.Sender.Name != "BOB" || m.LastEditedTimestamp != nil {
		t.Errorf("the message is %+v", m)
	}
	expect(t, "events: one", w.Events(), []string{"REDACT_CHANNEL_MESSAGE to members:"})
	_, err := w.Messages.UpdateChannelMessage(ctx, &messaging.UpdateChannelMessageRequest{ChannelARN: w.Channel("c"), MessageID: id, Content: "x", ChimeBearer: w.User("bob")})
	if got := servicetest.Outcome(err); got != "Conflict" {
		t.Errorf("editing a redacted message: %s", got)
	}
}

// TestContentOfRedactedMessages: none, or an empty one where clients need it.
func TestContentOfRedactedMessages(t *testing.T) {
	for _, empty := range []bool{false, true} {
		w := room(t)
		w.Messages = message.New(message.Options{
			Store: w.Store, Bus: w.Bus, Site: w.Site, Now: func() time.Time { return w.Now }, Random: rand.New(rand.NewSource(4)), EmptyContent: empty,
		})
		stream := w.Stream(w.Began)
		id := w.Send(w.Text("bob", "c", "secret"))
		if _, err := w.Messages.RedactChannelMessage(ctx, &messaging.RedactChannelMessageRequest{ChannelARN: w.Channel("c"), MessageID: id, ChimeBearer: w.User("bob")}); err != nil {
			t.Fatal(err)
		}
		m, _ := get(w, "cy", id)
		list, err := w.Messages.ListChannelMessages(ctx, &messaging.ListChannelMessagesRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("cy")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Messages.DeleteChannelMessage(ctx, &messaging.DeleteChannelMessageRequest{ChannelARN: w.Channel("c"), MessageID: id, ChimeBearer: w.User("adm")}); err != nil {
			t.Fatal(err)
		}
		shown := map[string]string{
			"get": string(m.AppendJSON(nil, api.ISO)), "list": string(list.ChannelMessages[0].AppendJSON(nil, api.ISO)),
		}
		done, cancel := context.WithCancel(ctx)
		cancel() // what is there is handed out all the same
		for len(shown) < 4 {
			events, err := stream.Next(done)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				if e.Type == chime.EventRedactMessage || e.Type == chime.EventDeleteMessage {
					shown[e.Type] = string(e.Payload)
				}
			}
		}
		for where, text := range shown {
			if strings.Contains(text, `"Content":""`) != empty || strings.Contains(text, "secret") {
				t.Errorf("empty %v: %s shows %s", empty, where, text)
			}
		}
	}
}

func TestDelete(t *testing.T) {
	w := room(t)
	id := w.Send(w.Text("bob", "c", "gone"))
	w.Events()
	for range 2 {
		if _, err := w.Messages.DeleteChannelMessage(ctx, &messaging.DeleteChannelMessageRequest{ChannelARN: w.Channel("c"), MessageID: id, ChimeBearer: w.User("adm")}); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, "events: one, without content", w.Events(), []string{"DELETE_CHANNEL_MESSAGE to members:"})
	got, _ := history(w, "bob")
	expect(t, "history", got, nil)
	if _, outcome := get(w, "bob", id); outcome != "NotFound" {
		t.Error(outcome)
	}
}

func TestStatusIsForTheSender(t *testing.T) {
	w := room(t)
	id := w.Send(w.Text("bob", "c", "x"))
	for by, want := range map[string]string{"bob": "ok", "ann": "Forbidden", "out": "Forbidden"} {
		resp, err := w.Messages.GetChannelMessageStatus(ctx, &messaging.GetChannelMessageStatusRequest{ChannelARN: w.Channel("c"), MessageID: id, ChimeBearer: w.User(by)})
		if got := servicetest.Outcome(err); got != want || got == "ok" && resp.Status.Value != "SENT" {
			t.Errorf("%s: %s, want %s", by, got, want)
		}
	}
}

func TestTimeBounds(t *testing.T) {
	w := room(t)
	start := w.Now
	for i := range 5 {
		w.Now = start.Add(time.Duration(i) * time.Second)
		w.Send(w.Text("ann", "c", fmt.Sprint(i)))
	}
	at := func(s float64) *time.Time { return ptr(start.Add(time.Duration(s * float64(time.Second)))) }
	for _, tc := range []struct {
		before, after *time.Time
		want          string
	}{
		{nil, nil, "4 3 2 1 0"},
		{at(1), at(3), "3 2 1"},
		{at(1.0005), at(3), "3 2"},
		{at(1), at(2.9995), "2 1"},
		{at(2), at(2), "2"},
		{at(2.1), at(2.2), ""},
		{at(5), nil, ""},
		{nil, at(-1), ""},
		{at(3), at(1), "BadRequest"},
		{ptr(time.Unix(1<<50, 0)), nil, ""},
		{ptr(time.Unix(-1<<40, 0)), nil, "4 3 2 1 0"},
	} {
		got, _ := history(w, "bob", func(r *messaging.ListChannelMessagesRequest) { r.NotBefore, r.NotAfter = tc.before, tc.after })
		if strings.Join(got, " ") != tc.want {
			t.Errorf("from %v to %v: %v, want %s", tc.before, tc.after, got, tc.want)
		}
	}
}

// TestPageTokensBelongToOneList: a token works with the parameters that it was made with, and
// the size of the page is none of them.
func TestPageTokensBelongToOneList(t *testing.T) {
	w := room(t)
	w.AddChannel("ann", "other")
	for i := range 4 {
		w.Send(w.Text("ann", "c", fmt.Sprint(i)))
		w.Send(w.Text("ann", "other", fmt.Sprint(i)))
	}
	_, token := history(w, "bob", func(r *messaging.ListChannelMessagesRequest) { r.MaxResults = ptr(1) })
	for name, tc := range map[string]struct {
		change func(*messaging.ListChannelMessagesRequest)
		want   string
	}{
		"same list":       {func(r *messaging.ListChannelMessagesRequest) { r.MaxResults = ptr(1) }, "2"},
		"larger page":     {func(r *messaging.ListChannelMessagesRequest) {}, "2 1 0"},
		"empty token":     {func(r *messaging.ListChannelMessagesRequest) { r.NextToken = ptr("") }, "3 2 1 0"},
		"other order":     {func(r *messaging.ListChannelMessagesRequest) { r.SortOrder = "ASCENDING" }, "BadRequest"},
		"other lower end": {func(r *messaging.ListChannelMessagesRequest) { r.NotBefore = ptr(w.Now.Add(-time.Hour)) }, "BadRequest"},
		"other upper end": {func(r *messaging.ListChannelMessagesRequest) { r.NotAfter = &w.Now }, "BadRequest"},
		"other channel": {func(r *messaging.ListChannelMessagesRequest) {
			r.ChannelARN, r.ChimeBearer = w.Channel("other"), w.User("ann")
		}, "BadRequest"},
		"no token of ours": {func(r *messaging.ListChannelMessagesRequest) { r.NextToken = ptr("bm8gdG9rZW4gb2Ygb3Vycw") }, "BadRequest"},
	} {
		got, _ := history(w, "bob", func(r *messaging.ListChannelMessagesRequest) {
			r.NextToken = &token
			tc.change(r)
		})
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s: %v, want %s", name, got, tc.want)
		}
	}
}

// TestHistoryPages: whatever is sent and deleted between two pages, a page never repeats a
// message and never leaves out one that was there all the time.
func TestHistoryPages(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := room(t)
		var ids []string
		contents := map[string]string{}
		send := func() {
			w.Now = w.Now.Add(time.Duration(rapid.IntRange(-2, 2).Draw(rt, "ms")) * time.Millisecond)
			content := fmt.Sprint(len(ids))
			ids = append(ids, w.Send(w.Text("ann", "c", content)))
			contents[content] = ids[len(ids)-1]
		}
		for range rapid.IntRange(0, 12).Draw(rt, "messages") {
			send()
		}
		before := len(ids)
		order := rapid.SampledFrom([]messaging.SortOrder{"ASCENDING", "DESCENDING"}).Draw(rt, "order")
		limit := rapid.IntRange(1, 5).Draw(rt, "limit")
		var all []string
		for token := (*string)(nil); ; {
			page, next := history(w, "bob", func(r *messaging.ListChannelMessagesRequest) {
				r.SortOrder, r.MaxResults, r.NextToken = order, &limit, token
			})
			all = append(all, page...)
			if next == "" {
				break
			}
			token = &next
			if rapid.Bool().Draw(rt, "send meanwhile") {
				send()
			}
		}
		listed := make([]string, len(all))
		for i, c := range all {
			listed[i] = contents[c]
		}
		sorted := slices.Clone(listed)
		slices.Sort(sorted)
		if order == "DESCENDING" {
			slices.Reverse(sorted)
		}
		if !slices.Equal(listed, sorted) || len(slices.Compact(sorted)) != len(listed) {
			rt.Fatalf("the order is %v", all)
		}
		for i, id := range ids[:before] {
			if !slices.Contains(listed, id) {
				rt.Fatalf("message %d is missing in %v", i, all)
			}
		}
	})
}
