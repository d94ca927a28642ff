package faultnet_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/endurance/faultnet"
)

// insideMirror is set for the test binary in a network of its own.
const insideMirror = "FAULTNET_INSIDE"

// TestMirror starts itself where it may make an interface.
func TestMirror(t *testing.T) {
	if os.Getenv(insideMirror) != "" {
		mirrored(t)
		return
	}
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMirror$", "-test.v", "-test.timeout=60s")
	c.Env = append(os.Environ(), insideMirror+"=1")
	faultnet.Isolated(c)
	out, err := c.CombinedOutput()
	switch text := string(out); {
	case err != nil && (len(out) == 0 || strings.Contains(text, cannot)):
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v %s", err, text)
		}
		t.Skipf("NOT TESTED: this system lets nobody make a network interface: %v %s", err, text)
	case err != nil:
		t.Fatalf("%v\n%s", err, text)
	default:
		t.Log(text)
	}
}

const cannot = "no mirror can be made"

// mirrored sends bytes through a storm, from which TCP has to make the stream that it was.
func mirrored(t *testing.T) {
	if err := faultnet.Loopback(); err != nil {
		t.Fatal(cannot, err)
	}
	m, err := faultnet.NewMirror(1)
	if err != nil {
		t.Fatal(cannot, err)
	}
	listener, err := net.Listen("tcp", faultnet.MirrorNear+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	m.SetStorm(faultnet.Storm{Loss: 0.02, Double: 0.02, Delay: 5 * time.Millisecond})
	want := random(100_000)
	go func() {
		if c, err := listener.Accept(); err == nil {
			_, _ = c.Write(want)
			_ = c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	c, err := net.Dial("tcp", net.JoinHostPort(faultnet.MirrorFar, port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(40 * time.Second))
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d of %d bytes arrived, or others: %v", len(got), len(want), err)
	}
	if s := m.Stats(); s.Lost == 0 || s.Doubled == 0 || s.Delayed == 0 {
		t.Errorf("there was no storm: %+v", s)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}
