//go:build !windows

package app_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
)

// poor is what a node with few descriptors tells of itself.
type poor struct{ Addr, Ops, Channel, User string }

const poorNode = "CARILLON_TEST_POOR_NODE" // set in the process that is one

// TestStrangersLeaveTheStoreItsFiles: a process that may have 128 files open goes on writing, over new
// files of the log and tables, while strangers open more connections than that.
func TestStrangersLeaveTheStoreItsFiles(t *testing.T) {
	if os.Getenv(poorNode) != "" {
		bePoor(t)
		return
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	child.Env, child.Stderr = append(os.Environ(), poorNode+"=1"), os.Stderr
	hold, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = hold.Close()
		_, _ = io.Copy(io.Discard, out)
		if err := child.Wait(); err != nil {
			t.Errorf("the node ends with %v", err)
		}
	}()
	var n poor
	for lines := bufio.NewScanner(out); n.Addr == "" && lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), poorNode); ok {
			if err := json.Unmarshal([]byte(text), &n); err != nil {
				t.Fatal(err)
			}
		}
	}

	refusesSome := func() bool { // for want of a descriptor
		_, metrics := get(t, http.DefaultClient, "http://"+n.Ops+"/metrics")
		return !strings.Contains(metrics, "carillon_connections_without_descriptor_total 0")
	}

	customer := lab.Dev(n.Addr, 0)
	defer customer.Close()
	content := strings.Repeat("x", 4000)
	for i := range 1000 { // 4 MB, of which each file of the log takes 1
		if i == 10 { // the customer has its connection
			for range 200 {
				stranger, err := net.Dial("tcp", n.Addr)
				if err != nil {
					t.Fatal(err)
				}
				defer stranger.Close()
			}
			for !refusesSome() {
				time.Sleep(10 * time.Millisecond)
			}
		}
		err := customer.Call(t.Context(), "POST", "/channels/"+lab.Escape(n.Channel)+"/messages", n.User, map[string]string{
			"Content": content, "Persistence": "PERSISTENT", "Type": "STANDARD", "ClientRequestToken": fmt.Sprint("message-", i),
		}, nil)
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
}

// bePoor is a node with few descriptors until its input ends.
func bePoor(t *testing.T) {
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 128, Max: 128}); err != nil {
		t.Fatal(err)
	}
	// With a bound of its own the node would close strangers that ask nothing for new ones, mostly before they have
	// all descriptors that they may.
	n := start(t, lab.Settings(t, config.Dev, map[string]string{"store-log-size": "1MiB", "max-connections": "1000"}))
	text, err := json.Marshal(poor{n.Addr(), n.OpsAddr(), n.Seeded().ChannelARN, n.Seeded().UserARNs[0]})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = os.Stdout.WriteString(poorNode + string(text) + "\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
}
