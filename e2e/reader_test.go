//go:build unix

package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/lab"
)

// patience bounds how long one block may take; compiling a program on a busy machine is the longest.
const patience = 5 * time.Minute

// reader does what a document says.
type reader struct {
	t         *testing.T
	root, dir string // the checkout; an empty folder
	environ   []string
	places    *strings.Replacer // the document's addresses and folders, and those that are used
	python    string            // with boto3; empty when there is none
	running   []*running
	last      *running // of the last block
	lacking   bool     // a block was not run, so what others print may differ
}

// running is a program that does not end by itself.
type running struct {
	block  block
	cmd    *exec.Cmd
	output *lab.Log        // what it prints
	ended  context.Context // ends when it has
	err    error
}

func newReader(t *testing.T, root, bin string, blocks []block) *reader {
	t.Helper()
	dir := t.TempDir()
	ports := freePorts(t, 3)
	tools := filepath.Join(dir, ".tools")
	if err := os.Mkdir(tools, 0o700); err != nil {
		t.Fatal(err)
	}
	r := &reader{
		t: t, root: root, dir: dir,
		places: strings.NewReplacer("24463", ports[0], "24464", ports[1], "/var/lib/carillon", filepath.Join(dir, "var")),
		environ: []string{
			"HOME=" + dir, "PATH=" + strings.Join([]string{tools, bin, os.Getenv("PATH")}, string(os.PathListSeparator)),
			"CARILLON_LISTEN=127.0.0.1:" + ports[0], "CARILLON_OPS_LISTEN=127.0.0.1:" + ports[1], "CARILLON_DATA=" + filepath.Join(dir, "data"),
			// Nothing may leave the machine.
			"HTTP_PROXY=http://127.0.0.1:9", "HTTPS_PROXY=http://127.0.0.1:9", "NO_PROXY=localhost,127.0.0.1", "AWS_EC2_METADATA_DISABLED=true",
			"AWS_PAGER=", "AWS_CONFIG_FILE=" + filepath.Join(dir, "aws-config"), "AWS_SHARED_CREDENTIALS_FILE=" + filepath.Join(dir, "aws-credentials"),
		},
	}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY", "GOSUMDB", "CGO_ENABLED", "GOTOOLCHAIN"} {
		if value, err := exec.Command("go", "env", name).Output(); err == nil {
			r.environ = append(r.environ, name+"="+strings.TrimSpace(string(value)))
		}
	}
	for _, candidate := range []string{"python3", "/usr/bin/python3"} {
		if r.python == "" && exec.Command(candidate, "-c", "import boto3").Run() == nil {
			r.python = candidate
		}
	}
	if err := wrapOldAWS(tools, "http://localhost:"+ports[0]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.stop)
	if !startsItself(blocks) {
		r.shell(block{doc: "the test", kind: "sh", how: `endless "Stop with Ctrl-C"`, text: "carillon dev"})
		r.shell(block{doc: "the test", kind: "sh", text: `eval "$(carillon env)"`})
	}
	return r
}

// startsItself reports whether the document tells how to start a server before it needs one, or
// needs none.
func startsItself(blocks []block) bool {
	for _, b := range blocks {
		switch b.kind {
		case "sh":
			return strings.HasPrefix(b.how, "endless") || strings.Contains(b.how, "checkout")
		case "go", "js", "python":
			return false
		}
	}
	return true
}

// wrapOldAWS lets an AWS CLI that does not read endpoints from the environment do what the
// documentation says for it: name the endpoint in each call.
func wrapOldAWS(tools, endpoint string) error {
	installed, err := exec.LookPath("aws")
	if err != nil {
		return nil
	}
	version, err := exec.Command(installed, "--version").CombinedOutput()
	if err != nil {
		return err
	}
	found := regexp.MustCompile(`aws-cli/(\d+)\.(\d+)`).FindSubmatch(version)
	if found == nil {
		return fmt.Errorf("aws --version says %q", version)
	}
	major, _ := strconv.Atoi(string(found[1]))
	minor, _ := strconv.Atoi(string(found[2]))
	if major == 1 && minor >= 29 || major == 2 && minor >= 13 || major > 2 {
		return nil
	}
	script := "#!/bin/sh\nexec '" + installed + "' --endpoint-url " + endpoint + " \"$@\"\n"
	return os.WriteFile(filepath.Join(tools, "aws"), []byte(script), 0o755)
}

// freePorts are different ports that no program listens at.
func freePorts(t *testing.T, n int) (ports []string) {
	t.Helper()
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close() // when all are found: the kernel may give a port again at once
		_, port, err := net.SplitHostPort(listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, port)
	}
	return ports
}

// lacks reports, as loudly as a test can, that a block is not run because something is missing. CI
// says E2E_TOOLS=all: there nothing may be.
func (r *reader) lacks(b block, tool string) {
	r.t.Helper()
	if os.Getenv("E2E_TOOLS") == "all" {
		r.t.Fatalf("%s\n%s is not installed", b, tool)
	}
	r.t.Logf("ATTENTION: %s\nis NOT run: %s is not installed", b, tool)
	r.lacking = true
}

var optionalTools = regexp.MustCompile(`(?m)(?:^|[|(&;] *)(aws|certutil|curl|node|npm|jq|openssl)\b`)

// newest is the command of the documentation that came last to the AWS CLI: Debian 12 has one without it.
const newest = "chime-sdk-identity create-app-instance-bot"

