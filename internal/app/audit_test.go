package app_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/cognitoidentity"
	"github.com/aws/aws-sdk-go/service/sts"

	"github.com/carillon-chat/carillon/internal/api/apitest"
	"github.com/carillon-chat/carillon/internal/api/model"
	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/notice"
	"github.com/carillon-chat/carillon/internal/sigv4"
	"github.com/carillon-chat/carillon/internal/store"
)

var updateAudit = flag.Bool("update-audit", false, "write testdata/audit.golden again")

// audited starts a node with an audit log and returns the path of that.
func audited(t *testing.T, more map[string]string) (node, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.log")
	flags := map[string]string{"audit-log": path}
	for key, value := range more {
		flags[key] = value
	}
	return start(t, lab.Settings(t, config.Dev, flags)), path
}

// auditLines stops the node and returns the lines of its audit log, but for those of what dev mode seeds.
func auditLines(t *testing.T, n node, path string) []string {
	t.Helper()
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != fs.FileMode(0o600) {
		t.Errorf("the file has the mode %v", info.Mode())
	}
	var lines []string
	for s := bufio.NewScanner(strings.NewReader(string(text))); s.Scan(); {
		if !json.Valid(s.Bytes()) {
			t.Fatalf("no JSON: %s", s.Text())
		}
		lines = append(lines, s.Text())
	}
	return lines
}

// changing are the parts of a line that are others each time, with what stands for them.
var changing = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "TIME"},
	{regexp.MustCompile(`"[0-9a-f]{64}"`), `"MESSAGE"`},
	{regexp.MustCompile(`"(AKIA|ASIA|AIDA|AROA)[0-9A-Z]{12,}`), `"${1}ID`},
	{regexp.MustCompile(`(127\.0\.0\.1|localhost):\d+`), "HOST"},
	{regexp.MustCompile(`aws-sdk-go/[^"]*`), "aws-sdk-go"},
}

