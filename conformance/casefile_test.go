package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The types mirror cases/README.md, which explains every word.

// caseFile is what one operation promises.
type caseFile struct {
	Given       []string
	As          string
	Input       map[string]any
	Cases       []testCase
	NotProvoked map[string]string `yaml:"not_provoked"`

	service, operation string // from its path
}

type testCase struct {
	Name      string
	Given     []string
	Server    string
	NewerThan string `yaml:"newer_than"`
	Steps     []step
	step      `yaml:",inline"` // of a case that is one step
}

type step struct {
	Call, As    string
	With        map[string]any
	Expect      map[string]any
	Error, Says string
	Within      int
	Save        map[string]string
	Again       bool
	Pages       *pages
}

type pages struct {
	Items, By        string
	Equals, Includes []any
}

// all are the steps of a case.
func (c *testCase) all() []step {
	if c.Steps != nil {
		return c.Steps
	}
	return []step{c.step}
}

// vocabulary is what every case file may use.
type vocabulary struct {
	Errors   map[string]int
	Never    map[string]string
	Servers  map[string]map[string]string
	Fixtures map[string]struct {
		Needs []string
		Steps []step
	}
}

// services are the folders of the case files and the names of their models.
var services = map[string]string{"identity": "chime-sdk-identity", "messaging": "chime-sdk-messaging"}

func loadVocabulary(t *testing.T) *vocabulary {
	t.Helper()
	v := new(vocabulary)
	readYAML(t, "cases/vocabulary.yaml", v)
	for name, fixture := range v.Fixtures {
		for i := range fixture.Steps {
			fixture.Steps[i].plain(t, name)
		}
	}
	return v
}

func loadCases(t *testing.T) []*caseFile {
	t.Helper()
	paths, err := filepath.Glob("cases/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var files []*caseFile
	for _, path := range paths {
		f := &caseFile{service: filepath.Base(filepath.Dir(path)), operation: strings.TrimSuffix(filepath.Base(path), ".yaml")}
		readYAML(t, path, f)
		f.Input = plainJSON(t, path, f.Input)
		for i := range f.Cases {
			c := &f.Cases[i]
			c.plain(t, path)
			for j := range c.Steps {
				c.Steps[j].plain(t, path)
			}
		}
		files = append(files, f)
	}
	return files
}

// readYAML refuses what no type names, so that a misspelt word cannot switch a check off.
func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// plain makes the values those that JSON has, as the other clients see them.
func (s *step) plain(t *testing.T, path string) {
	s.With, s.Expect = plainJSON(t, path, s.With), plainJSON(t, path, s.Expect)
	if s.Pages != nil {
		s.Pages.Equals, s.Pages.Includes = plainJSON(t, path, s.Pages.Equals), plainJSON(t, path, s.Pages.Includes)
	}
}

func plainJSON[T any](t *testing.T, path string, v T) (plain T) {
	t.Helper()
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &plain)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return plain
}

// steps are those of fixtures, each once, after those of the fixtures that it needs.
func (v *vocabulary) steps(names []string) ([]step, error) {
	var steps []step
	made := map[string]bool{}
	var add func(name string) error
	add = func(name string) error {
		if made[name] {
			return nil
		}
		made[name] = true
		fixture, ok := v.Fixtures[name]
		if !ok {
			return fmt.Errorf("the vocabulary has no fixture %s", name)
		}
		for _, need := range fixture.Needs {
			if err := add(need); err != nil {
				return err
			}
		}
		steps = append(steps, fixture.Steps...)
		return nil
	}
	for _, name := range append([]string{"app"}, names...) {
		if err := add(name); err != nil {
			return nil, err
		}
	}
	return steps, nil
}
