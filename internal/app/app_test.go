package app_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/chimesdkidentity"
	"github.com/aws/aws-sdk-go/service/chimesdkmessaging"
	"github.com/coder/websocket"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
)

func TestDevServesAWSClientsOverBothKinds(t *testing.T) {
	n := start(t, lab.Settings(t, config.Dev, nil))
	seeded := n.Seeded()
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			sess := n.session(t, scheme, n.RootKeys())
			users, err := chimesdkidentity.New(sess).ListAppInstanceUsers(&chimesdkidentity.ListAppInstanceUsersInput{AppInstanceArn: &seeded.AppInstanceARN})
			if err != nil || len(users.AppInstanceUsers) != 2 || *users.AppInstanceUsers[0].Name != "Alice" {
				t.Errorf("users: %v %v", users, err)
			}
			messaging := chimesdkmessaging.New(sess)
			sent, err := messaging.SendChannelMessage(&chimesdkmessaging.SendChannelMessageInput{
				ChannelArn: &seeded.ChannelARN, ChimeBearer: &seeded.UserARNs[1], Content: aws.String("hello over " + scheme),
				Persistence: aws.String("PERSISTENT"), Type: aws.String("STANDARD"),
			})
			if err != nil {
				t.Fatal(err)
			}
			read, err := messaging.GetChannelMessage(&chimesdkmessaging.GetChannelMessageInput{
				ChannelArn: &seeded.ChannelARN, ChimeBearer: &seeded.UserARNs[0], MessageId: sent.MessageId,
			})
			if err != nil || *read.ChannelMessage.Content != "hello over "+scheme {
				t.Errorf("message: %v %v", read, err)
			}
			endpoint, err := messaging.GetMessagingSessionEndpoint(&chimesdkmessaging.GetMessagingSessionEndpointInput{})
			if err != nil || *endpoint.Endpoint.Url != n.PublicHost() {
				t.Errorf("endpoint: %v %v", endpoint, err)
			}
		})
	}
}

func TestUserCredentialsAreForThatUserAlone(t *testing.T) {
	n := start(t, lab.Settings(t, config.Dev, nil))
	seeded := n.Seeded()
	messaging := chimesdkmessaging.New(n.session(t, "https", n.UserKeys(t, "alice")))
	list := func(bearer string) error {
		_, err := messaging.ListChannelMessages(&chimesdkmessaging.ListChannelMessagesInput{ChannelArn: &seeded.ChannelARN, ChimeBearer: &bearer})
		return err
	}
	if err := list(seeded.UserARNs[0]); err != nil {
		t.Errorf("as alice: %v", err)
	}
	if err := list(seeded.UserARNs[1]); err == nil {
		t.Error("alice's credentials work as bob")
	}
}

