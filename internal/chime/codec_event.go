package chime

import "github.com/carillon-chat/carillon/internal/record"

// The methods of record.Encoder and record.Decoder of events; see codec.go.

// AppendRecord implements record.Encoder.
func (e *Event) AppendRecord(b []byte) []byte {
	w := record.NewWriter(b)
	w.Int(1, int64(e.Time))
	w.Text(2, e.Type)
	w.OptionalText(3, e.App)
	w.OptionalText(4, e.Channel)
	w.OptionalText(5, e.Sub)
	w.OptionalText(6, e.MessageType)
	w.OptionalText(7, e.Reason)

	// The audience, and what the event is about.
	record.OptionalTexts(&w, 8, e.Only)
	record.OptionalTexts(&w, 9, e.Also)
	record.OptionalTexts(&w, 10, e.Join)
	record.OptionalTexts(&w, 11, e.Leave)
	w.OptionalText(12, string(e.Subject))
	w.OptionalByteString(13, e.Payload)
	w.OptionalText(14, e.Object)
	w.OptionalText(15, e.ChannelID)
	w.OptionalText(16, string(e.Target))
	w.OptionalText(17, string(e.Actor))
	w.OptionalBool(18, e.Push)
	w.OptionalBool(19, e.Unsent)
	return w.Bytes()
}

// ReadRecord implements record.Decoder.
func (e *Event) ReadRecord(text string) error {
	r := record.NewReader(text)
	for range r.Map() {
		switch r.Key() {
		case 1:
			e.Time = Millis(r.Int())
		case 2:
			e.Type = r.Text()
		case 3:
			e.App = r.Text()
		case 4:
			e.Channel = r.Text()
		case 5:
			e.Sub = r.Text()
		case 6:
			e.MessageType = r.Text()
		case 7:
			e.Reason = r.Text()

		// The audience, and what the event is about.
		case 8:
			e.Only = record.Texts[Ref](&r)
		case 9:
			e.Also = record.Texts[Ref](&r)
		case 10:
			e.Join = record.Texts[Ref](&r)
		case 11:
			e.Leave = record.Texts[Ref](&r)
		case 12:
			e.Subject = Ref(r.Text())
		case 13:
			e.Payload = r.ByteString()
		case 14:
			e.Object = r.Text()
		case 15:
			e.ChannelID = r.Text()
		case 16:
			e.Target = Ref(r.Text())
		case 17:
			e.Actor = Ref(r.Text())
		case 18:
			e.Push = r.Bool()
		case 19:
			e.Unsent = r.Bool()
		default:
			r.Skip()
		}
	}
	return r.End()
}
