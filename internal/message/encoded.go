package message

import (
	"context"
	"sync"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Page is the answer to ListChannelMessages with messages that are JSON already: as
// messaging.ListChannelMessagesResponse, byte for byte.
type Page struct {
	about    messaging.ListChannelMessagesResponse // all but the messages
	messages []byte                                // elements of an array, with the times of REST; not changed
}

// AppendJSON implements api.Response, for REST alone.
func (p *Page) AppendJSON(b []byte, tf api.TimeFormat) []byte {
	open := len(b)
	b = api.AppendString(append(b, `,"ChannelArn":`...), p.about.ChannelARN)
	if p.about.NextToken != "" {
		b = api.AppendString(append(b, `,"NextToken":`...), p.about.NextToken)
	}
	b = append(append(append(b, `,"ChannelMessages":[`...), p.messages...), ']')
	if p.about.SubChannelID != "" {
		b = api.AppendString(append(b, `,"SubChannelId":`...), p.about.SubChannelID)
	}
	return api.CloseObject(b, open)
}

// PageToken implements api.PagedResponse.
func (p *Page) PageToken() *string { return &p.about.NextToken }

// EncodeChannelMessages is ListChannelMessages for callers that only write the answer: messages go from
// their records into its JSON one by one.
func (s *Service) EncodeChannelMessages(ctx context.Context, req *messaging.ListChannelMessagesRequest) (*Page, error) {
	p := &Page{about: messaging.ListChannelMessagesResponse{ChannelARN: req.ChannelARN}}
	err := s.viewPage(ctx, req, func(r store.Reader, v *channel.Visit) error {
		page, err := s.pageFor(r, v, req)
		p.about.SubChannelID, p.about.NextToken, p.messages = v.Sub, page.next, page.text
		return err
	})
	return p, err
}

// pageFor returns what a request asks for: the newest page of a channel is kept for the next caller.
func (s *Service) pageFor(r store.Reader, v *channel.Visit, req *messaging.ListChannelMessagesRequest) (page encoded, err error) {
	at, keeps := openingOf(v, req)
	var now Versions
	if keeps {
		now, keeps = VersionsOf(r, v, store.Messages.ID)
	}
	if keeps {
		if page, found := s.newest.find(at, now); found {
			return page, nil
		}
	}

	l, err := s.listing(r, v, req)
	if err != nil {
		return page, err
	}
	page, err = s.encode(nil, r, v, l, api.Epoch, false)
	if err == nil && keeps && !page.personal && l.page.Floor == nil { // which moves with the time
		s.newest.put(at, now, page)
	}
	return page, err
}

// Latest are the newest persistent messages of a channel that a caller sees.
type Latest struct {
	Text []byte // with the messages at its end, the newest first, as the elements of a JSON array, with the times of sockets
	More bool   // there are older ones
	// Common reports that every member sees the same until something changes.
	Common bool
}

// AppendLatest appends at most so many messages to b, for a caller that may read the channel. Those of a sub-channel say
// in which one they are: summaries have no such member, and clients look for it in each message (spec 4.7).
func (s *Service) AppendLatest(b []byte, r store.Reader, v *channel.Visit, limit int) (latest Latest, err error) {
	l := listing{page: store.Page{Limit: limit}, history: store.Prefix(v.History())}
	l.history.Reverse = true
	oldest, err := s.Oldest(r, v)
	if err != nil {
		return latest, err
	}
	l.page.Floor = Floor(v, oldest)
	l.asked = span{from: oldest, to: forever}

	page, err := s.encode(b, r, v, l, api.ISO, v.Sub != "")
	return Latest{
		Text: page.text, More: page.next != "",
		Common: !page.personal && l.page.Floor == nil, // which moves with the time
	}, err
}

// encoder writes messages as the elements of a JSON array.
type encoder struct {
	service  *Service
	visit    *channel.Visit
	form     api.TimeFormat
	inSub    bool   // each message has SubChannelId
	text     []byte // the elements with commas between them
	ends     []int  // of the elements in text
	personal bool   // a message was met that not every member sees
	shown    shown
}

// encoders are reused: a page takes as much memory as its text is long.
var encoders = sync.Pool{New: func() any { return new(encoder) }}

// keptText is how long the text of an encoder may be that is kept for the next page.
const keptText = 128 << 10

// encode appends one page as JSON to b and returns it with the token for the page after it.
func (s *Service) encode(b []byte, r store.Reader, v *channel.Visit, l listing, form api.TimeFormat, inSub bool) (page encoded, err error) {
	e := encoders.Get().(*encoder)
	*e = encoder{service: s, visit: v, form: form, inSub: inSub, text: e.text[:0], ends: e.ends[:0]}
	_, page.next, err = store.List(r, store.Messages, l.history, l.page, func(m chime.Message) (_ struct{}, ok bool, err error) {
		e.personal = e.personal || !sent(&m) || m.Target != ""
		if !sees(v, &m) || !l.asked.holds(m.Created) {
			return struct{}{}, false, nil
		}
		return struct{}{}, true, e.append(r, &m)
	})

	// The last one only shows that something follows.
	if n := len(e.ends); page.next != "" {
		e.ends = e.ends[:n-1]
		e.text = e.text[:e.ends[n-2]]
	}
	page.text, page.personal = append(b, e.text...), e.personal
	if cap(e.text) <= keptText {
		*e = encoder{text: e.text, ends: e.ends}
		encoders.Put(e)
	}
	return page, err
}

// encoded is a page as JSON.
type encoded struct {
	text     []byte
	next     string // token for the page after it
	personal bool   // not every member sees the same
}

// append appends one message.
func (e *encoder) append(r store.Reader, m *chime.Message) error {
	sender, err := e.visit.Sender(r, m)
	if err != nil {
		return err
	}
	if len(e.ends) > 0 {
		e.text = append(e.text, ',')
	}
	e.text = e.service.summary(&e.shown, e.visit, m, sender).AppendJSON(e.text, e.form)
	if e.inSub {
		e.text = api.AppendString(append(e.text[:len(e.text)-1], `,"SubChannelId":`...), e.visit.Sub)
		e.text = append(e.text, '}')
	}
	e.ends = append(e.ends, len(e.text))
	return nil
}
