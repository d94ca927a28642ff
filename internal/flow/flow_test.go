package flow_test

import (
	"context"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/flow"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

var ctx = context.Background()

func ptr[T any](v T) *T { return &v }

func lambda(name string) string {
	return "arn:aws:lambda:us-east-1:000000000000:function:" + name
}

func processor(order int, arn string) messaging.Processor {
	return messaging.Processor{
		Name: fmt.Sprint("step ", order), ExecutionOrder: order, FallbackAction: messaging.FallbackActionAbort,
		Configuration: &messaging.ProcessorConfiguration{Lambda: &messaging.LambdaConfiguration{
			ResourceARN: arn, InvocationType: messaging.InvocationTypeAsync,
		}},
	}
}

func create(t *testing.T, w *servicetest.World, name string) string {
	t.Helper()
	resp, err := w.Flows.CreateChannelFlow(ctx, &messaging.CreateChannelFlowRequest{
		AppInstanceARN: w.App, Name: name, Processors: []messaging.Processor{processor(1, lambda("f"))}, ClientRequestToken: w.Token(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return resp.ChannelFlowARN
}

func describe(w *servicetest.World, arn string) (*messaging.ChannelFlow, string) {
	resp, err := w.Flows.DescribeChannelFlow(ctx, &messaging.DescribeChannelFlowRequest{ChannelFlowARN: arn})
	if err != nil {
		return nil, servicetest.Outcome(err)
	}
	return resp.ChannelFlow, "ok"
}

func remove(w *servicetest.World, arn string) string {
	_, err := w.Flows.DeleteChannelFlow(ctx, &messaging.DeleteChannelFlowRequest{ChannelFlowARN: arn})
	return servicetest.Outcome(err)
}

func associate(w *servicetest.World, by, channelID, arn string) string {
	_, err := w.Flows.AssociateChannelFlow(ctx, &messaging.AssociateChannelFlowRequest{
		ChannelARN: w.Channel(channelID), ChannelFlowARN: arn, ChimeBearer: w.User(by),
	})
	return servicetest.Outcome(err)
}

func disassociate(w *servicetest.World, by, channelID, arn string) string {
	_, err := w.Flows.DisassociateChannelFlow(ctx, &messaging.DisassociateChannelFlowRequest{
		ChannelARN: w.Channel(channelID), ChannelFlowARN: arn, ChimeBearer: w.User(by),
	})
	return servicetest.Outcome(err)
}

// steps writes processors as "order:function".
func steps(list []messaging.Processor) string {
	var all []string
	for _, p := range list {
		_, name, _ := strings.Cut(p.Configuration.Lambda.ResourceARN, "function:")
		all = append(all, fmt.Sprint(p.ExecutionOrder, ":", name))
	}
	return strings.Join(all, " ")
}

func TestFlowsAreMadeAndChanged(t *testing.T) {
	w := servicetest.New(t)
	resp, err := w.Flows.CreateChannelFlow(ctx, &messaging.CreateChannelFlowRequest{
		AppInstanceARN: w.App, Name: "filter", ClientRequestToken: w.Token(),
		Processors: []messaging.Processor{processor(3, lambda("last")), processor(1, lambda("first"))},
	})
	if err != nil {
		t.Fatal(err)
	}
	arn, made := resp.ChannelFlowARN, w.Now
	if !strings.HasPrefix(arn, w.App+"/channel-flow/") {
		t.Errorf("the ARN is %s", arn)
	}
	f, _ := describe(w, arn)
	if f.ChannelFlowARN != arn || f.Name != "filter" || steps(f.Processors) != "1:first 3:last" ||
		f.Processors[0].FallbackAction != "ABORT" || f.Processors[0].Configuration.Lambda.InvocationType != "ASYNC" ||
		!f.CreatedTimestamp.Equal(made) || !f.LastUpdatedTimestamp.Equal(made) {
		t.Errorf("the flow is %+v", f)
	}
	w.Now = w.Now.Add(time.Second)
	updated, err := w.Flows.UpdateChannelFlow(ctx, &messaging.UpdateChannelFlowRequest{
		ChannelFlowARN: arn, Name: "other", Processors: []messaging.Processor{processor(2, lambda("only"))},
	})
	if err != nil || updated.ChannelFlowARN != arn {
		t.Fatal(updated, err)
	}
	if f, _ = describe(w, arn); f.Name != "other" || steps(f.Processors) != "2:only" || !f.CreatedTimestamp.Equal(made) || !f.LastUpdatedTimestamp.Equal(w.Now) {
		t.Errorf("after the update the flow is %+v", f)
	}
	if got := remove(w, arn); got != "ok" {
		t.Error(got)
	}
	for what, got := range map[string]string{
		"describe": second(describe(w, arn)), "delete": remove(w, arn),
		"update": outcome(w.Flows.UpdateChannelFlow(ctx, &messaging.UpdateChannelFlowRequest{ChannelFlowARN: arn, Name: "n"})),
		"list":   outcome(w.Flows.ListChannelsAssociatedWithChannelFlow(ctx, &messaging.ListChannelsAssociatedWithChannelFlowRequest{ChannelFlowARN: arn})),
	} {
		if got != "Forbidden" {
			t.Errorf("%s of a deleted flow: %s", what, got)
		}
	}
}

func second[A, B any](_ A, b B) B { return b }

func outcome[A any](_ A, err error) string { return servicetest.Outcome(err) }

func TestProcessorsAreChecked(t *testing.T) {
	w := servicetest.New(t)
	arn := create(t, w, "f")
	elsewhere := strings.Replace(lambda("f"), "us-east-1", "eu-central-1", 1)
	foreign := strings.Replace(lambda("f"), "000000000000", "111122223333", 1)
	for name, tc := range map[string]struct {
		processors     []messaging.Processor
		create, update string
	}{
		"three":              {[]messaging.Processor{processor(1, lambda("a")), processor(2, lambda("b")), processor(3, lambda("c"))}, "ok", "ok"},
		"alias":              {[]messaging.Processor{processor(1, lambda("a:$LATEST"))}, "ok", "ok"},
		"one place":          {[]messaging.Processor{processor(2, lambda("a")), processor(2, lambda("b"))}, "BadRequest", "BadRequest"},
		"other region":       {[]messaging.Processor{processor(1, elsewhere)}, "Forbidden", "Forbidden"},
		"other account":      {[]messaging.Processor{processor(1, foreign)}, "Forbidden", "Forbidden"},
		"other service":      {[]messaging.Processor{processor(1, "arn:aws:sqs:us-east-1:000000000000:q")}, "BadRequest", "BadRequest"},
		"names may be equal": {[]messaging.Processor{processor(1, lambda("a")), processor(2, lambda("a"))}, "ok", "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.Flows.CreateChannelFlow(ctx, &messaging.CreateChannelFlowRequest{
				AppInstanceARN: w.App, Name: "n", Processors: tc.processors, ClientRequestToken: w.Token(),
			})
			if got := servicetest.Outcome(err); got != tc.create {
				t.Errorf("create: %s (%v), want %s", got, err, tc.create)
			}
			_, err = w.Flows.UpdateChannelFlow(ctx, &messaging.UpdateChannelFlowRequest{ChannelFlowARN: arn, Name: "n", Processors: tc.processors})
			if got := servicetest.Outcome(err); got != tc.update {
				t.Errorf("update: %s (%v), want %s", got, err, tc.update)
			}
		})
	}
}

// TestLimits: UpdateChannelFlow declares no ResourceLimitExceededException, so it answers
// another 400.
func TestLimits(t *testing.T) {
	w := servicetest.New(t)
	w.Flows = flow.New(flow.Options{
		Store: w.Store, Site: w.Site, Now: func() time.Time { return w.Now }, Random: rand.New(rand.NewSource(2)),
		Limits: flow.Limits{FlowsPerApp: 2, ProcessorsPerFlow: 1},
	})
	two := []messaging.Processor{processor(1, lambda("a")), processor(2, lambda("b"))}
	if got := outcome(w.Flows.CreateChannelFlow(ctx, &messaging.CreateChannelFlowRequest{AppInstanceARN: w.App, Name: "n", Processors: two})); got != "ResourceLimitExceeded" {
		t.Errorf("two processors: %s", got)
	}
	first := create(t, w, "first")
	if got := outcome(w.Flows.UpdateChannelFlow(ctx, &messaging.UpdateChannelFlowRequest{ChannelFlowARN: first, Name: "n", Processors: two})); got != "BadRequest" {
		t.Errorf("update to two processors: %s", got)
	}
	create(t, w, "second")
	third := &messaging.CreateChannelFlowRequest{AppInstanceARN: w.App, Name: "n", Processors: two[:1]}
	if got := outcome(w.Flows.CreateChannelFlow(ctx, third)); got != "ResourceLimitExceeded" {
		t.Errorf("a third flow: %s", got)
	}
	remove(w, first)
	if got := outcome(w.Flows.CreateChannelFlow(ctx, third)); got != "ok" {
		t.Errorf("after a deletion: %s", got)
	}
}

func TestSameTokenMakesOneFlow(t *testing.T) {
	w := servicetest.New(t)
	req := messaging.CreateChannelFlowRequest{
		AppInstanceARN: w.App, Name: "n", Processors: []messaging.Processor{processor(1, lambda("f"))}, ClientRequestToken: "tok",
	}
	first, err := w.Flows.CreateChannelFlow(ctx, &req)
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.Flows.CreateChannelFlow(ctx, ptr(req))
	if err != nil || again.ChannelFlowARN != first.ChannelFlowARN {
		t.Errorf("the second call gave %v, %v", again, err)
	}
	other := req
	other.Name = "other"
	if got := outcome(w.Flows.CreateChannelFlow(ctx, &other)); got != "Conflict" {
		t.Errorf("other parameters: %s", got)
	}
	if got := names(flows(t, w, 50)); !slices.Equal(got, []string{"n"}) {
		t.Errorf("there are %v", got)
	}
}

// flows pages to the end.
func flows(t *testing.T, w *servicetest.World, size int) (all []messaging.ChannelFlowSummary) {
	t.Helper()
	for token := (*string)(nil); ; {
		resp, err := w.Flows.ListChannelFlows(ctx, &messaging.ListChannelFlowsRequest{AppInstanceARN: w.App, MaxResults: &size, NextToken: token})
		if err != nil || len(resp.ChannelFlows) > size {
			t.Fatal(len(resp.ChannelFlows), err)
		}
		if all = append(all, resp.ChannelFlows...); resp.NextToken == "" {
			return all
		}
		token = &resp.NextToken
	}
}

func names(list []messaging.ChannelFlowSummary) (all []string) {
	for _, f := range list {
		all = append(all, f.Name)
	}
	return all
}

func TestListChannelFlows(t *testing.T) {
	w := servicetest.New(t)
	for _, name := range []string{"b", "a", "same", "same"} {
		create(t, w, name)
	}
	list := flows(t, w, 1)
	if got := names(list); !slices.Equal(got, []string{"b", "a", "same", "same"}) {
		t.Errorf("the flows are %v", got)
	}
	if f := list[0]; steps(f.Processors) != "1:f" || !strings.HasPrefix(f.ChannelFlowARN, w.App+"/channel-flow/") {
		t.Errorf("the first is %+v", f)
	}
	for name, req := range map[string]*messaging.ListChannelFlowsRequest{
		"BadRequest": {AppInstanceARN: w.App, NextToken: ptr("AAAAAAAAAAAAAAAAAAAA")},
		"Forbidden":  {AppInstanceARN: w.App + "0"},
	} {
		if got := outcome(w.Flows.ListChannelFlows(ctx, req)); got != name {
			t.Errorf("%+v: %s, want %s", req, got, name)
		}
	}
}

// associated pages through the channels of a flow, one by one.
func associated(t *testing.T, w *servicetest.World, arn string) (all []string) {
	t.Helper()
	for token := (*string)(nil); ; {
		resp, err := w.Flows.ListChannelsAssociatedWithChannelFlow(ctx, &messaging.ListChannelsAssociatedWithChannelFlowRequest{
			ChannelFlowARN: arn, MaxResults: ptr(1), NextToken: token,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range resp.Channels {
			all = append(all, fmt.Sprint(c.Name, " ", c.Mode, " ", c.Privacy, " ", c.Metadata, " ", strings.TrimPrefix(c.ChannelARN, w.App)))
		}
		if resp.NextToken == "" {
			return all
		}
		token = &resp.NextToken
	}
}

func flowOf(t *testing.T, w *servicetest.World, by, channelID string) string {
	t.Helper()
	resp, err := w.Channels.DescribeChannel(ctx, &messaging.DescribeChannelRequest{ChannelARN: w.Channel(channelID), ChimeBearer: w.User(by)})
	if err != nil {
		t.Fatal(err)
	}
	return resp.Channel.ChannelFlowARN
}

func TestFlowsOfChannels(t *testing.T) {
	w := servicetest.New(t, "ann")
	for _, id := range []string{"a", "b", "c"} {
		w.AddChannel("ann", id, func(r *messaging.CreateChannelRequest) { r.Metadata, r.Privacy = ptr("m"), "PRIVATE" })
	}
	one, two := create(t, w, "one"), create(t, w, "two")
	w.Events()
	for _, step := range []struct{ what, got, want string }{
		{"c takes one", associate(w, "ann", "c", one), "ok"},
		{"a takes one", associate(w, "ann", "a", one), "ok"},
		{"a takes one again", associate(w, "ann", "a", one), "ok"},
		{"a takes two besides", associate(w, "ann", "a", two), "Conflict"},
		{"b gives up one, which it does not have", disassociate(w, "ann", "b", one), "NotFound"},
		{"a gives up two, which it does not have", disassociate(w, "ann", "a", two), "NotFound"},
		{"one is deleted", remove(w, one), "Conflict"},
	} {
		if step.got != step.want {
			t.Errorf("%s: %s, want %s", step.what, step.got, step.want)
		}
	}
	want := []string{"a UNRESTRICTED PRIVATE m /channel/a", "c UNRESTRICTED PRIVATE m /channel/c"}
	if got := associated(t, w, one); !slices.Equal(got, want) {
		t.Errorf("channels of one: %v", got)
	}
	if a, b := flowOf(t, w, "ann", "a"), flowOf(t, w, "ann", "b"); a != one || b != "" {
		t.Errorf("DescribeChannel shows the flows %q and %q", a, b)
	}
	if got := disassociate(w, "ann", "a", one); got != "ok" || flowOf(t, w, "ann", "a") != "" {
		t.Errorf("a gives up one: %s", got)
	}
	if _, err := w.Channels.DeleteChannel(ctx, &messaging.DeleteChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("ann")}); err != nil {
		t.Fatal(err)
	}
	if got := associated(t, w, one); len(got) != 0 {
		t.Errorf("channels of one in the end: %v", got)
	}
	if got := remove(w, one); got != "ok" {
		t.Errorf("one is deleted: %s", got)
	}
	w.AddChannel("ann", "c")
	if got := flowOf(t, w, "ann", "c"); got != "" {
		t.Errorf("a channel made again has the flow %s", got)
	}
	want = []string{"DELETE_CHANNEL to members: c", "CREATE_CHANNEL_MEMBERSHIP to ann: ANN +ann"}
	if got := w.Events(); !slices.Equal(got, want) {
		t.Errorf("sockets are told %v", got)
	}
}

// TestWhoChangesTheFlow is the matrix of spec 3.2 for both operations.
func TestWhoChangesTheFlow(t *testing.T) {
	for _, privacy := range []messaging.ChannelPrivacy{"PUBLIC", "PRIVATE"} {
		w := servicetest.New(t, "owner", "adm", "mod", "mem", "hid", "out", "ban")
		w.MakeAdmin("adm")
		w.AddChannel("owner", "c", func(r *messaging.CreateChannelRequest) {
			r.Privacy, r.MemberARNs, r.ModeratorARNs = privacy, w.Users("mem"), w.Users("mod")
		})
		w.AddMember("owner", "c", "hid", messaging.ChannelMembershipTypeHidden)
		w.Ban("owner", "c", "ban")
		arn := create(t, w, "f")
		stranger := "Forbidden"
		if privacy == "PRIVATE" {
			stranger = "NotFound"
		}
		for _, tc := range []struct{ by, want string }{
			{"ban", stranger}, {"mem", "Forbidden"}, {"hid", "Forbidden"}, {"out", stranger}, {"nobody", "UnauthorizedClient"},
			{"adm", "ok"}, {"mod", "ok"}, {"owner", "ok"},
		} {
			if got := associate(w, tc.by, "c", arn); got != tc.want {
				t.Errorf("%s associates on a %s channel: %s, want %s", tc.by, privacy, got, tc.want)
			}
			if got := disassociate(w, tc.by, "c", arn); got != tc.want {
				t.Errorf("%s disassociates on a %s channel: %s, want %s", tc.by, privacy, got, tc.want)
			}
		}
	}
}

func TestAssociationOfWhatIsMissing(t *testing.T) {
	w := servicetest.New(t, "ann")
	w.AddChannel("ann", "c")
	arn := create(t, w, "f")
	another, err := w.Identity.CreateAppInstance(ctx, &identityapi.CreateAppInstanceRequest{Name: "another", ClientRequestToken: w.Token()})
	if err != nil {
		t.Fatal(err)
	}
	other := *w
	other.App = another.AppInstanceARN
	theirs := create(t, &other, "theirs")
	for name, tc := range map[string]struct{ channel, flow, associate, disassociate string }{
		"no channel":         {"none", arn, "NotFound", "NotFound"},
		"no flow":            {"c", w.App + "/channel-flow/none", "NotFound", "NotFound"},
		"flow of another":    {"c", theirs, "Forbidden", "Forbidden"},
		"not a flow":         {"c", w.App, "BadRequest", "BadRequest"},
		"flow far away":      {"c", strings.Replace(arn, "us-east-1", "eu-central-1", 1), "Forbidden", "Forbidden"},
		"neither, not asked": {"none", w.App + "/channel-flow/none", "NotFound", "NotFound"},
	} {
		if got := associate(w, "ann", tc.channel, tc.flow); got != tc.associate {
			t.Errorf("%s: associate: %s, want %s", name, got, tc.associate)
		}
		if got := disassociate(w, "ann", tc.channel, tc.flow); got != tc.disassociate {
			t.Errorf("%s: disassociate: %s, want %s", name, got, tc.disassociate)
		}
	}
}

func TestCallback(t *testing.T) {
	w := servicetest.New(t, "ann")
	w.AddChannel("ann", "c")
	big := strings.Repeat("é", 2049)
	values := map[string]messaging.MessageAttributeValue{"k": {StringValues: []string{big[:512], big[:512]}}}
	for name, tc := range map[string]struct {
		channel string
		message messaging.ChannelMessageCallback
		want    string
	}{
		"unknown id":          {w.Channel("c"), messaging.ChannelMessageCallback{}, "Forbidden"},
		"no channel":          {w.Channel("none"), messaging.ChannelMessageCallback{}, "Forbidden"},
		"not a channel":       {w.User("ann"), messaging.ChannelMessageCallback{}, "BadRequest"},
		"content too long":    {w.Channel("c"), messaging.ChannelMessageCallback{Content: &big}, "BadRequest"},
		"attributes too long": {w.Channel("c"), messaging.ChannelMessageCallback{MessageAttributes: values}, "BadRequest"},
	} {
		tc.message.MessageID = "m"
		got := outcome(w.Flows.ChannelFlowCallback(ctx, &messaging.ChannelFlowCallbackRequest{
			ChannelARN: tc.channel, CallbackID: "11111111-1111-1111-1111-111111111111", ChannelMessage: &tc.message,
		}))
		if got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

func TestFlowsGoWithTheirAppInstance(t *testing.T) {
	w := servicetest.New(t)
	arn := create(t, w, "f")
	if _, err := w.Identity.DeleteAppInstance(ctx, &identityapi.DeleteAppInstanceRequest{AppInstanceARN: w.App}); err != nil {
		t.Fatal(err)
	}
	if _, got := describe(w, arn); got != "Forbidden" {
		t.Error(got)
	}
	if got := outcome(w.Flows.CreateChannelFlow(ctx, &messaging.CreateChannelFlowRequest{AppInstanceARN: w.App, Name: "n"})); got != "Forbidden" {
		t.Error(got)
	}
}
