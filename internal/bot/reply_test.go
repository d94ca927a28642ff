package bot_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/bot"
	"github.com/carillon-chat/carillon/internal/store/pebble"
)

// TestReplies have AWS's form.
func TestReplies(t *testing.T) {
	within(t, func(b *bed) {
		b.host("bot", invokedBy("ALL", "ALL"))
		id := b.Say("bob", "c", "hi")
		m := b.newest()
		b.expect("the reply", fmt.Sprintf("%v %s %s %s", m.Sender.ARN == b.bots["bot"], m.Type, m.ContentType, *m.Content),
			`true STANDARD application/amz-chime-lex-msgs {"Messages":[{"Content":"re: hi","ContentType":"PlainText"}]}`)
		session := m.MessageAttributes["CHIME.LEX.sessionState.sessionId"].StringValues
		b.expect("attributes", fmt.Sprint(m.MessageAttributes["CHIME.LEX.sessionState.intent.name"].StringValues,
			m.MessageAttributes["CHIME.LEX.sessionState.intent.state"].StringValues, m.MessageAttributes["CHIME.LEX.sessionState.originatingRequestId"].StringValues,
			len(session), len(m.MessageAttributes)), fmt.Sprint("[Talk] [Fulfilled] [", id, "] 1 4"))

		// The conversation is that of the channel, and one with each sender of targeted messages.
		b.look()
		sessions := []string{session[0]}
		for _, by := range []string{"cy", "bob"} {
			b.Say(by, "c", "psst", b.to("bot"))
			b.expect("events", b.look(), fmt.Sprintf("CREATE_CHANNEL_MESSAGE to %s,bot: psst\nCREATE_CHANNEL_MESSAGE to bot,%s: %s", by, by,
				`{"Messages":[{"Content":"re: psst","ContentType":"PlainText"}]}`))
		}
		b.Say("cy", "c", "hi")
		sessions = append(sessions, b.newest().MessageAttributes["CHIME.LEX.sessionState.sessionId"].StringValues...)
		if sessions[0] != sessions[1] {
			t.Errorf("conversations of one channel: %s", sessions)
		}
		turns, kept := b.left()
		b.expect("turns and conversations", fmt.Sprint(turns, kept), "0 3")

		// What is not persistent is answered in kind.
		b.look()
		b.Say("bob", "c", "quick", live)
		b.expect("events", b.look(), "CREATE_CHANNEL_MESSAGE to members: quick\nCREATE_CHANNEL_MESSAGE to members: "+
			`{"Messages":[{"Content":"re: quick","ContentType":"PlainText"}]}`)

		// A bot may have nothing to say.
		b.end.answer = func(bot.Question) (bot.Answer, error) { return bot.Answer{}, nil }
		b.Say("bob", "c", "well")
		b.expect("content", *b.newest().Content, `{"Messages":[]}`)
	})
}

// TestWelcome: a bot with a welcome intent greets when it joins, however it joins.
func TestWelcome(t *testing.T) {
	within(t, func(b *bed) {
		b.addBot("bot", welcomes, invokedBy("NONE", "NONE"))
		b.addBot("quiet", invokedBy("NONE", "NONE"))
		b.join("c", "bot", messaging.ChannelMembershipTypeDefault)
		b.join("c", "quiet", messaging.ChannelMembershipTypeDefault)
		m := b.newest()
		b.expect("the greeting", text(m.Content, m.ContentType), "hello")
		b.expect("attributes", len(m.MessageAttributes), 3)
		b.AddChannel("ann", "made", func(r *messaging.CreateChannelRequest) { r.MemberARNs = []string{b.bots["bot"]} })
		b.expect("said in a new channel", b.lists("ann", "made"), "bot: hello")
		b.AddChannel("ann", "filled")
		_, err := b.Channels.BatchCreateChannelMembership(ctx, &messaging.BatchCreateChannelMembershipRequest{
			ChannelARN: b.Channel("filled"), MemberARNs: []string{b.User("bob"), b.bots["quiet"], b.bots["bot"]}, ChimeBearer: b.User("ann"),
		})
		if err != nil {
			t.Fatal(err)
		}
		b.expect("said after a batch", b.lists("ann", "filled"), "bot: hello")
		b.expect("asked", b.end.take(), "greet with Welcome, greet with Welcome, greet with Welcome")

		b.end.greet = func() (*bot.Answer, error) { return nil, nil }
		b.AddChannel("ann", "mute", func(r *messaging.CreateChannelRequest) { r.MemberARNs = []string{b.bots["bot"]} })
		b.expect("said by one that has no greeting", b.lists("ann", "mute"), "")
	})
}

