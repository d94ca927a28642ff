package store

import (
	"bytes"
	"math/rand"
	"reflect"
	"strings"
	"testing"
	"testing/quick"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/record"
)

// codecs are the records that are written and read without reflection.
var codecs = []record.Record{
	new(chime.Message),
}

// byTags reads a record by the tags of its type, as records without a codec are read.
func byTags(like record.Record, body []byte) (any, error) {
	read := reflect.New(reflect.TypeOf(like).Elem()).Interface()
	return read, decoding.Unmarshal(body, read)
}

// byCodec reads it by its own method.
func byCodec(like record.Record, body []byte) (any, error) {
	read := reflect.New(reflect.TypeOf(like).Elem()).Interface().(record.Record)
	return read, read.ReadRecord(string(body))
}

// random is a value of a record's type; about half of its members are zero.
func random(t *testing.T, like record.Record, source *rand.Rand) record.Record {
	v, ok := quick.Value(reflect.TypeOf(like).Elem(), source)
	if !ok {
		t.Fatalf("no random %T", like)
	}
	made := reflect.New(v.Type())
	made.Elem().Set(v)
	if v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			if source.Intn(2) == 0 || v.Type().Field(i).Tag.Get("cbor") == "-" {
				made.Elem().Field(i).SetZero()
			}
		}
	}
	return made.Interface().(record.Record)
}

// A codec writes what the tags say, byte for byte, and reads it again; members that it does not know are
// skipped.
func TestCodecsFollowTags(t *testing.T) {
	source := rand.New(rand.NewSource(1))
	for _, like := range codecs {
		for range 500 {
			r := random(t, like, source)
			own := r.AppendRecord([]byte("before"))
			own, found := bytes.CutPrefix(own, []byte("before"))
			var tagged bytes.Buffer
			if err := encoding.MarshalToBuffer(r, &tagged); err != nil || !found {
				t.Fatalf("%T: %v", like, err)
			}
			m, isMessage := r.(*chime.Message)
			inOrder := !isMessage || len(m.Attributes) < 2 // the order of a map is random by tags
			if inOrder && !bytes.Equal(own, tagged.Bytes()) {
				t.Fatalf("%T: %+v\ncodec %x\ntags  %x", like, r, own, tagged.Bytes())
			}

			for _, body := range [][]byte{own, tagged.Bytes(), withUnknown(own)} {
				want, err := byTags(like, body)
				if err != nil {
					t.Fatalf("%T by tags: %v", like, err)
				}
				got, err := byCodec(like, body)
				if err != nil {
					t.Fatalf("%T by codec: %v: %x", like, err, body)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("%T: %s", like, diff)
				}
			}
		}
	}
}

// withUnknown is a record with two more members, one of them nested; of another kind it stays as it is.
func withUnknown(body []byte) []byte {
	if body[0]>>5 != 5 || body[0]&0x1F > 21 {
		return body
	}
	more := append([]byte{body[0] + 2, 0x18, 99, 0x82, 0x61, 'x', 0xA1, 0x01, 0xF5}, body[1:]...)
	return append(more, 0x18, 100, 0x20)
}

// A record that was cut, or that goes on behind its end, is damaged.
func TestCodecsRefuseDamage(t *testing.T) {
	source := rand.New(rand.NewSource(2))
	for _, like := range codecs {
		body := random(t, like, source).AppendRecord(nil)
		for n := range body {
			if _, err := byCodec(like, body[:n]); err == nil {
				t.Errorf("%T: %d of %d bytes were read as a record", like, n, len(body))
			}
		}
		if _, err := byCodec(like, append(body, 0)); err == nil {
			t.Errorf("%T: a record with a byte too many was read", like)
		}
	}
}

// Whatever a codec accepts, the tags accept with the same meaning.
func FuzzCodecs(f *testing.F) {
	source := rand.New(rand.NewSource(3))
	for _, like := range codecs {
		v, _ := quick.Value(reflect.TypeOf(like).Elem(), source)
		made := reflect.New(v.Type())
		made.Elem().Set(v)
		f.Add(made.Interface().(record.Record).AppendRecord(nil))
	}
	f.Add([]byte{0xBB, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0x9B, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, like := range codecs {
			got, err := byCodec(like, body)
			if err != nil {
				continue
			}
			want, err := byTags(like, body)
			if err != nil {
				if strings.Contains(err.Error(), "nested") { // it allows fewer levels
					continue
				}
				t.Fatalf("%T: the codec read what the tags refuse: %v", like, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%T: %s", like, diff)
			}
		}
	})
}

// A page of history reads many messages: each is one copy of its record.
func TestAMessageIsReadWithOneAllocation(t *testing.T) {
	value, err := EncodeRecord(chime.Message{ID: "id", Sender: "user/alice", Type: "STANDARD", Content: "hello", Created: 1, Status: "SENT", After: 7})
	if err != nil {
		t.Fatal(err)
	}
	m := new(chime.Message)
	if n := testing.AllocsPerRun(100, func() {
		*m = chime.Message{}
		if err := DecodeRecord(value, m); err != nil || m.Content != "hello" {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("%v allocations", n)
	}
}
