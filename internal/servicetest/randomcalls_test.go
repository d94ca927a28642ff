package servicetest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

func (r *run) admin(_, who, _ string, _ *room) action {
	if r.model.admins[who] {
		return admins("the admin "+who+" is one no more", "ok", func(ctx context.Context, w *servicetest.World) error {
			_, err := w.Identity.DeleteAppInstanceAdmin(ctx, &identity.DeleteAppInstanceAdminRequest{AppInstanceARN: w.App, AppInstanceAdminARN: w.User(who)})
			return err
		}, func() { delete(r.model.admins, who) })
	}
	return admins(who+" becomes an admin", "ok", func(ctx context.Context, w *servicetest.World) error {
		_, err := w.Identity.CreateAppInstanceAdmin(ctx, &identity.CreateAppInstanceAdminRequest{AppInstanceARN: w.App, AppInstanceAdminARN: w.User(who)})
		return err
	}, func() { r.model.admins[who] = true })
}

func admins(text, want string, call func(context.Context, *servicetest.World) error, change func()) action {
	return action{
		text: text, want: want, change: func(api.Response) { change() },
		call: func(ctx context.Context, w *servicetest.World) (api.Response, error) {
			return new(identity.DeleteAppInstanceAdminResponse), call(ctx, w)
		},
	}
}

func (r *run) kind() messaging.ChannelMembershipType {
	if r.rnd.IntN(4) == 0 {
		return messaging.ChannelMembershipTypeHidden
	}
	return messaging.ChannelMembershipTypeDefault
}

func (r *run) addMember(by, who, id string, at *room) action {
	if r.rnd.IntN(3) == 0 {
		who = by
	}
	kind, m := r.kind(), r.model
	want := first(notFound(m.unknown(at, by)))
	if want == "ok" {
		want = first(forbidden(!m.adds(at, by, who, kind)), forbidden(at.bans[who]), conflict(at.members[who] != "" && at.members[who] != kind && !m.secret(at, by, who)))
	}
	return act(fmt.Sprintf("%s adds %s to %s as %s", by, who, id, kind), want, messaging.Handler.CreateChannelMembership,
		func(w *servicetest.World) *messaging.CreateChannelMembershipRequest {
			return &messaging.CreateChannelMembershipRequest{ChannelARN: w.Channel(id), MemberARN: w.User(who), Type: kind, ChimeBearer: w.User(by)}
		},
		func(*messaging.CreateChannelMembershipResponse) {
			if at.members[who] == "" {
				at.members[who] = kind
			}
		})
}

func (r *run) batch(by, who, id string, at *room) action {
	kind, m, second := r.kind(), r.model, r.one(people)
	want, added := first(notFound(m.unknown(at, by))), map[string]bool{}
	if want == "ok" {
		for _, one := range []string{who, second} {
			added[one] = m.adds(at, by, one, kind) && !at.bans[one] &&
				(at.members[one] == "" || at.members[one] == kind || m.secret(at, by, one))
		}
		want = first(forbidden(!m.adds(at, by, who, kind) && !m.adds(at, by, second, kind)))
	}
	return act(fmt.Sprintf("%s adds %s and %s to %s as %s", by, who, second, id, kind), want, messaging.Handler.BatchCreateChannelMembership,
		func(w *servicetest.World) *messaging.BatchCreateChannelMembershipRequest {
			return &messaging.BatchCreateChannelMembershipRequest{ChannelARN: w.Channel(id), MemberARNs: w.Users(who, second), Type: kind, ChimeBearer: w.User(by)}
		},
		func(resp *messaging.BatchCreateChannelMembershipResponse) {
			if len(resp.BatchChannelMemberships.Members)+len(resp.Errors) != len(added) {
				r.t.Errorf("a batch of %v answers %v and %v", added, resp.BatchChannelMemberships.Members, resp.Errors)
			}
			n := 0
			for one, yes := range added {
				if yes && at.members[one] == "" {
					at.members[one] = kind
				}
				if yes {
					n++
				}
			}
			r.same("members added", len(resp.BatchChannelMemberships.Members), n)
		})
}

func (r *run) describeMember(by, who, id string, at *room) action {
	m := r.model
	want := first(notFound(m.unknown(at, by)))
	if want == "ok" {
		want = first(forbidden(!m.reads(at, by)), forbidden(by != who && !m.readsMembers(at, by)), notFound(at.members[who] == ""),
			notFound(at.hidden(who) && by != who && !m.manages(at, by)))
	}
	return act(fmt.Sprintf("%s describes the membership of %s in %s", by, who, id), want, messaging.Handler.DescribeChannelMembership,
		func(w *servicetest.World) *messaging.DescribeChannelMembershipRequest {
			return &messaging.DescribeChannelMembershipRequest{ChannelARN: w.Channel(id), MemberARN: w.User(who), ChimeBearer: w.User(by)}
		}, nil)
}

