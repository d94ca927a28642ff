package nats

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/chime"
)

const app = "app"

// logged makes events of a log that follow one another, with payloads of the sizes.
func logged(from uint64, sizes ...int) (list []chime.Event) {
	for i, size := range sizes {
		list = append(list, chime.Event{
			Position: from + uint64(i), Time: 1, Type: chime.EventCreateMessage, Topic: chime.Topic{App: app, Channel: "channel"},
			MessageType: "STANDARD", Only: []chime.Ref{"user/a"}, Subject: "user/b", Actor: "user/b", Object: "message", Payload: bytes.Repeat([]byte{'x'}, size), Push: true,
		})
	}
	return list
}

func frames(t *testing.T, p parcel, most int) (list [][]byte, lost int) {
	t.Helper()
	e := encoder{origin: 7}
	lost = e.encode(&p, most, func(frame []byte) { list = append(list, bytes.Clone(frame)) })
	for _, f := range list {
		if len(f) > most {
			t.Errorf("a frame has %d bytes of %d", len(f), most)
		}
	}
	return list, lost
}

// What is sent of a log comes as it was, in frames that follow one another, whatever their bound is.
func TestLoggedEventsComeAsTheyWere(t *testing.T) {
	for name, test := range map[string]struct {
		sizes  []int
		most   int
		frames int
	}{
		"one":          {[]int{10}, maxSize, 1},
		"several":      {[]int{10, 20, 30, 0}, maxSize, 1},
		"large":        {[]int{softSize, 10, softSize, softSize + 5}, maxSize, 4},
		"small frames": {[]int{700, 700, 700}, 1024, 3},
		"many":         {make([]int, maxEvents+1), maxSize, 2},
	} {
		t.Run(name, func(t *testing.T) {
			events := logged(41, test.sizes...)
			list, lost := frames(t, parcel{app: app, position: 41, logged: events}, test.most)
			if lost > 0 || len(list) != test.frames {
				t.Errorf("%d frames, %d lost", len(list), lost)
			}
			var came []chime.Event
			for _, data := range list {
				f, err := decode(app, data)
				if err != nil || f.origin != 7 {
					t.Fatalf("origin %d, %v", f.origin, err)
				}
				came = append(came, f.logged()...)
			}
			for i := range events {
				if len(events[i].Payload) == 0 {
					events[i].Payload = nil // as the log reads it
				}
			}
			if !reflect.DeepEqual(came, events) {
				t.Error("the events are others")
			}
		})
	}
}

// An event that is larger than a frame is a hint of its position, and those around it are sent.
func TestAnEventThatIsTooLargeIsAHint(t *testing.T) {
	events := logged(5, 10, 2000, 10)
	list, lost := frames(t, parcel{app: app, position: 5, logged: events}, 1024)
	var told []uint64
	for _, data := range list {
		f, err := decode(app, data)
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, f.position, uint64(len(f.events)))
	}
	if want := []uint64{5, 1, 6, 0, 7, 1}; lost > 0 || !reflect.DeepEqual(told, want) {
		t.Errorf("positions and counts are %d, want %d; %d lost", told, want, lost)
	}

	live := bus.Own(events)
	list, lost = frames(t, parcel{app: app, position: 9, live: live}, 1024)
	if lost != 1 || len(list) != 2 {
		t.Fatalf("ephemeral: %d frames, %d lost", len(list), lost)
	}
	for _, data := range list {
		f, err := decode(app, data)
		if err != nil || len(f.events) != 1 {
			t.Fatalf("%d events, %v", len(f.events), err)
		}
		if m := f.message(); m.After != 9 || !m.Events[0].Ephemeral || m.Events[0].Position != 0 || len(m.Events[0].Payload) != 10 {
			t.Errorf("got %+v after %d", m.Events[0], m.After)
		}
	}
}

func TestMalformedFramesAreRefused(t *testing.T) {
	list, _ := frames(t, parcel{app: app, position: 5, logged: logged(5, 10, 20)}, maxSize)
	right := list[0]
	change := func(at int, b byte) []byte {
		changed := bytes.Clone(right)
		changed[at] = b
		return changed
	}
	header := func(position uint64, count uint16, body ...byte) []byte {
		b := binary.BigEndian.AppendUint64(append([]byte{version}, make([]byte, 8)...), position)
		return append(binary.BigEndian.AppendUint16(b, count), body...)
	}
	for name, data := range map[string][]byte{
		"empty":                  nil,
		"a part of the header":   right[:headerSize-1],
		"another version":        change(0, version+1),
		"cut off":                right[:len(right)-1],
		"more behind it":         append(bytes.Clone(right), 0),
		"fewer than it says":     change(headerSize-1, 3),
		"more than it says":      change(headerSize-1, 1),
		"a length beyond it":     change(headerSize, 0xFF),
		"no map":                 header(1, 1, 1, 0x40),
		"more than fit":          header(1, 2, 1, 0xA0),
		"too many":               header(1, maxEvents+1, bytes.Repeat([]byte{1, 0xA0}, maxEvents+1)...),
		"beyond the last number": header(^uint64(0), 1, 1, 0xA0),
		"too large":              append(bytes.Clone(right), make([]byte, maxSize)...),
		"a list that has no end": header(1, 1, 6, 0xA1, 8, 0x9A, 0xFF, 0xFF, 0xFF),
	} {
		if f, err := decode(app, data); err != errMalformed || f.events != nil {
			t.Errorf("%s: %d events, %v", name, len(f.events), err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	e := encoder{origin: 1}
	for _, p := range []parcel{
		{app: app, position: 5, logged: logged(5, 0, 10)}, {app: app, position: 1, live: bus.Own(logged(0, 1))},
		{app: app, position: 5, logged: logged(5, maxSize)},
	} {
		e.encode(&p, maxSize, func(frame []byte) { f.Add(bytes.Clone(frame)) })
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		decoded, err := decode(app, data)
		if err != nil || len(decoded.events) == 0 {
			return
		}

		// What was read is what is written again.
		var came []chime.Event
		again := encoder{origin: decoded.origin}
		events := decoded.logged()
		again.encode(&parcel{app: app, position: decoded.position, logged: events}, maxSize, func(frame []byte) {
			part, err := decode(app, frame)
			if err != nil {
				t.Fatal(err)
			}
			came = append(came, part.logged()...)
		})
		if len(came) != len(events) {
			t.Fatalf("%d events are %d", len(events), len(came))
		}
	})
}

func TestSubjectsNameTheirAppInstance(t *testing.T) {
	seen := map[string]bool{}
	for _, id := range []string{"", "a", "A-9", "a.b", "*", ">", "_", "_61", "ü", "with space", strings.Repeat("x", 64)} {
		for _, k := range []kind{kindLive, kindLog} {
			text := subject("two.words", k, id)
			if seen[text] || strings.ContainsAny(text, " *>") || strings.Count(text, ".") != 3 {
				t.Errorf("the subject of %q is %q", id, text)
			}
			seen[text] = true
			if kind, app, ok := parseSubject("two.words", text); !ok || kind != k || app != id {
				t.Errorf("%q is read as %q of %q, %v", text, kind, app, ok)
			}
		}
	}
	for _, text := range []string{"", "two.words", "two.words.log", "two.words.log.", "two.words.log.a.b", "two.words.log._6", "two.words.other.a", "two.wordslog.a", "one.log.a"} {
		if _, app, ok := parseSubject("two.words", text); ok {
			t.Errorf("%q is read as that of %q", text, app)
		}
	}
}
