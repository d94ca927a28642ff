package channel_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

// The matrix of spec 3.2 for standard channels. Each row is tried on four channels: PUBLIC and
// PRIVATE, each UNRESTRICTED and RESTRICTED. Cells: Y allowed, N refused with
// ForbiddenException, U allowed on UNRESTRICTED channels alone, P allowed on PUBLIC ones alone,
// - does not arise.
//
// Callers: an admin and a moderator who are not members, a member, a hidden member, somebody who
// has no role, on a PUBLIC and on a PRIVATE channel, and somebody who is banned.
const matrix = `
operation                                       adm mod mem hid pub prv ban
UpdateChannel                                   Y   Y   N   N   N   N   N
DeleteChannel                                   Y   Y   N   N   N   N   N
DescribeChannel                                 Y   Y   Y   Y   Y   N   P
ListChannels PUBLIC                             Y   Y   Y   Y   Y   Y   Y
ListChannels PRIVATE                            Y   N   N   N   N   N   N
SearchChannels                                  Y   Y   Y   Y   Y   Y   Y
ListChannelMembershipsForAppInstanceUser other  Y   N   N   N   N   N   N
ListChannelMembershipsForAppInstanceUser self   Y   Y   Y   Y   Y   Y   Y
DescribeChannelMembershipForAppInstanceUser other Y N   N   N   N   N   N
DescribeChannelMembershipForAppInstanceUser self N  N   Y   Y   N   N   N
ListChannelsModeratedByAppInstanceUser other    Y   N   N   N   N   N   N
ListChannelsModeratedByAppInstanceUser self     Y   Y   Y   Y   Y   Y   Y
DescribeChannelModeratedByAppInstanceUser owner Y   Y   Y   N   N   N   N
DescribeChannelModeratedByAppInstanceUser self  N   Y   N   N   N   N   N
CreateChannelMembership self                    Y   Y   -   -   Y   N   N
CreateChannelMembership other                   Y   Y   U   N   N   N   N
CreateChannelMembership HIDDEN                  Y   Y   N   N   N   N   N
CreateChannelMembership ban                     N   N   N   N   N   N   N
BatchCreateChannelMembership self               Y   Y   -   -   Y   N   N
BatchCreateChannelMembership other              Y   Y   U   N   N   N   N
BatchCreateChannelMembership HIDDEN             Y   Y   N   N   N   N   N
DescribeChannelMembership other                 Y   Y   Y   N   Y   N   N
DescribeChannelMembership self                  -   -   Y   Y   -   -   N
ListChannelMemberships DEFAULT                  Y   Y   Y   N   Y   N   N
ListChannelMemberships HIDDEN                   Y   Y   N   N   N   N   N
DeleteChannelMembership self                    Y   Y   Y   Y   -   -   -
DeleteChannelMembership other                   Y   Y   U   N   N   N   N
GetChannelMembershipPreferences self            N   N   Y   Y   N   N   N
GetChannelMembershipPreferences other           N   N   N   N   N   N   N
PutChannelMembershipPreferences self            N   N   Y   Y   N   N   N
PutChannelMembershipPreferences other           N   N   N   N   N   N   N
UpdateChannelReadMarker                         N   N   Y   Y   N   N   N
SendChannelMessage                              N   N   Y   N   N   N   N
GetChannelMessage                               Y   Y   Y   Y   Y   N   N
ListChannelMessages                             Y   Y   Y   Y   Y   N   N
UpdateChannelMessage other                      N   N   N   N   N   N   N
RedactChannelMessage other                      Y   Y   N   N   N   N   N
DeleteChannelMessage                            Y   N   N   N   N   N   N
GetChannelMessageStatus other                   N   N   N   N   N   N   N
CreateChannelModerator new                      Y   Y   N   N   N   N   N
CreateChannelModerator ban                      N   N   N   N   N   N   N
DeleteChannelModerator owner                    Y   Y   N   N   N   N   N
DescribeChannelModerator owner                  Y   Y   N   N   N   N   N
ListChannelModerators                           Y   Y   N   N   N   N   N
CreateChannelBan third                          Y   Y   N   N   N   N   N
CreateChannelBan new                            Y   Y   N   N   N   N   N
CreateChannelBan owner                          N   N   N   N   N   N   N
CreateChannelBan adm                            N   N   N   N   N   N   N
DeleteChannelBan ban                            Y   Y   N   N   N   N   N
DescribeChannelBan ban                          Y   Y   N   N   N   N   N
ListChannelBans                                 Y   Y   N   N   N   N   N
PutChannelExpirationSettings                    Y   Y   N   N   N   N   N
`