// shell runs commands. Variables that they export are there for the next ones.
func (r *reader) shell(b block) {
	r.t.Helper()
	for _, tool := range optionalTools.FindAllStringSubmatch(b.text, -1) {
		if _, err := exec.LookPath(tool[1]); err != nil {
			r.lacks(b, tool[1])
			return
		}
	}
	if strings.Contains(b.text, newest) && exec.Command("aws", append(strings.Fields(newest), "--generate-cli-skeleton")...).Run() != nil {
		r.t.Logf("ATTENTION: %s\nis NOT run: the AWS CLI is older than the documentation asks for", b)
		r.lacking = true
		return
	}
	how := b.how
	if rest, alone := strings.CutPrefix(how, "alone"); alone {
		r.stop()
		how = strings.TrimSpace(rest)
	}
	dir := r.dir
	if rest, checkout := strings.CutPrefix(how, "checkout"); checkout {
		dir, how = r.root, strings.TrimSpace(rest)
	}
	state := filepath.Join(r.dir, ".exported")
	script := "set -euo pipefail\nif [ -f '" + state + "' ]; then . '" + state + "'; fi\n" + b.text + "\nexport -p >'" + state + "'\n"
	args := []string{"bash", "-c", script}
	switch until, endless := strings.CutPrefix(how, "endless "); {
	case endless:
		text, err := strconv.Unquote(until)
		if err != nil {
			r.t.Fatalf("%s: endless is followed by a text between quotes: %v", b, err)
		}
		r.start(b, dir, args, text)
	case how == "":
		r.run(b, dir, args)
	default:
		r.t.Fatalf("%s: %q is not known after sh", b, b.how)
	}
}

// program runs a program that is one block.
func (r *reader) program(b block) {
	r.t.Helper()
	modules := filepath.Join(r.root, "web", "node_modules")
	name, dir, args := "main."+b.kind, r.dir, []string{}
	switch b.kind {
	case "go":
		dir, args = r.root, []string{"go", "run"}
	case "js":
		if _, err := os.Stat(modules); err != nil {
			r.lacks(b, "web/node_modules (npm ci)")
			return
		}
		_ = os.Symlink(modules, filepath.Join(r.dir, "node_modules")) // there it is, from the second time on
		name, args = "main.mjs", []string{"node"}
	case "python":
		if r.python == "" {
			r.lacks(b, "boto3")
			return
		}
		name, args = "main.py", []string{r.python}
	}
	file := filepath.Join(r.dir, name)
	if err := os.WriteFile(file, []byte(b.text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	quoted := make([]string, 0, 3)
	for _, arg := range append(args, file) {
		quoted = append(quoted, "'"+arg+"'")
	}
	state := filepath.Join(r.dir, ".exported")
	r.run(b, dir, []string{"bash", "-c", "if [ -f '" + state + "' ]; then . '" + state + "'; fi\nexec " + strings.Join(quoted, " ")})
}

// launch starts a command in a process group of its own.
func (r *reader) launch(b block, dir string, args, more []string) *running {
	r.t.Helper()
	ended, end := context.WithCancel(context.Background())
	p := &running{block: b, cmd: exec.Command(args[0], args[1:]...), output: new(lab.Log), ended: ended}
	p.cmd.Dir, p.cmd.Env = dir, append(slices.Clone(r.environ), more...)
	p.cmd.Env = append(p.cmd.Env, "PWD="+dir)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r.last = p
	if args[0] == "carillon" {
		path, err := exec.LookPath(filepath.Join(strings.Split(r.environ[1], string(os.PathListSeparator))[1], "carillon"))
		if err != nil {
			r.t.Fatal(err)
		}
		p.cmd.Path, p.cmd.Err = path, nil
	}
	if err := p.cmd.Start(); err != nil {
		r.t.Fatalf("%s: %v", b, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		end()
	}()
	return p
}

// run runs a command to its end.
func (r *reader) run(b block, dir string, args []string, more ...string) {
	r.t.Helper()
	p := r.launch(b, dir, args, more)
	select {
	case <-p.ended.Done():
		if p.err != nil {
			r.t.Errorf("%s\n%v:\n%s", b, p.err, p.output)
		}
	case <-time.After(patience):
		p.signal(syscall.SIGKILL)
		r.t.Fatalf("%s\ndoes not end; mark it as endless if that is meant:\n%s", b, p.output)
	}
}

// start starts a program and waits until it has printed the text.
func (r *reader) start(b block, dir string, args []string, text string) {
	r.t.Helper()
	p := r.launch(b, dir, args, nil)
	r.running = append(r.running, p)
	limited, cancel := context.WithTimeout(p.ended, patience)
	defer cancel()
	err := p.output.Await(limited, text)
	switch {
	case err == nil:
	case p.ended.Err() != nil:
		r.t.Fatalf("%s\nends before it prints %q: %v\n%s", b, text, p.err, p.output)
	default:
		r.t.Fatalf("%s\ndoes not print %q:\n%s", b, text, p.output)
	}
}

// printed is what the last block and the programs that still run have printed until now.
func (r *reader) printed() (all string, more bool) {
	for _, p := range append(slices.Clone(r.running), r.last) {
		if p != nil {
			all += p.output.String()
		}
	}
	return all, len(r.running) > 0
}

// stop ends the programs that still run, the last one first. They must have run until now.
func (r *reader) stop() {
	for _, p := range slices.Backward(r.running) {
		select {
		case <-p.ended.Done():
			r.t.Errorf("%s\nhas exited unexpectedly: %v\n%s", p.block, p.err, p.output)
			continue
		default:
		}
		p.signal(syscall.SIGINT)
		select {
		case <-p.ended.Done():
		case <-time.After(patience):
			p.signal(syscall.SIGKILL)
			r.t.Errorf("%s\ndoes not stop:\n%s", p.block, p.output)
		}
	}
	r.running = nil
}

// signal reaches all processes of the block.
func (p *running) signal(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }
