package kinesis_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/sigv4"
	"github.com/carillon-chat/carillon/internal/stream"
	"github.com/carillon-chat/carillon/internal/stream/kinesis"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var keys = sigv4.Credentials{AccessKeyID: "AKIAKINESIS000000000", SecretAccessKey: "a-secret-of-the-test", SessionToken: "a-token"}

// shards is a service that verifies signatures and keeps records by stream and partition key. Like the real
// one it may refuse some records of a call and take those behind them.
type shards struct {
	verifier *sigv4.Verifier
	calls    int
	taken    map[string][]string // by stream and key
	refuse   func(call, record int) bool
}

func (s *shards) SecretKey(_ context.Context, id, token string) (string, any, error) {
	if id != keys.AccessKeyID || token != keys.SessionToken {
		return "", nil, sigv4.ErrUnknownKey
	}
	return keys.SecretAccessKey, nil, nil
}

func (s *shards) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	request := sigv4.FromHTTP(r, sha256.Sum256(body))
	if _, err := s.verifier.Verify(r.Context(), &request, s); err != nil {
		s.fail(w, "com.amazonaws.kinesis.v20131202#InvalidSignatureException", err.Error())
		return
	}
	var in struct {
		StreamName string
		Records    []struct {
			Data         []byte
			PartitionKey string
		}
	}
	if err := json.Unmarshal(body, &in); err != nil || r.Header.Get("X-Amz-Target") != "Kinesis_20131202.PutRecords" || len(in.Records) > 500 {
		s.fail(w, "ValidationException", "wrong")
		return
	}

	type result struct {
		SequenceNumber string `json:",omitempty"`
		ErrorCode      string `json:",omitempty"`
		ErrorMessage   string `json:",omitempty"`
	}
	var out struct {
		FailedRecordCount int
		Records           []result
	}
	s.calls++
	for i, record := range in.Records {
		if s.refuse != nil && s.refuse(s.calls, i) {
			out.FailedRecordCount++
			out.Records = append(out.Records, result{ErrorCode: "ProvisionedThroughputExceededException", ErrorMessage: "Rate exceeded for shard"})
			continue
		}
		place := in.StreamName + " " + record.PartitionKey
		s.taken[place] = append(s.taken[place], string(record.Data))
		out.Records = append(out.Records, result{SequenceNumber: fmt.Sprint(i + 1)})
	}
	_ = json.NewEncoder(w).Encode(out)
}

func (s *shards) fail(w http.ResponseWriter, kind, message string) {
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": kind, "message": message})
}

func start(t *testing.T, s *shards, with sigv4.Credentials) kinesis.Sink {
	t.Helper()
	var err error
	if s.verifier, err = sigv4.New(sigv4.Options{Scopes: []sigv4.Scope{{Region: "eu-west-1", Service: "kinesis"}}, Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	s.taken = map[string][]string{}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return sink(t, server.URL, "eu-west-1", with)
}

func sink(t *testing.T, endpoint, region string, with sigv4.Credentials) kinesis.Sink {
	t.Helper()
	client := outbound.New(outbound.Options{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	t.Cleanup(client.Close)
	return kinesis.New(kinesis.Options{
		Endpoint: endpoint, Region: region, Client: client, Now: time.Now,
		Credentials: func() (sigv4.Credentials, error) { return with, nil },
	})
}

const streams = "arn:aws:kinesis:eu-west-1:000000000000:stream/chime-messaging-"

// records are n of each of some channels, in turn, for two streams.
func records(n int, channels ...string) (list []stream.Record) {
	for i := range n {
		for j, c := range channels {
			text := fmt.Sprintf("%s:%d", c, i)
			list = append(list, stream.Record{Key: "key-" + text, Stream: streams + []string{"a", "b"}[j%2], Channel: c, Data: []byte(text)})
		}
	}
	return list
}

// TestOrderHoldsWhileShardsThrottle has a service that refuses records here and there.
func TestOrderHoldsWhileShardsThrottle(t *testing.T) {
	s := &shards{refuse: func(call, record int) bool { return (call+record)%5 == 0 }}
	k := start(t, s, keys)
	long := strings.Repeat("l", 300)
	channels := []string{"one", "two", "three", "four", "five", "six", long}
	left, attempts := records(20, channels...), 0
	for len(left) > 0 {
		written, err := k.Write(t.Context(), left)
		if attempts++; attempts > 1000 || (err == nil) != (len(written) == len(left)) {
			t.Fatalf("attempt %d: %d of %d written, %v", attempts, len(written), len(left), err)
		}
		if err != nil && !strings.Contains(err.Error(), "ProvisionedThroughputExceededException") {
			t.Fatal(err)
		}
		left = slices.DeleteFunc(left, func(r stream.Record) bool { return slices.Contains(written, r.Key) })
	}
	for j, c := range channels {
		got := s.taken["chime-messaging-"+[]string{"a", "b"}[j%2]+" "+c[max(0, len(c)-256):]]
		if len(got) != 20 {
			t.Fatalf("channel %s has %d records", c, len(got))
		}
		for i, text := range got {
			if want := fmt.Sprintf("%s:%d", c, i); text != want {
				t.Fatalf("record %d of %s is %s", i, c, text)
			}
		}
	}
}

// TestCallsAreBounded has more channels than a call has room for.
func TestCallsAreBounded(t *testing.T) {
	s := new(shards)
	var many []stream.Record
	for i := range 1100 {
		many = append(many, stream.Record{Key: fmt.Sprint(i), Stream: streams + "a", Channel: fmt.Sprint(i), Data: []byte("x")})
	}
	if written, err := start(t, s, keys).Write(t.Context(), many); err != nil || len(written) != len(many) || s.calls != 3 {
		t.Errorf("%d written by %d calls, %v", len(written), s.calls, err)
	}
	for i := range many[:9] {
		many[i].Data = make([]byte, 1_000_000)
	}
	if written, err := start(t, s, keys).Write(t.Context(), many[:9]); err != nil || len(written) != 9 || s.calls != 6 {
		t.Errorf("%d written by %d calls, %v", len(written), s.calls-3, err)
	}
}

func TestRefusalsSayWhy(t *testing.T) {
	wrong := keys
	wrong.SecretAccessKey = "another-secret-of-the-test"
	written, err := start(t, new(shards), wrong).Write(t.Context(), records(1, "a"))
	if err == nil || len(written) > 0 || !strings.Contains(err.Error(), "InvalidSignatureException") || strings.Contains(err.Error(), "secret-of") {
		t.Errorf("%v is written, %v", written, err)
	}
}

func TestCredentialsAreRead(t *testing.T) {
	for text, want := range map[string]sigv4.Credentials{
		"aws_access_key_id=A\naws_secret_access_key=b=c\n":                                              {AccessKeyID: "A", SecretAccessKey: "b=c"},
		"[default]\r\naws_access_key_id = A\r\naws_secret_access_key = b\r\naws_session_token = t\r\n":  {AccessKeyID: "A", SecretAccessKey: "b", SessionToken: "t"},
		"[one]\naws_access_key_id = A\naws_secret_access_key = b\n[two]\naws_secret_access_key = other": {AccessKeyID: "A", SecretAccessKey: "b"},
		"aws_access_key_id = A\n": {},
		"":                        {},
	} {
		name := filepath.Join(t.TempDir(), "credentials")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := kinesis.ReadCredentials(name)
		if (err == nil) != (want.AccessKeyID != "") || err == nil && got != want {
			t.Errorf("%q is read as %s, %v", text, got, err)
		}
	}
	if _, err := kinesis.ReadCredentials(filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("a file that is not there is read")
	}
}
