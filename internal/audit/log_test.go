package audit_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/audit"
	"github.com/carillon-chat/carillon/internal/chime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var site = chime.Site{Region: "us-east-1", Account: "123456789012"}

// disk is an Out that can be full, or so slow that it does nothing.
type disk struct {
	mu   sync.Mutex
	text strings.Builder
	full bool
	slow chan struct{} // a write waits until it is closed; nil does not
}

func (d *disk) Write(lines []byte) (int, error) {
	d.mu.Lock()
	full, slow := d.full, d.slow
	d.mu.Unlock()
	if slow != nil {
		<-slow
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if full {
		return 0, errors.New("no space left")
	}
	return d.text.Write(lines)
}

func (d *disk) Sync() error { return nil }

func (d *disk) set(full bool, slow chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full, d.slow = full, slow
}

// names are what the lines are about, in order: the request id of calls, the name of others. The number
// of lost ones is behind theirs.
func (d *disk) names(t *testing.T) (names []string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for line := range strings.Lines(d.text.String()) {
		var e struct {
			EventName, RequestID string
			ServiceEventDetails  struct{ Lost int }
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		name := e.RequestID
		if name == "" {
			name = e.EventName
		}
		if n := e.ServiceEventDetails.Lost; n > 0 {
			name += fmt.Sprint(" ", n)
		}
		names = append(names, name)
	}
	return names
}

func (d *disk) expect(t *testing.T, want string) {
	t.Helper()
	if got := strings.Join(d.names(t), ", "); got != want {
		t.Errorf("lines %s\nwant %s", got, want)
	}
}

// call is a line of about 600 bytes.
func call(id string) *audit.Call {
	return &audit.Call{
		Time: time.Now(), RequestID: id, Service: "chime", Name: "DeleteChannel",
		Source: access.Source{Remote: "192.0.2.1:4711", UserAgent: strings.Repeat("x", 100)}, Status: 204,
	}
}

// inLog runs a test with a log whose queue has room for two calls.
func inLog(t *testing.T, wait time.Duration, test func(t *testing.T, d *disk, l *audit.Log, stop func() error)) {
	synctest.Test(t, func(t *testing.T) {
		d := new(disk)
		l := audit.New(audit.Options{Site: site, Out: d, QueueBytes: 1500, Wait: wait, Random: rand.Reader})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.Run(ctx) }()
		synctest.Wait()
		test(t, d, l, sync.OnceValue(func() error { cancel(); return <-ended }))
	})
}

func TestLinesComeInOrderAndAllAtTheEnd(t *testing.T) {
	inLog(t, time.Second, func(t *testing.T, d *disk, l *audit.Log, stop func() error) {
		for i := range 5 {
			l.Record(call(fmt.Sprint(i)))
			synctest.Wait()
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		d.expect(t, "StartLogging, 0, 1, 2, 3, 4, StopLogging")
		if s := l.Stats(); s.Written != 7 || s.Lost != 0 || s.QueuedBytes != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestASlowDisk: a call waits for room, and goes on as soon as there is some.
func TestASlowDisk(t *testing.T) {
	inLog(t, time.Minute, func(t *testing.T, d *disk, l *audit.Log, stop func() error) {
		slow := make(chan struct{})
		d.set(false, slow)
		for i := range 3 { // one is being written, two wait
			l.Record(call(fmt.Sprint(i)))
			synctest.Wait()
		}
		began, done := time.Now(), make(chan time.Duration)
		go func() { l.Record(call("3")); done <- time.Since(began) }()
		time.Sleep(20 * time.Second)
		d.set(false, nil)
		close(slow)
		if waited := <-done; waited != 20*time.Second {
			t.Errorf("it waited %v", waited)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		d.expect(t, "StartLogging, 0, 1, 2, 3, StopLogging")
		if s := l.Stats(); s.Waited != 1 || s.Lost != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestAFullDisk: one call waits as long as the setting says, the next ones do not; a line says how many
// are lost, and when there is room again lines go on.
func TestAFullDisk(t *testing.T) {
	inLog(t, time.Second, func(t *testing.T, d *disk, l *audit.Log, stop func() error) {
		d.set(true, nil)
		for i := range 3 {
			l.Record(call(fmt.Sprint(i)))
			synctest.Wait()
		}
		if l.Err() == nil {
			t.Error("the failure is not reported")
		}
		for i, want := range []time.Duration{time.Second, 0, 0} {
			began := time.Now()
			l.Record(call(fmt.Sprint("lost ", i)))
			if waited := time.Since(began); waited != want {
				t.Errorf("call %d waited %v, want %v", i, waited, want)
			}
		}
		d.set(false, nil)
		time.Sleep(2 * time.Second) // the next try
		synctest.Wait()
		l.Record(call("after"))
		synctest.Wait()
		if err := l.Err(); err != nil {
			t.Error(err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		d.expect(t, "StartLogging, 0, 1, 2, LoseEvents 3, after, StopLogging")
		if s := l.Stats(); s.Lost != 3 || s.Failures == 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestNoWait(t *testing.T) {
	inLog(t, 0, func(t *testing.T, d *disk, l *audit.Log, stop func() error) {
		d.set(true, nil)
		began := time.Now()
		for i := range 5 {
			l.Record(call(fmt.Sprint(i)))
			synctest.Wait()
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("calls waited %v", waited)
		}
		d.set(false, nil)
		if err := stop(); err != nil {
			t.Error(err)
		}
		d.expect(t, "StartLogging, 0, 1, 2, LoseEvents 2, StopLogging")
	})
}

// TestAStopWithAFullDisk: it waits for nothing, and says how many lines are missing.
func TestAStopWithAFullDisk(t *testing.T) {
	inLog(t, time.Second, func(t *testing.T, d *disk, l *audit.Log, stop func() error) {
		d.set(true, nil)
		l.Record(call("0"))
		synctest.Wait()
		l.Record(call("1"))
		if err := stop(); err == nil || !strings.Contains(err.Error(), "2 lines") || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("got %v", err)
		}
		d.expect(t, "StartLogging")
	})
}

// TestServiceEvents: what the service did by itself has a line with the same id each time.
// TestAStopWhileCallsWait: a stop releases calls that wait for room, also when they filled the queue before the
// log ran.
func TestAStopWhileCallsWait(t *testing.T) {
	d := new(disk)
	slow := make(chan struct{})
	l := audit.New(audit.Options{Site: site, Out: d, QueueBytes: 1500, Wait: time.Hour, Random: rand.Reader})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	d.set(false, slow)
	go func() { ended <- l.Run(ctx) }()
	var calls sync.WaitGroup
	for i := range 20 {
		calls.Go(func() { l.Record(call(fmt.Sprint(i))) })
	}
	for l.Stats().QueuedBytes < 1000 { // most wait
		runtime.Gosched()
	}
	cancel()
	close(slow)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	calls.Wait()
}

func TestServiceEvents(t *testing.T) {
	d := new(disk)
	l := audit.New(audit.Options{Site: site, Out: d, Random: rand.Reader})
	f := l.Follower()
	at := chime.At(time.Date(2026, 11, 30, 9, 40, 0, 0, time.UTC))
	events := []*chime.Event{
		{Position: 7, Time: at, Type: chime.EventExpireChannel, Topic: chime.Topic{App: "app", Channel: "uid"}, ChannelID: "c"},
		{Position: 8, Time: at, Type: chime.EventExpireUser, Topic: chime.Topic{App: "app"}, Subject: "user/ann"},
	}
	for _, e := range events {
		if !f.Wants(e) {
			t.Errorf("%s is not wanted", e.Type)
		}
	}
	if f.Wants(&chime.Event{Type: chime.EventDeleteChannel}) {
		t.Error("a deletion by a caller is wanted")
	}
	for range 2 {
		if err := f.Handle(t.Context(), "app", events); err != nil {
			t.Fatal(err)
		}
	}
	const form = `{"eventVersion":"1.08","userIdentity":{"accountId":"123456789012","invokedBy":"chime.amazonaws.com"},` +
		`"eventTime":"2026-11-30T09:40:00Z","eventSource":"chime.amazonaws.com","eventName":"%s","awsRegion":"us-east-1",` +
		`"sourceIPAddress":"chime.amazonaws.com","userAgent":"chime.amazonaws.com","requestParameters":null,"responseElements":null,` +
		`"eventID":"%s","readOnly":false,"resources":[{"accountId":"123456789012","type":"%s",` +
		`"ARN":"arn:aws:chime:us-east-1:123456789012:app-instance/app/%s"}],"eventType":"AwsServiceEvent","managementEvent":true,` +
		`"recipientAccountId":"123456789012","eventCategory":"Management"}` + "\n"
	once := fmt.Sprintf(form, "ExpireChannel", "bfbe1f3c-7d53-585d-a9c7-41aa7ae0e4af", "AWS::Chime::Channel", "channel/c") +
		fmt.Sprintf(form, "ExpireAppInstanceUser", "4d782464-6573-586c-a73a-b7cbe71f152d", "AWS::Chime::AppInstanceUser", "user/ann")
	if got := d.text.String(); got != once+once {
		t.Errorf("%s\nwant %s", got, once)
	}
	d.set(true, nil)
	if err := f.Handle(t.Context(), "app", events); err == nil {
		t.Error("a full disk is no failure")
	}
}
