package kinesis_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/sigv4"
	"github.com/carillon-chat/carillon/internal/stream"
	"github.com/carillon-chat/carillon/internal/stream/kinesis"
)

// kinesalite is the emulation of Kinesis of that name, in a process that can be killed. What was written is on
// its disk.
type kinesalite struct {
	t              *testing.T
	program        string
	folder, listen string
	process        *exec.Cmd
	signer         sigv4.Signer
}

// startKinesalite starts the one that npm has installed under web. Where all tools have to be there
// (E2E_TOOLS=all, as in CI), so has it.
func startKinesalite(t *testing.T) *kinesalite {
	t.Helper()
	program, err := filepath.Abs(filepath.Join("..", "..", "..", "web", "node_modules", "kinesalite", "cli.js"))
	if err == nil {
		_, err = os.Stat(program)
	}
	if err == nil {
		_, err = exec.LookPath("node")
	}
	if err != nil && os.Getenv("E2E_TOOLS") == "all" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip("SKIPPED: ATTENTION: kinesalite is not installed (npm ci in web): ", err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	k := &kinesalite{
		t: t, program: program, folder: t.TempDir(), listen: free.Addr().String(),
		signer: sigv4.Signer{
			Credentials: sigv4.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"},
			Scope:       sigv4.Scope{Region: "us-east-1", Service: "kinesis"},
		},
	}
	free.Close()
	t.Cleanup(k.kill)
	k.launch()
	return k
}

func (k *kinesalite) launch() {
	k.t.Helper()
	_, port, _ := net.SplitHostPort(k.listen)
	k.process = exec.Command("node", k.program, "--port", port, "--path", k.folder, "--createStreamMs", "0", "--updateStreamMs", "0")
	out, err := k.process.StdoutPipe()
	if err == nil {
		err = k.process.Start()
	}
	if err != nil {
		k.t.Fatal(err)
	}
	var said [256]byte
	if n, err := out.Read(said[:]); err != nil || !strings.Contains(string(said[:n]), "Listening") {
		k.t.Fatalf("kinesalite says %s, %v", said[:n], err)
	}
}

func (k *kinesalite) kill() {
	if k.process != nil {
		_ = k.process.Process.Kill()
		_ = k.process.Wait()
		k.process = nil
	}
}

// call calls an operation.
func (k *kinesalite) call(operation string, in, out any) {
	k.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		k.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(k.t.Context(), http.MethodPost, "http://"+k.listen+"/", bytes.NewReader(body))
	if err != nil {
		k.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "Kinesis_20131202."+operation)
	if err := k.signer.Sign(request, sha256.Sum256(body), time.Now()); err != nil {
		k.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		k.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		k.t.Fatalf("%s: %d %s, %v", operation, answer.StatusCode, text, err)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			k.t.Fatal(err)
		}
	}
}

type shard struct{ ShardId, ParentShardId string }

// shards waits until the stream is active.
func (k *kinesalite) shards(name string) []shard {
	for {
		var out struct {
			StreamDescription struct {
				StreamStatus string
				Shards       []shard
			}
		}
		k.call("DescribeStream", map[string]any{"StreamName": name}, &out)
		if out.StreamDescription.StreamStatus == "ACTIVE" {
			return out.StreamDescription.Shards
		}
	}
}

type entry struct {
	PartitionKey string
	Data         []byte
}

// read reads all records of a shard.
func (k *kinesalite) read(name, shard string) (list []entry) {
	var at struct{ ShardIterator string }
	k.call("GetShardIterator", map[string]any{"StreamName": name, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}, &at)
	for {
		var out struct {
			Records            []entry
			NextShardIterator  string
			MillisBehindLatest int
		}
		k.call("GetRecords", map[string]any{"ShardIterator": at.ShardIterator, "Limit": 10_000}, &out)
		list = append(list, out.Records...)
		if len(out.Records) == 0 || out.NextShardIterator == "" {
			return list
		}
		at.ShardIterator = out.NextShardIterator
	}
}

// throttle stands between a sink and kinesalite. Of each call of PutRecords it refuses every third record, as
// Kinesis does when a shard takes no more, and now and then the whole call.
type throttle struct {
	forward *httputil.ReverseProxy

	mu               sync.Mutex
	calls, throttled int
	cut              bool // calls reach kinesalite, and their answers no caller
}

func newThrottle(t *testing.T, k *kinesalite) (*throttle, string) {
	t.Helper()
	to := &url.URL{Scheme: "http", Host: k.listen}
	h := &throttle{forward: &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(to) },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return h, server.URL
}

