package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/carillon-chat/carillon/internal/lab"
)

// TestScripts runs every script with the program first in PATH. $LISTEN is a free address.
func TestScripts(t *testing.T) {
	bin := build(t)
	if installed, err := exec.LookPath("aws"); err != nil {
		t.Log("ATTENTION: the aws CLI is not installed; its scripts are NOT run")
	} else if err := pointAWS(bin, installed); err != nil {
		t.Fatal(err)
	}
	if ok, _ := condition("terraform"); !ok {
		t.Log("ATTENTION: terraform is not installed, or TF_PLUGIN_DIR not set; its script is NOT run")
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			address, err := freeAddress()
			env.Setenv("LISTEN", address)
			env.Setenv("TF_PLUGIN_DIR", os.Getenv("TF_PLUGIN_DIR"))
			return err
		},
		Condition: condition,
		Cmds:      map[string]func(*testscript.TestScript, bool, []string){"welcomed": welcomed, "await": await, "export": export},
	})
}

// condition: terraform says that Terraform and its AWS provider are there. The provider is large
// and comes from a registry, so whoever wants the script run names the folder that it is in.
func condition(name string) (bool, error) {
	if name != "terraform" {
		return false, fmt.Errorf("there is no condition %q", name)
	}
	_, err := exec.LookPath("terraform")
	return err == nil && os.Getenv("TF_PLUGIN_DIR") != "", nil
}

// pointAWS puts an aws before the installed one that sends every call to the program on $LISTEN.
// Versions before 2.13 and 1.29 do not read the endpoint from the environment, and would go to AWS.
func pointAWS(bin, installed string) error {
	script := "#!/bin/sh\nexec '" + installed + "' --endpoint-url \"http://$LISTEN\" \"$@\"\n"
	return os.WriteFile(filepath.Join(bin, "aws"), []byte(script), 0o755)
}

// build puts the program into a folder of its own.
func build(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	if _, err := lab.Build(t.Context(), bin); err != nil {
		t.Fatal(err)
	}
	return bin
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// welcomed waits until a program that writes to the file has said that it is ready.
func welcomed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: welcomed file")
	}
	await(ts, false, []string{args[0], "Stop with Ctrl-C"})
}

// await waits until a file holds a text: await file text.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await file text")
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); ; {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && bytes.Contains(text, []byte(args[1])) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("%s does not hold %q, but %q", args[0], args[1], text)
		}
	}
}

// export keeps the last output in a variable: export NAME.
func export(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: export NAME")
	}
	out := ts.ReadFile("stdout")
	for len(out) > 0 && out[len(out)-1] == '\n' {
		out = out[:len(out)-1]
	}
	ts.Setenv(args[0], out)
}
