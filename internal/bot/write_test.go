package bot_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/bot"
)

const (
	writing = `{"carillon":{"answer":"writing"}}`
	broken  = `{"carillon":{"answer":"broken"}}`
)

// speak hands out words, one each pause, and then err.
func speak(ctx context.Context, piece func(string), pause time.Duration, err error, words ...string) error {
	for _, word := range words {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
		piece(word)
	}
	return err
}

// author hosts a bot that writes.
func (b *bed) author(write func(ctx context.Context, q bot.Question, piece func(string)) error) *writer {
	w := &writer{end: new(end), write: write}
	b.ends["W"] = w
	b.host("bot", invokedBy("ALL", "ALL"), at("W"))
	return w
}

// TestWrittenAnswersGrow: one message, edited no more often than every half second, whole in the end.
func TestWrittenAnswersGrow(t *testing.T) {
	within(t, func(b *bed) {
		words := strings.SplitAfter("a b c d e f g h i j k l", " ")
		b.author(func(ctx context.Context, _ bot.Question, piece func(string)) error {
			return speak(ctx, piece, 210*time.Millisecond, nil, words...)
		})
		id := b.Say("bob", "c", "go")
		var states []string
		for range 30 {
			time.Sleep(100 * time.Millisecond)
			if events := b.look(); events != "" && !strings.HasSuffix(events, ": go") {
				states = append(states, events[strings.LastIndex(events, ": ")+2:])
			}
		}
		b.expect("what members see", strings.Join(states, "|"), "a|a b c|a b c d e|a b c d e f g h|a b c d e f g h i j|a b c d e f g h i j k l")
		m := b.newest()
		b.expect("the message", fmt.Sprintf("%s %q %q %s", *m.Content, m.Metadata, m.ContentType, m.MessageAttributes["CHIME.LEX.sessionState.originatingRequestId"].StringValues[0]),
			fmt.Sprintf("a b c d e f g h i j k l %q %q %s", "", "", id))
		turns, _ := b.left()
		b.expect("turns", turns, 0)
	})
}

// TestAnswersThatComeAtOnce are never edited.
func TestAnswersThatComeAtOnce(t *testing.T) {
	within(t, func(b *bed) {
		b.author(func(_ context.Context, _ bot.Question, piece func(string)) error { piece("all"); return nil })
		b.Say("bob", "c", "go")
		b.look()
		m := b.newest()
		b.expect("the message", *m.Content+m.Metadata, "all")
	})
}

// TestWrittenAnswersThatBreakOff are tried again; then what there is stays, and says that there comes no more.
func TestWrittenAnswersThatBreakOff(t *testing.T) {
	cut := errors.New("connection reset")
	for _, tc := range []struct {
		name  string
		write func(attempt int, ctx context.Context, piece func(string)) error
		want  string
		state string
		fails bool
	}{
		{"once", func(attempt int, ctx context.Context, piece func(string)) error {
			if attempt == 1 {
				return speak(ctx, piece, time.Second, cut, "one ", "two ")
			}
			return speak(ctx, piece, time.Second, nil, "one ", "two ", "three")
		}, "one two three", "", false},
		{"always", func(_ int, ctx context.Context, piece func(string)) error {
			return speak(ctx, piece, time.Second, cut, "one ", "two ")
		}, "one two ", broken, true},
		{"before it begins", func(_ int, ctx context.Context, piece func(string)) error {
			return &bot.Failure{Code: http.StatusUnauthorized, Reason: "no key"}
		}, "", "", true},
		{"empty", func(_ int, ctx context.Context, piece func(string)) error { return nil }, "", "", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			within(t, func(b *bed) {
				attempts := 0
				b.author(func(ctx context.Context, _ bot.Question, piece func(string)) error {
					attempts++
					return tc.write(attempts, ctx, piece)
				})
				b.Say("bob", "c", "go")
				time.Sleep(time.Minute)
				synctest.Wait()
				resp, err := b.Messages.ListChannelMessages(ctx, &messaging.ListChannelMessagesRequest{
					ChannelARN: b.Channel("c"), ChimeBearer: b.User("ann"), SortOrder: messaging.SortOrderAscending,
				})
				if err != nil {
					t.Fatal(err)
				}
				rest := resp.ChannelMessages[1:]
				if tc.want != "" {
					b.expect("the answer", *rest[0].Content+rest[0].Metadata, tc.want+tc.state)
					rest = rest[1:]
				}
				b.expect("error replies and notices", fmt.Sprint(len(rest) == 1 && rest[0].Type == messaging.ChannelMessageTypeControl, len(b.notices()) == 1), fmt.Sprint(tc.fails, tc.fails))
				turns, _ := b.left()
				b.expect("turns", turns, 0)
			})
		})
	}
}