func (r *run) listMembers(by, _, id string, at *room) action {
	kind := r.kind()
	hidden := kind == messaging.ChannelMembershipTypeHidden
	want := first(forbidden(at == nil || !r.model.readsMembers(at, by) || hidden && !r.model.manages(at, by)))
	return act(fmt.Sprintf("%s lists %s members of %s", by, kind, id), want, messaging.Handler.ListChannelMemberships,
		func(w *servicetest.World) *messaging.ListChannelMembershipsRequest {
			return &messaging.ListChannelMembershipsRequest{ChannelARN: w.Channel(id), Type: kind, ChimeBearer: w.User(by)}
		},
		func(resp *messaging.ListChannelMembershipsResponse) {
			n := 0
			for _, k := range at.members {
				if k == kind {
					n++
				}
			}
			r.same("members", len(resp.ChannelMemberships), n)
		})
}

func (r *run) removeMember(by, who, id string, at *room) action {
	if r.rnd.IntN(3) == 0 {
		who = by
	}
	m := r.model
	return act(fmt.Sprintf("%s removes %s from %s", by, who, id), first(forbidden(at == nil || !m.removes(at, by, who))), messaging.Handler.DeleteChannelMembership,
		func(w *servicetest.World) *messaging.DeleteChannelMembershipRequest {
			return &messaging.DeleteChannelMembershipRequest{ChannelARN: w.Channel(id), MemberARN: w.User(who), ChimeBearer: w.User(by)}
		},
		func(*messaging.DeleteChannelMembershipResponse) {
			if !at.hidden(who) || by == who || m.manages(at, by) { // nobody else knows of it
				delete(at.members, who)
			}
		})
}

func (r *run) moderator(by, who, id string, at *room) action {
	manages := at != nil && r.model.manages(at, by)
	switch r.rnd.IntN(4) {
	case 0, 1:
		want := first(forbidden(!manages))
		if manages {
			want = first(forbidden(at.bans[who]), conflict(at.moderators[who]))
		}
		return act(fmt.Sprintf("%s makes %s a moderator of %s", by, who, id), want, messaging.Handler.CreateChannelModerator,
			func(w *servicetest.World) *messaging.CreateChannelModeratorRequest {
				return &messaging.CreateChannelModeratorRequest{ChannelARN: w.Channel(id), ChannelModeratorARN: w.User(who), ChimeBearer: w.User(by)}
			},
			func(*messaging.CreateChannelModeratorResponse) { at.moderators[who] = true })
	case 2:
		return act(fmt.Sprintf("%s ends the moderator %s of %s", by, who, id), first(forbidden(!manages)), messaging.Handler.DeleteChannelModerator,
			func(w *servicetest.World) *messaging.DeleteChannelModeratorRequest {
				return &messaging.DeleteChannelModeratorRequest{ChannelARN: w.Channel(id), ChannelModeratorARN: w.User(who), ChimeBearer: w.User(by)}
			},
			func(*messaging.DeleteChannelModeratorResponse) { delete(at.moderators, who) })
	}
	want := first(notFound(r.model.unknown(at, by)))
	if want == "ok" {
		want = first(forbidden(!manages), notFound(!at.moderators[who]))
	}
	return act(fmt.Sprintf("%s describes the moderator %s of %s", by, who, id), want, messaging.Handler.DescribeChannelModerator,
		func(w *servicetest.World) *messaging.DescribeChannelModeratorRequest {
			return &messaging.DescribeChannelModeratorRequest{ChannelARN: w.Channel(id), ChannelModeratorARN: w.User(who), ChimeBearer: w.User(by)}
		}, nil)
}

func (r *run) ban(by, who, id string, at *room) action {
	m := r.model
	manages := at != nil && m.manages(at, by)
	switch r.rnd.IntN(4) {
	case 0, 1:
		want := first(forbidden(!manages))
		if manages {
			want = first(forbidden(m.manages(at, who)), conflict(at.bans[who]))
		}
		return act(fmt.Sprintf("%s bans %s from %s", by, who, id), want, messaging.Handler.CreateChannelBan,
			func(w *servicetest.World) *messaging.CreateChannelBanRequest {
				return &messaging.CreateChannelBanRequest{ChannelARN: w.Channel(id), MemberARN: w.User(who), ChimeBearer: w.User(by)}
			},
			func(*messaging.CreateChannelBanResponse) {
				at.bans[who] = true
				delete(at.members, who)
			})
	case 2:
		return act(fmt.Sprintf("%s ends the ban of %s from %s", by, who, id), first(forbidden(!manages)), messaging.Handler.DeleteChannelBan,
			func(w *servicetest.World) *messaging.DeleteChannelBanRequest {
				return &messaging.DeleteChannelBanRequest{ChannelARN: w.Channel(id), MemberARN: w.User(who), ChimeBearer: w.User(by)}
			},
			func(*messaging.DeleteChannelBanResponse) { delete(at.bans, who) })
	}
	return act(fmt.Sprintf("%s lists the bans of %s", by, id), first(forbidden(!manages)), messaging.Handler.ListChannelBans,
		func(w *servicetest.World) *messaging.ListChannelBansRequest {
			return &messaging.ListChannelBansRequest{ChannelARN: w.Channel(id), ChimeBearer: w.User(by)}
		},
		func(resp *messaging.ListChannelBansResponse) { r.same("bans", len(resp.ChannelBans), len(at.bans)) })
}