// TestConversationsEnd when the bot leaves, and with the channel.
func TestConversationsEnd(t *testing.T) {
	for name, end := range map[string]func(*bed) error{
		"removed": func(b *bed) error { b.leave("c", "bot"); return nil },
		"banned": func(b *bed) error {
			_, err := b.Channels.CreateChannelBan(ctx, &messaging.CreateChannelBanRequest{ChannelARN: b.Channel("c"), MemberARN: b.bots["bot"], ChimeBearer: b.User("ann")})
			return err
		},
		"deleted": func(b *bed) error {
			_, err := b.Identity.DeleteAppInstanceBot(ctx, &identityapi.DeleteAppInstanceBotRequest{AppInstanceBotARN: b.bots["bot"]})
			return err
		},
		"with its channel": func(b *bed) error {
			_, err := b.Channels.DeleteChannel(ctx, &messaging.DeleteChannelRequest{ChannelARN: b.Channel("c"), ChimeBearer: b.User("ann")})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func(b *bed) {
				b.host("bot", invokedBy("ALL", "ALL"))
				b.Say("bob", "c", "hi")
				b.Say("cy", "c", "psst", b.to("bot"))
				b.look()
				b.end.take()
				if err := end(b); err != nil {
					t.Fatal(err)
				}
				b.look()
				b.expect("asked", b.end.take(), "leave, leave")
				turns, sessions := b.left()
				b.expect("turns and conversations", fmt.Sprint(turns, sessions), "0 0")
			})
		})
	}
}

// TestFailures: members get an error reply of the code, the operator a notice.
func TestFailures(t *testing.T) {
	failure := func(code int, again bool) error {
		return &bot.Failure{Code: code, Reason: fmt.Sprint("answered ", code), Again: again}
	}
	for _, tc := range []struct {
		name   string
		errs   []error // of the attempts; the last again and again
		reply  string
		notice string
		asked  int
	}{
		{"no permission", []error{failure(403, false)}, `{"Code":403}`, "answered 403", 1},
		{"throttled", []error{failure(429, true)}, `{"Code":429}`, "answered 429", 3},
		{"mended", []error{failure(500, true), failure(502, true), nil}, "re", "", 3},
		{"no answer", []error{errors.New("no route")}, `{"Code":500}`, "no route", 3},
	} {
		for _, targeted := range []bool{false, true} {
			t.Run(fmt.Sprint(tc.name, " targeted ", targeted), func(t *testing.T) {
				within(t, func(b *bed) {
					b.host("bot", invokedBy("ALL", "ALL"))
					asked := 0
					b.end.answer = func(bot.Question) (bot.Answer, error) {
						err := tc.errs[min(asked, len(tc.errs)-1)]
						asked++
						return says("re"), err
					}
					var change []func(*messaging.SendChannelMessageRequest)
					if targeted {
						change = append(change, b.to("bot"))
					}
					b.Say("bob", "c", "hi", change...)
					time.Sleep(time.Minute)
					b.expect("said", b.lists("bob", "c"), "bob: hi, bot: "+tc.reply)
					b.expect("attempts", asked, tc.asked)
					b.expect("notices", strings.Join(b.notices(), ","), tc.notice)
					if tc.notice != "" && !targeted {
						m := b.newest()
						b.expect("the reply", fmt.Sprintf("%s %s %v", m.Type, m.ContentType, len(*m.Content) <= 30), "CONTROL application/amz-chime-lex-error true")
					}
					others := b.lists("cy", "c")
					if targeted != (others == "") {
						t.Errorf("cy lists %s", others)
					}
				})
			})
		}
	}
}

// TestEndsSayWhenToAskAgain, within bounds.
func TestEndsSayWhenToAskAgain(t *testing.T) {
	within(t, func(b *bed) {
		b.host("bot", invokedBy("ALL", "ALL"))
		began, asked := time.Now(), []time.Duration(nil)
		b.end.answer = func(bot.Question) (bot.Answer, error) {
			asked = append(asked, time.Since(began))
			after := []time.Duration{10 * time.Second, time.Hour, 0}[len(asked)-1]
			return bot.Answer{}, &bot.Failure{Code: 429, Reason: "slow down", Again: true, After: after}
		}
		b.Say("bob", "c", "hi")
		time.Sleep(time.Minute)
		synctest.Wait()
		b.expect("asked at", asked, []time.Duration{0, 10 * time.Second, 40 * time.Second})
		b.expect("said", b.lists("ann", "c"), `bob: hi, bot: {"Code":429}`)
	})
}

// TestTwoProcessesAnswerOnce: both take the turn that is stored, and one sends.
func TestTwoProcessesAnswerOnce(t *testing.T) {
	for _, kind := range []string{"E", "W"} {
		within(t, func(b *bed) {
			begin := make(chan struct{})
			w := b.author(func(ctx context.Context, q bot.Question, piece func(string)) error {
				<-begin
				return speak(ctx, piece, time.Second, nil, "re: ", q.Text)
			})
			b.end.answer = func(q bot.Question) (bot.Answer, error) { <-begin; return says("re: " + q.Text), nil }
			if kind == "E" {
				b.leave("c", "bot")
				b.host("other", invokedBy("ALL", "ALL"))
			}
			b.Say("bob", "c", "hi")
			synctest.Wait() // the first process asks
			stop := b.another()
			defer stop()
			close(begin)
			time.Sleep(time.Minute)
			b.expect("asked", strings.Count(w.take()+b.end.take(), "hi"), 2)
			if said := b.lists("ann", "c"); strings.Count(said, "re: hi") != 1 {
				t.Errorf("said: %s", said)
			}
			turns, _ := b.left()
			b.expect("turns and notices", fmt.Sprint(turns, len(b.notices())), "0 0")
		})
	}
}

