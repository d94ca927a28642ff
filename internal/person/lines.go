package person

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/carillon-chat/carillon/internal/api"
	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// line is a line of an export: what it is, and the thing as an operation of AWS shows it.
type line struct {
	Kind string
	// Channel is where a thing is that does not say so itself.
	Channel string `json:",omitempty"`
	Record  json.RawMessage
	// Push is the notification that went with a message.
	Push *chime.Push `json:",omitempty"`
}

// The kinds of lines.
const (
	lineUser        = "AppInstanceUser"
	lineAdmin       = "AppInstanceAdmin"
	lineTags        = "Tags"
	lineEndpoint    = "AppInstanceUserEndpoint"
	lineMembership  = "ChannelMembership"
	linePreferences = "ChannelMembershipPreferences"
	lineReadMarker  = "ReadMarker"
	lineModerator   = "ChannelModerator"
	lineBan         = "ChannelBan"
	lineChannel     = "Channel"
	lineMessage     = "ChannelMessage"
	lineVersion     = "PendingChannelMessage"   // a version of a message that waits for a channel flow
	lineNamed       = "ChannelMessageOfAnother" // which is targeted to the user, or has its ARN
)

func (p *page) put(l line) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	p.lines = append(p.lines, string(text))
	p.bytes += len(text)
	return nil
}

// putRecord puts a line with a structure of an API.
func (p *page) putRecord(kind, channel string, r api.Response) error {
	return p.put(line{Kind: kind, Channel: channel, Record: r.AppendJSON(nil, api.ISO)})
}

// putJSON puts a line with what no operation shows so.
func (p *page) putJSON(kind, channel string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return p.put(line{Kind: kind, Channel: channel, Record: text})
}

// readUser puts the record of the user, the role of an admin and the tags.
func (p *page) readUser() error {
	user, found, err := store.Users.Get(p, store.K(p.app, p.res.ID))
	if err != nil {
		return err
	}
	if found { // else it is deleted, and its name is in FormerNames
		shown := &identityapi.AppInstanceUser{
			AppInstanceUserARN: string(p.arn), Name: user.Name, Metadata: user.Metadata,
			CreatedTimestamp: user.Created.Optional(), LastUpdatedTimestamp: user.Updated.Optional(),
		}
		if x := user.Expiration; x != nil {
			shown.ExpirationSettings = &identityapi.ExpirationSettings{ExpirationDays: x.Days, ExpirationCriterion: identityapi.ExpirationCriterion(x.Criterion)}
		}
		if err := p.putRecord(lineUser, "", shown); err != nil {
			return err
		}
	}
	err = store.FormerNames.Each(p, store.Prefix(store.K(p.app, string(p.user))), func(_ store.Key, name string) (bool, error) {
		return true, p.putRecord(lineUser, "", &identityapi.AppInstanceUser{AppInstanceUserARN: string(p.arn), Name: name})
	})
	if err != nil {
		return err
	}

	admin, found, err := store.Admins.Get(p, store.K(p.app, string(p.user)))
	if err != nil {
		return err
	}
	if found {
		err := p.putJSON(lineAdmin, "", struct{ AppInstanceArn, CreatedTimestamp string }{p.o.Site.AppInstanceARN(p.app), iso(admin.Created)})
		if err != nil {
			return err
		}
	}
	tags, found, err := store.Tags.Get(p, store.TagsKey(p.res))
	if err != nil || !found {
		return err
	}
	return p.putJSON(lineTags, "", tags)
}

// iso is a time as sockets show it.
func iso(at chime.Millis) string { return at.Time().UTC().Format("2006-01-02T15:04:05.000Z") }

