//go:build unix

package main

import (
	"bufio"
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/cli"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
