package bot_test

import (
	"context"
	"slices"
	"testing"
	"time"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

// TestTriggers: which messages a bot answers, in a channel of three people and the bot, and in one of two
// members.
func TestTriggers(t *testing.T) {
	all := func(c *identityapi.LexConfiguration) { c.RespondsTo = identityapi.RespondsToStandardMessages }
	type change = func(*messaging.SendChannelMessageRequest)
	for _, tc := range []struct {
		name   string
		invoke func(*identityapi.LexConfiguration)
		// What the bot is asked of a message that is plain, mentions it, mentions another, is targeted to it, is
		// targeted to a person, and is a CONTROL message.
		plain, mention, other, targeted, person bool
		pair                                    bool // of a plain one in a channel of two
	}{
		{"ALL and ALL", invokedBy("ALL", "ALL"), true, true, true, true, false, true},
		{"AUTO and ALL", invokedBy("AUTO", "ALL"), false, true, false, true, false, true},
		{"MENTIONS and NONE", invokedBy("MENTIONS", "NONE"), false, true, false, false, false, false},
		{"NONE and ALL", invokedBy("NONE", "ALL"), false, false, false, true, false, false},
		{"NONE and NONE", invokedBy("NONE", "NONE"), false, false, false, false, false, false},
		{"RespondsTo", all, true, true, true, true, false, true},
		{"neither", func(*identityapi.LexConfiguration) {}, false, true, false, true, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			within(t, func(b *bed) {
				b.host("bot", tc.invoke)
				b.addBot("silent", at("X"))
				b.join("c", "silent", messaging.ChannelMembershipTypeDefault)
				b.AddChannel("bob", "pair")
				_, err := b.Channels.CreateChannelMembership(ctx, &messaging.CreateChannelMembershipRequest{
					ChannelARN: b.Channel("pair"), MemberARN: b.bots["bot"], Type: messaging.ChannelMembershipTypeDefault, ChimeBearer: b.User("bob"),
				})
				if err != nil {
					t.Fatal(err)
				}

				ask := func(what string, asked bool, channel string, change ...change) {
					t.Helper()
					b.Say("bob", channel, what, change...)
					want := ""
					if asked {
						want = what + " from bob"
					}
					b.look()
					b.expect(what, b.end.take(), want)
				}
				ask("plain", tc.plain, "c")
				ask("mention", tc.mention, "c", b.mentioning("silent", "bot"))
				ask("other", tc.other, "c", b.mentioning("silent"))
				ask("targeted", tc.targeted, "c", b.to("bot"))
				ask("person", tc.person, "c", b.To("cy"))
				ask("control", false, "c", control)
				ask("live", tc.plain, "c", live)
				ask("pair", tc.pair, "pair")

				// A hidden member makes no crowd.
				b.AddMember("bob", "pair", "cy", messaging.ChannelMembershipTypeHidden)
				ask("watched", tc.pair, "pair")
				b.AddMember("bob", "pair", "ann", messaging.ChannelMembershipTypeDefault)
				ask("crowd", tc.plain, "pair")
				turns, _ := b.left()
				b.expect("turns left", turns, 0)
			})
		})
	}
}

// TestBotsDoNotTriggerBots: two bots that answer everything answer a person once each.
func TestBotsDoNotTriggerBots(t *testing.T) {
	within(t, func(b *bed) {
		b.host("one", invokedBy("ALL", "ALL"))
		b.host("two", invokedBy("ALL", "ALL"))
		b.Say("bob", "c", "hi")
		b.expect("said", len(b.lists("ann", "c")), len("bob: hi, one: re: hi, two: re: hi"))
		b.expect("asked", b.end.take(), "hi from bob, hi from bob")

		// A back end that speaks as a bot triggers none either.
		req := b.Text("bob", "c", "from a program")
		req.ChimeBearer = b.bots["one"]
		b.Send(req)
		b.look()
		b.expect("asked", b.end.take(), "")
	})
}

// TestHiddenBotsAreNotAsked: they could not answer.
func TestHiddenBotsAreNotAsked(t *testing.T) {
	within(t, func(b *bed) {
		b.addBot("bot", invokedBy("ALL", "ALL"), welcomes)
		b.join("c", "bot", messaging.ChannelMembershipTypeHidden)
		b.Say("bob", "c", "hi")
		b.expect("said", b.lists("ann", "c"), "bob: hi")
		b.expect("asked", b.end.take(), "")
	})
}