func (r *run) readMarker(by, _, id string, at *room) action {
	return act(by+" has read "+id, first(forbidden(at == nil || at.members[by] == "")), messaging.Handler.UpdateChannelReadMarker,
		func(w *servicetest.World) *messaging.UpdateChannelReadMarkerRequest {
			return &messaging.UpdateChannelReadMarkerRequest{ChannelARN: w.Channel(id), ChimeBearer: w.User(by)}
		}, nil)
}

func (r *run) preferences(by, who, id string, at *room) action {
	if r.rnd.IntN(2) == 0 {
		who = by
	}
	return act(fmt.Sprintf("%s sets the preferences of %s in %s", by, who, id), first(forbidden(at == nil || who != by || at.members[by] == "")),
		messaging.Handler.PutChannelMembershipPreferences,
		func(w *servicetest.World) *messaging.PutChannelMembershipPreferencesRequest {
			return &messaging.PutChannelMembershipPreferencesRequest{ChannelARN: w.Channel(id), MemberARN: w.User(who), ChimeBearer: w.User(by),
				Preferences: &messaging.ChannelMembershipPreferences{PushNotifications: &messaging.PushNotificationPreferences{
					AllowNotifications: messaging.AllowNotificationsNone,
				}}}
		}, nil)
}

func (r *run) membershipOf(by, who, id string, at *room) action {
	other := who != by
	return act(fmt.Sprintf("%s asks for the membership of %s in %s", by, who, id),
		first(forbidden(at == nil || other && !r.model.admins[by] || at.members[who] == "")), messaging.Handler.DescribeChannelMembershipForAppInstanceUser,
		func(w *servicetest.World) *messaging.DescribeChannelMembershipForAppInstanceUserRequest {
			return &messaging.DescribeChannelMembershipForAppInstanceUserRequest{ChannelARN: w.Channel(id), AppInstanceUserARN: w.User(who), ChimeBearer: w.User(by)}
		}, nil)
}

func (r *run) send(by, who, id string, at *room) action {
	target := ""
	if r.rnd.IntN(4) == 0 {
		target = who
	}
	want := first(forbidden(at == nil || !at.member(by)))
	if want == "ok" {
		want = first(badRequest(target != "" && !at.member(target)))
	}
	return act(fmt.Sprintf("%s sends to %s in %s", by, target, id), want, messaging.Handler.SendChannelMessage,
		func(w *servicetest.World) *messaging.SendChannelMessageRequest {
			req := w.Text(by, id, "by "+by)
			if target != "" {
				arn := w.User(target)
				req.Target = []messaging.Target{{MemberARN: &arn}}
			}
			return req
		},
		func(resp *messaging.SendChannelMessageResponse) {
			at.messages = append(at.messages, &note{id: resp.MessageID, sender: by, target: target})
		})
}

// pick is a message of the channel, or one that never was.
func (r *run) pick(at *room) *note {
	if at == nil || len(at.messages) == 0 || r.rnd.IntN(10) == 0 {
		return &note{id: "0000", target: "nobody", sender: "nobody"}
	}
	return at.messages[r.rnd.IntN(len(at.messages))]
}

func (r *run) list(by, _, id string, at *room) action {
	return act(by+" lists messages of "+id, first(forbidden(at == nil || !r.model.reads(at, by))), messaging.Handler.ListChannelMessages,
		func(w *servicetest.World) *messaging.ListChannelMessagesRequest {
			return &messaging.ListChannelMessagesRequest{ChannelARN: w.Channel(id), ChimeBearer: w.User(by)}
		},
		func(resp *messaging.ListChannelMessagesResponse) {
			var got, seen []string
			for _, m := range resp.ChannelMessages {
				got = append(got, fmt.Sprint(m.MessageID, m.Redacted))
			}
			for _, m := range slices.Backward(at.messages) {
				if m.sees(by) && len(seen) < 50 {
					seen = append(seen, fmt.Sprint(m.id, m.redacted))
				}
			}
			r.same(by+" lists "+id, got, seen)
		})
}

