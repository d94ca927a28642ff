package store

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/internal/chime"
)

var message = chime.Message{
	ID: "0192f0a1b2c3d4e5", Sender: "user/alice", Type: "STANDARD", Persistence: "PERSISTENT", Content: string(make([]byte, 600)),
	Created: 1, Updated: 2, Attributes: map[string][]string{"a": {"b", "\x00"}}, Push: &chime.Push{Title: "t"},
}

func TestRecordsComeBack(t *testing.T) {
	value, err := EncodeRecord(message)
	if err != nil {
		t.Fatal(err)
	}
	var back chime.Message
	if err := DecodeRecord(value, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(message, back); diff != "" {
		t.Error(diff)
	}
	other, err := EncodeRecord(chime.Message{ID: "other"}) // the first is its own
	if err != nil || &other[0] == &value[0] {
		t.Fatal("records share memory", err)
	}
}

func TestBadRecords(t *testing.T) {
	value, err := EncodeRecord(message)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		value []byte
		want  error
	}{
		"empty":         {nil, ErrCorrupt},
		"only version":  {value[:1], ErrCorrupt},
		"cut":           {value[:len(value)-3], ErrCorrupt},
		"trailing":      {append(value[:len(value):len(value)], 1), ErrCorrupt},
		"another shape": {[]byte{recordVersion, 0x01}, ErrCorrupt},
		"newer":         {append([]byte{recordVersion + 1}, value[1:]...), ErrNewer},
	} {
		var back chime.Message
		if err := DecodeRecord(test.value, &back); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := EncodeRecord(make(chan int)); err == nil {
		t.Error("a channel was encoded")
	}
}

func FuzzDecodeRecord(f *testing.F) {
	value, err := EncodeRecord(message)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	f.Fuzz(func(t *testing.T, value []byte) {
		var m chime.Message
		var e chime.Event
		for _, v := range []any{&m, &e} {
			if err := DecodeRecord(value, v); err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewer) {
				t.Error(err)
			}
		}
	})
}

// usual is what most messages are.
var usual = chime.Message{
	ID: message.ID, Sender: message.Sender, Type: message.Type, Persistence: message.Persistence, Content: message.Content,
	Created: 1764460800000, Updated: 1764460800000, Status: "SENT", After: 100,
}

func BenchmarkEncodeMessage(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		if err := encoded(&usual, func([]byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeMessage(b *testing.B) {
	value, err := EncodeRecord(usual)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	m := new(chime.Message)
	for range b.N {
		*m = chime.Message{}
		if err := DecodeRecord(value, m); err != nil {
			b.Fatal(err)
		}
	}
}
