package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/internal/config"
)

const (
	ownID     = "AKIAOWN0000000000001"
	ownSecret = "a-secret-that-nobody-may-see"

	formerSecret = "what-was-the-secret-before"
)

var ownKeys = []string{"CARILLON_ROOT_ACCESS_KEY_ID=" + ownID, "CARILLON_ROOT_SECRET_ACCESS_KEY=" + ownSecret}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "carillon.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDevNeedsNoSettings(t *testing.T) {
	cfg, err := config.Load(config.Dev, config.Sources{Environ: []string{"HOME=/somewhere"}})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Config{
		Mode: config.Dev, Listen: "127.0.0.1:24463", OpsListen: "127.0.0.1:24464", Data: "./carillon-data",
		NodeLease: 15 * time.Second, Region: "us-east-1", Account: "000000000000",
		RootAccessKeyID: config.DevAccessKeyID, RootSecretAccessKey: config.NewSecret(config.DevSecretAccessKey),
		CognitoGuestsPerSecond: 50,
		AllowedOrigins:         []string{"loopback"}, ProxyHeader: "x-forwarded-for", PresignGrace: time.Minute, TokenWindow: 10 * time.Minute, EventRetention: 24 * time.Hour, FollowerRetention: 72 * time.Hour, ClockTrust: 24 * time.Hour, EraseWithin: 24 * time.Hour,
		RequestBytes: 64 << 20, HTTPFastPath: true, StoreCache: 128 << 20, NATSPrefix: "carillon",
		OutboundAllow: []string{"127.0.0.0/8", "::1/128"}, OutboundTimeout: 10 * time.Second, WebhookRetry: 72 * time.Hour, WebhookKeep: 168 * time.Hour,
		Functions: []string{"arn:aws:lambda:*:function:carillon-demo demo"}, FunctionsSecret: config.NewSecret("whsec_Y2FyaWxsb24tZGV2LXdlYmhvb2stc2VjcmV0"),
		Bots: []string{"arn:aws:lex:*:bot-alias/ECHOBOT000/* echo"}, BotsSecret: config.NewSecret("whsec_Y2FyaWxsb24tZGV2LXdlYmhvb2stc2VjcmV0"), BotsEditEvery: 500 * time.Millisecond,
		Push: []string{"web arn:aws:mobiletargeting:*:apps/carillon-web webpush"}, PushTTL: 24 * time.Hour,
		WSQueueBytes: 256 << 10, WSPingInterval: 30 * time.Second, WSEngine: "auto", WSConnectionsPerUser: 100,
		WSPending: 1024, WSPendingPerAddress: 512, WSRefused: 256, WSClientFrames: 100, WSClientBytes: 64 << 10,
		Profile: config.LimitsRelaxed, Limits: config.Limits{
			AppInstances: 1000, Users: 1_000_000, Admins: 1000, Endpoints: 100, Channels: 100_000_000, Members: 100_000,
			Memberships: 200_000, Moderators: 10_000, Elastic: 10, SubChannels: 1000, SubMembers: 10_000, Flows: 1000, Processors: 10,
		},
		DrainTimeout: 10 * time.Second, LogLevel: "info", LogFormat: "text",
		AuditSinkBacklog: 10 << 30, AuditQueueBytes: 8 << 20, AuditWait: time.Second, LogFileSize: 100 << 20, LogFileAge: 24 * time.Hour,
	}
	if diff := cmp.Diff(want, cfg, cmp.AllowUnexported(config.Secret{})); diff != "" {
		t.Error(diff)
	}
}

