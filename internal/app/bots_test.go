package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/chimesdkidentity"
	"github.com/aws/aws-sdk-go/service/chimesdkmessaging"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
)

// host makes a bot of an alias that answers everything and greets, and a member of dev mode's channel.
func (n node) host(t *testing.T, alias string) {
	t.Helper()
	session := n.session(t, "https", n.RootKeys())
	made, err := chimesdkidentity.New(session).CreateAppInstanceBot(&chimesdkidentity.CreateAppInstanceBotInput{
		AppInstanceArn: &n.Seeded().AppInstanceARN, Name: aws.String("Helper"), Configuration: &chimesdkidentity.Configuration{Lex: &chimesdkidentity.LexConfiguration{
			LexBotAliasArn: aws.String("arn:aws:lex:us-east-1:000000000000:bot-alias/" + alias), LocaleId: aws.String("en_US"), WelcomeIntent: aws.String("Welcome"),
			InvokedBy: &chimesdkidentity.InvokedBy{StandardMessages: aws.String("ALL"), TargetedMessages: aws.String("ALL")},
		}},
	})
	if err == nil {
		_, err = chimesdkmessaging.New(session).CreateChannelMembership(&chimesdkmessaging.CreateChannelMembershipInput{
			ChannelArn: &n.Seeded().ChannelARN, MemberArn: made.AppInstanceBotArn, Type: aws.String("DEFAULT"), ChimeBearer: &n.Seeded().UserARNs[0],
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// heard waits until the channel of dev mode has a message of the bot that says so, and returns all that the
// bot has said, the latest first: each as content|metadata|.
func (n node) heard(t *testing.T, text string) (said []string) {
	t.Helper()
	client := chimesdkmessaging.New(n.session(t, "https", n.RootKeys()))
	for {
		list, err := client.ListChannelMessagesWithContext(t.Context(), &chimesdkmessaging.ListChannelMessagesInput{
			ChannelArn: &n.Seeded().ChannelARN, ChimeBearer: &n.Seeded().UserARNs[0],
		})
		if err != nil {
			t.Fatal(err)
		}
		said, found := []string(nil), false
		for _, m := range list.ChannelMessages {
			if *m.Sender.Name == "Helper" {
				said = append(said, aws.StringValue(m.Content)+"|"+aws.StringValue(m.Metadata)+"|")
				found = found || strings.Contains(said[len(said)-1], text)
			}
		}
		if found {
			return said
		}
	}
}

// TestBotsAnswerOverHTTP: a bot behind an endpoint, which verifies with the published library, greets and
// answers once each, over a restart.
func TestBotsAnswerOverHTTP(t *testing.T) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call struct{ Operation, Text string }
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = verifier.Verify(body, r.Header)
		}
		if err == nil {
			err = json.Unmarshal(body, &call)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		if call.Text == "fail" {
			http.Error(w, "", http.StatusForbidden)
			return
		}
		_, _ = fmt.Fprintf(w, `{"messages":[{"content":"%s %s","contentType":"PlainText"}],"sessionState":{"intent":{"name":"Any","state":"Fulfilled"}}}`, call.Operation, call.Text)
	}))
	defer endpoint.Close()

	cfg := lab.Settings(t, config.Dev, map[string]string{"bots": "arn:aws:lex:*:bot-alias/BOTBOTBOTB/* " + endpoint.URL})
	cfg.BotsSecret = config.NewSecret(secret)
	for i, text := range []string{"first", "second"} {
		running, err := lab.Run(t.Context(), cfg, app.Deps{})
		if err != nil {
			t.Fatal(err)
		}
		n := node{running}
		if i == 0 {
			n.host(t, "BOTBOTBOTB/ALIASALIAS")
			n.heard(t, "PutSession ")
		}
		n.say(t, text)
		said := n.heard(t, "RecognizeText "+text)
		if want := i + 2; len(said) != want || strings.Count(strings.Join(said, ""), text) != 1 {
			t.Errorf("the bot has said %q", said)
		}
		if i == 1 {
			n.say(t, "fail")
			n.heard(t, `{"Code":403}`)
			_, metrics := n.opsCall(t, http.MethodGet, "/metrics")
			for _, line := range []string{`carillon_bot_turns_total{outcome="failed"} 1`, "carillon_bots_without_end 0", `carillon_follower_lag_events{follower="bots"}`} {
				if !strings.Contains(metrics, line) {
					t.Errorf("no metric %s", line)
				}
			}
		}
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	}
}

// TestAModelAnswers piece by piece in one message, which is finished after a restart.
func TestAModelAnswers(t *testing.T) {
	var calls atomic.Int32
	stopped := make(chan struct{})
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		say := func(text string) {
			_, _ = fmt.Fprintf(w, "data: {\"choices\":[{\"delta\":{\"content\":%q}}]}\n\n", text)
			w.(http.Flusher).Flush()
		}
		say("It is ")
		if calls.Add(1) == 1 { // the node stops meanwhile
			<-r.Context().Done()
			close(stopped)
			return
		}
		say("Tuesday.")
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	}))
	defer model.Close()

	cfg := lab.Settings(t, config.Dev, map[string]string{"bots": "arn:aws:lex:*:bot-alias/ASSISTANT0/* openai+" + model.URL + "/v1 model=small"})
	running, err := lab.Run(t.Context(), cfg, app.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	n := node{running}
	n.host(t, "ASSISTANT0/ASSISTANT0")
	n.say(t, "which-day")
	if said := n.heard(t, `It is |{"carillon":{"answer":"writing"}}|`); len(said) != 1 {
		t.Errorf("the bot has said %q", said)
	}
	if err := n.Stop(); err != nil {
		t.Error(err)
	}
	<-stopped

	if running, err = lab.Run(t.Context(), cfg, app.Deps{}); err != nil {
		t.Fatal(err)
	}
	n = node{running}
	if said := n.heard(t, "It is Tuesday.||"); len(said) != 1 || said[0] != "It is Tuesday.||" {
		t.Errorf("the bot has said %q", said)
	}
	if err := n.Stop(); err != nil {
		t.Error(err)
	}
}

// TestDevHasABot that needs nothing else.
func TestDevHasABot(t *testing.T) {
	n := start(t, lab.Settings(t, config.Dev, nil))
	n.host(t, "ECHOBOT000/ECHOBOT000")
	n.heard(t, "Hello!")
	n.say(t, "knock-knock")
	n.heard(t, "You said: knock-knock")
}