func TestSocketsGetMessagesAndAreToldOfTheRestart(t *testing.T) {
	n := start(t, lab.Settings(t, config.Dev, nil))
	seeded := n.Seeded()
	keys := n.UserKeys(t, "alice")
	sockets := []*lab.Socket{
		n.connect(t, "ws", keys, seeded.UserARNs[0]),
		n.connect(t, "wss", n.RootKeys(), seeded.UserARNs[1]),
	}
	for _, conn := range sockets {
		if event := read(t, conn).Event(); event != "SESSION_ESTABLISHED" {
			t.Errorf("first event: %s", event)
		}
	}
	_, err := chimesdkmessaging.New(n.session(t, "https", keys)).SendChannelMessage(&chimesdkmessaging.SendChannelMessageInput{
		ChannelArn: &seeded.ChannelARN, ChimeBearer: &seeded.UserARNs[0], Content: aws.String("live"),
		Persistence: aws.String("PERSISTENT"), Type: aws.String("STANDARD"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, conn := range sockets {
		if f := read(t, conn); f.Event() != "CREATE_CHANNEL_MESSAGE" || !strings.Contains(f.Payload, "live") {
			t.Errorf("%s %s", f.Event(), f.Payload)
		}
	}
	var closed sync.WaitGroup
	for _, conn := range sockets {
		closed.Go(func() { // reading answers the close frame
			if _, _, err := conn.Read(context.Background()); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
				t.Errorf("the socket ends with %v", err)
			}
		})
	}
	n.Stop()
	closed.Wait()
}

func TestDataAndSeedSurviveARestart(t *testing.T) {
	cfg := lab.Settings(t, config.Dev, nil)
	n := start(t, cfg)
	before := *n.Seeded()
	ca, _ := os.ReadFile(n.CAFile())
	message := func(n node) *chimesdkmessaging.ChimeSDKMessaging {
		return chimesdkmessaging.New(n.session(t, "http", n.RootKeys()))
	}
	_, err := message(n).SendChannelMessage(&chimesdkmessaging.SendChannelMessageInput{
		ChannelArn: &before.ChannelARN, ChimeBearer: &before.UserARNs[0], Content: aws.String("kept"),
		Persistence: aws.String("PERSISTENT"), Type: aws.String("STANDARD"),
	})
	if err != nil {
		t.Fatal(err)
	}
	history := func(n node) int {
		list, err := message(n).ListChannelMessages(&chimesdkmessaging.ListChannelMessagesInput{
			ChannelArn: &n.Seeded().ChannelARN, ChimeBearer: &n.Seeded().UserARNs[0]})
		if err != nil {
			t.Fatal(err)
		}
		return len(list.ChannelMessages)
	}
	n.Stop()

	n = start(t, cfg)
	if after := *n.Seeded(); after.AppInstanceARN != before.AppInstanceARN || after.ChannelARN != before.ChannelARN {
		t.Errorf("seeded again: %+v, before %+v", after, before)
	}
	if history(n) != 1 {
		t.Error("the message is lost")
	}
	n.Stop()

	cfg.Fresh = true
	n = start(t, cfg)
	if n.Seeded().AppInstanceARN == before.AppInstanceARN || history(n) != 0 {
		t.Error("fresh kept the data")
	}
	if again, _ := os.ReadFile(n.CAFile()); !bytes.Equal(ca, again) {
		t.Error("fresh made another CA")
	}
}

func TestServeSeedsNothing(t *testing.T) {
	n := start(t, lab.Settings(t, config.Serve, nil))
	if n.Seeded() != nil {
		t.Errorf("seeded %+v", n.Seeded())
	}
	list, err := chimesdkidentity.New(n.session(t, "http", n.RootKeys())).ListAppInstances(&chimesdkidentity.ListAppInstancesInput{})
	if err != nil || len(list.AppInstances) != 0 {
		t.Errorf("%v %v", list, err)
	}
	if status, body := get(t, n.HTTP, "http://"+n.PublicHost()+"/_carillon/chat"); status != 404 || !strings.Contains(body, "carillon dev") {
		t.Errorf("%d %s", status, body)
	}
	dev := lab.Dev(n.Addr(), 0)
	defer dev.Close()
	if got, err := dev.Send(t.Context(), "GET", "/app-instances", "", nil); err != nil || got.Type() != "UnrecognizedClientException" {
		t.Errorf("with the published keys: %d %s %v", got.Status, got.Type(), err)
	}
}

func TestOperationsPort(t *testing.T) {
	n := start(t, lab.Settings(t, config.Dev, nil))
	client := n.HTTP
	if status, body := get(t, client, "http://"+n.OpsAddr()+"/readyz"); status != 200 || !strings.Contains(body, "store: ok") {
		t.Errorf("%d %s", status, body)
	}
	if _, err := chimesdkidentity.New(n.session(t, "http", n.RootKeys())).ListAppInstances(&chimesdkidentity.ListAppInstancesInput{}); err != nil {
		t.Fatal(err)
	}
	_, metrics := get(t, client, "http://"+n.OpsAddr()+"/metrics")
	for _, want := range []string{
		`carillon_requests_total{operation="ListAppInstances",status="200"} 1`, `carillon_build_info{version="test"} 1`,
		"carillon_store_commits_total ", `carillon_store_update_seconds_bucket{le="0.01"} `, "carillon_realtime_sessions 0", "carillon_sockets_open 0",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %q", want)
		}
	}
	for _, path := range []string{"/metrics", "/readyz", "/debug/pprof/"} {
		if status, _ := get(t, client, "http://"+n.PublicHost()+path); status == 200 {
			t.Errorf("%s is on the public port", path)
		}
	}
}

// The operations port has no authentication, so no page in a browser may read it.
func TestOperationsPortAnswersNoWebPage(t *testing.T) {
	local, open := start(t, lab.Settings(t, config.Dev, nil)), start(t, lab.Settings(t, config.Serve, map[string]string{"ops-listen": "0.0.0.0:0"}))
	if log := open.Log.String(); !strings.Contains(log, "operations port is open to other machines") || strings.Contains(local.Log.String(), "is open to") {
		t.Errorf("the log of the open one: %s", log)
	}
	for _, test := range []struct {
		name, host  string
		header      [2]string
		local, open int
	}{
		{"a program", "", [2]string{}, 200, 200},
		{"own page", "", [2]string{"Sec-Fetch-Site", "same-origin"}, 200, 200},
		{"another name", "metrics.example", [2]string{}, 403, 200},
		{"another site", "", [2]string{"Origin", "http://evil.example"}, 403, 403},
		{"another local server", "", [2]string{"Origin", "http://localhost:3000"}, 403, 403},
		{"frame or image of another site", "", [2]string{"Sec-Fetch-Site", "cross-site"}, 403, 403},
	} {
		for n, want := range map[*node]int{&local: test.local, &open: test.open} {
			_, port, _ := net.SplitHostPort(n.OpsAddr())
			for _, path := range []string{"/metrics", "/readyz", "/debug/pprof/cmdline"} {
				r, _ := http.NewRequest("GET", "http://localhost:"+port+path, nil)
				if r.URL.Host = "127.0.0.1:" + port; test.host != "" {
					r.Host = test.host
				}
				if test.header[0] != "" {
					r.Header.Set(test.header[0], test.header[1])
				}
				resp, err := n.HTTP.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				if resp.StatusCode != want {
					t.Errorf("%s, %s at %s: %d, want %d", test.name, path, n.Config.OpsListen, resp.StatusCode, want)
				}
			}
		}
	}
}

func TestOperationsPortSwitchedOff(t *testing.T) {
	n := start(t, lab.Settings(t, config.Dev, map[string]string{"ops-listen": ""}))
	if n.OpsAddr() != "" {
		t.Errorf("it is at %s", n.OpsAddr())
	}
}

func TestChatPage(t *testing.T) {
	n := start(t, lab.Settings(t, config.Dev, nil))
	for _, scheme := range []string{"http", "https"} {
		if status, body := get(t, n.HTTP, scheme+"://"+n.PublicHost()+"/chat"); status != 200 || !strings.Contains(body, "<html") {
			t.Errorf("%s: %d", scheme, status)
		}
	}
	if status, body := get(t, n.HTTP, "http://"+n.PublicHost()+"/_carillon/chat"); status != 200 || !strings.Contains(body, n.Seeded().AppInstanceARN) {
		t.Errorf("%d %s", status, body)
	}
}

func TestOwnCertificate(t *testing.T) {
	first := start(t, lab.Settings(t, config.Dev, nil)) // lends its certificate
	dir := filepath.Dir(first.CAFile())
	n := start(t, lab.Settings(t, config.Serve, map[string]string{
		"tls-cert": filepath.Join(dir, "server.pem"), "tls-key": filepath.Join(dir, "server-key.pem")}))
	if n.CAFile() != "" {
		t.Errorf("a CA is made beside one's own certificate: %s", n.CAFile())
	}
	if status, _ := get(t, first.HTTP, "https://"+n.PublicHost()+"/chat/"); status != 200 {
		t.Errorf("%d", status)
	}
}

func TestConnectionsThatAskNothingDoNotDelayTheStop(t *testing.T) {
	n := start(t, lab.Settings(t, config.Dev, map[string]string{"drain-timeout": "4s"})) // http.Server alone waits 5 s
	conn, err := net.Dial("tcp", n.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if status, _ := get(t, n.HTTP, "http://"+n.PublicHost()+"/chat/"); status != 200 { // accepted after conn
		t.Fatal(status)
	}
	n.Stop() // complains when the time is exceeded
}

// Load balancers are told first and given time, in which clients notice nothing.
func TestAStopIsAnnouncedBeforeAnythingEnds(t *testing.T) {
	cfg := lab.Settings(t, config.Dev, map[string]string{"shutdown-delay": "1m", "drain-timeout": "2s"})
	waits, goOn := make(chan time.Duration), make(chan struct{})
	n := node{lab.Start(t, cfg, app.Deps{Wait: func(_ context.Context, d time.Duration) { waits <- d; <-goOn }})}
	conn := n.connect(t, "ws", n.RootKeys(), n.Seeded().UserARNs[0])
	read(t, conn) // SESSION_ESTABLISHED
	client := n.HTTP
	if status, body := get(t, client, "http://"+n.OpsAddr()+"/readyz"); status != 200 {
		t.Errorf("before the stop: %d %s", status, body)
	}
	stopped := make(chan struct{})
	go func() { n.Stop(); close(stopped) }()
	if d := <-waits; d != time.Minute {
		t.Errorf("waits %v", d)
	}
	if status, body := get(t, client, "http://"+n.OpsAddr()+"/readyz"); status != 503 || !strings.Contains(body, "public port: starting or shutting down") {
		t.Errorf("during the delay: %d %s", status, body)
	}
	late := n.connect(t, "wss", n.RootKeys(), n.Seeded().UserARNs[1])
	read(t, late)
	if _, err := chimesdkmessaging.New(n.session(t, "https", n.RootKeys())).SendChannelMessage(&chimesdkmessaging.SendChannelMessageInput{
		ChannelArn: &n.Seeded().ChannelARN, ChimeBearer: &n.Seeded().UserARNs[1], Content: aws.String("still here"),
		Persistence: aws.String("PERSISTENT"), Type: aws.String("STANDARD"),
	}); err != nil {
		t.Errorf("a send during the delay: %v", err)
	}
	if f := read(t, conn); f.Event() != "CREATE_CHANNEL_MESSAGE" || !strings.Contains(f.Payload, "still here") {
		t.Errorf("%s %s", f.Event(), f.Payload)
	}
	var closed sync.WaitGroup
	for _, conn := range []*lab.Socket{conn, late} {
		closed.Go(func() {
			for err := error(nil); ; {
				if _, _, err = conn.Read(context.Background()); err == nil {
					continue // the late one's message
				}
				if websocket.CloseStatus(err) != websocket.StatusServiceRestart {
					t.Errorf("the socket ends with %v", err)
				}
				return
			}
		})
	}
	close(goOn)
	<-stopped
	closed.Wait()
}

// What keeps a node from starting, with the words that lead out of it.
func TestNewRefuses(t *testing.T) {
	running := start(t, lab.Settings(t, config.Dev, nil))
	stranger := t.TempDir()
	if err := os.WriteFile(filepath.Join(stranger, "thesis.odt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		flags map[string]string
		want  []string
	}{
		{"public port taken", map[string]string{"listen": running.Addr()}, []string{"in use", "--listen", "CARILLON_LISTEN"}},
		{"operations port taken", map[string]string{"ops-listen": running.Addr()}, []string{"in use", "--ops-listen"}},
		{"address of another machine", map[string]string{"listen": "192.0.2.1:1", "ops-listen": "", "public-host": "chat.example"}, []string{"listen"}},
		{"data folder of a running node", map[string]string{"data": running.Config.Data}, []string{"in use"}},
		{"data folder of a running node, fresh", map[string]string{"data": running.Config.Data, "fresh": "true"}, []string{"in use"}},
		{"folder of somebody else", map[string]string{"data": stranger, "fresh": "true"}, []string{"not made by Carillon"}},
		{"no certificate", map[string]string{"tls-cert": "absent.pem", "tls-key": "absent.pem"}, []string{"tls-cert", "absent.pem"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			mode := config.Dev
			cfg := lab.Settings(t, mode, map[string]string{})
			all := map[string]string{"listen": "127.0.0.1:0", "ops-listen": "127.0.0.1:0", "data": cfg.Data}
			for k, v := range test.flags {
				all[k] = v
			}
			environ := []string{"CARILLON_ROOT_ACCESS_KEY_ID=AKIASERVE00000000000", "CARILLON_ROOT_SECRET_ACCESS_KEY=a-secret-of-the-test"}
			cfg, err := config.Load(mode, config.Sources{Flags: all, Environ: environ})
			if err != nil {
				t.Fatal(err)
			}
			n, err := app.New(t.Context(), cfg, app.Deps{})
			if err == nil {
				_ = n.Close()
				t.Fatal("started")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "a-secret-of-the-test") {
				t.Errorf("the error holds the secret: %v", err)
			}
		})
	}
	if status, _ := get(t, running.HTTP, "http://"+running.PublicHost()+"/chat/"); status != 200 {
		t.Error("the running node was disturbed")
	}
}

// Under another region or account every ARN of the data would be another one.
func TestDataStaysInItsRegionAndAccount(t *testing.T) {
	cfg := lab.Settings(t, config.Dev, nil)
	start(t, cfg).Stop()
	for name, change := range map[string]func(*config.Config){
		"region":  func(c *config.Config) { c.Region = "eu-central-1" },
		"account": func(c *config.Config) { c.Account = "000000000007" },
	} {
		other := cfg
		change(&other)
		if n, err := app.New(t.Context(), other, app.Deps{}); err == nil {
			_ = n.Close()
			t.Errorf("another %s is taken", name)
		} else if !strings.Contains(err.Error(), "--region us-east-1 --account 000000000000") {
			t.Error(err)
		}
	}
	if err := os.Remove(filepath.Join(cfg.Data, "site.json")); err != nil { // as an older version leaves it
		t.Fatal(err)
	}
	start(t, cfg).Stop()
	other := cfg
	other.Region, other.Fresh = "eu-central-1", true
	start(t, other).Stop()
	other.Fresh = false
	start(t, other).Stop()
}

// What a check finds is what keeps a node from starting, all at once.
func TestCheckFindsWhatNewRefuses(t *testing.T) {
	running := start(t, lab.Settings(t, config.Dev, nil))
	dir := t.TempDir()
	cert, key := certify(t, dir, time.Now().Add(-time.Hour), "chat.example")
	absent := filepath.Join(dir, "absent.pem")
	good := lab.Settings(t, config.Serve, nil)
	if faults, warnings := app.Check(t.Context(), good, time.Now()); faults != nil || warnings != nil {
		t.Errorf("good settings: %v %v", faults, warnings)
	}
	if _, err := os.Stat(good.Data); err == nil {
		t.Error("the check made the data folder")
	}
	bad := lab.Settings(t, config.Serve, map[string]string{"listen": running.Addr(), "ops-listen": running.OpsAddr(), "data": running.Config.Data, "tls-cert": absent, "tls-key": key})
	faults, _ := app.Check(t.Context(), bad, time.Now())
	for i, want := range []string{"--listen", "--ops-listen", "in use by another Carillon process", "absent.pem"} {
		if i >= len(faults) || !strings.Contains(faults[i].Error(), want) {
			t.Errorf("no fault says %q: %q", want, faults)
		}
	}
	stranger := t.TempDir()
	if err := os.WriteFile(filepath.Join(stranger, "thesis.odt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, data := range map[string]string{"not made by Carillon": stranger, "not a directory": filepath.Join(cert, "data")} {
		faults, _ := app.Check(t.Context(), lab.Settings(t, config.Serve, map[string]string{"data": data}), time.Now())
		if len(faults) != 1 || !strings.Contains(faults[0].Error(), want) {
			t.Errorf("%s: %q", want, faults)
		}
	}
	running.Stop()
	elsewhere := lab.Settings(t, config.Serve, map[string]string{"data": running.Config.Data, "region": "eu-central-1"})
	if faults, _ := app.Check(t.Context(), elsewhere, time.Now()); len(faults) != 1 || !strings.Contains(faults[0].Error(), "--region us-east-1") {
		t.Errorf("another region: %q", faults)
	}
	old := lab.Settings(t, config.Serve, map[string]string{"tls-cert": cert, "tls-key": key, "public-host": "localhost"})
	if faults, warnings := app.Check(t.Context(), old, time.Now()); faults != nil || len(warnings) != 2 {
		t.Errorf("an expired certificate of another host: %q %q", faults, warnings)
	}
}

func TestNewWithoutRunLeavesNothingOpen(t *testing.T) {
	cfg := lab.Settings(t, config.Dev, nil)
	n, err := app.New(t.Context(), cfg, app.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	start(t, cfg) // the folder is free again
}

func TestSecretsStayOutOfTheLog(t *testing.T) {
	n := start(t, lab.Settings(t, config.Dev, map[string]string{"log-level": "debug"}))
	keys := n.UserKeys(t, "alice")
	conn := n.connect(t, "wss", keys, n.Seeded().UserARNs[0])
	read(t, conn)
	_ = conn.CloseNow()
	wrong := n.RootKeys()
	wrong.SecretAccessKey = "another-secret-that-is-wrong"
	if got, err := n.Peer().As(wrong).Send(t.Context(), "GET", "/app-instances", "", nil); err != nil || got.Status/100 != 4 {
		t.Errorf("a wrong secret: %d %v", got.Status, err)
	}
	n.Stop()
	for _, secret := range []string{keys.SecretAccessKey, keys.SessionToken, config.DevSecretAccessKey, "X-Amz-Signature", "another-secret"} {
		if strings.Contains(n.Log.String(), secret) {
			t.Errorf("the log holds %s:\n%s", secret, n.Log)
		}
	}
}

// What is stored is sealed under the root secret: another one needs the former one's help, once.
func TestChangedRootSecret(t *testing.T) {
	cfg := lab.Settings(t, config.Serve, nil)
	start(t, cfg).Stop()
	former := cfg.RootSecretAccessKey
	cfg.RootSecretAccessKey = config.NewSecret("another-secret-of-the-test")
	_, err := app.New(t.Context(), cfg, app.Deps{})
	if err == nil || !strings.Contains(err.Error(), "root-secret-access-key-previous") {
		t.Fatalf("got %v", err)
	}
	cfg.RootSecretAccessKeyPrevious = former
	start(t, cfg).Stop()
	cfg.RootSecretAccessKeyPrevious = config.Secret{}
	start(t, cfg).Stop()
}
