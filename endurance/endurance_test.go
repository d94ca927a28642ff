package main

import (
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/lab"
)

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" { // it started itself in a network of its own
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// TestIsolation makes the calls of a few rounds of a seed that causes every kind of event.
func TestIsolation(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), []string{"isolation", "-rounds", "6", "-seed", "1"}, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, kind := range everyKind {
		if strings.Contains(out.String(), "        0 "+kind+"\n") {
			t.Errorf("no %s was due", kind)
		}
	}
	if strings.Contains(out.String(), "of which 0 resumed") {
		t.Error("no socket was resumed")
	}
	t.Log(&out)
}

func TestCuts(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program and kills it for 12 s")
	}
	var out strings.Builder
	err := run(t.Context(), []string{"cuts", "-for", "12s", "-sessions", "15", "-channels", "14", "-rate", "40",
		"-pause", "3s", "-freeze-least", "500ms", "-freeze-most", "2500ms", "-liveness", "1500ms"}, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	t.Log(&out)
	if strings.Contains(out.String(), "NOT TESTED") && os.Getenv("CI") == "true" {
		t.Error("a part was not tested, see above")
	}
}

func TestProcessing(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program and kills it, and what it calls, for 10 s")
	}
	var out strings.Builder
	err := run(t.Context(), []string{"processing", "-for", "10s", "-users", "5", "-copies", "1", "-rate", "25", "-seed", "7",
		"-pause", "3s", "-away", "2s", "-liveness", "1500ms"}, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, what := range []string{"PENDING_CREATE_CHANNEL_MESSAGE:", "FAILED_CREATE_CHANNEL_MESSAGE:", "PENDING_UPDATE_CHANNEL_MESSAGE:"} {
		if !strings.Contains(out.String(), what) {
			t.Errorf("no session was sent %s", what)
		}
	}
	t.Log(&out)
}

// TestProcess: the commands that kill the node can start it again where it was.
func TestProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program")
	}
	program, err := lab.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	data, listen := t.TempDir(), "127.0.0.1:0"
	for _, end := range []func(*lab.Process) error{(*lab.Process).Kill, (*lab.Process).Stop} {
		node, err := lab.Launch(t.Context(), program, data, "--listen", listen)
		if err != nil {
			t.Fatal(err)
		}
		listen = node.Addr
		p := lab.Dev(node.Addr, 0)
		if err := p.Call(t.Context(), "GET", "/app-instances", "", nil, nil); err != nil {
			t.Error(err)
		}
		p.Close()
		if err := end(node); err != nil {
			t.Error(err)
		}
	}
}
