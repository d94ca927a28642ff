package chime

import (
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/record"
)

// The methods of record.Encoder and record.Decoder of messages; see codec.go.

// AppendRecord implements record.Encoder.
func (m *Message) AppendRecord(b []byte) []byte {
	w := record.NewWriter(b)
	w.Text(1, m.ID)
	w.Text(2, string(m.Sender))
	w.Text(3, string(m.Type))
	w.Text(4, string(m.Persistence))
	w.OptionalText(5, m.Content)
	w.OptionalText(6, m.Metadata)
	w.OptionalText(7, m.ContentType)
	w.OptionalTextLists(8, m.Attributes)
	w.OptionalText(9, string(m.Target))

	// Its times and what became of it.
	w.Int(10, int64(m.Created))
	w.Int(11, int64(m.Updated))
	w.OptionalInt(12, int64(m.Edited))
	w.OptionalBool(13, m.Redacted)
	w.Text(14, string(m.Status))
	if m.Push != nil {
		w.Record(15, m.Push)
	}
	w.OptionalText(16, m.Sub)
	w.OptionalText(17, m.Detail)
	w.OptionalUint(18, m.After)
	return w.Bytes()
}

// ReadRecord implements record.Decoder.
func (m *Message) ReadRecord(text string) error {
	r := record.NewReader(text)
	for range r.Map() {
		switch r.Key() {
		case 1:
			m.ID = r.Text()
		case MessageSender:
			m.Sender = Ref(r.Text())
		case MessageType:
			m.Type = messaging.ChannelMessageType(r.Text())
		case 4:
			m.Persistence = messaging.ChannelMessagePersistenceType(r.Text())
		case 5:
			m.Content = r.Text()
		case 6:
			m.Metadata = r.Text()
		case 7:
			m.ContentType = r.Text()
		case 8:
			m.Attributes = r.TextLists()
		case MessageTarget:
			m.Target = Ref(r.Text())

		// Its times and what became of it.
		case MessageCreated:
			m.Created = Millis(r.Int())
		case 11:
			m.Updated = Millis(r.Int())
		case 12:
			m.Edited = Millis(r.Int())
		case MessageRedacted:
			m.Redacted = r.Bool()
		case MessageStatus:
			m.Status = messaging.ChannelMessageStatus(r.Text())
		case 15:
			m.Push = readPush(&r)
		case 16:
			m.Sub = r.Text()
		case 17:
			m.Detail = r.Text()
		case MessageAfter:
			m.After = r.Uint()
		default:
			r.Skip()
		}
	}
	return r.End()
}

// AppendRecord implements record.Encoder, within the record of a message.
func (p *Push) AppendRecord(b []byte) []byte {
	w := record.NewWriter(b)
	w.OptionalText(1, p.Title)
	w.OptionalText(2, p.Body)
	w.OptionalText(3, string(p.Type))
	return w.Bytes()
}

func readPush(r *record.Reader) *Push {
	if r.IsNull() {
		return nil
	}
	p := new(Push)
	for range r.Map() {
		switch r.Key() {
		case 1:
			p.Title = r.Text()
		case 2:
			p.Body = r.Text()
		case 3:
			p.Type = messaging.PushNotificationType(r.Text())
		default:
			r.Skip()
		}
	}
	return p
}
