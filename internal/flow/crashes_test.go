package flow_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/flow"
	"github.com/carillon-chat/carillon/internal/message"
	"github.com/carillon-chat/carillon/internal/store"
)

// TestCrashesAtEachStep ends the node at each step of messages that go through processors of every kind: when a processor is
// invoked, when it has called back, and when an invocation is given up. Each message ends as it does without a crash, and its
// processor is invoked again under the same CallbackId alone.
func TestCrashesAtEachStep(t *testing.T) {
	const want = "p later now, m later now"
	var calm []string
	for step := 0; ; step++ {
		reached := step == 0 // without a crash
		within(t, func(b *bed) {
			var mu sync.Mutex
			n, crashed := 0, false
			at := func() { // a step
				mu.Lock()
				defer mu.Unlock()
				if n++; n == step {
					reached, crashed = true, true
					b.kill()
				}
			}
			callbacks := map[string]string{} // CallbackId by what is invoked
			var waiting []invoked
			processor := func(name string, answer func(in invoked) (string, error)) {
				b.is(name, func(in invoked) (string, error) {
					at()
					mu.Lock()
					what := name + " of " + in.ChannelMessage.Content
					if before, again := callbacks[what]; again && before != in.CallbackID {
						t.Errorf("step %d: %s is invoked as %s and %s", step, what, before, in.CallbackID)
					}
					callbacks[what] = in.CallbackID
					mu.Unlock()
					return answer(in)
				})
			}
			processor("bad", func(invoked) (string, error) { return "", errors.New("503") })
			processor("later", func(in invoked) (string, error) {
				mu.Lock()
				defer mu.Unlock()
				waiting = append(waiting, in)
				return "", nil
			})
			processor("now", func(in invoked) (string, error) {
				if strings.HasPrefix(in.ChannelMessage.Content, "d") {
					return `{"DeleteResource":true}`, nil
				}
				return `{"ChannelMessage":{"Content":"` + in.ChannelMessage.Content + ` now"}}`, nil
			})
			b.flowOf("bad later now")
			for _, content := range []string{"p", "d", "m"} {
				b.say(content)
			}

			// Until nothing happens any more: a node that ended starts, and what waits is called back for.
			for range 6 {
				time.Sleep(time.Minute)
				synctest.Wait()
				mu.Lock()
				down, calls := crashed, waiting
				crashed, waiting = false, nil
				mu.Unlock()
				for _, in := range calls {
					at()
					b.expect("callback", b.call(in, says(in.ChannelMessage.Content+" later")), "ok")
					at()
				}
				mu.Lock()
				down, crashed = down || crashed, false
				mu.Unlock()
				if down {
					b.stop()
					b.start()
				}
			}

			if got := b.sees("cy"); got != want || b.sees("bob") != want {
				t.Errorf("step %d: cy lists %s, bob %s, want %s", step, got, b.sees("bob"), want)
			}
			events := b.World.Events()
			if calm == nil {
				calm = events
			}
			if len(events) != len(calm) {
				t.Errorf("step %d: events\n%s\nwant as many as\n%s", step, strings.Join(events, "\n"), strings.Join(calm, "\n"))
			}
		})
		if !reached {
			if step < 20 {
				t.Errorf("there are %d steps", step-1)
			}
			return
		}
	}
}

// TestWhatWaitedIsInvokedFirst: a message that is sent while the node starts is not in front of those that waited.
func TestWhatWaitedIsInvokedFirst(t *testing.T) {
	within(t, func(b *bed) {
		b.is("f", func(invoked) (string, error) { return "", nil })
		b.flowOf("f")
		b.stop()
		b.say("before 1") // it is queued, and then forgotten
		b.say("before 2")
		b.prepare()
		b.say("meanwhile")
		b.run()
		synctest.Wait()
		b.expect("invocations", b.processor.contents(), "[before 1 before 2 meanwhile]")
	})
}

// TestTwoNodes run on one store: both may invoke a processor, under one CallbackId, and one answer
// counts.
func TestTwoNodes(t *testing.T) {
	within(t, func(b *bed) {
		release := make(chan struct{})
		answers := 0
		b.is("f", func(in invoked) (string, error) {
			<-release
			b.processor.mu.Lock()
			defer b.processor.mu.Unlock()
			answers++
			return fmt.Sprintf(`{"ChannelMessage":{"Content":"answer %d"}}`, answers), nil
		})
		b.flowOf("f")
		b.say("hello")
		synctest.Wait() // the first node has invoked the processor

		defer b.second(false)()
		synctest.Wait() // it found the message in the store
		calls := b.processor.take()
		if len(calls) != 2 || calls[0].CallbackID != calls[1].CallbackID {
			t.Errorf("invocations %+v", calls)
		}

		close(release)
		time.Sleep(time.Minute)
		synctest.Wait()
		events := b.World.Events()
		if len(events) != 2 || !strings.HasPrefix(events[1], "CREATE_CHANNEL_MESSAGE to members: answer ") {
			t.Errorf("events %q", events)
		}
		b.expect("cy lists", b.sees("cy"), strings.TrimPrefix(events[1], "CREATE_CHANNEL_MESSAGE to members: "))
		b.expect("later invocations", b.processor.contents(), "[]")
	})
}

// second runs the services of another node over the store, and with shared has it take up what others leave.
func (b *bed) second(shared bool) (stop func()) {
	b.t.Helper()
	clock, err := store.OpenClock(ctx, b.Store)
	if err != nil {
		b.t.Fatal(err)
	}
	queue := flow.NewQueue(b.processor.ends)
	messages := message.New(message.Options{
		Store: b.Store, Bus: b.Bus, Site: b.Site, Now: b.Clock, Random: rand.Reader, Processors: queue, Clock: clock,
	})
	service := flow.New(flow.Options{Store: b.Store, Site: b.Site, Now: b.Clock, Random: rand.Reader, Messages: messages})
	second := flow.NewRunner(flow.RunnerOptions{Queue: queue, Service: service, Log: slog.New(slog.DiscardHandler), Random: rand.Reader, Shared: shared})
	running, cancel := context.WithCancel(ctx)
	var both sync.WaitGroup
	both.Go(func() { _ = second.Run(running) })
	if shared {
		both.Go(func() { _ = second.TakeUp(running) })
	}
	return func() { cancel(); both.Wait() }
}

// Of nodes that share a store one leaves alone what another is at, and takes up what it left when it died.
func TestANodeTakesUpWhatAnotherLeft(t *testing.T) {
	within(t, func(b *bed) {
		died := make(chan struct{})
		b.is("f", func(invoked) (string, error) {
			select {
			case <-died:
				return `{"ChannelMessage":{"Content":"checked"}}`, nil
			default:
				return "", fmt.Errorf("busy")
			}
		})
		b.flowOf("f")
		b.say("hello")
		synctest.Wait()
		b.expect("invocations of the first", b.processor.contents(), "[hello]")
		b.stop()
		close(died)
		defer b.second(true)()
		time.Sleep(flow.LeftAfter / 2)
		b.expect("invocations of the second", b.processor.contents(), "[]")
		time.Sleep(flow.LeftAfter)
		synctest.Wait()
		b.expect("invocations of the second", b.processor.contents(), "[hello]")
		b.expect("cy lists", b.sees("cy"), "checked")
	})
}