func (h *throttle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		StreamName string
		Records    []json.RawMessage
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	h.calls++
	n, cut := h.calls, h.cut
	h.mu.Unlock()
	if n%5 == 0 {
		h.count(len(in.Records))
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"__type":"ProvisionedThroughputExceededException","message":"Rate exceeded"}`)
		return
	}

	// Some go on.
	refused := map[int]bool{}
	all := in.Records
	in.Records = nil
	for i, record := range all {
		if (i+n)%3 == 0 {
			refused[i] = true
			continue
		}
		in.Records = append(in.Records, record)
	}
	h.count(len(refused))
	answers := []map[string]any{}
	if len(in.Records) > 0 {
		body, err := json.Marshal(in)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		to := httptest.NewRecorder()
		h.forward.ServeHTTP(to, r)
		var out struct{ Records []map[string]any }
		if cut || to.Code != http.StatusOK || json.Unmarshal(to.Body.Bytes(), &out) != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		answers = out.Records
	}
	merged := make([]map[string]any, len(all))
	for i := range all {
		if refused[i] {
			merged[i] = map[string]any{"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded for shard"}
			continue
		}
		merged[i], answers = answers[0], answers[1:]
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"FailedRecordCount": len(refused), "Records": merged})
}

func (h *throttle) count(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.throttled += n
}

// TestKinesaliteGetsEverything writes through throttling, a shard that is split, answers that are lost, and kills
// of kinesalite: each record is there, each channel's in order, once by its key but for what was cut.
func TestKinesaliteGetsEverything(t *testing.T) {
	k := startKinesalite(t)
	throttle, address := newThrottle(t, k)
	const name, channels, each = "chime-messaging-lake", 24, 40
	k.call("CreateStream", map[string]any{"StreamName": name, "ShardCount": 3}, nil)
	k.shards(name)
	sink := kinesis.New(kinesis.Options{
		Endpoint: address, Region: "us-east-1", Now: time.Now,
		Client:      outbound.New(outbound.Options{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}),
		Credentials: func() (sigv4.Credentials, error) { return k.signer.Credentials, nil },
	})
	channel := func(i int) string {
		return fmt.Sprintf("arn:aws:chime:us-east-1:000000000000:app-instance/a/channel/%02d", i)
	}

	// Records of all channels in turn, some at a time; between them what goes wrong.
	cut := 0
	for from := 0; from < each; from += 5 {
		var left []stream.Record
		for n := from; n < from+5; n++ {
			for i := range channels {
				left = append(left, stream.Record{
					Key: fmt.Sprintf("%02d/%d", i, n), Stream: "arn:aws:kinesis:us-east-1:000000000000:stream/" + name, Channel: channel(i),
					Data: fmt.Appendf(nil, `{"n":%d}`, n),
				})
			}
		}
		switch from {
		case 10:
			k.split(name)
		case 20:
			k.kill()
			if written, err := sink.Write(t.Context(), left); err == nil || len(written) > 0 {
				t.Errorf("without kinesalite %v is written, %v", written, err)
			}
			k.launch()
		case 30: // it is written, and the sink is not told
			throttle.mu.Lock()
			throttle.cut = true
			throttle.mu.Unlock()
			if _, err := sink.Write(t.Context(), left); err == nil {
				t.Error("a call without an answer succeeds")
			}
			throttle.mu.Lock()
			throttle.cut = false
			throttle.mu.Unlock()
			cut = from
			k.kill()
			k.launch()
		}
		for len(left) > 0 {
			written, err := sink.Write(t.Context(), left)
			if (err == nil) != (len(written) == len(left)) {
				t.Fatalf("%d of %d written, %v", len(written), len(left), err)
			}
			left = slices.DeleteFunc(left, func(r stream.Record) bool { return slices.Contains(written, r.Key) })
		}
	}

	// Parents are read before the shards that they were split into.
	got, in := map[string][]string{}, map[string]map[string]bool{}
	shards := k.shards(name)
	for _, s := range shards {
		for _, e := range k.read(name, s.ShardId) {
			got[e.PartitionKey] = append(got[e.PartitionKey], string(e.Data))
			if in[s.ShardId] == nil {
				in[s.ShardId] = map[string]bool{}
			}
			in[s.ShardId][e.PartitionKey] = true
		}
	}
	if len(shards) != 5 || len(in) != 5 || throttle.throttled < channels {
		t.Errorf("%d of %d shards have records, and %d were throttled", len(in), len(shards), throttle.throttled)
	}
	if len(got) != channels {
		t.Errorf("the channels are %v", slices.Sorted(maps.Keys(got)))
	}
	for of, data := range got {
		next := 0
		for _, text := range data {
			switch want := fmt.Sprintf(`{"n":%d}`, next); {
			case text == want:
				next++
			case text == fmt.Sprintf(`{"n":%d}`, cut) && next == cut+1: // once more, after its answer was lost
			default:
				t.Fatalf("%s has %v", of, data)
			}
		}
		if next != each {
			t.Errorf("%s has %d", of, next)
		}
	}
}

// split splits the first shard in the middle of its keys.
func (k *kinesalite) split(name string) {
	k.t.Helper()
	var out struct {
		StreamDescription struct {
			Shards []struct {
				ShardId      string
				HashKeyRange struct{ StartingHashKey, EndingHashKey string }
			}
		}
	}
	k.call("DescribeStream", map[string]any{"StreamName": name}, &out)
	first := out.StreamDescription.Shards[0]
	var low, high big.Int
	low.SetString(first.HashKeyRange.StartingHashKey, 10)
	high.SetString(first.HashKeyRange.EndingHashKey, 10)
	half := low.Rsh(low.Add(&low, &high), 1).String()
	k.call("SplitShard", map[string]any{"StreamName": name, "ShardToSplit": first.ShardId, "NewStartingHashKey": half}, nil)
	k.shards(name)
}
