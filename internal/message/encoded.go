package message

import (
	"bytes"
	"context"
	"hash/maphash"
	"slices"
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
	page, err = s.encodePage(r, v, l)
	if err == nil && keeps && !page.personal && l.page.Floor == nil { // which moves with the time
		s.newest.put(at, now, page)
	}
	return page, err
}

// Latest are the newest persistent messages of a channel that a caller sees.
type Latest struct {
	// Text has the messages, the newest first, as the elements of a JSON array with the times of sockets. It is
	// the inside of a JSON string that holds that JSON.
	Text   []byte
	Pieces []Piece // one for each message
	More   bool    // there are older ones
	// Common reports that every member sees the same until something changes.
	Common bool
}

// Piece is where a message lies in a text that has many.
type Piece struct {
	record uint64 // hash of its stored form
	end    int    // in the text; a comma follows, unless it is the last
}

// AppendLatest appends at most so many messages to b, for a caller that may read the channel: latest.Text is the end of
// text. Those of a sub-channel say in which one they are: summaries have no such member, and clients look for it in each
// message (spec 4.7).
//
// Messages that earlier has are copied from there when their records are the same. It has to be Common, and of the same
// channel at versions that ShowAlike; it may be empty.
func (s *Service) AppendLatest(b []byte, r store.Reader, v *channel.Visit, limit int, earlier Latest) (text []byte, latest Latest, err error) {
	l := listing{page: store.Page{Limit: limit}, history: store.Prefix(v.History())}
	l.history.Reverse = true
	oldest, err := s.Oldest(r, v)
	if err != nil {
		return nil, latest, err
	}
	l.page.Floor = Floor(v, oldest)
	l.asked = span{from: oldest, to: forever}

	e := newEncoder(s, v, api.ISO)
	own := e.text
	defer func() {
		e.text = own
		e.free()
	}()
	e.text, e.start = b, len(b)
	e.inSub, e.quoted = v.Sub != "", true
	if l.page.Floor == nil { // which moves with the time
		e.earlier = earlier
	}
	next, err := e.encode(r, l)
	if err != nil {
		return nil, latest, err
	}
	return e.text, Latest{
		Text: e.text[e.start:], Pieces: slices.Clone(e.pieces), More: next != "", Common: !e.personal && l.page.Floor == nil,
	}, nil
}

// encoder writes messages as the elements of a JSON array.
type encoder struct {
	service  *Service
	visit    *channel.Visit
	form     api.TimeFormat
	inSub    bool   // each message has SubChannelId
	text     []byte // the elements with commas between them, from start on
	start    int
	pieces   []Piece // the elements in text
	personal bool    // a message was met that not every member sees
	message  chime.Message
	shown    shown

	// An encoder of the inside of a JSON string makes each element in plain, and copies those that are in earlier.
	quoted  bool
	plain   []byte
	earlier Latest
	passed  int // pieces of earlier
}

// encoders are reused: a page takes as much memory as its text is long.
var encoders = sync.Pool{New: func() any { return new(encoder) }}

// keptText is how long the text of an encoder may be that is kept for the next page.
const keptText = 128 << 10

func newEncoder(s *Service, v *channel.Visit, form api.TimeFormat) *encoder {
	e := encoders.Get().(*encoder)
	*e = encoder{service: s, visit: v, form: form, text: e.text[:0], pieces: e.pieces[:0], plain: e.plain[:0]}
	return e
}

// free gives the encoder back.
func (e *encoder) free() {
	if cap(e.text) <= keptText && cap(e.plain) <= keptText {
		*e = encoder{text: e.text, pieces: e.pieces, plain: e.plain}
		encoders.Put(e)
	}
}

// encodePage makes one page as REST has it.
func (s *Service) encodePage(r store.Reader, v *channel.Visit, l listing) (page encoded, err error) {
	e := newEncoder(s, v, api.Epoch)
	defer e.free()
	page.next, err = e.encode(r, l)
	page.text, page.personal = bytes.Clone(e.text), e.personal
	return page, err
}

// encode encodes one page and returns the token for the page after it.
func (e *encoder) encode(r store.Reader, l listing) (next string, err error) {
	next, err = store.ListStored(r, store.Messages, l.history, l.page, func(value []byte) (bool, error) {
		return e.add(r, l.asked, value)
	})

	// The last one only shows that something follows.
	if n := len(e.pieces); next != "" {
		e.pieces = e.pieces[:n-1]
		e.text = e.text[:e.start+e.pieces[n-2].end]
	}
	return next, err
}

// encoded is a page as JSON.
type encoded struct {
	text     []byte
	next     string // token for the page after it
	personal bool   // not every member sees the same
}

// add appends the message with the stored form, if the caller sees it.
func (e *encoder) add(r store.Reader, asked span, value []byte) (seen bool, err error) {
	var hash uint64
	if e.quoted {
		if hash = maphash.Bytes(recordSeed, value); e.addEarlier(hash) {
			return true, nil
		}
	}

	m := &e.message
	if err := store.Messages.Decode(value, m); err != nil {
		return false, err
	}
	e.personal = e.personal || !sent(m) || m.Target != ""
	if !sees(e.visit, m) || !asked.holds(m.Created) {
		return false, nil
	}
	sender, err := e.visit.Sender(r, m)
	if err != nil {
		return false, err
	}

	e.begin()
	if e.quoted {
		e.plain = e.append(e.plain[:0], m, sender)
		e.text = api.AppendInString(e.text, e.plain)
	} else {
		e.text = e.append(e.text, m, sender)
	}
	e.pieces = append(e.pieces, Piece{hash, len(e.text) - e.start})
	return true, nil
}

// recordSeed is of the hashes of records, which clients have a part in.
var recordSeed = maphash.MakeSeed()

// addEarlier copies the message whose record has the hash, if it is behind those of earlier that were copied. Both lists
// have the same order.
func (e *encoder) addEarlier(hash uint64) bool {
	all := e.earlier.Pieces
	i := slices.IndexFunc(all[e.passed:], func(p Piece) bool { return p.record == hash })
	if i < 0 {
		return false
	}
	i += e.passed
	e.passed = i + 1

	start := 0
	if i > 0 {
		start = all[i-1].end + len(",")
	}
	e.begin()
	e.text = append(e.text, e.earlier.Text[start:all[i].end]...)
	e.pieces = append(e.pieces, Piece{hash, len(e.text) - e.start})
	return true
}

// begin puts a comma before an element that is not the first.
func (e *encoder) begin() {
	if len(e.pieces) > 0 {
		e.text = append(e.text, ',')
	}
}

// append appends one message to b.
func (e *encoder) append(b []byte, m *chime.Message, sender *messaging.Identity) []byte {
	b = e.service.summary(&e.shown, e.visit, m, sender).AppendJSON(b, e.form)
	if e.inSub {
		b = api.AppendString(append(b[:len(b)-1], `,"SubChannelId":`...), e.visit.Sub)
		b = append(b, '}')
	}
	return b
}
