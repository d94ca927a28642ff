package archtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What can be held in the head: a file is read from end to end, a package is known by its parts.
const (
	fileLines    = 400   // all lines of a file; those of tests are not counted
	packageLines = 3_000 // lines of a package's code, without tests, comments and blank lines
)

// houses are the programs that test the whole and are no part of the product.
var houses = []string{"conformance", "e2e", "endurance", "bench"}

// sizes checks how much code the package has. Comments and blank lines are free: a rule that counted
// them would ask for fewer of both.
func sizes(path string, files map[string][]byte) (faults []string) {
	code := 0
	for name, text := range files {
		lines := bytes.Count(text, []byte("\n"))
		if lines > fileLines && !strings.HasSuffix(name, "_test.go") {
			faults = append(faults, fmt.Sprintf("%s has %d lines: %d are enough for what one reads at a time", name, lines, fileLines))
		}
		if !strings.HasSuffix(name, "_test.go") {
			code += codeLines(text)
		}
	}
	if code > packageLines && !withinAny(path, houses) {
		faults = append(faults, fmt.Sprintf("has %d lines of code: over %d a package is two", code, packageLines))
	}
	slices.Sort(faults)
	return faults
}

// codeLines counts lines that are neither blank nor comments alone.
func codeLines(text []byte) (n int) {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && !bytes.HasPrefix(line, []byte("//")) {
			n++
		}
	}
	return n
}

func TestSizes(t *testing.T) {
	for _, p := range list(t) {
		files := map[string][]byte{}
		for _, name := range slices.Concat(p.GoFiles, p.IgnoredGoFiles) {
			if strings.HasSuffix(name, ".gen.go") {
				continue
			}
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			files[name] = text
		}
		for _, fault := range sizes(p.path(), files) {
			t.Errorf("%s %s", p.path(), fault)
		}
	}
}

func TestSizesAreJudged(t *testing.T) {
	lines := func(n int, line string) []byte { return []byte(strings.Repeat(line+"\n", n)) }
	for _, test := range []struct {
		path   string
		files  map[string][]byte
		faults int
	}{
		{"internal/x", map[string][]byte{"a.go": lines(400, "x")}, 0},
		{"internal/x", map[string][]byte{"a.go": lines(401, "x")}, 1},
		{"internal/x", map[string][]byte{"a.go": lines(401, "// x")}, 1},
		{"internal/x", map[string][]byte{"a_test.go": lines(401, "x")}, 0},
		{"internal/x", split(3000, "x"), 0},
		{"internal/x", split(3001, "x"), 1},
		{"internal/x", split(6000, "\t// x"), 0},
		{"endurance", split(6000, "x"), 0},
	} {
		if got := sizes(test.path, test.files); len(got) != test.faults {
			t.Errorf("%s: %v", test.path, got)
		}
	}
}

// split makes files of up to 400 lines.
func split(n int, line string) map[string][]byte {
	files := map[string][]byte{}
	for ; n > 0; n -= fileLines {
		files[fmt.Sprintf("f%d.go", n)] = []byte(strings.Repeat(line+"\n", min(n, fileLines)))
	}
	return files
}
