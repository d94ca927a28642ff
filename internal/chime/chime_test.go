package chime

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/carillon-chat/carillon/internal/api"
)

var site = Site{Region: "us-east-1", Account: "000000000000"}

func TestParse(t *testing.T) {
	const prefix = "arn:aws:chime:us-east-1:000000000000:"
	for arn, want := range map[string]struct {
		res     Resource
		refusal string
	}{
		prefix + "app-instance/A":                                {res: Resource{"A", KindAppInstance, ""}},
		prefix + "app-instance/A/user/us-east-1:x@y":             {res: Resource{"A", KindUser, "us-east-1:x@y"}},
		prefix + "app-instance/A/bot/B":                          {res: Resource{"A", KindBot, "B"}},
		prefix + "app-instance/A/channel/C":                      {res: Resource{"A", KindChannel, "C"}},
		prefix + "app-instance/A/channel-flow/F":                 {res: Resource{"A", KindChannelFlow, "F"}},
		prefix + "app-instance/":                                 {refusal: "BadRequestException"},
		prefix + "app-instance/A/":                               {refusal: "BadRequestException"},
		prefix + "app-instance/A/user":                           {refusal: "BadRequestException"},
		prefix + "app-instance/A/user/":                          {refusal: "BadRequestException"},
		prefix + "app-instance/A/user/x/y":                       {refusal: "BadRequestException"},
		prefix + "app-instance/A/queue/x":                        {refusal: "BadRequestException"},
		prefix + "meeting/A":                                     {refusal: "BadRequestException"},
		"arn:aws:chime:us-east-1:000000000000":                   {refusal: "BadRequestException"},
		"arn:aws:s3:::bucket/key":                                {refusal: "BadRequestException"},
		"arn:aws-cn:chime:us-east-1:000000000000:app-instance/A": {refusal: "BadRequestException"},
		"": {refusal: "BadRequestException"},
		"arn:aws:chime:eu-central-1:000000000000:app-instance/A": {refusal: "ForbiddenException"},
		"arn:aws:chime:us-east-1:111122223333:app-instance/A":    {refusal: "ForbiddenException"},
		"arn:aws:chime:eu-central-1:000000000000:something/else": {refusal: "BadRequestException"},
	} {
		got, err := site.Parse("ChannelArn", arn)
		var refused *api.Error
		switch {
		case want.refusal == "" && (err != nil || got != want.res):
			t.Errorf("%s: %+v, %v", arn, got, err)
		case site.AppOf(arn) != got.App && want.refusal == "":
			t.Errorf("%s: it lies in %q", arn, site.AppOf(arn))
		case want.refusal == "ForbiddenException" && site.AppOf(arn) != "":
			t.Errorf("%s: it lies in %q of this site", arn, site.AppOf(arn))
		case want.refusal != "" && (!errors.As(err, &refused) || refused.Type != want.refusal || !bytes.Contains([]byte(refused.Message), []byte("ChannelArn"))):
			t.Errorf("%s: %v, want %s that names the member", arn, err, want.refusal)
		}
	}
}

func TestARNsReadBack(t *testing.T) {
	for _, arn := range []string{
		site.AppInstanceARN("A"), site.ChannelARN("A", "C"), site.ChannelFlowARN("A", "F"),
		site.RefARN("A", UserRef("u")), site.RefARN("A", BotRef("b")),
	} {
		res, err := site.Parse("m", arn)
		if err != nil {
			t.Errorf("%s: %v", arn, err)
		}
		if res.Kind == KindUser && (!res.Ref().IsUser() || res.Ref().ID() != "u") {
			t.Errorf("%s: %s", arn, res.Ref())
		}
	}
}

func TestParseKindRefusesOthers(t *testing.T) {
	_, err := site.ParseKind("MemberArn", site.ChannelARN("A", "C"), KindUser, KindBot)
	const want = "BadRequestException: MemberArn: must be the ARN of: app instance user or app instance bot"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestMessageIDsSortAsMessages: by time, then by position; and by time alone against a bound.
func TestMessageIDsSortAsMessages(t *testing.T) {
	moment := rapid.Int64Range(0, 1<<47)
	rapid.Check(t, func(t *rapid.T) {
		t1, t2 := Millis(moment.Draw(t, "t1")), Millis(moment.Draw(t, "t2"))
		p1, p2 := rapid.Uint64().Draw(t, "p1"), rapid.Uint64().Draw(t, "p2")
		a, err := NewMessageID(rand.Reader, t1, p1)
		if err != nil {
			t.Fatal(err)
		}
		b, err := NewMessageID(rand.Reader, t2, p2)
		if err != nil {
			t.Fatal(err)
		}
		if len(a) != MessageIDLen {
			t.Fatalf("the id has %d characters", len(a))
		}
		if earlier := t1 < t2 || t1 == t2 && p1 < p2; earlier && a >= b {
			t.Fatalf("%s of (%d, %d) does not sort before %s of (%d, %d)", a, t1, p1, b, t2, p2)
		}
		if bound := FirstMessageID(t2); (t1 >= t2) != (a >= bound) {
			t.Fatalf("message at %d against the bound %d", t1, t2)
		}
	})
}

func TestMillis(t *testing.T) {
	at := time.Date(2021, 6, 3, 16, 26, 31, 13_900_000, time.FixedZone("", 3600))
	m := At(at)
	if got := m.Time().Format(time.RFC3339Nano); got != "2021-06-03T15:26:31.013Z" {
		t.Error(got)
	}
	if Millis(0).Optional() != nil || !m.Optional().Equal(m.Time()) {
		t.Error("zero is absent, and nothing else is")
	}
}
