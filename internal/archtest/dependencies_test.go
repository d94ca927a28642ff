package archtest

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata")

const dependenciesHead = `# The modules that are linked into the binary, on Linux, macOS or Windows.
#
# A module that appears here is code that serves: it needs a record in docs/adr and a licence that
# CONTRIBUTING.md allows. The test rewrites this file with -update.

`

// TestDependencies compares the modules of cmd/carillon with the list that was agreed on.
func TestDependencies(t *testing.T) {
	var modules []string
	for _, system := range []string{"linux", "darwin", "windows"} {
		command := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", "./cmd/carillon")
		command.Dir = filepath.Join("..", "..")
		command.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0")
		out, err := command.Output()
		if err != nil {
			t.Fatalf("%s: %v", system, err)
		}
		modules = append(modules, strings.Fields(string(out))...)
	}
	slices.Sort(modules)
	got := dependenciesHead + strings.Join(slices.Compact(modules), "\n") + "\n"

	file := filepath.Join("testdata", "dependencies.txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}