// TestGoldenAuditLines: the lines of each kind of call are those of testdata/audit.golden.
func TestGoldenAuditLines(t *testing.T) {
	n, path := audited(t, nil)
	ctx, root, seeded := t.Context(), n.Peer(), n.Seeded()
	alice := seeded.UserARNs[0]
	messages := "/channels/" + lab.Escape(seeded.ChannelARN) + "/messages"
	message := []byte(`{"Content":"SECRET content","Type":"STANDARD","Persistence":"PERSISTENT","ClientRequestToken":"SECRET-token","Metadata":"SECRET"}`)
	send := func(what string, p lab.Peer, bearer string, status int) {
		t.Helper()
		answer, err := p.Send(ctx, http.MethodPost, messages, bearer, message)
		if err != nil || answer.Status != status {
			t.Fatalf("%s: %d %s, %v", what, answer.Status, answer.Body, err)
		}
	}

	// The root, a user of IAM with and without permission, and one whose bearer has no role.
	send("root", root, alice, 201)
	keys, err := root.MakeUser(ctx, "backend", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"chime:SendChannelMessage","Resource":"*"}}`)
	if err != nil {
		t.Fatal(err)
	}
	backend := root.As(keys)
	send("user", backend, alice, 201)
	if answer, err := backend.Send(ctx, http.MethodDelete, "/channels/"+lab.Escape(seeded.ChannelARN), alice, nil); err != nil || answer.Status != 403 {
		t.Fatal(answer, err)
	}
	send("stranger", backend, seeded.AppInstanceARN+"/user/stranger", 401)

	// Sessions of a role, and a call without a signature.
	session := n.session(t, "http", n.RootKeys())
	assumed, err := sts.New(session).AssumeRole(&sts.AssumeRoleInput{RoleArn: &seeded.RoleARN, RoleSessionName: aws.String("job")})
	if err != nil {
		t.Fatal(err)
	}
	c := assumed.Credentials
	role := root.As(sigv4.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken})
	if _, err := role.Send(ctx, http.MethodGet, messages, alice, nil); err != nil {
		t.Fatal(err)
	}
	_, _ = cognitoidentity.New(session).GetId(&cognitoidentity.GetIdInput{ // there is no such pool
		IdentityPoolId: aws.String("us-east-1:00000000-0000-0000-0000-000000000000"),
	})

	// Refused signatures: of a known key, of an unknown one, and none.
	wrong := keys
	wrong.SecretAccessKey = "SECRET-that-is-wrong"
	send("wrong secret", root.As(wrong), alice, 403)
	send("secret as key", root.As(sigv4.Credentials{AccessKeyID: "SECRETinTheWrongPlace", SecretAccessKey: "x"}), alice, 403)
	unsigned, err := http.NewRequest(http.MethodGet, root.Base+messages, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := root.Do(unsigned); err != nil {
		t.Fatal(err)
	}
	if _, err := root.Send(ctx, http.MethodGet, "/nothing/SECRET", alice, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := root.Send(ctx, http.MethodPost, messages, alice, []byte(`{"Content":"SECRET"}`)); err != nil {
		t.Fatal(err)
	}

	// WebSockets: one that is open, and refused ones.
	chat := n.UserKeys(t, "alice")
	socket := lab.Opened(t)(root.As(chat).Open(ctx, alice, "sessionId", "s-1"))
	for _, p := range []lab.Peer{backend, root.As(wrong)} {
		if _, err := p.Open(ctx, alice, "sessionId", "s-2"); err == nil {
			t.Fatal("a WebSocket is open")
		}
	}

	_ = socket.CloseNow()

	lines := strings.Join(auditLines(t, n, path), "\n") + "\n"
	for _, secret := range []string{
		"SECRET", keys.SecretAccessKey, *c.SecretAccessKey, *c.SessionToken, chat.SecretAccessKey, chat.SessionToken,
		n.RootKeys().SecretAccessKey, "Signature=",
	} {
		if strings.Contains(lines, secret) {
			t.Errorf("the log has %q:\n%s", secret, lines)
		}
	}
	for _, c := range changing {
		lines = c.pattern.ReplaceAllString(lines, c.name)
	}

	// A line is written after its answer, so those of two connections may come in any order.
	sorted := slices.Sorted(strings.Lines(lines))
	lines = strings.Join(sorted, "")
	golden := filepath.Join("testdata", "audit.golden")
	if *updateAudit {
		if err := os.WriteFile(golden, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if lines != string(want) {
		t.Errorf("lines\n%s\nwant\n%s", lines, want)
	}
}

// written are the members of requests that callers write for others, or keep to themselves.
var written = regexp.MustCompile(`"(Content|Metadata|Name|Title|Body|Value|Key|ClientRequestToken|DeviceToken|VoipDeviceToken|Description)":"a+"`)

// TestAuditLinesOfAllOperations sends a request of every operation with everything in it, most of which
// are about nothing that there is: each has its line, which has nothing of what was written.
func TestAuditLinesOfAllOperations(t *testing.T) {
	n, path := audited(t, nil)
	root, calls := n.Peer(), map[string]int{}
	for _, service := range []string{"chime-sdk-messaging", "chime-sdk-identity"} {
		requests, err := apitest.Load(service)
		if err != nil {
			t.Fatal(err)
		}
		m, err := model.Load(service)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range requests.Operations() {
			full, err := requests.Full(name)
			if err != nil {
				t.Fatal(err)
			}
			body := written.ReplaceAll(full.Body, []byte(`"$1":"MARKED-SECRET"`))
			r, err := root.Request(t.Context(), full.Method, full.Target(), full.Header.Get("x-amz-chime-bearer"), body)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := root.Do(r)
			if err != nil || answer.Status >= 500 {
				t.Errorf("%s: %d %s, %v", name, answer.Status, answer.Body, err)
			}
			calls[name]++
			if m.Operations[name] == nil {
				t.Error("no operation ", name)
			}
		}
	}

	total := 0
	for _, line := range auditLines(t, n, path) {
		if strings.Contains(line, "MARKED") || strings.Contains(line, n.RootKeys().SecretAccessKey) {
			t.Errorf("a line has what was written: %s", line)
		}
		var e struct {
			EventName         string
			UserIdentity      struct{ ARN, InvokedBy string }
			RequestParameters map[string]any
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.UserIdentity.InvokedBy != "" {
			continue
		}
		total++
		calls[e.EventName]--
		if e.UserIdentity.ARN != "arn:aws:iam::000000000000:root" || len(e.RequestParameters) == 0 && e.EventName != "ListAppInstances" && e.EventName != "GetMessagingSessionEndpoint" &&
			e.EventName != "CreateAppInstance" {
			t.Errorf("%s", line)
		}
	}
	for name, missing := range calls {
		if missing != 0 {
			t.Errorf("%s: %d lines are missing", name, missing)
		}
	}
	if total != 81 {
		t.Errorf("%d lines of calls", total)
	}
}

// TestAuditLogOverARestart: the log goes on in its file, and is begun anew after another program renamed it.
func TestAuditLogOverARestart(t *testing.T) {
	n, path := audited(t, nil)
	list := func(n node) {
		t.Helper()
		if _, err := n.Peer().Send(t.Context(), http.MethodGet, "/app-instances", "", nil); err != nil {
			t.Fatal(err)
		}
	}
	list(n)
	before := auditLines(t, n, path)
	n = start(t, n.Config)
	list(n)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := n.ReopenLogs(); err != nil {
		t.Fatal(err)
	}
	list(n)
	after := auditLines(t, n, path)
	renamed, err := os.ReadFile(path + ".1")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(renamed), strings.Join(before, "\n")+"\n") {
		t.Errorf("the first lines are gone: %s", renamed)
	}
	names := func(lines []string) (list []string) {
		for _, line := range lines {
			var e struct{ EventName string }
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			list = append(list, e.EventName)
		}
		return list
	}
	all := append(strings.Split(strings.TrimSpace(string(renamed)), "\n"), after...)
	want := "[StartLogging ListAppInstances StopLogging StartLogging ListAppInstances ListAppInstances StopLogging]"
	if got := fmt.Sprint(names(all)); got != want {
		t.Errorf("lines %s, want %s", got, want)
	}
}

// TestAuditLogOnStdout: a node in a container writes it where its log is collected.
func TestAuditLogOnStdout(t *testing.T) {
	var out lab.Log
	n := node{lab.Start(t, lab.Settings(t, config.Dev, map[string]string{"audit-log": "stdout"}), app.Deps{Stdout: &out})}
	if _, err := n.Peer().Send(t.Context(), http.MethodGet, "/app-instances", "", nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := out.Await(ctx, `"eventName":"ListAppInstances"`); err != nil {
		t.Errorf("%v: %s", err, out.String())
	}
	metrics := metricsOf(t, n)
	if !strings.Contains(metrics, "\ncarillon_audit_lost_total 0\n") {
		t.Errorf("%s", metrics)
	}
}

// TestWhatHappensWithoutACall: what an expiry or a failed bot left in the log of an app instance comes to
// the audit log and to the notices.
func TestWhatHappensWithoutACall(t *testing.T) {
	var out lab.Log
	var log store.Store
	cfg := lab.Settings(t, config.Dev, map[string]string{"audit-log": "stdout", "notice-log": "stdout"})
	n := node{lab.Start(t, cfg, app.Deps{Stdout: &out, Decorate: func(st store.Store, b bus.Bus) (store.Store, bus.Bus) {
		log = st
		return st, b
	}})}
	var made struct{ AppInstanceArn string }
	err := n.Peer().Call(t.Context(), http.MethodPost, "/app-instances", "", map[string]string{"Name": "one", "ClientRequestToken": "token"}, &made)
	if err != nil {
		t.Fatal(err)
	}
	_, id, _ := strings.Cut(made.AppInstanceArn, ":app-instance/")
	topic := chime.Topic{App: id, Channel: "uid"}
	err = log.Update(t.Context(), id, func(tx store.Tx) error {
		_, err := tx.Append(chime.Event{Type: chime.EventExpireChannel, Topic: topic, ChannelID: "old", Time: chime.At(time.Now())})
		if err == nil {
			_, err = tx.Append(notice.Event(chime.At(time.Now()), topic, notice.BotFailure{ResourceARN: made.AppInstanceArn + "/bot/b", FailureReason: "it said nothing"}))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, piece := range []string{`"eventName":"ExpireChannel"`, made.AppInstanceArn + `/channel/old"`, `"detail-type":"Chime Messaging AppInstanceBot Lex Failure"`, "it said nothing"} {
		if err := out.Await(ctx, piece); err != nil {
			t.Errorf("%v: no %s in %s", err, piece, out.String())
		}
	}
}

