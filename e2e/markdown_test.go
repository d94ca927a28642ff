package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// block is one code block of a document.
type block struct {
	doc  string // path from the root of the repository
	line int    // of its first line of text
	kind string // first word after the fence; empty for none
	how  string // the other words
	text string
}

func (b block) String() string {
	first, _, _ := strings.Cut(b.text, "\n")
	return fmt.Sprintf("%s:%d: %s", b.doc, b.line, first)
}

// indented is the kind of a block that is marked by four spaces and so cannot say what it is.
const indented = "indented"

// readBlocks finds the code blocks of a document in order.
func readBlocks(root, doc string) ([]block, error) {
	text, err := os.ReadFile(root + "/" + doc)
	if err != nil {
		return nil, err
	}
	return parseBlocks(doc, strings.ReplaceAll(string(text), "\r\n", "\n"))
}

func parseBlocks(doc, text string) (blocks []block, err error) {
	var open *block // inside of it
	fence, margin := "", ""
	blank, list := true, false // the line before; whether indented lines belong to a list
	for i, line := range strings.Split(text, "\n") {
		bare := strings.TrimLeft(line, " ")
		switch {
		case open != nil && open.kind != indented:
			if strings.TrimSpace(line) == fence {
				open = nil
			} else {
				open.text += strings.TrimPrefix(line, margin) + "\n"
			}
		case strings.HasPrefix(bare, "```") || strings.HasPrefix(bare, "~~~"):
			margin = line[:len(line)-len(bare)]
			info := strings.TrimLeft(bare, "`~")
			fence = bare[:len(bare)-len(info)]
			kind, how, _ := strings.Cut(strings.TrimSpace(info), " ")
			blocks = append(blocks, block{doc: doc, line: i + 2, kind: kind, how: how})
			open = &blocks[len(blocks)-1]
		case strings.HasPrefix(line, "    ") && bare != "" && !list && (blank || open != nil):
			if open == nil {
				blocks = append(blocks, block{doc: doc, line: i + 1, kind: indented})
				open = &blocks[len(blocks)-1]
			}
			open.text += line[4:] + "\n"
		case bare == "":
		default:
			open = nil
			list = strings.HasPrefix(bare, "- ") || strings.HasPrefix(bare, "* ") || strings.TrimLeft(bare, "0123456789") != bare ||
				list && bare != line
		}
		blank = bare == ""
	}
	if open != nil && open.kind != indented {
		return nil, fmt.Errorf("%s: its fence is not closed", open)
	}
	return blocks, nil
}

func TestBlocksAreFound(t *testing.T) {
	got, err := parseBlocks("d.md", "# d\n\n```sh endless \"ready\"\nrun\n\n    deep\n```\n- item\n\n    of the item\n\n  ```js\n  let x\n  ```\n\ntext\n    no code\n\n    old\n\n    style\n\nend\n```\nbare\n```\n")
	want := []block{
		{"d.md", 4, "sh", `endless "ready"`, "run\n\n    deep\n"},
		{"d.md", 13, "js", "", "let x\n"},
		{"d.md", 19, indented, "", "old\nstyle\n"},
		{"d.md", 25, "", "", "bare\n"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(block{})); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := parseBlocks("d.md", "```sh\nrun\n"); err == nil {
		t.Error("a fence that is not closed is accepted")
	}
}