// TestEditsAndOldMessagesAreNotAnswered: nor is what was sent before the bot joined.
func TestEditsAndOldMessagesAreNotAnswered(t *testing.T) {
	within(t, func(b *bed) {
		id := b.Say("bob", "c", "before")
		b.host("bot", invokedBy("ALL", "ALL"))
		_, err := b.Messages.UpdateChannelMessage(ctx, &messaging.UpdateChannelMessageRequest{
			ChannelARN: b.Channel("c"), MessageID: id, Content: "edited", ChimeBearer: b.User("bob"),
		})
		if err != nil {
			t.Fatal(err)
		}
		b.look()
		b.expect("asked", b.end.take(), "")

		// What waited in the log for hours, while the node ran without bots.
		b.stop()
		b.Say("bob", "c", "long ago")
		b.ahead.Add(int64(2 * time.Hour))
		b.Say("bob", "c", "now")
		b.start()
		b.look()
		b.expect("asked", b.end.take(), "now from bob")
	})
}

// TestFlowsComeFirst: a bot is asked what a flow let pass, as it let it pass, and never what it denied or failed.
func TestFlowsComeFirst(t *testing.T) {
	for _, tc := range []struct{ name, answer, asked, lists string }{
		{"passed", `{"ChannelMessage":{}}`, "hi from bob", "bob: hi, bot: re: hi"},
		{"changed", `{"ChannelMessage":{"Content":"h*"}}`, "h* from bob", "bob: h*, bot: unreadable h*"},
		{"denied", `{"DeleteResource":true}`, "", ""},
		{"waiting", ``, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, kind := range []string{"persistent", "live"} {
				within(t, func(b *bed) {
					b.flowOf(func() (string, error) { return tc.answer, nil })
					b.host("bot", invokedBy("ALL", "ALL"))
					if kind == "live" {
						b.Say("bob", "c", "hi", live)
						b.look()
					} else {
						b.Say("bob", "c", "hi")
						b.expect("said", b.lists("cy", "c"), tc.lists)
					}
					b.expect(kind, b.end.take(), tc.asked)
				})
			}
		})
	}
}

// TestElasticChannels: a bot answers in its sub-channel.
func TestElasticChannels(t *testing.T) {
	within(t, func(b *bed) {
		b.addBot("bot", invokedBy("ALL", "ALL"), welcomes)
		b.AddChannel("ann", "e", servicetestElastic)
		b.join("e", "bot", messaging.ChannelMembershipTypeDefault)
		b.AddMember("ann", "e", "bob", messaging.ChannelMembershipTypeDefault)
		b.look()
		b.expect("asked", b.end.take(), "greet with Welcome")
		b.SubChannels("ann", "e")
		b.Say("bob", "e", "hi", func(r *messaging.SendChannelMessageRequest) { r.SubChannelID = b.SubID("s1") })
		b.expect("said", b.lists("bob", "e"), "bot: hello, bob: hi, bot: re: hi")
		b.leave("e", "bot")
		b.look()
		b.expect("asked", b.end.take(), "hi from bob, leave")
	})
}

var servicetestElastic = servicetest.Elastic(4, 4, 40)

// TestMessagesElsewhereAreNotHandedOn: the follower wants the messages of channels with bots alone, also after a start.
func TestMessagesElsewhereAreNotHandedOn(t *testing.T) {
	within(t, func(b *bed) {
		b.AddChannel("ann", "d")
		b.host("bot")
		for range 2 {
			in, elsewhere := b.Say("ann", "c", "here"), b.Say("ann", "d", "there")
			b.look()
			wanted := b.wanted()
			if !slices.Contains(wanted, in) || slices.Contains(wanted, elsewhere) {
				t.Errorf("wants the messages %v, of %s alone", wanted, in)
			}
			b.stop()
			b.start()
		}
	})
}

// wanted are the ids of the messages in the log that the follower wants now.
func (b *bed) wanted() (ids []string) {
	b.t.Helper()
	cursor, err := b.Store.Follow(b.AppID(), 0)
	if err != nil {
		b.t.Fatal(err)
	}
	defer cursor.Close()
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for {
		events, err := cursor.Next(ended)
		if err != nil {
			return ids
		}
		for _, e := range events {
			if e.Type == chime.EventCreateMessage && b.service.Follower().Wants(e) {
				ids = append(ids, e.Object)
			}
		}
	}
}
