package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/carillon-chat/carillon/internal/lab"
)

// phones stands in for Apple's push service. It knows all tokens but one, and keeps what each device was sent.
type phones struct {
	t *testing.T

	mu       sync.Mutex
	sent     map[string]map[string]*shown // by token and message id
	collapse map[string]bool              // keys
	doubles  int
	refused  int  // calls for goneToken
	holding  bool // the next call has no answer
	held     chan struct{}
}

// shown is a notification of one message on one device.
type shown struct{ id, title string }

// goneToken is a token that the push service does not know.
const goneToken = "dead"

func (p *phones) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil { // the server was killed
		return
	}
	token := strings.TrimPrefix(r.URL.Path, "/3/device/")
	p.mu.Lock()
	if p.holding && token != goneToken {
		p.holding = false
		p.mu.Unlock()
		p.held <- struct{}{}
		<-r.Context().Done() // the server is killed
		return
	}
	defer p.mu.Unlock()
	if token == goneToken {
		p.refused++
		w.WriteHeader(http.StatusGone)
		_, _ = io.WriteString(w, `{"reason":"Unregistered"}`)
		return
	}
	p.show(token, r.Header, body)
}

// show keeps a notification. The caller holds mu.
func (p *phones) show(token string, h http.Header, body []byte) {
	var notification struct {
		Aps struct {
			Alert    struct{ Title string }
			ThreadID string `json:"thread-id"`
		}
		Data map[string]string
	}
	var of struct {
		Message string `json:"chime.message_id"`
	}
	err := json.Unmarshal(body, &notification)
	if err == nil {
		err = json.Unmarshal([]byte(notification.Data["pinpoint.jsonBody"]), &of)
	}
	if err != nil || notification.Aps.ThreadID != h.Get("Apns-Collapse-Id") {
		p.t.Errorf("%v %s: %v", h, body, err)
	}
	p.collapse[h.Get("Apns-Collapse-Id")] = true
	now := shown{h.Get("Apns-Id"), notification.Aps.Alert.Title}
	if p.sent[token] == nil {
		p.sent[token] = map[string]*shown{}
	}
	before := p.sent[token][of.Message]
	if before == nil {
		p.sent[token][of.Message] = &now
		return
	}
	p.doubles++
	if *before != now {
		p.t.Errorf("message %s is shown as %v and as %v on %s", of.Message, *before, now, token)
	}
}

// lack counts the messages that devices were not sent, of so many.
func (p *phones) lack(messages int, tokens []string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, token := range tokens {
		n += messages - len(p.sent[token])
	}
	return n
}

