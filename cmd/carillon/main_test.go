//go:build unix

package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/cli"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A hangup comes from logrotate, certbot and closed terminals; it must never end a node.
func TestHangupReadsTheSettingsAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "carillon.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("log-level: info\n")
	out, in := io.Pipe()
	log, lines := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- run(cli.Program{Stdout: in, Stderr: lines, Hangups: hangups, Args: []string{
			"dev", "--config", file, "--listen", "127.0.0.1:0", "--ops-listen", "", "--data", filepath.Join(t.TempDir(), "data")}})
		in.Close()
		lines.Close()
	}()
	said := bufio.NewScanner(log)
	// await reads the log up to a line with the words.
	await := func(words string) {
		t.Helper()
		for said.Scan() {
			if strings.Contains(said.Text(), words) {
				return
			}
		}
		t.Fatalf("the log ends without %q", words)
	}
	send := func(signal syscall.Signal) {
		if err := syscall.Kill(syscall.Getpid(), signal); err != nil {
			t.Fatal(err)
		}
	}
	ready := make(chan struct{})
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.Contains(lines.Text(), "Ctrl-C") {
				close(ready)
			}
		}
	}()
	await("serving")
	<-ready
	write("log-level: error\nregion: [\n")
	send(syscall.SIGHUP)
	await("keeping the current settings")
	write("log-level: debug\nregion: eu-central-1\n")
	send(syscall.SIGHUP)
	await("need a restart")
	await("configuration reloaded")
	send(syscall.SIGTERM)
	await("stopped")
	if code := <-done; code != 0 {
		t.Errorf("code %d", code)
	}
}

func TestSignalsStopTheProgramCleanly(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			out, in := io.Pipe()
			var stderr bytes.Buffer
			done := make(chan int, 1)
			go func() {
				done <- run(cli.Program{Stdout: in, Stderr: &stderr, Args: []string{
					"dev", "--listen", "127.0.0.1:0", "--ops-listen", "", "--data", filepath.Join(t.TempDir(), "data")}})
				in.Close()
			}()
			for lines := bufio.NewScanner(out); lines.Scan(); {
				if strings.Contains(lines.Text(), "Ctrl-C") {
					if err := syscall.Kill(syscall.Getpid(), signal); err != nil {
						t.Fatal(err)
					}
				}
			}
			if code := <-done; code != 0 || !strings.Contains(stderr.String(), "stopped") {
				t.Errorf("code %d: %s", code, &stderr)
			}
		})
	}
}
