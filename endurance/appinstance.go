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

// appInstance is an app instance with what its users are to get. Users and admins change
// between rounds alone, when no worker makes calls.
type appInstance struct {
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
	deleted  map[string]uint64             // channel ARN -> when the latest call was answered that deleted it
	retained bool                          // messages are hidden when they are a day old

	sockets []*socket
	opened  int

	resumable []*socket // that have ended, for the worker that opens others
	resumed   int
}

// entry is an event that a user is to get.
type entry struct {
	call    uint64 // that caused it
	line    string
	channel string // ARN
}

func newAppInstance(ctx context.Context, p lab.Peer, name string, users []string) (*appInstance, error) {
	a := &appInstance{
		Peer: p, name: name, users: users, gone: map[string]bool{}, admins: map[string]bool{}, flows: map[string]string{},
		due: map[string]map[string][]entry{}, kinds: map[string]int{}, versions: map[string][]version{}, stored: map[string]map[string]version{},
		deleted: map[string]uint64{},
	}

	var app struct{ AppInstanceArn string }
	if err := p.Call(ctx, http.MethodPost, "/app-instances", "", object{"Name": name, "ClientRequestToken": uuid.NewString()}, &app); err != nil {
		return nil, err
	}
	a.arn = app.AppInstanceArn

	for _, id := range users {
		if err := a.addUser(ctx, id); err != nil {
			return nil, err
		}
	}

	// A flow for each fallback action. Its function does not exist, so the fallback decides.
	for _, fallback := range []string{"CONTINUE", "ABORT"} {
		var flow struct{ ChannelFlowArn string }
		err := p.Call(ctx, http.MethodPost, "/channel-flows", "", object{
			"AppInstanceArn": a.arn, "Name": fallback, "ClientRequestToken": uuid.NewString(),
			"Processors": []object{{
				"Name": "p", "ExecutionOrder": 1, "FallbackAction": fallback,
				"Configuration": object{"Lambda": object{"InvocationType": "ASYNC", "ResourceArn": "arn:aws:lambda:us-east-1:000000000000:function:nobody"}},
			}},
		}, &flow)
		if err != nil {
			return nil, err
		}
		a.flows[fallback] = flow.ChannelFlowArn
	}
	return a, nil
}

func (a *appInstance) addUser(ctx context.Context, id string) error {
	delete(a.gone, id)
	return a.Call(ctx, http.MethodPost, "/app-instance-users", "", object{
		"AppInstanceArn": a.arn, "AppInstanceUserId": id, "Name": id, "ClientRequestToken": uuid.NewString(),
	}, nil)
}

func (a *appInstance) user(id string) string { return a.arn + "/user/" + id }

func (a *appInstance) userARNs(ids []string) (arns []string) {
	for _, id := range ids {
		arns = append(arns, a.user(id))
	}
	return arns
}

func (a *appInstance) channel(id string) string { return a.arn + "/channel/" + id }

// expect notes what a call caused.
func (a *appInstance) expect(call uint64, channel string, events []expected) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range events {
		a.kinds[e.kind()] += len(e.to)
		for _, who := range e.to {
			if a.due[who] == nil {
				a.due[who] = map[string][]entry{}
			}
			a.due[who][channel] = append(a.due[who][channel], entry{call, e.line, channel})
		}
	}
}

// setAdmin changes a role that counts in every channel.
func (a *appInstance) setAdmin(ctx context.Context, id string, admin bool) error {
	path := "/app-instances/" + lab.Escape(a.arn) + "/admins"
	if admin {
		a.admins[id] = true
		return a.Call(ctx, http.MethodPost, path, "", object{"AppInstanceAdminArn": a.user(id)}, nil)
	}
	delete(a.admins, id)
	return a.Call(ctx, http.MethodDelete, path+"/"+lab.Escape(a.user(id)), "", nil, nil)
}

// removeUser deletes a user, whose sockets are closed and whose next connect is refused.
func (a *appInstance) removeUser(ctx context.Context, id string) error {
	a.gone[id] = true
	delete(a.admins, id)
	if err := a.Call(ctx, http.MethodDelete, "/app-instance-users/"+lab.Escape(a.user(id)), "", nil, nil); err != nil {
		return err
	}

	// The open sockets of the user are closed, and got no other event of its removal than their own.
	for _, s := range a.socketsOf(id) {
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

	// New connections are refused.
	a.resumable = slices.DeleteFunc(a.resumable, func(s *socket) bool { return s.user == id })
	s, err := a.open(ctx, id, opening{})
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

func (a *appInstance) socketsOf(id string) (of []*socket) {
	for _, s := range a.everySocket() {
		if s.user == id {
			of = append(of, s)
		}
	}
	return of
}

// closeSockets ends all that are open.
func (a *appInstance) closeSockets() {
	for _, s := range a.everySocket() {
		if !s.left {
			s.close()
		}
	}
}