// TestAnswersThatNoMessageHolds are failures.
func TestAnswersThatNoMessageHolds(t *testing.T) {
	within(t, func(b *bed) {
		b.host("bot", invokedBy("ALL", "ALL"))
		b.end.answer = func(bot.Question) (bot.Answer, error) { return says(strings.Repeat("x", 4096)), nil }
		b.Say("bob", "c", "hi")
		b.expect("said", b.lists("ann", "c"), `bob: hi, bot: {"Code":502}`)
		b.end.answer = func(bot.Question) (bot.Answer, error) { return bot.Answer{Intent: strings.Repeat("x", 600)}, nil }
		b.Say("bob", "c", "again")
		b.expect("code", *b.newest().Content, `{"Code":502}`)
		b.expect("notices", len(b.notices()), 2)
	})
}

// TestWhatIsGoneIsNotAnswered: a message that was redacted, a channel and a membership that ended while the
// bot was asked.
func TestWhatIsGoneIsNotAnswered(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(b *bed, id string)
		say  string
	}{
		{"redacted before", func(b *bed, id string) { b.Redact("bob", "c", id) }, "first from bob"},
		{"bot removed", func(b *bed, _ string) { b.leave("c", "bot") }, "first from bob, leave"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			within(t, func(b *bed) {
				b.host("bot", invokedBy("ALL", "ALL"))
				busy := make(chan struct{})
				b.end.answer = func(bot.Question) (bot.Answer, error) { <-busy; return says("re"), nil }
				b.Say("bob", "c", "first")
				id := b.Say("bob", "c", "second")
				synctest.Wait()
				tc.do(b, id)
				close(busy)
				b.look()
				b.expect("asked", b.end.take(), tc.say)
				turns, _ := b.left()
				b.expect("turns", turns, 0)
				if strings.Contains(b.lists("ann", "c"), "bot: re") != (tc.name == "redacted before") {
					t.Errorf("said: %s", b.lists("ann", "c"))
				}
			})
		})
	}
}

// TestAnswersSurviveRestarts: each message is answered once, wherever the node stops.
func TestAnswersSurviveRestarts(t *testing.T) {
	within(t, func(b *bed) {
		b.host("bot", invokedBy("ALL", "ALL"))

		// Before the bot is asked, while it is asked, and after its answer.
		b.stop()
		b.Say("bob", "c", "one")
		b.start()
		b.expect("said", b.lists("ann", "c"), "bob: one, bot: re: one")

		busy := make(chan struct{})
		b.end.answer = func(q bot.Question) (bot.Answer, error) {
			<-busy
			return says("late: " + q.Text), errors.New("the node stops")
		}
		b.Say("bob", "c", "two")
		synctest.Wait()
		time.AfterFunc(time.Second, func() { close(busy) })
		b.stop()
		b.end.answer = nil
		b.start()
		b.expect("said", b.lists("ann", "c"), "bob: one, bot: re: one, bob: two, bot: re: two")
		b.stop()
		b.start()
		b.stop()

		// The follower's position is behind, as after a crash: what it hands out again is done.
		b.rewind()
		b.start()
		b.expect("said", b.lists("ann", "c"), "bob: one, bot: re: one, bob: two, bot: re: two")
		b.expect("asked", b.end.take(), "one from bob, two from bob, two from bob")
	})
}

// TestBotsOverPebble shows the same over the engine of the program.
func TestBotsOverPebble(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		st, err := pebble.Open(folder, pebble.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		b := newBed(t, st)
		defer func() { b.stop() }()
		b.host("bot", invokedBy("ALL", "ALL"))
		for i := range 20 {
			b.Say("bob", "c", fmt.Sprint(i))
		}
		for strings.Count(b.lists("ann", "c"), "re:") < 20 {
			time.Sleep(time.Second)
		}
		turns, sessions := b.left()
		b.expect("turns and conversations", fmt.Sprint(turns, sessions), "0 1")
	})
}

// TestNothingIsKeptOfAnAppInstance that is deleted.
func TestNothingIsKeptOfAnAppInstance(t *testing.T) {
	within(t, func(b *bed) {
		b.host("bot", invokedBy("ALL", "ALL"))
		b.Say("bob", "c", "hi")
		b.look()
		_, err := b.Identity.DeleteAppInstance(ctx, &identityapi.DeleteAppInstanceRequest{AppInstanceARN: b.App})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		turns, sessions := b.left()
		b.expect("turns and conversations", fmt.Sprint(turns, sessions), "0 0")
	})
}
