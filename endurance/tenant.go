package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/carillon-chat/carillon/internal/lab"
)

// tenant is one app instance with what its users are to get. Who is a user and who an admin changes
// between rounds alone, when no lane makes calls.
type tenant struct {
	lab.Peer
	name   string
	arn    string
	users  []string // ids
	gone   map[string]bool
	admins map[string]bool
	flows  map[string]string // fallback action -> ARN

	begun atomic.Uint64 // calls

	mu    sync.Mutex
	due   map[string]map[string][]entry // user -> channel ARN -> in order
	kinds map[string]int                // events by type that were due

	versions map[string][]version          // of messages, by id, in their order
	stored   map[string]map[string]version // channel ARN -> id -> the present version
	retained bool                          // messages are hidden when they are a day old

	sockets []*socket
	opened  int

	resumable []*socket // that have ended, for the lane that opens others
	resumed   int
}

// entry is an event that somebody is to get.
type entry struct {
	call uint64 // that caused it
	line string
}

func newTenant(ctx context.Context, p lab.Peer, name string, users []string) (*tenant, error) {
	t := &tenant{
		Peer: p, name: name, users: users, gone: map[string]bool{}, admins: map[string]bool{}, flows: map[string]string{},
		due: map[string]map[string][]entry{}, kinds: map[string]int{}, versions: map[string][]version{}, stored: map[string]map[string]version{},
	}
	var app struct{ AppInstanceArn string }
	if err := p.Call(ctx, http.MethodPost, "/app-instances", "", object{"Name": name, "ClientRequestToken": uuid.NewString()}, &app); err != nil {
		return nil, err
	}
	t.arn = app.AppInstanceArn
	for _, id := range users {
		if err := t.addUser(ctx, id); err != nil {
			return nil, err
		}
	}
	for _, fallback := range []string{"CONTINUE", "ABORT"} {
		var flow struct{ ChannelFlowArn string }
		err := p.Call(ctx, http.MethodPost, "/channel-flows", "", object{
			"AppInstanceArn": t.arn, "Name": fallback, "ClientRequestToken": uuid.NewString(),
			"Processors": []object{{
				"Name": "p", "ExecutionOrder": 1, "FallbackAction": fallback,
				"Configuration": object{"Lambda": object{"InvocationType": "ASYNC", "ResourceArn": "arn:aws:lambda:us-east-1:000000000000:function:nobody"}},
			}},
		}, &flow)
		if err != nil {
			return nil, err
		}
		t.flows[fallback] = flow.ChannelFlowArn
	}
	return t, nil
}

func (t *tenant) addUser(ctx context.Context, id string) error {
	delete(t.gone, id)
	return t.Call(ctx, http.MethodPost, "/app-instance-users", "", object{
		"AppInstanceArn": t.arn, "AppInstanceUserId": id, "Name": id, "ClientRequestToken": uuid.NewString(),
	}, nil)
}

func (t *tenant) user(id string) string { return t.arn + "/user/" + id }

func (t *tenant) userARNs(ids []string) (arns []string) {
	for _, id := range ids {
		arns = append(arns, t.user(id))
	}
	return arns
}

func (t *tenant) channel(id string) string { return t.arn + "/channel/" + id }

// tell notes what a call caused.
func (t *tenant) tell(call uint64, channel string, events []telling) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range events {
		t.kinds[e.kind()] += len(e.to)
		for _, who := range e.to {
			if t.due[who] == nil {
				t.due[who] = map[string][]entry{}
			}
			t.due[who][channel] = append(t.due[who][channel], entry{call, e.line})
		}
	}
}

// setAdmin changes a role that counts in every channel.
func (t *tenant) setAdmin(ctx context.Context, id string, admin bool) error {
	path := "/app-instances/" + lab.Escape(t.arn) + "/admins"
	if admin {
		t.admins[id] = true
		return t.Call(ctx, http.MethodPost, path, "", object{"AppInstanceAdminArn": t.user(id)}, nil)
	}
	delete(t.admins, id)
	return t.Call(ctx, http.MethodDelete, path+"/"+lab.Escape(t.user(id)), "", nil, nil)
}

// removeUser deletes a user, whose sockets are closed for good, and who cannot connect any more.
func (t *tenant) removeUser(ctx context.Context, id string) error {
	t.gone[id] = true
	delete(t.admins, id)
	if err := t.Call(ctx, http.MethodDelete, "/app-instance-users/"+lab.Escape(t.user(id)), "", nil, nil); err != nil {
		return err
	}
	for _, s := range t.socketsOf(id) {
		if s.left {
			continue
		}
		if err := s.closedWith(ctx, 4003); err != nil {
			return fmt.Errorf("%s was deleted: %w", id, err)
		}
		if err := s.onlyOwn("DELETE_CHANNEL_MEMBERSHIP SYSTEM"); err != nil {
			return err
		}
	}
	t.resumable = slices.DeleteFunc(t.resumable, func(s *socket) bool { return s.user == id })
	s, err := t.open(ctx, id, opening{})
	if err == nil {
		s.close()
		return fmt.Errorf("%s was deleted and can connect", id)
	}
	var ended *endError
	if errors.As(err, &ended) && ended.code == 4401 {
		return nil
	}
	return fmt.Errorf("%s was deleted; connecting: %w", id, err)
}

func (t *tenant) socketsOf(id string) (of []*socket) {
	for _, s := range t.everySocket() {
		if s.user == id {
			of = append(of, s)
		}
	}
	return of
}

// closeSockets ends all that are open.
func (t *tenant) closeSockets() {
	for _, s := range t.everySocket() {
		if !s.left {
			s.close()
		}
	}
}
