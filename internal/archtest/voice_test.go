package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// riddles are words that comments of code do not use, each with what to write instead. A reader looks
// for the nouns of the field, which are also the names in the code.
var riddles = []struct {
	word    *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`(?i)\b(who|whom|whoever|nobody|somebody|anybody|everybody)\b`), "name the caller, the session, the member"},
	{regexp.MustCompile(`(?i)\b(told|tells?)\b`), "returns, reports, sends, notifies, distinguishes"},
	{regexp.MustCompile(`(?i)\bbesides\b`), "also, in addition, apart from"},
	{regexp.MustCompile(`(?i)\bfor good\b`), "permanently"},
	{regexp.MustCompile(`(?i)\bnow and then\b`), "periodically"},
	{regexp.MustCompile(`(?i)\b(is|are) no error\b`), "returns nil"},
	{regexp.MustCompile(`(?i)\bthe other one\b`), "name it"},
}

// stepLines is how long the body of a function may be before it shows its steps as paragraphs.
const stepLines = 25

// voice checks how the comments of a file speak, and that long functions have paragraphs. The file is
// parsed with its comments from text.
func voice(files *token.FileSet, file *ast.File, text []byte) (found []use) {
	for _, group := range file.Comments {
		for _, comment := range group.List {
			for _, riddle := range riddles {
				if word := riddle.word.FindString(comment.Text); word != "" {
					found = append(found, use{comment.Pos(), fmt.Sprintf("says %q in a comment: %s", word, riddle.instead)})
				}
			}
		}
	}

	lines := bytes.Split(text, []byte("\n"))
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || function.Body == nil || isOneStep(function.Body) {
			continue
		}
		body := lines[files.Position(function.Body.Lbrace).Line : files.Position(function.Body.Rbrace).Line-1]
		if len(body) > stepLines && !slices.ContainsFunc(body, isBlank) {
			found = append(found, use{function.Pos(), fmt.Sprintf("%s has %d lines without a paragraph: a blank line and a few words of why at each step, or a function for each", function.Name.Name, len(body))})
		}
	}
	return found
}

// isOneStep reports whether a body is a table of cases or values, which has no steps.
func isOneStep(body *ast.BlockStmt) bool { return len(body.List) <= 2 }

func isBlank(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 }

func TestVoice(t *testing.T) {
	for _, p := range list(t) {
		for _, name := range slices.Concat(p.GoFiles, p.IgnoredGoFiles) {
			if strings.HasSuffix(name, ".gen.go") || strings.HasSuffix(name, "_test.go") {
				continue
			}
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, name, text, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range voice(files, file, text) {
				t.Errorf("%s %s:%d %s", p.path(), name, files.Position(u.at).Line, u.fault)
			}
		}
	}
}

func TestVoiceIsJudged(t *testing.T) {
	steps := func(n int) string { return strings.Repeat("\tf()\n", n) }
	for _, test := range []struct {
		source string
		faults int
	}{
		{"// f returns the caller.\nfunc f() {}", 0},
		{"// f tells who asks.\nfunc f() {}", 2},
		{"func f() {} // a session that is gone is no error", 1},
		{"// told in a text only\nvar s = \"nobody is told\"", 1},
		{"func f() {\n" + steps(25) + "}", 0},
		{"func f() {\n" + steps(26) + "}", 1},
		{"func f() {\n" + steps(13) + "\n\t// The rest needs what is above.\n" + steps(13) + "}", 0},
		{"func f() {\n\tswitch {\n" + strings.Repeat("\tcase true:\n", 30) + "\t}\n}", 0},
	} {
		text := []byte("package x\n\n" + test.source + "\n")
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, "x.go", text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := voice(files, file, text); len(got) != test.faults {
			t.Errorf("%s: %v", test.source, got)
		}
	}
}
