//go:build linux

package rig

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/carillon-chat/carillon/internal/lab"
)

// Door is how sockets are opened at a node of dev mode.
type Door struct {
	Addr     string
	Source   string // address that they come from; empty: any
	Prefetch bool
	Endpoint bool        // ask for the endpoint first, as clients do
	Secure   *tls.Config // nil: plaintext
}

// Connect opens a WebSocket as the user and waits until its session is established. What follows
// that first frame stays in the socket.
func (d Door) Connect(user string) (*Socket, error) {
	s, err := DialSocket(d.Addr, d.Source, d.Secure)
	if err != nil {
		return nil, err
	}
	if err := d.establish(s, user); err != nil {
		s.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return s, s.Established()
}

func (d Door) establish(s *Socket, user string) error {
	if d.Endpoint {
		r, err := lab.Dev(d.Addr, 0).Request(context.Background(), http.MethodGet, "/endpoints/messaging-session", "", nil)
		if err == nil {
			err = s.Send(r)
		}
		if err == nil {
			err = s.Answer()
		}
		if err != nil {
			return err
		}
	}

	// The upgrade goes over the same connection as the question for the endpoint, if there was one.
	r, err := d.Upgrade(user)
	if err == nil {
		err = s.Upgrade(r)
	}
	if err == nil {
		_, err = s.Text()
	}
	return err
}

// Upgrade is a presigned request for a WebSocket.
func (d Door) Upgrade(user string) (*http.Request, error) {
	query := []string{"sessionId", strconv.FormatInt(time.Now().UnixNano(), 36)}
	if d.Prefetch {
		query = append(query, "prefetch-on", "connect")
	}
	target, err := lab.Dev(d.Addr, 0).Presign(user, time.Now(), time.Minute, query...)
	if err != nil {
		return nil, err
	}
	return UpgradeRequest(target)
}
