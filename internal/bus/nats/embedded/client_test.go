package embedded

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/nats-io/nats.go"
)

// No client gets in but that of the process.
func TestTheClientPortRefusesAll(t *testing.T) {
	s, err := Start(Options{Name: "test", Listen: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, option := range []nats.Option{nats.Name("none"), nats.UserInfo(user, ""), nats.Token("any")} {
		conn, err := nats.Connect(s.server.ClientURL(), option)
		if !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("got %v", err)
		}
		if err == nil {
			conn.Close()
		}
	}
	conn, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
