package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/carillon-chat/carillon/client"
	"github.com/carillon-chat/carillon/internal/config"
)

// sdk is a session of the Go SDK, as a program has it.
type sdk struct {
	*watcher
	client   *client.Client
	userARN  string
	liveness time.Duration
	random   *rand.Rand
	// renews lets the program end its session at times and begin another where that ended, as
	// a process does that is replaced.
	renews bool
	// dawdles lets the program be busy with an event for a while at times.
	dawdles bool
}

// newSDK makes the client that all sessions share.
func newSDK(addr string) (*client.Client, error) {
	return client.New(client.Config{
		Endpoint:    "http://" + addr,
		Credentials: client.StaticCredentials(client.Credentials{AccessKeyID: config.DevAccessKeyID, SecretAccessKey: config.DevSecretAccessKey}),
		HTTPClient: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute,
		}},
	})
}

// eventsBetween is about how many events lie between two renewals, and between two pauses.
const eventsBetween = 300

var errRenewed = errors.New("the program begins another session")

// run keeps the session until ctx ends.
func (s *sdk) run(ctx context.Context) {
	from := ""
	for ctx.Err() == nil {
		err := s.once(ctx, &from)
		if ctx.Err() != nil {
			return
		}
		s.lost(err.Error())
		if !errors.Is(err, errRenewed) {
			s.mu.Lock()
			s.odd = append(s.odd, "gave up: "+err.Error())
			s.mu.Unlock()
			return
		}
	}
}

// once is one session, which begins at from and notes in it where it ends.
func (s *sdk) once(ctx context.Context, from *string) error {
	session, err := s.client.Connect(ctx, client.SessionConfig{
		UserARN: s.userARN, SessionID: s.name, ResumeFrom: *from, Liveness: s.liveness, ConnectTimeout: 2 * s.liveness,
		Reconnect:    &client.Reconnect{First: retryWithin / 4, Longest: retryWithin},
		OnDisconnect: func(err error, _ time.Duration) { s.lost(err.Error()) },
	})
	if err != nil {
		return err
	}
	defer session.Close()
	for e, err := range session.Events(ctx) {
		if err != nil {
			return err
		}
		s.handle(e)
		*from = e.ResumeFrom
		if s.renews && s.random.IntN(eventsBetween) == 0 {
			return errRenewed
		}
		if s.dawdles && s.random.IntN(eventsBetween) == 0 {
			rest(ctx, between(s.random, 0, s.liveness))
		}
	}
	return nil
}

func (s *sdk) handle(e client.Event) {
	switch data := e.Data.(type) {
	case *client.Resumed:
		s.resumed(fmt.Sprint(data.Events, " events"))
		return
	case *client.NotResumed:
		s.notResumed(data.Reason + " " + data.Message)
		return
	}
	switch e.Type {
	case client.EventSessionEstablished:
		s.established()
	case client.EventResumeToken:
	default:
		s.deliver(e.Headers, e.Payload)
	}
}