// TestKilledServerPushesEverything kills the program again and again in the middle of a round of notifications: each device is
// sent each acknowledged message of others at least once, what comes twice has the id and the collapse key of the first, and
// a device that is not known is INACTIVE, once.
func TestKilledServerPushesEverything(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: it starts the program 6 times")
	}
	const (
		pushKills = 5
		perRound  = 300 // devices that may be sent to between two commits: 256, and the rest of a member's
	)
	p := &phones{t: t, sent: map[string]map[string]*shown{}, collapse: map[string]bool{}, held: make(chan struct{}, 1)}
	apple := httptest.NewServer(p)
	defer apple.Close()
	notices := filepath.Join(t.TempDir(), "notices.jsonl")
	v := newVictim(t)
	v.args = []string{"--push", applePush(t, apple.URL), "--notice-log", notices}
	v.launch()
	room := v.room()
	room.notifies = true

	// The first members send, and the last have devices.
	register := func(user, token string) (endpoint string) {
		var made struct{ EndpointId string }
		v.call("POST", "/app-instance-users/"+lab.Escape(user)+"/endpoints", "", map[string]any{
			"Type": "APNS", "ResourceArn": pinpointApp, "ClientRequestToken": "device-" + token, "EndpointAttributes": map[string]string{"DeviceToken": token},
		}, &made)
		return made.EndpointId
	}
	var tokens []string
	owners := room.users[pushKills:]
	for i, user := range owners {
		for j := range 3 {
			token := fmt.Sprintf("%02d%02d", i, j)
			tokens = append(tokens, token)
			register(user, token)
		}
	}
	gone := "/app-instance-users/" + lab.Escape(owners[0]) + "/endpoints/" + register(owners[0], goneToken)

	// Kill while some of a round are sent and one is on its way: at the first round after a start, or later.
	var since string // when the device became INACTIVE
	refused := 0
	acked := make([]map[string]string, pushKills)
	var acks atomic.Int64
	for i := range acked {
		acked[i] = map[string]string{}
		ctx, stop := context.WithCancel(t.Context())
		var sending sync.WaitGroup
		sending.Go(func() { v.keepSending(ctx, room, i, acked[i], &acks) })
		await(t, "acknowledged messages", func(from int64) bool { return acks.Load() >= from+int64(10+20*(i%3)) }, acks.Load())
		p.mu.Lock()
		p.holding = true
		p.mu.Unlock()
		<-p.held
		v.kill()
		v.launch()
		stop()
		sending.Wait()
		if i == 0 {
			await(t, "INACTIVE device", func(int64) bool { return inactive(v, gone) != "" }, 0)
			since, refused = inactive(v, gone), p.asked()
		}
	}
	await(t, "notifications on all devices", func(int64) bool { return p.lack(int(acks.Load()), tokens) == 0 }, 0)

	if now := inactive(v, gone); now != since || p.asked() != refused {
		t.Errorf("the device that is not known became INACTIVE at %s and again at %s; it was asked for %d times and then %d times", since, now, refused, p.asked())
	}
	checkNotices(t, notices, gone)

	p.mu.Lock()
	defer p.mu.Unlock()
	for _, token := range tokens {
		got := maps.Clone(p.sent[token])
		for _, messages := range acked {
			for id, content := range messages {
				if got[id] == nil || got[id].title != content {
					t.Errorf("%s was sent %v of the message %q", token, got[id], content)
				}
				delete(got, id)
			}
		}
		for id, other := range got {
			t.Errorf("%s was sent %v of %s, which no sender has sent", token, other, id)
		}
	}
	if len(p.collapse) != 1 {
		t.Errorf("the collapse keys of one channel are %v", slices.Collect(maps.Keys(p.collapse)))
	}
	if p.doubles > pushKills*perRound {
		t.Errorf("%d notifications came again after %d kills", p.doubles, pushKills)
	}

	t.Logf("%d messages on %d devices, %d notifications came again; the device that is not known was asked for %d times", acks.Load(), len(tokens), p.doubles, p.refused)
}

// asked counts the calls for the token that is not known.
func (p *phones) asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}

// inactive is since when a device is INACTIVE, empty while it is not.
func inactive(v *victim, endpoint string) (since string) {
	v.t.Helper()
	var device struct {
		AppInstanceUserEndpoint struct {
			EndpointState        struct{ Status, StatusReason string }
			LastUpdatedTimestamp json.Number
		}
	}
	v.call("GET", endpoint, "", nil, &device)
	d := device.AppInstanceUserEndpoint
	if d.EndpointState.Status != "INACTIVE" {
		return ""
	}
	if d.EndpointState.StatusReason != "INVALID_DEVICE_TOKEN" {
		v.t.Errorf("the device is %+v", d)
	}
	return d.LastUpdatedTimestamp.String()
}

// checkNotices: the operator has notices of one device, and of no other.
func checkNotices(t *testing.T, name, endpoint string) {
	t.Helper()
	var text []byte
	await(t, "notices", func(int64) bool {
		text, _ = os.ReadFile(name) // it is made with the first notice
		return strings.HasSuffix(string(text), "\n")
	}, 0)
	for line := range strings.Lines(string(text)) {
		var notice struct {
			Detail struct{ EndpointID, FailureReason string }
		}
		err := json.Unmarshal([]byte(line), &notice)
		if err != nil || !strings.HasSuffix(endpoint, "/"+notice.Detail.EndpointID) || !strings.HasSuffix(notice.Detail.FailureReason, "will be deactivated.") {
			t.Errorf("a notice is %s: %v", line, err)
		}
	}
}