// TestWritingGoesOnAfterAKill: the same message is written anew, and no second one.
func TestWritingGoesOnAfterAKill(t *testing.T) {
	for name, second := range map[string]error{"finished": nil, "failed": &bot.Failure{Code: 503, Reason: "no model"}} {
		t.Run(name, func(t *testing.T) {
			within(t, func(b *bed) {
				w := b.author(func(ctx context.Context, _ bot.Question, piece func(string)) error {
					return speak(ctx, piece, time.Second, nil, "one ", "two ", "three ", "four")
				})
				b.Say("bob", "c", "go")
				time.Sleep(2500 * time.Millisecond)
				b.expect("said", b.lists("ann", "c"), "bob: go, bot: one two ")
				b.stop()
				if second != nil {
					w.write = func(context.Context, bot.Question, func(string)) error { return second }
				}
				b.start()
				time.Sleep(10 * time.Second)
				want, state := "bob: go, bot: one two three four", ""
				if second != nil {
					want, state = `bob: go, bot: one two , bot: {"Code":503}`, broken
				}
				b.expect("said", b.lists("ann", "c"), want)
				resp, err := b.Messages.ListChannelMessages(ctx, &messaging.ListChannelMessagesRequest{
					ChannelARN: b.Channel("c"), ChimeBearer: b.User("ann"), SortOrder: messaging.SortOrderAscending,
				})
				if err != nil || resp.ChannelMessages[1].Metadata != state {
					t.Errorf("the state is %+v, %v", resp.ChannelMessages[1], err)
				}
			})
		})
	}
}

// TestAQuestionThatIsGoneAfterARestart leaves its answer as far as it came.
func TestAQuestionThatIsGoneAfterARestart(t *testing.T) {
	within(t, func(b *bed) {
		b.author(func(ctx context.Context, _ bot.Question, piece func(string)) error {
			return speak(ctx, piece, time.Second, nil, "one ", "two ", "three")
		})
		id := b.Say("bob", "c", "go")
		time.Sleep(1500 * time.Millisecond)
		b.stop()
		b.Redact("bob", "c", id)
		b.start()
		time.Sleep(time.Minute)
		m := b.newest()
		b.expect("the answer", *m.Content+m.Metadata, "one "+broken)
		turns, _ := b.left()
		b.expect("turns and notices", fmt.Sprint(turns, len(b.notices())), "0 0")
	})
}

// TestWritingEndsWithTheRightTo: the bot is removed, or its message redacted, while it writes.
func TestWritingEndsWithTheRightTo(t *testing.T) {
	for name, take := range map[string]func(*bed){
		"removed":  func(b *bed) { b.leave("c", "bot") },
		"deleted":  func(b *bed) { b.Delete("adm", "c", b.newest().MessageID) },
		"redacted": func(b *bed) { b.Redact("ann", "c", b.newest().MessageID) },
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func(b *bed) {
				b.author(func(ctx context.Context, _ bot.Question, piece func(string)) error {
					return speak(ctx, piece, time.Second, nil, strings.SplitAfter("one two three four five six", " ")...)
				})
				b.Say("bob", "c", "go")
				time.Sleep(2500 * time.Millisecond)
				synctest.Wait()
				take(b)
				time.Sleep(time.Minute)
				b.expect("said", b.lists("ann", "c"), map[string]string{
					"removed": "bob: go, bot: one two ", "deleted": "bob: go", "redacted": "bob: go, bot: (redacted)",
				}[name])
				turns, _ := b.left()
				b.expect("turns and notices", fmt.Sprint(turns, len(b.notices())), "0 0")
			})
		})
	}
}

// TestWhatCannotBeEditedIsSentWhole: replies that are not persistent, and those that pass a flow.
func TestWhatCannotBeEditedIsSentWhole(t *testing.T) {
	within(t, func(b *bed) {
		b.author(func(ctx context.Context, _ bot.Question, piece func(string)) error {
			return speak(ctx, piece, time.Second, nil, "one ", "two")
		})
		b.Say("bob", "c", "go", live)
		time.Sleep(5 * time.Second)
		b.expect("events", b.look(), "CREATE_CHANNEL_MESSAGE to members: go\nCREATE_CHANNEL_MESSAGE to members: one two")
		b.flowOf(func() (string, error) { return `{"ChannelMessage":{}}`, nil })
		b.Say("bob", "c", "again")
		time.Sleep(5 * time.Second)
		b.expect("said", b.lists("cy", "c"), "bob: again, bot: one two")
		if events := b.look(); strings.Contains(events, "UPDATE") {
			t.Errorf("events: %s", events)
		}
	})
}