func (r *run) get(by, _, id string, at *room) action {
	m := r.pick(at)
	want := first(notFound(r.model.unknown(at, by)))
	if want == "ok" {
		want = first(forbidden(!r.model.reads(at, by)), notFound(!m.sees(by)))
	}
	return act(fmt.Sprintf("%s gets a message of %s in %s", by, m.sender, id), want, messaging.Handler.GetChannelMessage,
		func(w *servicetest.World) *messaging.GetChannelMessageRequest {
			return &messaging.GetChannelMessageRequest{ChannelARN: w.Channel(id), MessageID: m.id, ChimeBearer: w.User(by)}
		}, nil)
}

func (r *run) edit(by, _, id string, at *room) action {
	m := r.pick(at)
	want := first(forbidden(at == nil || m.sender != by))
	if want == "ok" {
		want = first(forbidden(!r.model.manages(at, by) && !at.member(by)), conflict(m.redacted))
	}
	return act(fmt.Sprintf("%s edits a message of %s in %s", by, m.sender, id), want, messaging.Handler.UpdateChannelMessage,
		func(w *servicetest.World) *messaging.UpdateChannelMessageRequest {
			return &messaging.UpdateChannelMessageRequest{ChannelARN: w.Channel(id), MessageID: m.id, Content: "edited", ChimeBearer: w.User(by)}
		}, nil)
}

func (r *run) redact(by, _, id string, at *room) action {
	m := r.pick(at)
	want := first(forbidden(at == nil || !m.sees(by)))
	if want == "ok" {
		manages := r.model.manages(at, by)
		want = first(forbidden(!manages && (!at.member(by) || m.sender != by)))
	}
	return act(fmt.Sprintf("%s redacts a message of %s in %s", by, m.sender, id), want, messaging.Handler.RedactChannelMessage,
		func(w *servicetest.World) *messaging.RedactChannelMessageRequest {
			return &messaging.RedactChannelMessageRequest{ChannelARN: w.Channel(id), MessageID: m.id, ChimeBearer: w.User(by)}
		},
		func(*messaging.RedactChannelMessageResponse) { m.redacted = true })
}

func (r *run) deleteMessage(by, _, id string, at *room) action {
	m := r.pick(at)
	return act(fmt.Sprintf("%s deletes a message of %s in %s", by, m.sender, id), first(forbidden(at == nil || !r.model.admins[by])), messaging.Handler.DeleteChannelMessage,
		func(w *servicetest.World) *messaging.DeleteChannelMessageRequest {
			return &messaging.DeleteChannelMessageRequest{ChannelARN: w.Channel(id), MessageID: m.id, ChimeBearer: w.User(by)}
		},
		func(*messaging.DeleteChannelMessageResponse) {
			at.messages = slices.DeleteFunc(at.messages, func(n *note) bool { return n == m })
		})
}

func (r *run) status(by, _, id string, at *room) action {
	m := r.pick(at)
	return act(fmt.Sprintf("%s asks for the status of a message of %s in %s", by, m.sender, id),
		first(forbidden(at == nil || m.sender != by || !r.model.reads(at, by))), messaging.Handler.GetChannelMessageStatus,
		func(w *servicetest.World) *messaging.GetChannelMessageStatusRequest {
			return &messaging.GetChannelMessageStatusRequest{ChannelARN: w.Channel(id), MessageID: m.id, ChimeBearer: w.User(by)}
		}, nil)
}

func (r *run) search(by, who, id string, _ *room) action {
	var found []string
	for _, name := range names(r.model.rooms) {
		at := r.model.rooms[name]
		if at.member(who) && (r.model.admins[by] || at.members[by] != "") {
			found = append(found, name)
		}
	}
	return act(by+" searches "+who, "ok",
		messaging.Handler.SearchChannels,
		func(w *servicetest.World) *messaging.SearchChannelsRequest {
			bearer := w.User(by)
			return &messaging.SearchChannelsRequest{ChimeBearer: &bearer, Fields: []messaging.SearchField{{
				Key: messaging.SearchFieldKeyMembers, Operator: messaging.SearchFieldOperatorIncludes, Values: []string{w.User(who)},
			}}}
		},
		func(resp *messaging.SearchChannelsResponse) {
			var got []string
			for _, c := range resp.Channels {
				got = append(got, c.Name)
			}
			slices.Sort(got)
			if !slices.Equal(got, found) {
				r.t.Errorf("%s searches %s: %v, the rules say %v", by, who, got, found)
			}
		})
}

// same reports lists that are not what the model says.
func (r *run) same(text string, got, want any) {
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(want)
	if string(a) != string(b) {
		r.t.Errorf("%s: %s, the rules say %s", text, a, b)
	}
}
