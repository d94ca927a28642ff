package chime

import "github.com/carillon-chat/carillon/internal/record"

// The methods of record.Encoder and record.Decoder of what is read or written with every message. A member has the key of its
// tag, and one that the tag says may be omitted is written by a method that omits it: TestCodecsFollowTags
// fails otherwise.

// AppendRecord implements record.Encoder.
func (r *Ref) AppendRecord(b []byte) []byte { return record.AppendText(b, string(*r)) }

// ReadRecord implements record.Decoder.
func (r *Ref) ReadRecord(text string) error {
	from := record.NewReader(text)
	*r = Ref(from.Text())
	return from.End()
}

// AppendRecord implements record.Encoder.
func (a *AppInstance) AppendRecord(b []byte) []byte {
	w := record.NewWriter(b)
	w.Text(1, a.ID)
	w.Text(2, a.Name)
	w.OptionalText(3, a.Metadata)
	w.Int(4, int64(a.Created))
	w.Int(5, int64(a.Updated))
	w.Uint(6, a.Order)
	if a.Retention != nil {
		w.Record(7, a.Retention)
	}
	return w.Bytes()
}

// ReadRecord implements record.Decoder.
func (a *AppInstance) ReadRecord(text string) error {
	r := record.NewReader(text)
	for range r.Map() {
		switch r.Key() {
		case 1:
			a.ID = r.Text()
		case 2:
			a.Name = r.Text()
		case 3:
			a.Metadata = r.Text()
		case 4:
			a.Created = Millis(r.Int())
		case 5:
			a.Updated = Millis(r.Int())
		case 6:
			a.Order = r.Uint()
		case 7:
			a.Retention = readRetention(&r)
		default:
			r.Skip()
		}
	}
	return r.End()
}

// AppendRecord implements record.Encoder, within the record of an app instance.
func (r *Retention) AppendRecord(b []byte) []byte {
	w := record.NewWriter(b)
	w.Int(1, int64(r.Days))
	w.Int(2, int64(r.Deletion))
	w.OptionalInt(3, int64(r.Hidden))
	return w.Bytes()
}

func readRetention(r *record.Reader) *Retention {
	if r.IsNull() {
		return nil
	}
	kept := new(Retention)
	for range r.Map() {
		switch r.Key() {
		case 1:
			kept.Days = int(r.Int())
		case 2:
			kept.Deletion = Millis(r.Int())
		case 3:
			kept.Hidden = Millis(r.Int())
		default:
			r.Skip()
		}
	}
	return kept
}

// AppendRecord implements record.Encoder.
func (u *User) AppendRecord(b []byte) []byte {
	w := record.NewWriter(b)
	w.Text(1, u.ID)
	w.Text(2, u.Name)
	w.OptionalText(3, u.Metadata)
	w.Int(4, int64(u.Created))
	w.Int(5, int64(u.Updated))
	if u.Expiration != nil {
		w.Record(6, u.Expiration)
	}
	w.Uint(7, u.Order)
	w.OptionalByteString(8, u.Asked)
	return w.Bytes()
}

// ReadRecord implements record.Decoder.
func (u *User) ReadRecord(text string) error {
	r := record.NewReader(text)
	for range r.Map() {
		switch r.Key() {
		case 1:
			u.ID = r.Text()
		case 2:
			u.Name = r.Text()
		case 3:
			u.Metadata = r.Text()
		case 4:
			u.Created = Millis(r.Int())
		case 5:
			u.Updated = Millis(r.Int())
		case 6:
			u.Expiration = readExpiration(&r)
		case 7:
			u.Order = r.Uint()
		case 8:
			u.Asked = r.ByteString()
		default:
			r.Skip()
		}
	}
	return r.End()
}

// ReadRecord implements record.Decoder: it reads the record of a User.
func (u *UserProfile) ReadRecord(text string) error {
	r := record.NewReader(text)
	for range r.Map() {
		switch r.Key() {
		case 2:
			u.Name = r.Text()
		case 4:
			u.Created = Millis(r.Int())
		case 7:
			u.Order = r.Uint()
		default:
			r.Skip()
		}
	}
	return r.End()
}

// ReadRecord implements record.Decoder: it reads the record of a Bot.
func (p *BotProfile) ReadRecord(text string) error {
	r := record.NewReader(text)
	for range r.Map() {
		switch r.Key() {
		case 2:
			p.Name = r.Text()
		case 5:
			p.Created = Millis(r.Int())
		case 7:
			p.Order = r.Uint()
		default:
			r.Skip()
		}
	}
	return r.End()
}

// AppendRecord implements record.Encoder, within the record of a user or channel.
func (e *Expiration) AppendRecord(b []byte) []byte {
	w := record.NewWriter(b)
	w.Int(1, int64(e.Days))
	w.Text(2, e.Criterion)
	w.OptionalInt(3, int64(e.Due))
	return w.Bytes()
}

func readExpiration(r *record.Reader) *Expiration {
	if r.IsNull() {
		return nil
	}
	e := new(Expiration)
	for range r.Map() {
		switch r.Key() {
		case 1:
			e.Days = int(r.Int())
		case 2:
			e.Criterion = r.Text()
		case 3:
			e.Due = Millis(r.Int())
		default:
			r.Skip()
		}
	}
	return e
}

// AppendRecord implements record.Encoder.
func (p *Reply) AppendRecord(b []byte) []byte {
	w := record.NewWriter(b)
	w.ByteString(1, p.Request)
	w.Text(2, p.Value)
	w.Int(3, p.Expires)
	w.OptionalText(4, p.UID)
	w.OptionalUint(5, p.Since)
	return w.Bytes()
}

// ReadRecord implements record.Decoder.
func (p *Reply) ReadRecord(text string) error {
	r := record.NewReader(text)
	for range r.Map() {
		switch r.Key() {
		case 1:
			p.Request = r.ByteString()
		case 2:
			p.Value = r.Text()
		case 3:
			p.Expires = r.Int()
		case 4:
			p.UID = r.Text()
		case 5:
			p.Since = r.Uint()
		default:
			r.Skip()
		}
	}
	return r.End()
}
