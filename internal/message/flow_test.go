package message_test

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/message"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

// addFlow gives channel "c" a flow whose processors have these fallback actions, in the order
// in which they run.
func addFlow(t testing.TB, w *servicetest.World, fallbacks string) (arn string) {
	t.Helper()
	req := &messaging.CreateChannelFlowRequest{AppInstanceARN: w.App, Name: "flow", ClientRequestToken: w.Token()}
	for i, action := range strings.Fields(fallbacks) {
		req.Processors = append(req.Processors, messaging.Processor{
			Name: "step", ExecutionOrder: i + 1, FallbackAction: messaging.FallbackAction(action),
			Configuration: &messaging.ProcessorConfiguration{Lambda: &messaging.LambdaConfiguration{
				ResourceARN: "arn:aws:lambda:us-east-1:000000000000:function:f", InvocationType: messaging.InvocationTypeAsync,
			}},
		})
	}
	flow, err := w.Flows.CreateChannelFlow(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Flows.AssociateChannelFlow(ctx, &messaging.AssociateChannelFlowRequest{
		ChannelARN: w.Channel("c"), ChannelFlowARN: flow.ChannelFlowARN, ChimeBearer: w.User("ann"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return flow.ChannelFlowARN
}

func status(w *servicetest.World, by, id string) string {
	resp, err := w.Messages.GetChannelMessageStatus(ctx, &messaging.GetChannelMessageStatusRequest{ChannelARN: w.Channel("c"), MessageID: id, ChimeBearer: w.User(by)})
	if err != nil {
		return servicetest.Outcome(err)
	}
	return string(resp.Status.Value)
}

// TestMessagesFollowTheFallbackActions: the sender is told that its message waits, and then it
// is sent to all or has failed for its sender alone.
func TestMessagesFollowTheFallbackActions(t *testing.T) {
	const (
		waits  = "PENDING_CREATE_CHANNEL_MESSAGE to bob: hello (PENDING)"
		failed = "FAILED_CREATE_CHANNEL_MESSAGE to bob: hello (FAILED)"
		toAll  = "CREATE_CHANNEL_MESSAGE to members: hello"
		toTwo  = "CREATE_CHANNEL_MESSAGE to bob,cy: hello"
	)
	for _, tc := range []struct {
		fallbacks, kind string
		reply           string
		events          []string
		final           string // of a message that is kept; "" of one that is not
	}{
		{"CONTINUE", "STANDARD PERSISTENT", "PENDING", []string{waits, toAll}, "SENT"},
		{"CONTINUE CONTINUE CONTINUE", "STANDARD PERSISTENT", "PENDING", []string{waits, toAll}, "SENT"},
		{"ABORT", "STANDARD PERSISTENT", "PENDING", []string{waits, failed}, "FAILED"},
		{"CONTINUE ABORT", "STANDARD PERSISTENT", "PENDING", []string{waits, failed}, "FAILED"},
		{"CONTINUE", "STANDARD PERSISTENT targeted", "PENDING", []string{waits, toTwo}, "SENT"},
		{"ABORT", "STANDARD PERSISTENT targeted", "PENDING", []string{waits, failed}, "FAILED"},
		{"CONTINUE", "STANDARD NON_PERSISTENT", "PENDING", []string{waits, toAll}, ""},
		{"ABORT", "STANDARD NON_PERSISTENT", "PENDING", []string{waits, failed}, ""},
		{"ABORT", "STANDARD NON_PERSISTENT targeted", "PENDING", []string{waits, failed}, ""},
		{"ABORT", "CONTROL PERSISTENT", "SENT", []string{toAll}, "SENT"},
		{"ABORT", "CONTROL NON_PERSISTENT", "SENT", []string{toAll}, ""},
	} {
		t.Run(tc.kind+" "+tc.fallbacks, func(t *testing.T) {
			w := room(t)
			addFlow(t, w, tc.fallbacks)
			req := w.Text("bob", "c", "hello")
			kind := strings.Fields(tc.kind)
			req.Type, req.Persistence = messaging.ChannelMessageType(kind[0]), messaging.ChannelMessagePersistenceType(kind[1])
			if len(kind) > 2 {
				req.Target = []messaging.Target{{MemberARN: ptr(w.User("cy"))}}
			}
			resp, err := w.Messages.SendChannelMessage(ctx, req)
			if err != nil || string(resp.Status.Value) != tc.reply {
				t.Fatalf("%+v, %v", resp, err)
			}
			expect(t, "events", w.Events(), tc.events)
			kept(t, w, resp.MessageID, tc.final)
		})
	}
}

// kept looks at a message of bob from all sides.
func kept(t *testing.T, w *servicetest.World, id, final string) {
	t.Helper()
	sees := map[string]bool{"bob": final != "", "cy": final == "SENT"} // a targeted one is to cy
	for by, want := range sees {
		m, outcome := get(w, by, id)
		if (outcome == "ok") != want || !want && outcome != "NotFound" {
			t.Errorf("%s gets it: %s", by, outcome)
		} else if want && (string(m.Status.Value) != final || (m.Status.Detail != "") != (final == "FAILED")) {
			t.Errorf("%s gets it with %+v", by, m.Status)
		}
		if listed, _ := history(w, by); (len(listed) > 0) != want {
			t.Errorf("%s lists %v", by, listed)
		}
	}
	if got, want := status(w, "bob", id), final; want != "" && got != want || want == "" && got != "Forbidden" {
		t.Errorf("the status is %s", got)
	}
	if got := status(w, "cy", id); got != "Forbidden" {
		t.Errorf("cy asks for the status: %s", got)
	}
	resp, err := w.Channels.DescribeChannel(ctx, &messaging.DescribeChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("cy")})
	if err != nil || (resp.Channel.LastMessageTimestamp != nil) != (final == "SENT") {
		t.Errorf("the last message was at %v, %v", resp.Channel.LastMessageTimestamp, err)
	}
}

func TestAFailedMessageCannotBeChanged(t *testing.T) {
	w := room(t)
	addFlow(t, w, "ABORT")
	id := w.Send(w.Text("bob", "c", "hello"))
	w.Events()
	for _, tc := range []struct{ by, want string }{{"bob", "Conflict"}, {"cy", "Forbidden"}, {"ann", "Forbidden"}, {"adm", "Forbidden"}} {
		if got := edit(w, tc.by, id, "again"); got != tc.want {
			t.Errorf("%s edits: %s, want %s", tc.by, got, tc.want)
		}
		_, err := w.Messages.RedactChannelMessage(ctx, &messaging.RedactChannelMessageRequest{ChannelARN: w.Channel("c"), MessageID: id, ChimeBearer: w.User(tc.by)})
		if got := servicetest.Outcome(err); got != tc.want {
			t.Errorf("%s redacts: %s, want %s", tc.by, got, tc.want)
		}
	}
	expect(t, "events of refusals", w.Events(), nil)
	if _, err := w.Messages.DeleteChannelMessage(ctx, &messaging.DeleteChannelMessageRequest{ChannelARN: w.Channel("c"), MessageID: id, ChimeBearer: w.User("adm")}); err != nil {
		t.Errorf("an admin deletes it: %v", err)
	}
	expect(t, "events of the deletion", w.Events(), []string{"DELETE_CHANNEL_MESSAGE to bob: (FAILED)"})
	if _, outcome := get(w, "bob", id); outcome != "NotFound" {
		t.Errorf("its sender still gets it: %s", outcome)
	}
}

func edit(w *servicetest.World, by, id, content string) string {
	resp, err := w.Messages.UpdateChannelMessage(ctx, &messaging.UpdateChannelMessageRequest{
		ChannelARN: w.Channel("c"), MessageID: id, Content: content, ChimeBearer: w.User(by),
	})
	if err != nil {
		return servicetest.Outcome(err)
	}
	return string(resp.Status.Value)
}

func TestEditsFollowTheFallbackActions(t *testing.T) {
	for fallbacks, tc := range map[string]struct {
		events  []string
		content string
	}{
		"CONTINUE":       {[]string{"PENDING_UPDATE_CHANNEL_MESSAGE to bob: new (PENDING)", "UPDATE_CHANNEL_MESSAGE to members: new"}, "new"},
		"CONTINUE ABORT": {[]string{"PENDING_UPDATE_CHANNEL_MESSAGE to bob: new (PENDING)", "FAILED_UPDATE_CHANNEL_MESSAGE to bob: new (FAILED)"}, "old"},
	} {
		t.Run(fallbacks, func(t *testing.T) {
			w := room(t)
			id := w.Send(w.Text("bob", "c", "old"))
			control := w.Text("bob", "c", "old sign")
			control.Type = messaging.ChannelMessageTypeControl
			sign := w.Send(control)
			addFlow(t, w, fallbacks)
			w.Events()
			w.Now = w.Now.Add(time.Second)
			if got := edit(w, "bob", id, "new"); got != "PENDING" {
				t.Errorf("the reply is %s", got)
			}
			expect(t, "events", w.Events(), tc.events)
			for _, by := range []string{"bob", "cy"} {
				m, _ := get(w, by, id)
				edited := tc.content == "new"
				if *m.Content != tc.content || m.Status.Value != "SENT" || m.Status.Detail != "" || (m.LastEditedTimestamp != nil) != edited {
					t.Errorf("%s gets %+v", by, m)
				}
			}
			if got := status(w, "bob", id); got != "SENT" {
				t.Errorf("the status is %s", got)
			}
			if got := edit(w, "bob", sign, "new sign"); got != "SENT" {
				t.Errorf("the reply to an edit of a CONTROL message is %s", got)
			}
			expect(t, "events of a CONTROL message", w.Events(), []string{"UPDATE_CHANNEL_MESSAGE to members: new sign"})
		})
	}
}

// TestRedactionPassesNoFlow: a moderator can take back what a flow let through.
func TestRedactionPassesNoFlow(t *testing.T) {
	w := room(t)
	id := w.Send(w.Text("bob", "c", "secret"))
	addFlow(t, w, "ABORT")
	w.Events()
	if _, err := w.Messages.RedactChannelMessage(ctx, &messaging.RedactChannelMessageRequest{ChannelARN: w.Channel("c"), MessageID: id, ChimeBearer: w.User("ann")}); err != nil {
		t.Fatal(err)
	}
	expect(t, "events", w.Events(), []string{"REDACT_CHANNEL_MESSAGE to members:"})
}

// TestSameTokenAnswersPendingAgain, also when the channel has lost its flow meanwhile.
func TestSameTokenAnswersPendingAgain(t *testing.T) {
	for _, persistence := range []messaging.ChannelMessagePersistenceType{"PERSISTENT", "NON_PERSISTENT"} {
		w := room(t)
		arn := addFlow(t, w, "CONTINUE")
		req := w.Text("bob", "c", "once")
		req.Persistence = persistence
		first, err := w.Messages.SendChannelMessage(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		w.Events()
		_, err = w.Flows.DisassociateChannelFlow(ctx, &messaging.DisassociateChannelFlowRequest{ChannelARN: w.Channel("c"), ChannelFlowARN: arn, ChimeBearer: w.User("ann")})
		if err != nil {
			t.Fatal(err)
		}
		again, err := w.Messages.SendChannelMessage(ctx, ptr(*req))
		if err != nil || again.MessageID != first.MessageID || len(again.MessageID) != 64 || again.Status.Value != "PENDING" {
			t.Errorf("%s: again %+v, %v", persistence, again, err)
		}
		expect(t, "events", w.Events(), nil)
		if resp, err := w.Messages.SendChannelMessage(ctx, w.Text("bob", "c", "another")); err != nil || resp.Status.Value != "SENT" {
			t.Errorf("without a flow the reply is %+v, %v", resp, err)
		}
	}
}

func TestTheLogSaysThatAFlowWasNotRun(t *testing.T) {
	w := room(t)
	var log bytes.Buffer
	w.Messages = message.New(message.Options{
		Store: w.Store, Bus: w.Bus, Site: w.Site, Now: func() time.Time { return w.Now }, Random: rand.New(rand.NewSource(3)),
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	id := w.Send(w.Text("bob", "c", "before"))
	if log.Len() > 0 {
		t.Errorf("a channel without a flow logs %s", &log)
	}
	arn := addFlow(t, w, "CONTINUE")
	live := w.Text("bob", "c", "live")
	live.Persistence = messaging.ChannelMessagePersistenceTypeNonPersistent
	for what, call := range map[string]func(){
		"send": func() { w.Send(w.Text("bob", "c", "kept")) },
		"live": func() { w.Send(live) },
		"edit": func() { edit(w, "bob", id, "new") },
	} {
		log.Reset()
		call()
		_, flowID, _ := strings.Cut(arn, "/channel-flow/")
		line := log.String()
		if strings.Count(line, "\n") != 1 || !strings.Contains(line, "level=WARN") || !strings.Contains(line, w.Channel("c")) || !strings.Contains(line, flowID) {
			t.Errorf("%s logs %q", what, line)
		}
	}
	log.Reset()
	w.Send(ptr(*live))
	if log.Len() > 0 {
		t.Errorf("a repeated call logs %s", &log)
	}
}

// TestHistoryWithFailedMessages: what others cannot see shortens no page and is counted nowhere.
func TestHistoryWithFailedMessages(t *testing.T) {
	w := room(t)
	for i := range 4 {
		arn := addFlow(t, w, []string{"ABORT", "CONTINUE"}[i%2])
		w.Send(w.Text("bob", "c", []string{"f0", "s1", "f2", "s3"}[i]))
		_, err := w.Flows.DisassociateChannelFlow(context.Background(), &messaging.DisassociateChannelFlowRequest{ChannelARN: w.Channel("c"), ChannelFlowARN: arn, ChimeBearer: w.User("ann")})
		if err != nil {
			t.Fatal(err)
		}
	}
	for by, want := range map[string]string{"bob": "s3 f2 s1 f0", "ann": "s3 s1", "adm": "s3 s1", "out": "s3 s1"} {
		var all []string
		for token, pages := (*string)(nil), 0; ; pages++ {
			page, next := history(w, by, func(r *messaging.ListChannelMessagesRequest) { r.MaxResults, r.NextToken = ptr(1), token })
			if len(page) != 1 || pages > 4 {
				t.Fatalf("%s: a page of %v", by, page)
			}
			if all = append(all, page...); next == "" {
				break
			}
			token = &next
		}
		if got := strings.Join(all, " "); got != want {
			t.Errorf("%s pages through %s, want %s", by, got, want)
		}
	}
}

// TestFlowsOfElasticChannels: a flow is that of all sub-channels, and what fails in one moves the
// last message time of none.
func TestFlowsOfElasticChannels(t *testing.T) {
	w := halls(t)
	last := func() *time.Time {
		resp, err := w.Channels.DescribeChannel(ctx, &messaging.DescribeChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("adm")})
		if err != nil {
			t.Fatal(err)
		}
		return resp.Channel.LastMessageTimestamp
	}
	arn := addFlow(t, w, "ABORT")
	failed, _ := sendTo(w, "d", "s2", "hello")
	expect(t, "events of a flow that aborts", w.Events(), []string{
		"PENDING_CREATE_CHANNEL_MESSAGE to d: hello (PENDING) @s2", "FAILED_CREATE_CHANNEL_MESSAGE to d: hello (FAILED) @s2",
	})
	if at := last(); at != nil {
		t.Errorf("the last message was at %v", at)
	}
	for by, want := range map[string]string{"d": "hello", "e": ""} {
		got, _ := history(w, by)
		if strings.Join(got, " ") != want {
			t.Errorf("%s lists %v, want %s", by, got, want)
		}
	}
	if got := status(w, "d", failed.MessageID); got != "FAILED" {
		t.Errorf("the status is %s", got)
	}
	_, err := w.Flows.UpdateChannelFlow(ctx, &messaging.UpdateChannelFlowRequest{ChannelFlowARN: arn, Name: "none aborts"})
	if err != nil {
		t.Fatal(err)
	}
	if resp, _ := sendTo(w, "a", "s1", "hello"); resp.Status.Value != "PENDING" || resp.SubChannelID != *w.SubID("s1") {
		t.Errorf("the reply is %+v", resp)
	}
	expect(t, "events of a flow that goes on", w.Events(), []string{
		"PENDING_CREATE_CHANNEL_MESSAGE to a: hello (PENDING) @s1", "CREATE_CHANNEL_MESSAGE to members: hello @s1",
	})
	if at := last(); at == nil || !at.Equal(w.Now) {
		t.Errorf("the last message was at %v", at)
	}
}
