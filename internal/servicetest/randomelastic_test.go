package servicetest_test

import (
	"fmt"
	"testing"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

// TestRandomCallsOnElasticChannels makes the same random calls on elastic channels over a model
// store and Pebble. They have to place, move and tell alike, whoever joins, leaves, moderates or
// is banned; what balancing promises is shown in internal/channel.
func TestRandomCallsOnElasticChannels(t *testing.T) {
	r := newRun(t)
	h := &halls{run: r}
	r.step(0, h.open())
	r.make(h.choose)
}

// halls is a run whose calls are about one elastic channel, with small sub-channels.
type halls struct {
	*run
	subs     []string // sub-channels that there were at some time
	messages []string
}

func (h *halls) open() action {
	return act("ann opens the hall", "ok", messaging.Handler.CreateChannel, func(w *servicetest.World) *messaging.CreateChannelRequest {
		id := "hall"
		return &messaging.CreateChannelRequest{AppInstanceARN: w.App, ChannelID: &id, Name: id, ChimeBearer: w.User("ann"), ClientRequestToken: w.Token(),
			ElasticChannelConfiguration: &messaging.ElasticChannelConfiguration{
				MaximumSubChannels: 3, TargetMembershipsPerSubChannel: 2, MinimumMembershipPercentage: 40,
			}}
	}, nil)
}

func (h *halls) choose() action {
	by, who := h.one(people), h.one(people)
	if h.rnd.IntN(2) == 0 {
		who = by
	}
	makers := []func(by, who string) action{
		h.join, h.join, h.join, h.leave, h.leave, h.list, h.list, h.members, h.describe, h.promote, h.demote, h.banish, h.pardon,
		h.send, h.send, h.send, h.read, h.edit, h.redact, h.mine,
	}
	return makers[h.rnd.IntN(len(makers))](by, who)
}

// sub is a sub-channel by name, or none.
func (h *halls) sub() *string {
	if len(h.subs) == 0 || h.rnd.IntN(3) == 0 {
		return nil
	}
	return &h.subs[h.rnd.IntN(len(h.subs))]
}

func (h *halls) message() string {
	if len(h.messages) == 0 {
		return "0000"
	}
	return h.messages[h.rnd.IntN(len(h.messages))]
}

func (h *halls) join(by, who string) action {
	sub := h.sub()
	return act(fmt.Sprintf("%s adds %s", by, who), "", messaging.Handler.CreateChannelMembership, func(w *servicetest.World) *messaging.CreateChannelMembershipRequest {
		return &messaging.CreateChannelMembershipRequest{ChannelARN: w.Channel("hall"), MemberARN: w.User(who), Type: messaging.ChannelMembershipTypeDefault, ChimeBearer: w.User(by), SubChannelID: sub}
	}, nil)
}

func (h *halls) leave(by, who string) action {
	sub := h.sub()
	return act(fmt.Sprintf("%s removes %s", by, who), "", messaging.Handler.DeleteChannelMembership, func(w *servicetest.World) *messaging.DeleteChannelMembershipRequest {
		return &messaging.DeleteChannelMembershipRequest{ChannelARN: w.Channel("hall"), MemberARN: w.User(who), ChimeBearer: w.User(by), SubChannelID: sub}
	}, nil)
}

func (h *halls) list(_, who string) action {
	return act(who+" lists sub-channels", "", messaging.Handler.ListSubChannels, func(w *servicetest.World) *messaging.ListSubChannelsRequest {
		return &messaging.ListSubChannelsRequest{ChannelARN: w.Channel("hall"), ChimeBearer: w.User(who)}
	}, func(resp *messaging.ListSubChannelsResponse) {
		for _, sub := range resp.SubChannels {
			h.subs = append(h.subs, sub.SubChannelID)
		}
		h.subs = h.subs[max(0, len(h.subs)-6):]
	})
}

func (h *halls) members(by, _ string) action {
	sub := h.sub()
	return act(by+" lists members", "", messaging.Handler.ListChannelMemberships, func(w *servicetest.World) *messaging.ListChannelMembershipsRequest {
		return &messaging.ListChannelMembershipsRequest{ChannelARN: w.Channel("hall"), ChimeBearer: w.User(by), SubChannelID: sub}
	}, nil)
}

func (h *halls) describe(by, who string) action {
	sub := h.sub()
	return act(fmt.Sprintf("%s describes the membership of %s", by, who), "", messaging.Handler.DescribeChannelMembership, func(w *servicetest.World) *messaging.DescribeChannelMembershipRequest {
		return &messaging.DescribeChannelMembershipRequest{ChannelARN: w.Channel("hall"), MemberARN: w.User(who), ChimeBearer: w.User(by), SubChannelID: sub}
	}, nil)
}

func (h *halls) promote(by, who string) action {
	return act(fmt.Sprintf("%s makes %s a moderator", by, who), "", messaging.Handler.CreateChannelModerator, func(w *servicetest.World) *messaging.CreateChannelModeratorRequest {
		return &messaging.CreateChannelModeratorRequest{ChannelARN: w.Channel("hall"), ChannelModeratorARN: w.User(who), ChimeBearer: w.User(by)}
	}, nil)
}

func (h *halls) demote(by, who string) action {
	if who == "ann" { // else nobody manages the hall in the end
		return h.mine(by, who)
	}
	return act(fmt.Sprintf("%s ends the moderator %s", by, who), "", messaging.Handler.DeleteChannelModerator, func(w *servicetest.World) *messaging.DeleteChannelModeratorRequest {
		return &messaging.DeleteChannelModeratorRequest{ChannelARN: w.Channel("hall"), ChannelModeratorARN: w.User(who), ChimeBearer: w.User(by)}
	}, nil)
}

func (h *halls) banish(by, who string) action {
	return act(fmt.Sprintf("%s bans %s", by, who), "", messaging.Handler.CreateChannelBan, func(w *servicetest.World) *messaging.CreateChannelBanRequest {
		return &messaging.CreateChannelBanRequest{ChannelARN: w.Channel("hall"), MemberARN: w.User(who), ChimeBearer: w.User(by)}
	}, nil)
}

func (h *halls) pardon(by, who string) action {
	return act(fmt.Sprintf("%s ends the ban of %s", by, who), "", messaging.Handler.DeleteChannelBan, func(w *servicetest.World) *messaging.DeleteChannelBanRequest {
		return &messaging.DeleteChannelBanRequest{ChannelARN: w.Channel("hall"), MemberARN: w.User(who), ChimeBearer: w.User(by)}
	}, nil)
}

func (h *halls) send(by, _ string) action {
	sub := h.sub()
	return act(by+" sends", "", messaging.Handler.SendChannelMessage, func(w *servicetest.World) *messaging.SendChannelMessageRequest {
		req := w.Text(by, "hall", "by "+by)
		req.SubChannelID = sub
		return req
	}, func(resp *messaging.SendChannelMessageResponse) { h.messages = append(h.messages, resp.MessageID) })
}

func (h *halls) read(by, _ string) action {
	sub := h.sub()
	return act(by+" lists messages", "", messaging.Handler.ListChannelMessages, func(w *servicetest.World) *messaging.ListChannelMessagesRequest {
		return &messaging.ListChannelMessagesRequest{ChannelARN: w.Channel("hall"), ChimeBearer: w.User(by), SubChannelID: sub}
	}, nil)
}

func (h *halls) edit(by, _ string) action {
	sub, id := h.sub(), h.message()
	return act(by+" edits", "", messaging.Handler.UpdateChannelMessage, func(w *servicetest.World) *messaging.UpdateChannelMessageRequest {
		return &messaging.UpdateChannelMessageRequest{ChannelARN: w.Channel("hall"), MessageID: id, Content: "edited", ChimeBearer: w.User(by), SubChannelID: sub}
	}, nil)
}

func (h *halls) redact(by, _ string) action {
	sub, id := h.sub(), h.message()
	return act(by+" redacts", "", messaging.Handler.RedactChannelMessage, func(w *servicetest.World) *messaging.RedactChannelMessageRequest {
		return &messaging.RedactChannelMessageRequest{ChannelARN: w.Channel("hall"), MessageID: id, ChimeBearer: w.User(by), SubChannelID: sub}
	}, nil)
}

func (h *halls) mine(by, _ string) action {
	return act(by+" lists its memberships", "", messaging.Handler.ListChannelMembershipsForAppInstanceUser, func(w *servicetest.World) *messaging.ListChannelMembershipsForAppInstanceUserRequest {
		return &messaging.ListChannelMembershipsForAppInstanceUserRequest{ChimeBearer: w.User(by)}
	}, nil)
}