func TestCheckOfLogs(t *testing.T) {
	cfg := lab.Settings(t, config.Dev, map[string]string{"audit-log": t.TempDir()})
	cfg.NoticeURL, cfg.NoticeSecret = "https://ops.example", config.NewSecret("whsec_SHORT")
	faults, _ := app.Check(t.Context(), cfg, time.Now())
	text := fmt.Sprint(faults)
	if !strings.Contains(text, "audit-log") || !strings.Contains(text, "notice-secret") || strings.Contains(text, "SHORT") {
		t.Errorf("faults %v", faults)
	}
}

func metricsOf(t *testing.T, n node) string {
	t.Helper()
	status, metrics := get(t, http.DefaultClient, (&url.URL{Scheme: "http", Host: n.OpsAddr(), Path: "/metrics"}).String())
	if status != http.StatusOK {
		t.Fatal(status, metrics)
	}
	return metrics
}

// TestUsageMetrics: calls are counted under AWS's names and dimensions: all, those with errors, and those that came too fast.
func TestUsageMetrics(t *testing.T) {
	now := time.Now()
	n := node{lab.Start(t, lab.Settings(t, config.Dev, map[string]string{"rate-bearer": "1"}), app.Deps{Now: func() time.Time { return now }})}
	messages := "/channels/" + lab.Escape(n.Seeded().ChannelARN) + "/messages"
	send := func(body string) int {
		t.Helper()
		answer, err := n.Peer().Send(t.Context(), http.MethodPost, messages, n.Seeded().UserARNs[0], []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return answer.Status
	}
	calls, errors, throttles := 0, 0, 0
	for throttles == 0 { // until the rate refuses one
		calls++
		if send(`{"Content":"hello","Type":"STANDARD","Persistence":"PERSISTENT","ClientRequestToken":"`+fmt.Sprint("token-", calls)+`"}`) == http.StatusTooManyRequests {
			throttles++
			errors++
		}
	}
	if status := send(`{}`); status != http.StatusBadRequest {
		t.Errorf("a request without content is answered %d", status)
	}
	calls, errors = calls+1, errors+1
	if _, err := n.Peer().MakeUser(t.Context(), "ann", lab.AllowWhen("{}")); err != nil { // calls of IAM
		t.Fatal(err)
	}

	metrics := metricsOf(t, n)
	const of = `{class="None",resource="SendChannelMessage",service="ChimeSDK",type="API"} `
	for name, want := range map[string]int{"calls": calls, "errors": errors, "throttles": throttles} {
		if line := fmt.Sprint("\ncarillon_usage_", name, "_total", of, want, "\n"); !strings.Contains(metrics, line) {
			t.Errorf("no %s in %s", line, metrics)
		}
	}
	if strings.Contains(metrics, `resource="CreateUser"`) {
		t.Error("calls of IAM are usage of Chime")
	}
}
