package client

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// log is a server's log, 1 to its length, and how it resumes. A token is its position.
type log struct {
	t       *rapid.T
	length  int
	byToken bool // tokens count as well as positions, or only where there is no position
}

// start is the position after which it goes on, and whether the client has told that position.
func (l *log) start(from string) (begin int, told bool) {
	token, position, has := strings.Cut(from, ".")
	begin, err := strconv.Atoi(token)
	if err != nil {
		l.t.Fatalf("resume-from=%q", from)
	}
	if has {
		seen, err := strconv.Atoi(position)
		if err != nil {
			l.t.Fatalf("resume-from=%q", from)
		}
		if !l.byToken || seen >= begin {
			return seen, true
		}
	}
	return begin, false
}

func (l *log) token(typ string, position int) Event {
	return Event{Type: typ, Payload: fmt.Sprintf(`{"ResumeToken":"%d"}`, position)}
}

// socket gives the events of one socket, until it breaks.
func (l *log) socket(from string) (frames []Event) {
	at := l.length // where a new session begins
	if from != "" {
		begin, told := l.start(from)
		frames = append(frames, l.token(EventSessionEstablished, rapid.SampledFrom([]int{begin, at}).Draw(l.t, "established with")))
		overlap := 0
		if told { // what the client has it can tell from what is new
			overlap = rapid.IntRange(0, 3).Draw(l.t, "overlap")
		}
		for p := max(begin-overlap, 0) + 1; p <= at; p++ {
			frames = append(frames, l.event(p))
		}
		frames = append(frames, l.token(EventSessionResumed, at))
	} else {
		frames = append(frames, l.token(EventSessionEstablished, at))
	}
	for range rapid.IntRange(0, 6).Draw(l.t, "live") {
		if rapid.Bool().Draw(l.t, "token") {
			frames = append(frames, l.token(EventResumeToken, l.length))
			continue
		}
		l.length++
		frames = append(frames, l.event(l.length))
	}
	return frames[:rapid.IntRange(0, len(frames)).Draw(l.t, "breaks after")]
}

func (l *log) event(position int) Event {
	return Event{Type: EventCreateChannelMessage, Position: uint64(position)}
}

// Whatever breaks, and wherever a new process takes over, each event after the first connect comes
// once and in order.
func TestResumePointsLoseAndDoubleNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &log{t: t, length: rapid.IntRange(0, 5).Draw(t, "history"), byToken: rapid.Bool().Draw(t, "by token")}
		point, last := new(resumePoint), -1
		for range rapid.IntRange(1, 12).Draw(t, "sockets") {
			l.length += rapid.IntRange(0, 4).Draw(t, "missed")
			point.connecting()
			for _, e := range l.socket(point.String()) {
				if last < 0 {
					last = l.established(e)
				}
				if isNew, told := point.take(&e); told != nil {
					t.Fatalf("told %+v", told.Data)
				} else if !isNew || e.Position == 0 {
					continue
				}
				if last++; int(e.Position) != last {
					t.Fatalf("got %d, want %d", e.Position, last)
				}
				if rapid.IntRange(0, 9).Draw(t, "process") == 0 { // it ends here; the rest is not handled
					from := e.ResumeFrom
					point = new(resumePoint)
					if err := point.set(from); err != nil {
						t.Fatal(err)
					}
					break
				}
			}
		}
		point.connecting()
		if from := point.String(); from != "" && last >= 0 {
			begin, _ := l.start(from)
			for p := begin + 1; p <= l.length; p++ {
				e := l.event(p)
				if isNew, _ := point.take(&e); isNew {
					if last++; p != last {
						t.Fatalf("at the end got %d, want %d", p, last)
					}
				}
			}
			if last != l.length {
				t.Fatalf("at the end %d of %d", last, l.length)
			}
		}
	})
}

// established is where a first session begins.
func (l *log) established(e Event) int {
	at, err := strconv.Atoi(e.tokenOf())
	if err != nil {
		l.t.Fatal(err)
	}
	return at
}

func FuzzFrames(f *testing.F) {
	for _, seed := range []string{
		`{"Headers":{"x-amz-chime-event-type":"CREATE_CHANNEL_MESSAGE","x-amz-chime-message-type":"STANDARD","x-carillon-position":"7"},"Payload":"{\"CreatedTimestamp\":\"2021-06-03T16:26:31.013Z\"}"}`,
		`{"Headers":{"x-amz-chime-event-type":"SESSION_ESTABLISHED"},"Payload":"{\"ResumeToken\":\"T\"}"}`,
		`{"Headers":{"x-amz-chime-event-type":"CHANNEL_DETAILS"},"Payload":"{\"UnreadCount\":3}"}`,
		`{"Headers":{"x-amz-chime-event-type":"CHANNEL_DETAILS"},"Payload":null}`, `[]`, `text`, `{"Headers":null}`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e := parse(text)
		if e.Type == "" && e.Payload != string(text) {
			t.Error("the text of a frame that is no event is lost")
		}
		p := new(resumePoint)
		p.connecting()
		p.take(&e)
		if from := p.String(); from != "" && e.Type == "" {
			t.Errorf("a frame that is no event resumes from %q", from)
		}
	})
}

func TestPayloadsOfTheExtras(t *testing.T) {
	frame := func(typ, payload string) Event {
		return parse(fmt.Appendf(nil, `{"Headers":{"x-amz-chime-event-type":%q,"x-amz-chime-message-type":"SYSTEM"},"Payload":%q}`, typ, payload))
	}
	presence := frame(EventChannelPresence, `{"ChannelArn":"C","OnlineCount":2,"Online":["a"],"Offline":["b"],"Complete":true}`).Data.(*Presence)
	if presence.ChannelARN != "C" || presence.OnlineCount != 2 || presence.Online[0] != "a" || presence.Offline[0] != "b" || !presence.Complete {
		t.Errorf("%+v", presence)
	}
	typing := frame(EventTyping, `{"ChannelArn":"C","SubChannelId":"S","Sender":{"Arn":"a","Name":"Ann"}}`).Data.(*Typing)
	if typing.ChannelARN != "C" || typing.SubChannelID != "S" || typing.Sender.ARN != "a" || typing.Sender.Name != "Ann" {
		t.Errorf("%+v", typing)
	}
	unread := frame(EventUnreadCount, `{"ChannelArn":"C","UnreadCount":3,"ReadMarkerTimestamp":"2021-06-03T16:26:31.013Z"}`).Data.(*UnreadCount)
	if unread.ChannelARN != "C" || unread.UnreadCount != 3 || unread.ReadMarkerTimestamp.UnixMilli() != 1622737591013 {
		t.Errorf("%+v", unread)
	}
	details := frame(EventChannelDetails, `{"Channel":{"ChannelArn":"C"},"ChannelMessages":[{"MessageId":"m"}],"ChannelMemberships":[{"Member":{"Arn":"a"}}],"ChannelMessagesHasMore":true,"UnreadCount":0}`).Data.(*ChannelDetails)
	if details.Channel.ChannelARN != "C" || details.ChannelMessages[0].MessageID != "m" || details.ChannelMemberships[0].Member.ARN != "a" ||
		!details.ChannelMessagesHasMore || details.UnreadCount == nil || *details.UnreadCount != 0 {
		t.Errorf("%+v", details)
	}
	for _, e := range []Event{frame("LATER_INVENTION", `{"A":1}`), frame(EventTyping, `[]`), frame(EventTyping, `{`)} {
		if e.Data != nil || e.Payload == "" {
			t.Errorf("%+v", e)
		}
	}
}
