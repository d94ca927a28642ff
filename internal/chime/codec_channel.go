package chime

import (
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/record"
)

// The methods of record.Encoder and record.Decoder of channels and of what belongs to them; see codec.go.

// AppendRecord implements record.Encoder.
func (c *Channel) AppendRecord(b []byte) []byte {
	w := record.NewWriter(b)
	w.Text(1, c.ID)
	w.Text(2, c.UID)
	w.Text(3, c.Name)
	w.Text(4, string(c.Mode))
	w.Text(5, string(c.Privacy))
	w.OptionalText(6, c.Metadata)
	w.Text(7, string(c.CreatedBy))
	w.Int(8, int64(c.Created))
	w.Int(9, int64(c.Updated))

	// What not every channel has.
	if c.Expiration != nil {
		w.Record(10, c.Expiration)
	}
	w.Uint(11, c.Order)
	if c.Elastic != nil {
		w.Record(12, c.Elastic)
	}
	w.OptionalText(13, c.Flow)
	return w.Bytes()
}

// ReadRecord implements record.Decoder.
func (c *Channel) ReadRecord(text string) error {
	r := record.NewReader(text)
	for range r.Map() {
		switch r.Key() {
		case 1:
			c.ID = r.Text()
		case 2:
			c.UID = r.Text()
		case 3:
			c.Name = r.Text()
		case 4:
			c.Mode = messaging.ChannelMode(r.Text())
		case 5:
			c.Privacy = messaging.ChannelPrivacy(r.Text())
		case 6:
			c.Metadata = r.Text()
		case 7:
			c.CreatedBy = Ref(r.Text())
		case 8:
			c.Created = Millis(r.Int())
		case 9:
			c.Updated = Millis(r.Int())

		// What not every channel has.
		case 10:
			c.Expiration = readExpiration(&r)
		case 11:
			c.Order = r.Uint()
		case 12:
			c.Elastic = readElastic(&r)
		case 13:
			c.Flow = r.Text()
		default:
			r.Skip()
		}
	}
	return r.End()
}

// AppendRecord implements record.Encoder, within the record of a channel.
func (e *Elastic) AppendRecord(b []byte) []byte {
	w := record.NewWriter(b)
	w.Int(1, int64(e.MaximumSubChannels))
	w.Int(2, int64(e.TargetMemberships))
	w.Int(3, int64(e.MinimumMembershipPct))
	w.OptionalBool(4, e.Indexed)
	w.OptionalBool(5, e.Adopted)
	return w.Bytes()
}

func readElastic(r *record.Reader) *Elastic {
	if r.IsNull() {
		return nil
	}
	e := new(Elastic)
	for range r.Map() {
		switch r.Key() {
		case 1:
			e.MaximumSubChannels = int(r.Int())
		case 2:
			e.TargetMemberships = int(r.Int())
		case 3:
			e.MinimumMembershipPct = int(r.Int())
		case 4:
			e.Indexed = r.Bool()
		case 5:
			e.Adopted = r.Bool()
		default:
			r.Skip()
		}
	}
	return e
}

// AppendRecord implements record.Encoder.
func (a *Activity) AppendRecord(b []byte) []byte {
	w := record.NewWriter(b)
	w.Uint(1, a.Position)
	w.Int(2, int64(a.Clock))
	w.OptionalInt(3, int64(a.LastMessage))
	w.OptionalInt(4, int64(a.Ahead))
	w.OptionalInt(5, int64(a.MostAhead))
	w.OptionalUint(6, a.Unseen)
	w.OptionalBool(7, a.Marked)
	return w.Bytes()
}

// ReadRecord implements record.Decoder.
func (a *Activity) ReadRecord(text string) error {
	r := record.NewReader(text)
	for range r.Map() {
		switch r.Key() {
		case 1:
			a.Position = r.Uint()
		case 2:
			a.Clock = Millis(r.Int())
		case 3:
			a.LastMessage = Millis(r.Int())
		case 4:
			a.Ahead = Millis(r.Int())
		case 5:
			a.MostAhead = Millis(r.Int())
		case 6:
			a.Unseen = r.Uint()
		case 7:
			a.Marked = r.Bool()
		default:
			r.Skip()
		}
	}
	return r.End()
}

// AppendRecord implements record.Encoder.
func (m *Membership) AppendRecord(b []byte) []byte {
	w := record.NewWriter(b)
	w.Text(1, string(m.Ref))
	w.Text(2, string(m.Type))
	w.Text(3, string(m.InvitedBy))
	w.Int(4, int64(m.Created))
	w.Int(5, int64(m.Updated))
	w.OptionalInt(6, int64(m.ReadMarker))
	w.OptionalInt(7, int64(m.LastTargeted))
	w.Uint(8, m.Order)

	// What not every membership has.
	w.OptionalText(9, m.Sub)
	if m.Preferences != nil {
		w.Record(10, m.Preferences)
	}
	w.OptionalUint(11, m.FirstUnread)
	w.OptionalInt(12, int64(m.ReadClock))
	w.OptionalUint(13, m.TargetedPosition)
	return w.Bytes()
}

// ReadRecord implements record.Decoder.
func (m *Membership) ReadRecord(text string) error {
	r := record.NewReader(text)
	for range r.Map() {
		switch r.Key() {
		case 1:
			m.Ref = Ref(r.Text())
		case 2:
			m.Type = messaging.ChannelMembershipType(r.Text())
		case 3:
			m.InvitedBy = Ref(r.Text())
		case 4:
			m.Created = Millis(r.Int())
		case 5:
			m.Updated = Millis(r.Int())
		case 6:
			m.ReadMarker = Millis(r.Int())
		case 7:
			m.LastTargeted = Millis(r.Int())
		case 8:
			m.Order = r.Uint()

		// What not every membership has.
		case 9:
			m.Sub = r.Text()
		case 10:
			m.Preferences = readPreferences(&r)
		case 11:
			m.FirstUnread = r.Uint()
		case 12:
			m.ReadClock = Millis(r.Int())
		case 13:
			m.TargetedPosition = r.Uint()
		default:
			r.Skip()
		}
	}
	return r.End()
}

// AppendRecord implements record.Encoder, within the record of a membership.
func (p *Preferences) AppendRecord(b []byte) []byte {
	w := record.NewWriter(b)
	w.Text(1, string(p.AllowNotifications))
	w.OptionalText(2, p.FilterRule)
	return w.Bytes()
}

func readPreferences(r *record.Reader) *Preferences {
	if r.IsNull() {
		return nil
	}
	p := new(Preferences)
	for range r.Map() {
		switch r.Key() {
		case 1:
			p.AllowNotifications = messaging.AllowNotifications(r.Text())
		case 2:
			p.FilterRule = r.Text()
		default:
			r.Skip()
		}
	}
	return p
}

// AppendRecord implements record.Encoder.
func (e *ChannelEntry) AppendRecord(b []byte) []byte {
	w := record.NewWriter(b)
	w.Text(1, e.ChannelID)
	w.Text(2, e.UID)
	w.OptionalText(3, e.Sub)
	return w.Bytes()
}

// ReadRecord implements record.Decoder.
func (e *ChannelEntry) ReadRecord(text string) error {
	r := record.NewReader(text)
	for range r.Map() {
		switch r.Key() {
		case 1:
			e.ChannelID = r.Text()
		case 2:
			e.UID = r.Text()
		case 3:
			e.Sub = r.Text()
		default:
			r.Skip()
		}
	}
	return r.End()
}
