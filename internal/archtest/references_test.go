package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const specFolder = "docs/spec"

var (
	// A section of the specification, one or several: "spec 4.7", "spec 2.2 and 2.4", "spec 12.5 #57".
	sectionReference = regexp.MustCompile(`\bspec (\d+(?:\.\d+)*(?: #\d+)?(?:(?:, | and | to )\d+(?:\.\d+)+(?: #\d+)?)*)`)
	// A section of the page about clients: "spec/clients.md 3".
	clientsReference = regexp.MustCompile(`\bclients\.md(?:\]\([^)]*\))? (\d+(?:\.\d+)*)`)
	// A rule of the matrix of roles: "(rule p)", "(rules q, r)", "rule l of".
	ruleReference = regexp.MustCompile(`\brules? ([a-z](?:, [a-z])*)(?:\)| of spec)`)

	section = regexp.MustCompile(`(?m)^#+ (\d+(?:\.\d+)*) `)
	row     = regexp.MustCompile(`^\| (\d+) \|`)
	rule    = regexp.MustCompile(`(?m)^- \*\*([a-z])\*\* `)
)

// targets are what a reference may name: "4.7", "12.5 #57", "clients 3", "rule p".
func targets(t *testing.T, root string) map[string]bool {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(root, specFolder, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		headings(string(text), filepath.Base(page) == "clients.md", found)
	}
	return found
}

// headings adds what a page of the specification has. A number that a page gives twice is a mistake
// of the page, which a reader would notice.
func headings(text string, clients bool, found map[string]bool) {
	current := ""
	for _, line := range strings.Split(text, "\n") {
		if match := section.FindStringSubmatch(line); match != nil {
			current = match[1]
			if clients {
				current = "clients " + current
			}
			found[current] = true
		} else if match := row.FindStringSubmatch(line); match != nil && current != "" {
			found[current+" #"+match[1]] = true
		} else if match := rule.FindStringSubmatch(line); match != nil {
			found["rule "+match[1]] = true
		}
	}
}

// references are the targets that a text names.
func references(text string) (named []string) {
	for _, match := range sectionReference.FindAllStringSubmatch(text, -1) {
		named = append(named, regexp.MustCompile(`, | and | to `).Split(match[1], -1)...)
	}
	for _, match := range clientsReference.FindAllStringSubmatch(text, -1) {
		named = append(named, "clients "+match[1])
	}
	for _, match := range ruleReference.FindAllStringSubmatch(text, -1) {
		for _, letter := range strings.Split(match[1], ", ") {
			named = append(named, "rule "+letter)
		}
	}
	return named
}

// TestReferencesLeadSomewhere follows each reference to the specification, in code and in documents.
func TestReferencesLeadSomewhere(t *testing.T) {
	root := filepath.Join("..", "..")
	found := targets(t, root)
	seen := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if name == "node_modules" || name == "dist" || strings.HasPrefix(name, ".") && len(name) > 2 {
				return filepath.SkipDir
			}
			return nil
		}
		if !slices.Contains([]string{".go", ".ts", ".md", ".txt", ".yaml"}, filepath.Ext(name)) || filepath.Base(path) == "references_test.go" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, target := range references(string(text)) {
			if seen++; !found[target] {
				t.Errorf("%s refers to %q, which %s does not have", strings.TrimPrefix(path, root+"/"), target, specFolder)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 100 {
		t.Errorf("only %d references are seen", seen)
	}
}

func TestReferencesAreFound(t *testing.T) {
	for _, test := range []struct{ text, named string }{
		{"as on AWS (spec 4.7)", "4.7"},
		{"the rules of spec 3 to 6", "3"},
		{"spec 2.2 and 2.4", "2.2|2.4"},
		{"(spec 11.2, 11.3)", "11.2|11.3"},
		{"(spec 12.5 #57)", "12.5 #57"},
		{"(rules q, r)", "rule q|rule r"},
		{"rule l of spec 3.2", "3.2|rule l"},
		{"spec/clients.md 3.1", "clients 3.1"},
		{"a rule that nobody wrote, a spec of 3 pages", ""},
	} {
		if got := strings.Join(references(test.text), "|"); got != test.named {
			t.Errorf("%q: %q, want %q", test.text, got, test.named)
		}
	}
}
