package goclient_test

import (
	"context"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/client"
	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// node is the real server in dev mode, in this process, with its users alice and bob.
type node struct {
	*lab.Node
	endpoint           string // http
	keys               client.CredentialsProvider
	alice, bob, common string // ARNs: of the users and of their channel
}

func nodeOf(n *lab.Node) *node {
	seeded := n.Seeded()
	return &node{
		Node: n, endpoint: "http://" + n.Addr(), keys: client.StaticCredentials(credentialsOf(n.RootKeys())),
		alice: seeded.UserARNs[0], bob: seeded.UserARNs[1], common: seeded.ChannelARN,
	}
}

func credentialsOf(k sigv4.Credentials) client.Credentials {
	return client.Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey, SessionToken: k.SessionToken}
}

func startNode(t *testing.T) *node {
	t.Helper()
	return nodeOf(lab.Start(t, lab.Settings(t, config.Dev, nil), app.Deps{}))
}

// restart stops the node and starts it again where it was.
func (n *node) restart(t *testing.T) {
	t.Helper()
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	cfg := n.Config
	cfg.Listen = n.Addr()
	n.Node = lab.Start(t, cfg, app.Deps{})
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
		keys, expires, err := n.Peer().Exchange(ctx, user, lifetime)
		made := credentialsOf(keys)
		made.Expires = expires
		return made, err
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
