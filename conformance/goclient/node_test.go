package goclient_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/client"
	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
)

// node is the real server in dev mode, in this process, with its users alice and bob.
type node struct {
	listen, data string
	app          *app.App
	stop         func() error // and wait for the end

	endpoint           string // http
	keys               client.CredentialsProvider
	alice, bob, common string // ARNs: of the users and of their channel
}

// runNode starts one on a free port.
func runNode(data string) (*node, error) {
	n := &node{listen: "127.0.0.1:0", data: data}
	err := n.run()
	n.listen = strings.TrimPrefix(n.endpoint, "http://") // where it is found after a restart
	return n, err
}

func (n *node) run() (err error) {
	cfg, err := config.Load(config.Dev, config.Sources{Flags: map[string]string{
		"listen": n.listen, "ops-listen": "127.0.0.1:0", "data": n.data,
	}})
	if err != nil {
		return err
	}
	if n.app, err = app.New(context.Background(), cfg, app.Deps{Log: slog.New(slog.DiscardHandler), Version: "test"}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.app.Run(ctx) }()
	n.stop = func() error {
		cancel()
		err := <-done
		done <- err
		return err
	}
	<-n.app.Ready()
	n.endpoint = "http://" + n.app.Addr()
	n.keys = client.StaticCredentials(client.Credentials{AccessKeyID: cfg.RootAccessKeyID, SecretAccessKey: cfg.RootSecretAccessKey.Reveal()})
	seeded := n.app.Seeded()
	n.alice, n.bob, n.common = seeded.UserARNs[0], seeded.UserARNs[1], seeded.ChannelARN
	return nil
}

func startNode(t *testing.T) *node {
	t.Helper()
	n, err := runNode(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.stop(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// client calls as the user, with the root key.
func (n *node) client(t *testing.T, bearer string) *client.Client {
	t.Helper()
	return n.with(t, client.Config{Bearer: bearer, Credentials: n.keys})
}

func (n *node) with(t *testing.T, cfg client.Config) *client.Client {
	t.Helper()
	if cfg.Endpoint == "" {
		cfg.Endpoint = n.endpoint
	}
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func (n *node) session(t *testing.T, c *client.Client, cfg client.SessionConfig) *client.Session {
	t.Helper()
	s, err := c.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// exchange gets credentials of one user that live for the time, as the chat page does.
func (n *node) exchange(user string, lifetime time.Duration) client.CredentialsProvider {
	return func(ctx context.Context) (client.Credentials, error) {
		body, _ := json.Marshal(map[string]any{"UserId": user, "DurationSeconds": int(lifetime / time.Second)})
		req, err := http.NewRequestWithContext(ctx, "POST", n.endpoint+"/_carillon/credentials", bytes.NewReader(body))
		if err != nil {
			return client.Credentials{}, err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			return client.Credentials{}, err
		}
		defer resp.Body.Close()
		var reply struct {
			ChimeCredentials struct {
				AccessKeyID     string `json:"AccessKeyId"`
				SecretAccessKey string
				SessionToken    string
				Expiration      time.Time
			}
		}
		if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil || resp.StatusCode != 200 {
			return client.Credentials{}, fmt.Errorf("%s: %w", resp.Status, err)
		}
		k := reply.ChimeCredentials
		return client.Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey, SessionToken: k.SessionToken, Expires: k.Expiration}, nil
	}
}

// until gives the next event of the type.
func until(t *testing.T, s *client.Session, typ string) client.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for e, err := range s.Events(ctx) {
		if err != nil {
			t.Fatalf("waiting for %s: %v", typ, err)
		}
		if e.Type == typ {
			return e
		}
	}
	panic("Events ends with an error")
}

func send(t *testing.T, c *client.Client, channel, text string) string {
	t.Helper()
	sent, err := c.SendChannelMessage(t.Context(), &client.SendChannelMessageRequest{
		ChannelARN: channel, Content: text,
		Type: client.ChannelMessageTypeStandard, Persistence: client.ChannelMessagePersistenceTypePersistent,
	})
	if err != nil {
		t.Fatal(err)
	}
	return sent.MessageID
}

// caOf reads the certificate of the node's own authority.
func (n *node) caOf(t *testing.T) []byte {
	t.Helper()
	pem, err := os.ReadFile(n.app.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	return pem
}