func TestStrongerSourceWins(t *testing.T) {
	file := "region: from-file\naccount: 000000000007\nlog-level: debug\nws-queue-bytes: 1MiB\n" +
		"allowed-origins: [https://a.example, https://b.example]\n"
	for _, test := range []struct {
		name, file string
		environ    []string
		flags      map[string]string
		want       string
	}{
		{name: "default", want: "us-east-1"},
		{name: "file", file: file, want: "from-file"},
		{name: "environment over file", file: file, environ: []string{"CARILLON_REGION=from-env"}, want: "from-env"},
		{name: "flag over environment and file", file: file, environ: []string{"CARILLON_REGION=from-env"},
			flags: map[string]string{"region": "from-flag"}, want: "from-flag"},
		{name: "flag over file", file: file, flags: map[string]string{"region": "from-flag"}, want: "from-flag"},
	} {
		t.Run(test.name, func(t *testing.T) {
			sources := config.Sources{Environ: slices.Concat(ownKeys, test.environ), Flags: test.flags}
			if test.file != "" {
				sources.File = writeFile(t, test.file)
			}
			cfg, err := config.Load(config.Serve, sources)
			if err != nil {
				t.Fatal(err)
			}
			if cfg.Region != test.want {
				t.Errorf("region is %q, want %q", cfg.Region, test.want)
			}
			if test.file == "" {
				return
			}
			if cfg.Account != "000000000007" || cfg.LogLevel != "debug" || cfg.WSQueueBytes != 1<<20 {
				t.Errorf("other settings of the file are lost: %+v", cfg)
			}
			if diff := cmp.Diff([]string{"https://a.example", "https://b.example"}, cfg.AllowedOrigins); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFileFromEnvironment(t *testing.T) {
	path := writeFile(t, "region: from-file\n")
	cfg, err := config.Load(config.Dev, config.Sources{Environ: []string{"CARILLON_CONFIG=" + path}})
	if err != nil || cfg.Region != "from-file" {
		t.Errorf("region is %q, error %v", cfg.Region, err)
	}
	if _, err := config.Load(config.Dev, config.Sources{File: path + ".absent"}); err == nil {
		t.Error("an absent file is taken for an empty one")
	}
	if cfg, err = config.Load(config.Dev, config.Sources{File: writeFile(t, "# nothing yet\n")}); err != nil {
		t.Errorf("an empty file is refused: %v", err)
	}
}

// Each case sets one thing wrong and names what the error must say.
func TestFaultsNameTheSetting(t *testing.T) {
	flag := func(key, value string) config.Sources {
		return config.Sources{Environ: ownKeys, Flags: map[string]string{key: value}}
	}
	env := func(variables ...string) config.Sources {
		return config.Sources{Environ: slices.Concat(ownKeys, variables)}
	}
	for _, test := range []struct {
		name    string
		mode    config.Mode
		sources config.Sources
		file    string
		want    []string
	}{
		{name: "unknown in file", file: "region: x\nlisten-on: :1\n", want: []string{"carillon.yaml:2", "listen-on", "unknown setting"}},
		{name: "nested in file", file: "listen:\n  port: 1\n", want: []string{"carillon.yaml:1", "listen"}},
		{name: "twice in file", file: "region: a\nregion: b\n", want: []string{"carillon.yaml:2", "twice"}},
		{name: "no mapping", file: "- a\n", want: []string{"carillon.yaml"}},
		{name: "no YAML", file: "a: [\n", want: []string{"carillon.yaml"}},
		{name: "two documents", file: "region: a\n---\nregion: b\n", want: []string{"one YAML document"}},
		{name: "unknown in environment", sources: env("CARILLON_REGIN=x"), want: []string{"CARILLON_REGIN", "unknown setting"}},
		{name: "dev setting while serving", sources: env("CARILLON_FRESH=true"), want: []string{"CARILLON_FRESH", "carillon dev"}},
		{name: "several at once", sources: env("CARILLON_A=1", "CARILLON_B=2"), want: []string{"CARILLON_A", "CARILLON_B"}},
		{name: "from the environment", sources: env("CARILLON_LOG_LEVEL=loud"), want: []string{"log-level", "CARILLON_LOG_LEVEL", `"loud"`}},
		{name: "no keys", sources: config.Sources{}, want: []string{"CARILLON_ROOT_ACCESS_KEY_ID", "CARILLON_ROOT_SECRET_ACCESS_KEY", "must be set"}},
		{name: "only a key id", sources: config.Sources{Environ: ownKeys[:1]}, want: []string{"root-secret-access-key", "must be set"}},
		{name: "published keys", sources: config.Sources{Environ: []string{
			"CARILLON_ROOT_ACCESS_KEY_ID=" + config.DevAccessKeyID, "CARILLON_ROOT_SECRET_ACCESS_KEY=" + config.DevSecretAccessKey}},
			want: []string{"published keys"}},
		{name: "own id with published secret", sources: env("CARILLON_ROOT_SECRET_ACCESS_KEY=" + config.DevSecretAccessKey), want: []string{"published keys"}},
		{name: "dev open to others", mode: config.Dev, sources: config.Sources{Flags: map[string]string{"listen": "0.0.0.0:24463"}}, want: []string{"listen", "default keys"}},
		{name: "dev open to others by an empty host", mode: config.Dev, sources: config.Sources{Flags: map[string]string{"listen": ":24463"}}, want: []string{"listen", "default keys"}},
		{name: "short secret", sources: env("CARILLON_ROOT_SECRET_ACCESS_KEY=tiny"), want: []string{"root-secret-access-key", "16 characters"}},
		{name: "key id with a space", sources: env("CARILLON_ROOT_ACCESS_KEY_ID=has a space in it"), want: []string{"root-access-key-id"}},
		{name: "listen without port", sources: flag("listen", "localhost"), want: []string{"listen", "host:port"}},
		{name: "port too high", sources: flag("listen", "127.0.0.1:99999"), want: []string{"listen", "port between 0 and 65535"}},
		{name: "open without a public host", sources: flag("listen", "0.0.0.0:24463"), want: []string{"public-host", "must be set"}},
		{name: "open by an empty host", sources: flag("listen", ":24463"), want: []string{"public-host", "must be set"}},
		{name: "open with a public host of one's own", sources: config.Sources{Environ: ownKeys, Flags: map[string]string{"listen": "192.0.2.7:24463", "public-host": "[::1]"}}, want: []string{"public-host", "must not be loopback"}},
		{name: "a close name", sources: env("CARILLON_LISEN=x"), want: []string{"CARILLON_LISEN", "did you mean listen?"}},
		{name: "faults of all kinds at once", file: "region: x\nregion: y\nlisten-onn: :1\nlisten: [{}]\naccount: 7\nlimits: foo\nws-ping-interval: 30\n", want: []string{
			"carillon.yaml:2", "twice", "listen-onn", "single value", "account", "limits", "ws-ping-interval"}},
		{name: "same ports", sources: flag("ops-listen", "127.0.0.1:24463"), want: []string{"ops-listen", "differ"}},
		{name: "public host with scheme", sources: flag("public-host", "https://chat.example"), want: []string{"public-host", "bare host"}},
		{name: "public host with a semicolon", sources: flag("public-host", "a;b"), want: []string{"public-host"}},
		{name: "public host without port number", sources: flag("public-host", "a:"), want: []string{"public-host"}},
		{name: "public host with path", sources: flag("public-host", "chat.example/x"), want: []string{"public-host"}},
		{name: "public host with port 443", sources: flag("public-host", "chat.example:443"), want: []string{"public-host", ":443"}},
		{name: "public host in capitals", sources: flag("public-host", "Chat.example"), want: []string{"public-host", "lower case"}},
		{name: "account", sources: flag("account", "12"), want: []string{"account", "12 digits"}},
		{name: "node id with a space", sources: flag("node-id", "node 1"), want: []string{"node-id", "63 letters"}},
		{name: "node lease", sources: flag("node-lease", "10m"), want: []string{"node-lease", "5m"}},
		{name: "region", sources: flag("region", "US"), want: []string{"region"}},
		{name: "certificate without key", sources: flag("tls-cert", "a.pem"), want: []string{"tls-key"}},
		{name: "key without certificate", sources: flag("tls-key", "a.pem"), want: []string{"tls-cert"}},
		{name: "origin with path", sources: flag("allowed-origins", "https://a.example/x"), want: []string{"allowed-origins"}},
		{name: "no origin", sources: flag("allowed-origins", ""), want: []string{"allowed-origins"}},
		{name: "star among origins", sources: flag("allowed-origins", "*,https://a.example"), want: []string{"allowed-origins"}},
		{name: "published keys for every page", mode: config.Dev, sources: config.Sources{Flags: map[string]string{"allowed-origins": "*"}}, want: []string{"allowed-origins", "published", "random-keys"}},
		{name: "random keys beside one's own", mode: config.Dev, sources: flag("random-keys", "true"), want: []string{"random-keys", "root-access-key-id"}},
		{name: "issuer network without length", sources: flag("oidc-allowed-networks", "10.0.0.0/8,10.1.2.3"), want: []string{"oidc-allowed-networks", `"10.1.2.3"`}},
		{name: "issuer network with a host", sources: flag("oidc-allowed-networks", "10.1.2.3/8"), want: []string{"oidc-allowed-networks"}},
		{name: "outbound address without length", sources: flag("outbound-allow", "flows.internal,10.1.2.3"), want: []string{"outbound-allow", `"10.1.2.3"`}},
		{name: "outbound network with a host", sources: flag("outbound-allow", "10.1.2.3/8"), want: []string{"outbound-allow"}},
		{name: "outbound URL", sources: flag("outbound-allow", "http://flows.internal"), want: []string{"outbound-allow"}},
		{name: "outbound host with a port", sources: flag("outbound-allow", "flows.internal:80"), want: []string{"outbound-allow"}},
		{name: "a small queue of the audit log", sources: flag("audit-queue-bytes", "1KiB"), want: []string{"audit-queue-bytes", "64KiB"}},
		{name: "a long wait for the audit log", sources: flag("audit-wait", "2m"), want: []string{"audit-wait", "1m"}},
		{name: "an audit sink without a log", sources: flag("audit-sink", "https://siem.example.com secret-file=/tmp/s"), want: []string{"audit-sink", "audit-log"}},
		{name: "an audit sink of a log on stdout", sources: config.Sources{Environ: ownKeys, Flags: map[string]string{"audit-log": "stdout", "audit-sink": "https://siem.example.com secret-file=/tmp/s"}}, want: []string{"audit-sink", "audit-log"}},
		{name: "an audit sink that is a file", sources: config.Sources{Environ: ownKeys, Flags: map[string]string{"audit-log": "a.log", "audit-sink": "file:/tmp/x"}}, want: []string{"audit-sink", "https:"}},
		{name: "an audit sink without a stream", sources: config.Sources{Environ: ownKeys, Flags: map[string]string{"audit-log": "a.log", "audit-sink": "kinesis:https://kinesis.example.com credentials-file=/tmp/s"}}, want: []string{"audit-sink", "option stream"}},
		{name: "a small backlog of the audit sink", sources: flag("audit-sink-backlog", "1KiB"), want: []string{"audit-sink-backlog", "1MiB"}},
		{name: "two logs in one file", sources: config.Sources{Environ: ownKeys, Flags: map[string]string{"audit-log": "a.log", "notice-log": "a.log"}}, want: []string{"notice-log", "audit-log"}},
		{name: "notices without a secret", sources: flag("notice-url", "https://ops.example"), want: []string{"notice-secret", "notice-url"}},
		{name: "a secret without a URL", sources: env("CARILLON_NOTICE_SECRET=whsec_x"), want: []string{"notice-secret", "notice-url"}},
		{name: "notices to no URL", sources: config.Sources{Environ: append(slices.Clone(ownKeys), "CARILLON_NOTICE_SECRET=whsec_x"), Flags: map[string]string{"notice-url": "ops.example"}}, want: []string{"notice-url", "https"}},
		{name: "notices with a password", sources: config.Sources{Environ: append(slices.Clone(ownKeys), "CARILLON_NOTICE_SECRET=whsec_x"), Flags: map[string]string{"notice-url": "https://a:b@ops.example"}}, want: []string{"notice-url", "password"}},
		{name: "small log files", sources: flag("log-file-size", "1KiB"), want: []string{"log-file-size", "64KiB"}},
		{name: "short log files", sources: flag("log-file-age", "1s"), want: []string{"log-file-age", "1m"}},
		{name: "log files", sources: flag("log-file-keep", "-1"), want: []string{"log-file-keep"}},
		{name: "outbound proxy of SOCKS", sources: flag("outbound-proxy", "socks5://proxy:1080"), want: []string{"outbound-proxy", "http"}},
		{name: "outbound proxy with a path", sources: flag("outbound-proxy", "http://proxy:3128/x"), want: []string{"outbound-proxy"}},
		{name: "outbound proxy with a password", sources: flag("outbound-proxy", "http://user:pass@proxy:3128"), want: []string{"outbound-proxy", "outbound-proxy-auth"}},
		{name: "outbound proxy auth alone", sources: env("CARILLON_OUTBOUND_PROXY_AUTH=user:pass"), want: []string{"outbound-proxy-auth", "user:password"}},
		{name: "outbound time-out", sources: flag("outbound-timeout", "10ms"), want: []string{"outbound-timeout", "100ms"}},
		{name: "sink without a pattern", sources: flag("streams", "audit file:/tmp/x"), want: []string{"streams", "a name, a pattern of ARNs, a target"}},
		{name: "sink with a wrong name", sources: flag("streams", "Audit * file:/tmp/x"), want: []string{"streams", `"Audit"`}},
		{name: "two sinks of a name", sources: flag("streams", "a * file:/tmp/x,a * file:/tmp/y"), want: []string{"streams", `"a"`}},
		{name: "sink of an unknown kind", sources: flag("streams", "a * ftp://example.com"), want: []string{"streams", "sink a", "file:"}},
		{name: "sink without a folder", sources: flag("streams", "a * file:"), want: []string{"streams", "sink a", "folder"}},
		{name: "webhook without a secret", sources: flag("streams", "a * https://example.com/hook"), want: []string{"streams", "sink a", "secret-file"}},
		{name: "webhook with a password", sources: flag("streams", "a * https://u:p@example.com secret-file=/tmp/s"), want: []string{"streams", "sink a"}},
		{name: "webhook without a host", sources: flag("streams", "a * https:/hook secret-file=/tmp/s"), want: []string{"streams", "sink a"}},
		{name: "kinesis without credentials", sources: flag("streams", "a * kinesis:https://kinesis.example.com"), want: []string{"streams", "sink a", "credentials-file"}},
		{name: "kinesis without an endpoint", sources: flag("streams", "a * kinesis:stream credentials-file=/tmp/s"), want: []string{"streams", "sink a", "endpoint"}},
		{name: "push without a service", sources: flag("push", "ios *"), want: []string{"push", "a name, a pattern of ARNs, a push service"}},
		{name: "push with a wrong name", sources: flag("push", "iOS * apns:a.b"), want: []string{"push", `"iOS"`}},
		{name: "two applications of a name", sources: flag("push", "a * apns:a.b certificate-file=x,a * apns:a.b certificate-file=x"), want: []string{"push", `"a"`}},
		{name: "push to an unknown service", sources: flag("push", "a * pager:5"), want: []string{"push", `"pager"`}},
		{name: "apns without a bundle", sources: flag("push", "a * apns certificate-file=x"), want: []string{"push", "application a", "bundle id"}},
		{name: "apns without credentials", sources: flag("push", "a * apns:a.b"), want: []string{"push", "application a", "key-file", "certificate-file"}},
		{name: "apns with both credentials", sources: flag("push", "a * apns:a.b key-file=x certificate-file=y"), want: []string{"push", "application a", "certificate-file"}},
		{name: "apns without a team", sources: flag("push", "a * apns:a.b key-file=x key-id=ABC123DEFG"), want: []string{"push", "application a", "team-id"}},
		{name: "apns with a path", sources: flag("push", "a * apns:a.b certificate-file=x endpoint=https://example.com/3"), want: []string{"push", "application a", "endpoint"}},
		{name: "fcm without credentials", sources: flag("push", "a * fcm"), want: []string{"push", "application a", "credentials-file"}},
		{name: "fcm with a project", sources: flag("push", "a * fcm:chat credentials-file=x"), want: []string{"push", "application a", "names nothing"}},
		{name: "fcm with a wrong notification", sources: flag("push", "a * fcm credentials-file=x notification=off"), want: []string{"push", "application a", `"off"`}},
		{name: "webpush with a long name", sources: flag("push", "a-name-of-17-char * webpush"), want: []string{"push", "16 characters"}},
		{name: "webpush with a wrong contact", sources: flag("push", "a * webpush contact=ops"), want: []string{"push", "application a", "mailto"}},
		{name: "webpush with a wrong service", sources: flag("push", "a * webpush services=*"), want: []string{"push", "application a", "services"}},
		{name: "push with an unknown option", sources: flag("push", "a * apns:a.b colour=red"), want: []string{"push", "application a", "key-file", `"colour"`}},
		{name: "push with a wrong badge", sources: flag("push", "a * apns:a.b certificate-file=x badge=on"), want: []string{"push", "application a", `"on"`}},
		{name: "push for too short", sources: flag("push-ttl", "1s"), want: []string{"push-ttl", "1m"}},
		{name: "kafka without a topic", sources: flag("streams", "a * kafka://localhost:9092"), want: []string{"streams", "sink a", "topic"}},
		{name: "kafka with an unknown mechanism", sources: flag("streams", "a * kafka://localhost:9092/chime sasl=md5"), want: []string{"streams", "sink a", "sasl", `"md5"`}},
		{name: "nats without a subject", sources: flag("streams", "a * nats://localhost:4222"), want: []string{"streams", "sink a", "subject"}},
		{name: "nats with a wildcard", sources: flag("streams", "a * nats://localhost:4222/chime.*"), want: []string{"streams", "sink a", "subject"}},
		{name: "sink with an unknown option", sources: flag("streams", "a * file:/tmp/x colour=red"), want: []string{"streams", "sink a", "size", `"colour"`}},
		{name: "sink with a small size", sources: flag("streams", "a * file:/tmp/x size=1KiB"), want: []string{"streams", "sink a", "size", "1MiB"}},
		{name: "function without an endpoint", sources: flag("functions", "arn:aws:lambda:*"), want: []string{"functions", "a pattern of Lambda ARNs and an endpoint"}},
		{name: "function at an unknown endpoint", sources: flag("functions", "* ftp://flows.internal/secret"), want: []string{"functions", "the entry for *", "lambda+"}},
		{name: "function at a URL with a user", sources: flag("functions", "* https://a:b@flows.internal"), want: []string{"functions", "without user"}},
		{name: "unsigned functions", sources: flag("functions", "* https://flows.internal"), want: []string{"functions-secret"}},
		{name: "Lambda without keys", sources: flag("functions", "* lambda"), want: []string{"functions-access-key-id", "functions-secret-access-key"}},
		{name: "secret of another kind", sources: config.Sources{Environ: []string{"CARILLON_FUNCTIONS_SECRET=hush"}}, want: []string{"functions-secret", "whsec_"}},
		{name: "bot without an endpoint", sources: flag("bots", "arn:aws:lex:*"), want: []string{"bots", "an endpoint"}},
		{name: "bot at an unknown endpoint", sources: flag("bots", "* ftp://bots.internal/secret"), want: []string{"bots", "the entry for *", "openai"}},
		{name: "bot at a URL with a user", sources: flag("bots", "* openai+https://a:b@models.internal model=m"), want: []string{"bots", "without user"}},
		{name: "echo at a URL", sources: flag("bots", "* echo+https://bots.internal"), want: []string{"bots", "echo"}},
		{name: "unsigned bots", sources: flag("bots", "* https://bots.internal"), want: []string{"bots-secret"}},
		{name: "Lex without keys", sources: flag("bots", "* lex"), want: []string{"bots-access-key-id", "bots-secret-access-key"}},
		{name: "a model without a name", sources: flag("bots", "* openai"), want: []string{"bots", "model"}},
		{name: "an unknown option of a model", sources: flag("bots", "* openai model=m colour=red"), want: []string{"bots", "prompt-file", `"colour"`}},
		{name: "an option of another bot", sources: flag("bots", "* echo model=m"), want: []string{"bots", `"model"`}},
		{name: "a long history", sources: flag("bots", "* openai model=m history=50"), want: []string{"bots", "history", "49"}},
		{name: "a slow model", sources: flag("bots", "* openai model=m timeout=1h"), want: []string{"bots", "timeout", "10m"}},
		{name: "secret of bots of another kind", sources: env("CARILLON_BOTS_SECRET=hush"), want: []string{"bots-secret", "whsec_"}},
		{name: "many edits", sources: flag("bots-edit-every", "1ms"), want: []string{"bots-edit-every", "100ms"}},
		{name: "proxy without length", sources: flag("trusted-proxies", "10.1.2.3"), want: []string{"trusted-proxies", `"10.1.2.3"`}},
		{name: "other header of proxies", sources: flag("proxy-header", "x-real-ip"), want: []string{"proxy-header", "x-forwarded-for, forwarded"}},
		{name: "PROXY protocol of everybody", sources: flag("proxy-protocol", "true"), want: []string{"proxy-protocol", "trusted-proxies"}},
		{name: "guests below zero", sources: flag("cognito-guests-per-second", "-1"), want: []string{"cognito-guests-per-second", "between 0 and 100000"}},
		{name: "no engine", sources: flag("ws-engine", "fast"), want: []string{"ws-engine", "auto, epoll"}},
		{name: "time without unit", sources: flag("ws-ping-interval", "30"), want: []string{"ws-ping-interval", "30s"}},
		{name: "time too short", sources: flag("ws-ping-interval", "1ms"), want: []string{"ws-ping-interval", "between 1s and 10m"}},
		{name: "size", sources: flag("ws-queue-bytes", "many"), want: []string{"ws-queue-bytes", "256KiB"}},
		{name: "size too small", sources: flag("ws-queue-bytes", "1B"), want: []string{"ws-queue-bytes", "between 64KiB and 64MiB"}},
		{name: "another database", sources: env("CARILLON_DATABASE_URL=mysql://u:" + ownSecret + "@db/chat"), want: []string{"database-url", "postgres://"}},
		{name: "a server without a database", sources: env("CARILLON_DATABASE_URL=postgres://u:" + ownSecret + "@db:5432/"), want: []string{"database-url", "5432/database"}},
		{name: "a fresh database", mode: config.Dev, sources: config.Sources{Environ: append(ownKeys, "CARILLON_DATABASE_URL=postgres://db/chat"), Flags: map[string]string{"fresh": "true"}}, want: []string{"database-url", "fresh"}},
		{name: "NATS without a database", sources: env("CARILLON_NATS_URL=nats://nats:4222"), want: []string{"nats-url", "needs database-url"}},
		{name: "a cluster without a database", sources: env("CARILLON_CLUSTER_LISTEN=127.0.0.1:0"), want: []string{"cluster-listen", "needs database-url"}},
		{name: "both kinds of NATS", sources: env("CARILLON_DATABASE_URL=postgres://db/chat", "CARILLON_NATS_URL=nats://nats:4222", "CARILLON_CLUSTER_LISTEN=127.0.0.1:0"), want: []string{"cluster-listen", "nats-url"}},
		{name: "another scheme", sources: env("CARILLON_DATABASE_URL=postgres://db/chat", "CARILLON_NATS_URL=http://nats:4222"), want: []string{"nats-url", "tls://"}},
		{name: "NATS with a password", sources: env("CARILLON_DATABASE_URL=postgres://db/chat", "CARILLON_NATS_URL=nats://u:"+ownSecret+"@nats:4222"), want: []string{"nats-url", "nats-password"}},
		{name: "a prefix with a wildcard", sources: env("CARILLON_NATS_PREFIX=a.*"), want: []string{"nats-prefix", "carillon.test"}},
		{name: "credentials without NATS", sources: env("CARILLON_NATS_TOKEN=x"), want: []string{"nats-token", "nats-url"}},
		{name: "two kinds of credentials", sources: env("CARILLON_DATABASE_URL=postgres://db/chat", "CARILLON_NATS_URL=nats://nats:4222", "CARILLON_NATS_TOKEN=x", "CARILLON_NATS_NKEY_FILE=x"), want: []string{"nats-token", "nats-nkey-file"}},
		{name: "a user without a password", sources: env("CARILLON_DATABASE_URL=postgres://db/chat", "CARILLON_NATS_URL=nats://nats:4222", "CARILLON_NATS_USER=x"), want: []string{"nats-password"}},
		{name: "a certificate without a key", sources: env("CARILLON_DATABASE_URL=postgres://db/chat", "CARILLON_NATS_URL=nats://nats:4222", "CARILLON_NATS_TLS_CERT=x"), want: []string{"nats-tls-key"}},
		{name: "routes without an address", sources: env("CARILLON_DATABASE_URL=postgres://db/chat", "CARILLON_CLUSTER_ROUTES=10.1.0.5:24465"), want: []string{"cluster-routes", "cluster-listen"}},
		{name: "a route without a port", sources: env("CARILLON_DATABASE_URL=postgres://db/chat", "CARILLON_CLUSTER_LISTEN=127.0.0.1:0", "CARILLON_CLUSTER_ROUTES=10.1.0.5"), want: []string{"cluster-routes", "host:port"}},
		{name: "an open cluster", sources: env("CARILLON_DATABASE_URL=postgres://db/chat", "CARILLON_CLUSTER_LISTEN=0.0.0.0:24465"), want: []string{"cluster-secret", "open to other machines"}},
		{name: "a short secret of a cluster", sources: env("CARILLON_DATABASE_URL=postgres://db/chat", "CARILLON_CLUSTER_LISTEN=0.0.0.0:24465", "CARILLON_CLUSTER_SECRET=short"), want: []string{"cluster-secret", "16"}},
		{name: "a cluster certificate without a CA", sources: env("CARILLON_DATABASE_URL=postgres://db/chat", "CARILLON_CLUSTER_LISTEN=0.0.0.0:24465", "CARILLON_CLUSTER_TLS_CERT=x", "CARILLON_CLUSTER_TLS_KEY=x"), want: []string{"cluster-tls-cert", "cluster-tls-ca"}},
		{name: "cache too small", sources: flag("store-cache", "1MiB"), want: []string{"store-cache", "between 4MiB and 256GiB"}},
		{name: "number", sources: flag("ws-connections-per-user", "x"), want: []string{"ws-connections-per-user", "whole number"}},
		{name: "limits", sources: flag("limits", "none"), want: []string{"limits", "relaxed, aws", `"none"`}},
		{name: "limit below zero", sources: flag("limit-members-per-channel", "-1"), want: []string{"limit-members-per-channel", "between 0"}},
		{name: "rate too high", sources: flag("rate-bearer", "1000001"), want: []string{"rate-bearer", "between 0 and 1000000"}},
		{name: "fraction of a rate", sources: flag("rate-bearer", "0.5"), want: []string{"rate-bearer", "whole number"}},
		{name: "switch", mode: config.Dev, sources: flag("fresh", "maybe"), want: []string{"fresh", "true or false"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.file != "" {
				test.sources = config.Sources{File: writeFile(t, test.file), Environ: ownKeys}
			}
			_, err := config.Load(test.mode, test.sources)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), ownSecret) {
				t.Errorf("the error holds the secret: %v", err)
			}
		})
	}
}

func TestDevOpenToOthersWithOwnKeys(t *testing.T) {
	_, err := config.Load(config.Dev, config.Sources{Environ: ownKeys, Flags: map[string]string{"listen": "0.0.0.0:24463", "public-host": "localhost:24463"}})
	if err != nil {
		t.Error(err)
	}
}

// One fault is told once: what follows from it is no help.
func TestAFaultIsToldOnce(t *testing.T) {
	_, err := config.Load(config.Dev, config.Sources{Flags: map[string]string{"listen": "33998", "ws-ping-interval": "soon"}})
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Error(err)
	}
}

func TestDevWithRandomKeys(t *testing.T) {
	cfg, err := config.Load(config.Dev, config.Sources{Flags: map[string]string{"random-keys": "true", "allowed-origins": "*", "listen": "0.0.0.0:24463", "public-host": "chat.example"}})
	if err != nil || cfg.HasDevKeys() {
		t.Errorf("published keys %v, error %v", cfg.HasDevKeys(), err)
	}
}

func TestSecretIsNeverShown(t *testing.T) {
	cfg, err := config.Load(config.Serve, config.Sources{Environ: append(ownKeys, "CARILLON_ROOT_SECRET_ACCESS_KEY_PREVIOUS="+formerSecret)})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.RootSecretAccessKey.Reveal() != ownSecret || cfg.RootSecretAccessKeyPrevious.Reveal() != formerSecret {
		t.Fatal("a secret is lost")
	}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb, cfg)
		fmt.Fprintf(&out, verb, &cfg)
		fmt.Fprintf(&out, verb, cfg.RootSecretAccessKey)
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("settings", "all", cfg, "secret", cfg.RootSecretAccessKey)
	}
	if err := json.NewEncoder(&out).Encode(cfg); err != nil {
		t.Fatal(err)
	}
	if err := cfg.WriteYAML(&out); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{ownSecret, formerSecret} {
		if strings.Contains(out.String(), secret) || strings.Contains(out.String(), fmt.Sprintf("%x", secret)) {
			t.Errorf("the secret %s is shown:\n%s", secret, out.String())
		}
	}
}

