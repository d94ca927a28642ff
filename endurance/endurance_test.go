package main

import (
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestIsolation(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), []string{"isolation"}, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
}

// TestProcess: the commands that kill the node can start it again where it was.
func TestProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program")
	}
	program, err := build(t.Context(), t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	data, listen := t.TempDir(), "127.0.0.1:0"
	for _, end := range []func(*process) error{(*process).kill, (*process).stop} {
		node, err := startProcess(t.Context(), program, data, listen)
		if err != nil {
			t.Fatal(err)
		}
		listen = node.addr
		p := newPeer(node.addr)
		if err := p.call(t.Context(), "GET", "/app-instances", "", nil, nil); err != nil {
			t.Error(err)
		}
		p.close()
		if err := end(node); err != nil {
			t.Error(err)
		}
	}
}