func (p *page) endpoint(id string) error {
	e, found, err := store.Endpoints.Get(p, store.K(p.app, string(p.user), id))
	if err != nil || !found {
		return err
	}
	return p.putRecord(lineEndpoint, "", &identityapi.AppInstanceUserEndpoint{
		AppInstanceUserARN: string(p.arn), EndpointID: e.ID, Name: e.Name, Type: identityapi.AppInstanceUserEndpointType(e.Type), ResourceARN: e.ResourceARN,
		EndpointAttributes: &identityapi.EndpointAttributes{DeviceToken: e.DeviceToken, VoipDeviceToken: optional(e.VoipToken)},
		AllowMessages:      identityapi.AllowMessages(e.AllowMessages),
		EndpointState:      &identityapi.EndpointState{Status: identityapi.EndpointStatus(e.Status), StatusReason: identityapi.EndpointStatusReason(e.StatusReason)},
		CreatedTimestamp:   e.Created.Optional(), LastUpdatedTimestamp: e.Updated.Optional(),
	})
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// identityOf names a user or bot by its ARN alone: the names of others are theirs.
func (p *page) identityOf(ref chime.Ref) *messaging.Identity {
	if ref == "" {
		return nil
	}
	return &messaging.Identity{ARN: p.o.Site.RefARN(p.app, ref)}
}

func (p *page) membership(at chime.ChannelEntry) error {
	m, found, err := store.Memberships.Get(p, store.MembershipKey(p.app, at.UID, p.user, at.Sub))
	if err != nil || !found {
		return err
	}
	arn := p.o.Site.ChannelARN(p.app, at.ChannelID)
	if err := p.putMembership(arn, m); err != nil {
		return err
	}
	if m.ReadMarker != 0 {
		if err := p.putJSON(lineReadMarker, arn, struct{ ReadMarkerTimestamp string }{iso(m.ReadMarker)}); err != nil {
			return err
		}
	}
	if m.Preferences == nil {
		return nil
	}
	return p.putJSON(linePreferences, arn, struct{ AllowNotifications, FilterRule string }{string(m.Preferences.AllowNotifications), m.Preferences.FilterRule})
}

func (p *page) putMembership(channel string, m chime.Membership) error {
	return p.putRecord(lineMembership, "", &messaging.ChannelMembership{
		ChannelARN: channel, Member: p.identityOf(m.Ref), InvitedBy: p.identityOf(m.InvitedBy), Type: m.Type, SubChannelID: m.Sub,
		CreatedTimestamp: m.Created.Optional(), LastUpdatedTimestamp: m.Updated.Optional(),
	})
}

func (p *page) moderated(at chime.ChannelEntry) error {
	m, found, err := store.Moderators.Get(p, store.K(p.app, at.UID, string(p.user)))
	if err != nil || !found {
		return err
	}
	return p.putModerator(at.ChannelID, m)
}

func (p *page) putModerator(channel string, m chime.Moderator) error {
	return p.putRecord(lineModerator, "", &messaging.ChannelModerator{
		ChannelARN: p.o.Site.ChannelARN(p.app, channel), Moderator: p.identityOf(m.Ref), CreatedBy: p.identityOf(m.CreatedBy), CreatedTimestamp: m.Created.Optional(),
	})
}

func (p *page) banned(at chime.ChannelEntry) error {
	b, found, err := store.Bans.Get(p, store.K(p.app, at.UID, string(p.user)))
	if err != nil || !found {
		return err
	}
	return p.putBan(at.ChannelID, b)
}

func (p *page) putBan(channel string, b chime.Ban) error {
	return p.putRecord(lineBan, "", &messaging.ChannelBan{
		ChannelARN: p.o.Site.ChannelARN(p.app, channel), Member: p.identityOf(b.Ref), CreatedBy: p.identityOf(b.CreatedBy), CreatedTimestamp: b.Created.Optional(),
	})
}

func (p *page) channelMade(c chime.Channel) error {
	return p.putRecord(lineChannel, "", &messaging.Channel{
		ChannelARN: p.o.Site.ChannelARN(p.app, c.ID), Name: c.Name, Metadata: c.Metadata, Mode: c.Mode, Privacy: c.Privacy,
		CreatedBy: p.identityOf(c.CreatedBy), CreatedTimestamp: c.Created.Optional(), LastUpdatedTimestamp: c.Updated.Optional(),
	})
}

// said puts what an entry of a channel has of the user, if it has: what the user did to others, said, or is
// named in.
func (p *page) said(c chime.Channel, table store.TableID, key store.Key, value []byte) (err error) {
	switch table {
	case store.Memberships.ID:
		var m chime.Membership
		if err = store.DecodeRecord(value, &m); err == nil && m.InvitedBy == p.user && m.Ref != p.user {
			err = p.putMembership(p.o.Site.ChannelARN(p.app, c.ID), m)
		}
	case store.Moderators.ID:
		var m chime.Moderator
		if err = store.DecodeRecord(value, &m); err == nil && m.CreatedBy == p.user && m.Ref != p.user {
			err = p.putModerator(c.ID, m)
		}
	case store.Bans.ID:
		var b chime.Ban
		if err = store.DecodeRecord(value, &b); err == nil && b.CreatedBy == p.user && b.Ref != p.user {
			err = p.putBan(c.ID, b)
		}
	case store.Messages.ID:
		var m chime.Message
		if err = store.DecodeRecord(value, &m); err == nil {
			err = p.message(c, key, &m, lineMessage)
		}
	default:
		var waits chime.Processing
		if err = store.DecodeRecord(value, &waits); err == nil {
			err = p.message(c, key, &waits.Message, lineVersion)
		}
	}
	return err
}

// message puts a message of the user, or one of another member that was sent and is targeted to the user or has its ARN.
func (p *page) message(c chime.Channel, key store.Key, m *chime.Message, kind string) error {
	if m.Sender != p.user {
		named := m.Target == p.user || p.isMentioned(m)
		if !named || m.Status != messaging.ChannelMessageStatusSent {
			return nil
		}
		kind = lineNamed
	}
	at, _, err := place(chime.ChannelEntry{ChannelID: c.ID, UID: c.UID}, key)
	if err != nil {
		return err
	}
	text, err := p.o.Messages.JSON(nil, p, p.app, at, m)
	if err != nil {
		return err
	}
	l := line{Kind: kind, Record: text}
	if m.Sender == p.user {
		l.Push = m.Push
	}
	return p.put(l)
}

// isMentioned reports whether the attributes or the text of a message have the user's ARN.
func (p *page) isMentioned(m *chime.Message) bool {
	names := func(text string) bool {
		_, found := cutID([]byte(text), p.arn)
		return found
	}
	for _, values := range m.Attributes {
		if slices.ContainsFunc(values, names) {
			return true
		}
	}
	return strings.Contains(m.Metadata+m.Content, string(p.arn)) && (names(m.Metadata) || names(m.Content))
}
