package bus

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/chime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is a log and a subscription whose next answers are given.
type script struct {
	events   []*chime.Event
	messages []Message
	err      error
}

type scriptedLog struct{ *script }

func (s scriptedLog) Poll() (events []*chime.Event, _ <-chan struct{}, _ error) {
	events, s.events = s.events, nil
	return events, nil, s.err
}

func (scriptedLog) Close() {}

type scriptedBus struct{ *script }

func (s scriptedBus) Poll() (messages []Message, _ <-chan struct{}) {
	messages, s.messages = s.messages, nil
	return messages, nil
}

func (scriptedBus) Close() {}

func message(after uint64, events ...chime.Event) Message { return Message{after, Own(events)} }

// A message whose log does not come is handed out after a while, with all that wait behind it.
func TestAMessageWaitsABoundedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		given := &script{messages: []Message{message(9, chime.Event{Type: "a"}), message(1, chime.Event{Type: "b"})}}
		s := NewStream(scriptedLog{given}, 3, scriptedBus{given})
		start := time.Now()
		events, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(events) != 2 || events[0].Type != "a" || events[1].Type != "b" || events[0].Position != 3 {
			t.Errorf("got %+v", events)
		}
		if waited := time.Since(start); waited != maxHold {
			t.Errorf("after %s", waited)
		}
	})
}

// What is about to be removed is not handed out with its content.
func TestNothingRemovedIsHandedOut(t *testing.T) {
	say := func(channel, text string) chime.Event {
		return chime.Event{Type: chime.EventCreateMessage, Topic: chime.Topic{App: "A", Channel: channel}, Object: text, Payload: []byte(text)}
	}
	removal := &chime.Event{Position: 5, Type: chime.EventDeleteChannel, Topic: chime.Topic{App: "A", Channel: "c"}}
	shared := message(4, say("c", "gone"), say("d", "stays"))
	given := &script{events: []*chime.Event{{Position: 4}, removal}, messages: []Message{shared, message(5, say("c", "later"))}}
	s := NewStream(scriptedLog{given}, 3, scriptedBus{given})
	events, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range events {
		told = append(told, string(e.Payload))
	}
	if want := []string{"", "", "stays", "", "later"}; !slices.Equal(told, want) {
		t.Errorf("got %q, want %q", told, want)
	}
	if shared.Events[0].Payload == nil {
		t.Error("an event that others share was changed")
	}
}

func TestAStreamEndsWithItsLog(t *testing.T) {
	given := &script{err: errors.New("gone")}
	if _, err := NewStream(scriptedLog{given}, 0, scriptedBus{given}).Next(t.Context()); err != given.err {
		t.Errorf("got %v", err)
	}
	given.err = nil
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := NewStream(scriptedLog{given}, 0, scriptedBus{given}).Next(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