func TestShownSettingsAreASettingsFile(t *testing.T) {
	want, err := config.Load(config.Dev, config.Sources{Environ: []string{
		"CARILLON_ACCOUNT=000000000042", "CARILLON_ALLOWED_ORIGINS=https://a.example, https://b.example", "CARILLON_TOKEN_WINDOW=90m"}})
	if err != nil {
		t.Fatal(err)
	}
	var shown bytes.Buffer
	if err := want.WriteYAML(&shown); err != nil {
		t.Fatal(err)
	}
	got, err := config.Load(config.Dev, config.Sources{File: writeFile(t, shown.String())})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(config.Secret{})); diff != "" {
		t.Error(diff)
	}
}

func TestChangedSettingsAreNamed(t *testing.T) {
	load := func(environ ...string) config.Config {
		cfg, err := config.Load(config.Serve, config.Sources{Environ: slices.Concat(ownKeys, environ)})
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	before, after := load(), load("CARILLON_REGION=eu-central-1", "CARILLON_ALLOWED_ORIGINS=https://a.example", "CARILLON_ROOT_SECRET_ACCESS_KEY=another-secret-of-the-test")
	if diff := cmp.Diff([]string{"region", "root-secret-access-key", "allowed-origins"}, config.Changed(&before, &after)); diff != "" {
		t.Error(diff)
	}
	if same := config.Changed(&before, &before); same != nil {
		t.Errorf("nothing changed: %q", same)
	}
}

func TestDocsNameEverySettingOnce(t *testing.T) {
	var docs bytes.Buffer
	if err := config.WriteDocs(&docs); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, s := range config.Settings(config.Dev) {
		seen[s.Key] = strings.Count(docs.String(), "\n## "+s.Key+"\n")
		if s.Doc == "" {
			t.Errorf("%s has no documentation", s.Key)
		}
	}
	for key, n := range seen {
		if n != 1 {
			t.Errorf("%s is documented %d times", key, n)
		}
	}
}

func TestBotRoutes(t *testing.T) {
	cfg, err := config.Load(config.Dev, config.Sources{Flags: map[string]string{
		"bots": "a openai+http://localhost:11434/v1 model=small history=0 max-tokens=200 timeout=30s key-file=/k prompt-file=/p,b openai model=large,c echo",
	}})
	if err != nil {
		t.Fatal(err)
	}
	list, err := cfg.BotRoutes()
	if err != nil || len(list) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	for i, want := range []string{"http://localhost:11434/v1 small 0 200 30s /k /p", "https://api.openai.com/v1 large 20 0 2m0s  ", "<nil>  0 0 0s  "} {
		b := list[i]
		if got := fmt.Sprintf("%v %s %d %d %s %s %s", b.URL, b.Model, b.History, b.MaxTokens, b.Timeout, b.KeyFile, b.PromptFile); got != want {
			t.Errorf("%s is %q, want %q", b.Pattern, got, want)
		}
	}
}
