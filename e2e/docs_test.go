//go:build unix

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/policy"
)

// illustrations are the blocks that are not run, by document and beginning, with the reason.
var illustrations = map[string]string{
	"README.md: go test ./...":                         "it runs this test",
	"docs/ARCHITECTURE.md: cmd/carillon/":              "a picture of the folders; internal/archtest compares it with them",
	"docs/ARCHITECTURE.md: socket -> ":                 "a picture of the way of a message",
	"docs/OPERATIONS.md: map $http_upgrade":            "proxy_test.go runs nginx with it",
	"docs/OPERATIONS.md: frontend chat":                "proxy_test.go runs HAProxy with it",
	"docs/OPERATIONS.md: export CARILLON_DATABASE_URL": "needs a database; internal/app moves a node to one and back",
	"docs/BENCHMARKS.md: go run ./bench -parts growth": "fills a store for half an hour",
	"docs/BENCHMARKS.md: GOBIN=":                       "needs the programs of other servers, and measures for minutes",
	"docs/EXTENSIONS.md: const { Applications }":       "is for a page; web/e2e subscribes a browser",
	"docs/CLIENTS.md: docker run":                      "needs a container engine; the command in the container is run by the block after it",
}

// TestDocumentation runs the code blocks of the documentation as a reader does: in order, in one
// shell for each document, with a server that was started by `carillon dev`. After its fence a
// block says what it is:
//
//	sh          commands for a shell, which end well
//	sh endless "TEXT"  a program that runs on; the next block is read when it has printed TEXT
//	sh alone ...       after the programs that still run were stopped
//	sh checkout ...    in the checkout and not in an empty folder
//	go, js, python     a program, run to its end with the variables of the shell
//	output      what the block before it prints, or a program that still runs; ... stands for anything
//	yaml        settings, for config check
//	json        a document; one with a Statement is an IAM policy
//	text        nothing that can be run: see illustrations
func TestDocumentation(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	docs, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	docs = append(docs, filepath.Join(root, "README.md"), filepath.Join(root, "CONTRIBUTING.md"))
	bin := build(t)
	unused := make(map[string]bool) // illustrations of the documents that are read
	for _, path := range docs {
		doc, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(doc, func(t *testing.T) {
			blocks, err := readBlocks(root, filepath.ToSlash(doc))
			if err != nil {
				t.Fatal(err)
			}
			for which := range illustrations {
				if strings.HasPrefix(which, filepath.ToSlash(doc)+": ") {
					unused[which] = true
				}
			}
			blocks = slices.DeleteFunc(blocks, func(b block) bool {
				which, shown := illustrates(b)
				delete(unused, which)
				return shown
			})
			if len(blocks) > 0 {
				newReader(t, root, bin, blocks).read(blocks)
			}
		})
	}
	for which := range unused {
		t.Errorf("illustrations has %q, and no document has such a block", which)
	}
}

func illustrates(b block) (which string, shown bool) {
	for which := range illustrations {
		doc, beginning, _ := strings.Cut(which, ": ")
		if b.doc == doc && strings.HasPrefix(strings.TrimSpace(b.text), beginning) {
			return which, true
		}
	}
	return "", false
}

// read runs the blocks in order.
func (r *reader) read(blocks []block) {
	for _, b := range blocks {
		b.text = r.places.Replace(b.text)
		switch b.kind {
		case "sh":
			r.shell(b)
		case "go", "js", "python":
			r.program(b)
		case "output":
			r.compare(b)
		case "yaml":
			r.settings(b)
		case "json":
			r.document(b)
		case indented:
			r.t.Errorf("%s\nput it between fences that say what it is (TestDocumentation lists the words)", b)
		default:
			r.t.Errorf("%s\nthe fence says %q, which is none of the words that TestDocumentation lists", b, b.kind)
		}
	}
}

// compare finds the lines of an output in what was printed before, or will be by programs that
// still run.
func (r *reader) compare(b block) {
	if r.lacking {
		r.t.Logf("ATTENTION: %s\nis NOT compared: a block before it was not run", b)
		return
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for line := range strings.SplitSeq(strings.TrimSpace(b.text), "\n") {
		for {
			printed, more := r.printed()
			if holds(printed, line) {
				break
			}
			select {
			case <-tick.C:
			case <-limit:
				more = false
			}
			if !more {
				r.t.Errorf("%s\nis not what the blocks before it print:\n%s", b, printed)
				return
			}
		}
	}
}

// holds reports whether a line of the text has the parts of the pattern in their order.
func holds(text, pattern string) bool {
	for line := range strings.SplitSeq(text, "\n") {
		all := true
		for part := range strings.SplitSeq(pattern, "...") {
			var found bool
			if _, line, found = strings.Cut(line, strings.TrimSpace(part)); !found {
				all = false
				break
			}
		}
		if all {
			return true
		}
	}
	return false
}

func (r *reader) settings(b block) {
	file := filepath.Join(r.dir, "settings.yaml")
	if err := os.WriteFile(file, []byte(b.text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.run(b, r.dir, []string{"carillon", "config", "check", "--config", file, "--data", filepath.Join(r.dir, "checked"), "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"},
		"CARILLON_ROOT_ACCESS_KEY_ID=AKIAOFTHEDOCUMENTS01", "CARILLON_ROOT_SECRET_ACCESS_KEY=a-secret-of-the-documents")
}

func (r *reader) document(b block) {
	for documents := json.NewDecoder(strings.NewReader(b.text)); documents.More(); {
		var document json.RawMessage
		if err := documents.Decode(&document); err != nil {
			r.t.Errorf("%s: %v", b, err)
			return
		}
		if !bytes.Contains(document, []byte(`"Statement"`)) {
			continue
		}
		if _, err := policy.Parse(document); err != nil {
			r.t.Errorf("%s: %v", b, err)
		}
	}
}