// The matrix for elastic channels, which are RESTRICTED and have no hidden members. Each row is
// tried on a PUBLIC and a PRIVATE one. E is refused with BadRequestException: elastic channels
// do not have that.
//
// Message operations name the sub-channel that "mem" and "third" are in, and moderators the one
// that they join.
const elasticMatrix = `
operation                                       adm mod mem pub prv ban
UpdateChannel                                   Y   Y   N   N   N   N
DeleteChannel                                   Y   Y   N   N   N   N
DescribeChannel                                 Y   Y   Y   Y   N   P
ListChannels PUBLIC                             Y   Y   Y   Y   Y   Y
ListChannels PRIVATE                            Y   N   N   N   N   N
ListChannelMembershipsForAppInstanceUser other  Y   N   N   N   N   N
ListChannelMembershipsForAppInstanceUser self   Y   Y   Y   Y   Y   Y
DescribeChannelMembershipForAppInstanceUser other Y N   N   N   N   N
DescribeChannelMembershipForAppInstanceUser self N  N   Y   N   N   N
ListChannelsModeratedByAppInstanceUser other    Y   N   N   N   N   N
ListChannelsModeratedByAppInstanceUser self     Y   Y   Y   Y   Y   Y
DescribeChannelModeratedByAppInstanceUser owner E   E   E   N   N   N
DescribeChannelModeratedByAppInstanceUser self  E   E   E   E   N   N
CreateChannelMembership self                    Y   Y   -   Y   N   N
CreateChannelMembership other                   Y   Y   N   N   N   N
CreateChannelMembership HIDDEN                  E   E   N   N   N   N
CreateChannelMembership ban                     N   N   N   N   N   N
BatchCreateChannelMembership self               Y   Y   -   Y   N   N
BatchCreateChannelMembership other              Y   Y   N   N   N   N
BatchCreateChannelMembership HIDDEN             E   E   N   N   N   N
DescribeChannelMembership other                 Y   Y   Y   Y   N   N
DescribeChannelMembership self                  -   -   Y   -   -   N
ListChannelMemberships DEFAULT                  Y   Y   Y   Y   N   N
ListChannelMemberships HIDDEN                   E   E   N   N   N   N
DeleteChannelMembership self                    Y   Y   Y   -   -   -
DeleteChannelMembership other                   Y   Y   N   N   N   N
GetChannelMembershipPreferences self            N   N   E   N   N   N
PutChannelMembershipPreferences self            N   N   E   N   N   N
UpdateChannelReadMarker                         N   N   E   N   N   N
SendChannelMessage                              N   N   Y   N   N   N
GetChannelMessage                               Y   Y   Y   Y   N   N
ListChannelMessages                             Y   Y   Y   Y   N   N
UpdateChannelMessage other                      N   N   N   N   N   N
RedactChannelMessage other                      Y   Y   N   N   N   N
DeleteChannelMessage                            Y   N   N   N   N   N
GetChannelMessageStatus other                   N   N   N   N   N   N
CreateChannelModerator new                      Y   Y   N   N   N   N
CreateChannelModerator third                    Y   Y   N   N   N   N
CreateChannelModerator ban                      N   N   N   N   N   N
DeleteChannelModerator owner                    Y   Y   N   N   N   N
DescribeChannelModerator owner                  Y   Y   N   N   N   N
ListChannelModerators                           Y   Y   N   N   N   N
CreateChannelBan third                          Y   Y   N   N   N   N
CreateChannelBan owner                          N   N   N   N   N   N
DeleteChannelBan ban                            Y   Y   N   N   N   N
DescribeChannelBan ban                          Y   Y   N   N   N   N
ListChannelBans                                 Y   Y   N   N   N   N
PutChannelExpirationSettings                    Y   Y   N   N   N   N
ListSubChannels                                 Y   Y   N   N   N   N
`

func TestRoles(t *testing.T) {
	modes := []messaging.ChannelMode{messaging.ChannelModeUnrestricted, messaging.ChannelModeRestricted}
	tryMatrix(t, matrix, func(t *testing.T, operation, caller, cell string) {
		for _, mode := range modes {
			for _, privacy := range privacies {
				tryRole(t, operation, caller, mode, privacy, cell)
			}
		}
	})
}

func TestRolesOnElasticChannels(t *testing.T) {
	tryMatrix(t, elasticMatrix, func(t *testing.T, operation, caller, cell string) {
		for _, privacy := range privacies {
			tryRole(t, operation, caller, elasticMode, privacy, cell)
		}
	})
}

// elasticMode stands for an elastic channel.
const elasticMode messaging.ChannelMode = "elastic"

var privacies = []messaging.ChannelPrivacy{messaging.ChannelPrivacyPublic, messaging.ChannelPrivacyPrivate}

// tryMatrix calls try for every cell. Its first line names the callers.
func tryMatrix(t *testing.T, text string, try func(t *testing.T, operation, caller, cell string)) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	callers := strings.Fields(lines[0])[1:]
	for _, line := range lines[1:] {
		words := strings.Fields(line)
		operation, cells := strings.Join(words[:len(words)-len(callers)], " "), words[len(words)-len(callers):]
		t.Run(operation, func(t *testing.T) {
			for i, caller := range callers {
				try(t, operation, caller, cells[i])
			}
		})
	}
}

func tryRole(t *testing.T, operation, caller string, mode messaging.ChannelMode, privacy messaging.ChannelPrivacy, cell string) {
	public := privacy == messaging.ChannelPrivacyPublic
	if cell == "-" || caller == "pub" && !public || caller == "prv" && public {
		return
	}
	want := "ok"
	if cell == "N" || cell == "U" && mode == messaging.ChannelModeRestricted || cell == "P" && !public {
		want = "Forbidden"
	}
	if cell == "E" {
		want = "BadRequest"
	}
	w := stage(t, mode, privacy)
	if got := servicetest.Outcome(call(w, operation, caller)); got != want {
		t.Errorf("%s on a %s %s channel by %s: %s, want %s", operation, mode, privacy, caller, got, want)
	}
}

const messageSent = "m"

type staged struct {
	*servicetest.World
	messageID string
	sub       *string // of an elastic channel
}

// stage is one channel with everybody of the matrix around it; "third" sent a message in it.
func stage(t *testing.T, mode messaging.ChannelMode, privacy messaging.ChannelPrivacy) *staged {
	w := &staged{World: servicetest.New(t, "owner", "adm", "mod", "mem", "hid", "pub", "prv", "ban", "new", "third")}
	w.MakeAdmin("adm")
	w.AddChannel("owner", "c", func(r *messaging.CreateChannelRequest) {
		r.Privacy, r.ModeratorARNs = privacy, w.Users("mod")
		if mode == elasticMode {
			servicetest.Elastic(2, 10, 10)(r)
			return
		}
		r.Mode, r.MemberARNs = mode, w.Users("mem", "third")
	})
	w.Ban("owner", "c", "ban")
	text := w.Text("third", "c", messageSent)
	if mode == elasticMode {
		for _, member := range []string{"mem", "third"} {
			w.AddMember("owner", "c", member, messaging.ChannelMembershipTypeDefault)
		}
		w.Events()
		w.sub = w.SubID("s1")
		text.SubChannelID = w.sub
	} else {
		w.AddMember("owner", "c", "hid", messaging.ChannelMembershipTypeHidden)
	}
	w.messageID = w.Send(text)
	return w
}

func call(w *staged, operation, caller string) (err error) {
	ctx, c, me := context.Background(), w.Channel("c"), w.User(caller)
	name, variant, _ := strings.Cut(operation, " ")
	target := w.User("third")
	switch variant {
	case "self":
		target = me
	case "owner", "new", "adm", "ban":
		target = w.User(variant)
	}
	var place *string // where a new member says it goes
	if variant == "self" && caller == "mod" {
		place = w.sub
	}
	kind := messaging.ChannelMembershipTypeDefault
	if variant == "HIDDEN" {
		kind = messaging.ChannelMembershipTypeHidden
	}
	joining := w.User("new")
	if variant == "self" || variant == "ban" {
		joining = target
	}
	switch name {
	case "UpdateChannel":
		text := "renamed"
		_, err = w.Channels.UpdateChannel(ctx, &messaging.UpdateChannelRequest{ChannelARN: c, Name: &text, ChimeBearer: me})
	case "DeleteChannel":
		_, err = w.Channels.DeleteChannel(ctx, &messaging.DeleteChannelRequest{ChannelARN: c, ChimeBearer: me})
	case "DescribeChannel":
		_, err = w.Channels.DescribeChannel(ctx, &messaging.DescribeChannelRequest{ChannelARN: c, ChimeBearer: me})
	case "ListChannels":
		_, err = w.Channels.ListChannels(ctx, &messaging.ListChannelsRequest{AppInstanceARN: w.App, Privacy: messaging.ChannelPrivacy(variant), ChimeBearer: me})
	case "ListChannelMembershipsForAppInstanceUser":
		_, err = w.Channels.ListChannelMembershipsForAppInstanceUser(ctx, &messaging.ListChannelMembershipsForAppInstanceUserRequest{AppInstanceUserARN: &target, ChimeBearer: me})
	case "DescribeChannelMembershipForAppInstanceUser":
		_, err = w.Channels.DescribeChannelMembershipForAppInstanceUser(ctx, &messaging.DescribeChannelMembershipForAppInstanceUserRequest{ChannelARN: c, AppInstanceUserARN: target, ChimeBearer: me})
	case "CreateChannelMembership":
		_, err = w.Channels.CreateChannelMembership(ctx, &messaging.CreateChannelMembershipRequest{ChannelARN: c, MemberARN: joining, Type: kind, SubChannelID: place, ChimeBearer: me})
	case "BatchCreateChannelMembership":
		_, err = w.Channels.BatchCreateChannelMembership(ctx, &messaging.BatchCreateChannelMembershipRequest{ChannelARN: c, MemberARNs: []string{joining}, Type: kind, SubChannelID: place, ChimeBearer: me})
	case "SearchChannels":
		fields := []messaging.SearchField{{Key: messaging.SearchFieldKeyMembers, Operator: messaging.SearchFieldOperatorIncludes, Values: []string{target}}}
		_, err = w.Channels.SearchChannels(ctx, &messaging.SearchChannelsRequest{Fields: fields, ChimeBearer: &me})
	case "ListChannelsModeratedByAppInstanceUser":
		_, err = w.Channels.ListChannelsModeratedByAppInstanceUser(ctx, &messaging.ListChannelsModeratedByAppInstanceUserRequest{AppInstanceUserARN: &target, ChimeBearer: me})
	case "DescribeChannelModeratedByAppInstanceUser":
		_, err = w.Channels.DescribeChannelModeratedByAppInstanceUser(ctx, &messaging.DescribeChannelModeratedByAppInstanceUserRequest{ChannelARN: c, AppInstanceUserARN: target, ChimeBearer: me})
	case "GetChannelMembershipPreferences":
		_, err = w.Channels.GetChannelMembershipPreferences(ctx, &messaging.GetChannelMembershipPreferencesRequest{ChannelARN: c, MemberARN: target, ChimeBearer: me})
	case "PutChannelMembershipPreferences":
		_, err = w.Channels.PutChannelMembershipPreferences(ctx, &messaging.PutChannelMembershipPreferencesRequest{ChannelARN: c, MemberARN: target, ChimeBearer: me})
	case "CreateChannelModerator":
		_, err = w.Channels.CreateChannelModerator(ctx, &messaging.CreateChannelModeratorRequest{ChannelARN: c, ChannelModeratorARN: target, ChimeBearer: me})
	case "DeleteChannelModerator":
		_, err = w.Channels.DeleteChannelModerator(ctx, &messaging.DeleteChannelModeratorRequest{ChannelARN: c, ChannelModeratorARN: target, ChimeBearer: me})
	case "DescribeChannelModerator":
		_, err = w.Channels.DescribeChannelModerator(ctx, &messaging.DescribeChannelModeratorRequest{ChannelARN: c, ChannelModeratorARN: target, ChimeBearer: me})
	case "ListChannelModerators":
		_, err = w.Channels.ListChannelModerators(ctx, &messaging.ListChannelModeratorsRequest{ChannelARN: c, ChimeBearer: me})
	case "CreateChannelBan":
		_, err = w.Channels.CreateChannelBan(ctx, &messaging.CreateChannelBanRequest{ChannelARN: c, MemberARN: target, ChimeBearer: me})
	case "DeleteChannelBan":
		_, err = w.Channels.DeleteChannelBan(ctx, &messaging.DeleteChannelBanRequest{ChannelARN: c, MemberARN: target, ChimeBearer: me})
	case "DescribeChannelBan":
		_, err = w.Channels.DescribeChannelBan(ctx, &messaging.DescribeChannelBanRequest{ChannelARN: c, MemberARN: target, ChimeBearer: me})
	case "ListChannelBans":
		_, err = w.Channels.ListChannelBans(ctx, &messaging.ListChannelBansRequest{ChannelARN: c, ChimeBearer: me})
	case "ListSubChannels":
		_, err = w.Channels.ListSubChannels(ctx, &messaging.ListSubChannelsRequest{ChannelARN: c, ChimeBearer: me})
	case "PutChannelExpirationSettings":
		_, err = w.Channels.PutChannelExpirationSettings(ctx, &messaging.PutChannelExpirationSettingsRequest{ChannelARN: c, ChimeBearer: &me})
	case "DescribeChannelMembership":
		_, err = w.Channels.DescribeChannelMembership(ctx, &messaging.DescribeChannelMembershipRequest{ChannelARN: c, MemberARN: target, ChimeBearer: me})
	case "ListChannelMemberships":
		_, err = w.Channels.ListChannelMemberships(ctx, &messaging.ListChannelMembershipsRequest{ChannelARN: c, Type: messaging.ChannelMembershipType(variant), ChimeBearer: me})
	case "DeleteChannelMembership":
		_, err = w.Channels.DeleteChannelMembership(ctx, &messaging.DeleteChannelMembershipRequest{ChannelARN: c, MemberARN: target, ChimeBearer: me})
	case "UpdateChannelReadMarker":
		_, err = w.Channels.UpdateChannelReadMarker(ctx, &messaging.UpdateChannelReadMarkerRequest{ChannelARN: c, ChimeBearer: me})
	case "SendChannelMessage":
		text := w.Text(caller, "c", "hello")
		text.SubChannelID = w.sub
		_, err = w.Messages.SendChannelMessage(ctx, text)
	case "GetChannelMessage":
		_, err = w.Messages.GetChannelMessage(ctx, &messaging.GetChannelMessageRequest{ChannelARN: c, MessageID: w.messageID, SubChannelID: w.sub, ChimeBearer: me})
	case "ListChannelMessages":
		_, err = w.Messages.ListChannelMessages(ctx, &messaging.ListChannelMessagesRequest{ChannelARN: c, SubChannelID: w.sub, ChimeBearer: me})
	case "UpdateChannelMessage":
		_, err = w.Messages.UpdateChannelMessage(ctx, &messaging.UpdateChannelMessageRequest{ChannelARN: c, MessageID: w.messageID, SubChannelID: w.sub, Content: "x", ChimeBearer: me})
	case "RedactChannelMessage":
		_, err = w.Messages.RedactChannelMessage(ctx, &messaging.RedactChannelMessageRequest{ChannelARN: c, MessageID: w.messageID, SubChannelID: w.sub, ChimeBearer: me})
	case "DeleteChannelMessage":
		_, err = w.Messages.DeleteChannelMessage(ctx, &messaging.DeleteChannelMessageRequest{ChannelARN: c, MessageID: w.messageID, SubChannelID: w.sub, ChimeBearer: me})
	case "GetChannelMessageStatus":
		_, err = w.Messages.GetChannelMessageStatus(ctx, &messaging.GetChannelMessageStatusRequest{ChannelARN: c, MessageID: w.messageID, SubChannelID: w.sub, ChimeBearer: me})
	default:
		return fmt.Errorf("the test does not know %s", name)
	}
	return err
}