// TestAFlowThatComesWhileAnAnswerIsWritten lets the last version through.
func TestAFlowThatComesWhileAnAnswerIsWritten(t *testing.T) {
	within(t, func(b *bed) {
		b.author(func(ctx context.Context, _ bot.Question, piece func(string)) error {
			return speak(ctx, piece, time.Second, nil, strings.SplitAfter("one two three four", " ")...)
		})
		b.Say("bob", "c", "go")
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		b.flowOf(func() (string, error) { time.Sleep(1500 * time.Millisecond); return `{"ChannelMessage":{}}`, nil })
		time.Sleep(time.Minute)
		b.expect("said", b.lists("cy", "c"), "bob: go, bot: one two three four")
	})
}

// TestLongAnswersAreCut at what a message holds, and the end is told to stop.
func TestLongAnswersAreCut(t *testing.T) {
	within(t, func(b *bed) {
		stopped := false
		b.author(func(ctx context.Context, _ bot.Question, piece func(string)) error {
			err := speak(ctx, piece, time.Second, nil, strings.Split(strings.Repeat(strings.Repeat("é", 1000)+"|", 50), "|")...)
			stopped = err != nil
			return err
		})
		b.Say("bob", "c", "go")
		time.Sleep(10 * time.Second)
		m := b.newest()
		b.expect("the answer", fmt.Sprintf("%d %v %q %v", len(*m.Content), strings.HasSuffix(*m.Content, "é…"), m.Metadata, stopped), `4095 true "" true`)
	})
}

// TestHistory: an end may read what was said before, as far as every member of the conversation saw it.
func TestHistory(t *testing.T) {
	within(t, func(b *bed) {
		var seen []string
		b.author(func(ctx context.Context, q bot.Question, piece func(string)) error {
			lines, err := q.History(ctx, 4)
			if err != nil {
				return err
			}
			seen = nil
			for _, l := range lines {
				seen = append(seen, fmt.Sprint(l.Name, " ", l.Mine, " ", l.Text))
			}
			piece("re: " + q.Text)
			return nil
		})
		b.Say("bob", "c", "one")
		b.look()
		b.Say("bob", "c", "hush", b.to("bot"))
		b.look()
		b.expect("bob's secret is told with", strings.Join(seen, ", "), "BOB false one, bot true re: one")
		b.Say("ann", "c", "gone")
		b.look()
		b.Redact("ann", "c", b.newestOf("ann"))
		b.Say("cy", "c", "control", control)
		b.look()
		b.Say("cy", "c", "two")
		b.look()
		if got := strings.Join(seen, ", "); strings.Contains(got, "hush") || strings.Contains(got, "ANN") || strings.Contains(got, "control") || !strings.HasPrefix(got, "BOB false one, bot true re: one") {
			t.Errorf("cy's question is asked with %s", got)
		}
		b.Say("bob", "c", "more", b.to("bot"))
		b.look()
		b.expect("bob's next secret", strings.Contains(strings.Join(seen, ", "), "hush"), true)
	})
}

// TestHistoryHasWhatMembersSaw: replies that wait for the channel flow, or that it failed, are not among it.
func TestHistoryHasWhatMembersSaw(t *testing.T) {
	for name, reply := range map[string]func() (string, error){
		"waits":  func() (string, error) { return "", nil },
		"failed": func() (string, error) { return "", errors.New("down") },
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func(b *bed) {
				var seen []string
				var replying atomic.Bool // the message in the flow is the bot's
				b.flowOf(func() (string, error) {
					if replying.Load() {
						return reply()
					}
					return `{"ChannelMessage":{}}`, nil
				})
				b.author(func(ctx context.Context, q bot.Question, piece func(string)) error {
					lines, err := q.History(ctx, 9)
					seen = nil
					for _, l := range lines {
						seen = append(seen, l.Text)
					}
					replying.Store(true)
					piece("re: " + q.Text)
					return err
				})
				b.Say("bob", "c", "one")
				time.Sleep(2 * time.Minute) // all attempts at the processor
				b.look()
				replying.Store(false)
				b.Say("bob", "c", "two")
				b.look()
				b.expect("the second question is asked with", strings.Join(seen, ", "), "one")
			})
		})
	}
}
