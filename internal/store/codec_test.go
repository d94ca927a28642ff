package store

import (
	"bytes"
	"math/rand"
	"reflect"
	"testing"
	"testing/quick"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/record"
)

// codecs are the records that are read without reflection; all but the profiles are also written so.
var codecs = []record.Decoder{
	new(chime.Message), new(chime.Event), new(chime.Reply),
	new(chime.Channel), new(chime.Activity), new(chime.Membership), new(chime.ChannelEntry),
	new(chime.AppInstance), new(chime.User), new(chime.UserProfile), new(chime.BotProfile),
	new(chime.Ref), new(Log),
}

// byTags reads a record by the tags of its type, as records without a codec are read.
func byTags(like record.Decoder, body []byte) (any, error) {
	read := reflect.New(reflect.TypeOf(like).Elem()).Interface()
	return read, decoding.Unmarshal(body, read)
}

// byCodec reads it by its own method.
func byCodec(like record.Decoder, body []byte) (any, error) {
	read := reflect.New(reflect.TypeOf(like).Elem()).Interface().(record.Decoder)
	return read, read.ReadRecord(string(body))
}

// random is a value of a record's type, about half of whose members are zero, and its form by the tags.
func random(t testing.TB, like record.Decoder, source *rand.Rand) (made any, tagged []byte) {
	v, ok := quick.Value(reflect.TypeOf(like).Elem(), source)
	if !ok {
		t.Fatalf("no random %T", like)
	}
	made = reflect.New(v.Type()).Interface()
	at := reflect.ValueOf(made).Elem()
	at.Set(v)
	if v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			if source.Intn(2) == 0 || v.Type().Field(i).Tag.Get("cbor") == "-" {
				at.Field(i).SetZero()
			}
		}
	}
	var b bytes.Buffer
	if err := encoding.MarshalToBuffer(made, &b); err != nil {
		t.Fatal(err)
	}
	return made, b.Bytes()
}

// A codec writes what the tags say, byte for byte, and reads it again; members that it does not know are
// skipped.
func TestCodecsFollowTags(t *testing.T) {
	source := rand.New(rand.NewSource(1))
	for _, like := range codecs {
		for range 500 {
			made, tagged := random(t, like, source)
			bodies := [][]byte{tagged, withUnknown(tagged)}
			if e, ok := made.(record.Encoder); ok {
				own, found := bytes.CutPrefix(e.AppendRecord([]byte("before")), []byte("before"))
				m, isMessage := made.(*chime.Message)
				inOrder := !isMessage || len(m.Attributes) < 2 // the order of a map is random by tags
				if !found || inOrder && !bytes.Equal(own, tagged) {
					t.Fatalf("%T: %+v\ncodec %x\ntags  %x", like, made, own, tagged)
				}
				bodies = append(bodies, own)
			}

			for _, body := range bodies {
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
		_, body := random(t, like, source)
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

// once refuses records in which a member comes twice.
var once, _ = cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid, DupMapKey: cbor.DupMapKeyEnforcedAPF}.DecMode()

// Whatever a codec accepts, the tags accept with the same meaning.
func FuzzCodecs(f *testing.F) {
	source := rand.New(rand.NewSource(3))
	for _, like := range codecs {
		_, body := random(f, like, source)
		f.Add(body)
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
				t.Fatalf("%T: the codec read what the tags refuse: %v", like, err)
			}
			if once.Unmarshal(body, reflect.New(reflect.TypeOf(like).Elem()).Interface()) != nil {
				continue // a member comes twice, which has no meaning
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