// TestCallersWhoAreNobody: every operation on a channel refuses a bearer that does not exist,
// one of another app instance, and one that is no user at all.
func TestCallersWhoAreNobody(t *testing.T) {
	w := stage(t, messaging.ChannelModeUnrestricted, messaging.ChannelPrivacyPublic)
	other, err := w.Identity.CreateAppInstance(context.Background(), &identityapi.CreateAppInstanceRequest{Name: "other", ClientRequestToken: w.Token()})
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := w.Identity.CreateAppInstanceUser(context.Background(), &identityapi.CreateAppInstanceUserRequest{
		AppInstanceARN: other.AppInstanceARN, AppInstanceUserID: "mem", Name: "Stranger", ClientRequestToken: w.Token(),
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, bearer := range map[string]string{
		"unknown":            w.User("nobody"),
		"other app instance": stranger.AppInstanceUserARN,
		"other account":      strings.Replace(w.User("mem"), "000000000000", "111122223333", 1),
		"a channel":          w.Channel("c"),
		"no ARN of ours":     "arn:aws:s3:::bucket",
	} {
		_, err := w.Channels.DescribeChannel(context.Background(), &messaging.DescribeChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: bearer})
		if got := servicetest.Outcome(err); got != "Forbidden" {
			t.Errorf("%s: %s", name, got)
		}
	}
}
