package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/carillon-chat/carillon/"

// pkg is a package of this module as the go command lists it.
type pkg struct {
	ImportPath, Name, Dir, Doc string
	GoFiles, IgnoredGoFiles    []string
	Imports                    []string
	TestImports, XTestImports  []string
}

// path is the package's folder in the repository.
func (p pkg) path() string { return strings.TrimPrefix(p.ImportPath, module) }

func list(t *testing.T) []pkg {
	t.Helper()
	command := exec.Command("go", "list", "-e", "-json=ImportPath,Name,Dir,Doc,GoFiles,IgnoredGoFiles,Imports,TestImports,XTestImports", module+"...")
	command.Dir = filepath.Join("..", "..")
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	var packages []pkg
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(p.ImportPath, "/node_modules/") {
			packages = append(packages, p)
		}
	}
}

func TestHouse(t *testing.T) {
	packages := list(t)
	if len(packages) < 10 {
		t.Fatalf("only %d packages are seen", len(packages))
	}
	for _, p := range packages {
		for _, fault := range slices.Concat(imports(p), shape(p), code(t, p)) {
			t.Errorf("%s %s", p.path(), fault)
		}
	}
}

// within reports whether the path is the folder or lies below it.
func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

func withinAny(path string, folders []string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool { return within(path, folder) })
}

func layerOf(path string) *layer {
	var found *layer
	longest := -1
	for i := range layers {
		for _, folder := range layers[i].paths {
			if within(path, folder) && len(folder) > longest {
				found, longest = &layers[i], len(folder)
			}
		}
	}
	return found
}

// imports checks what the package's code imports. Tests may import any engine and library.
func imports(p pkg) (faults []string) {
	path := p.path()
	if withinAny(path, tools) {
		return nil
	}
	own := layerOf(path)
	if own == nil {
		return []string{"belongs to no layer: name it in rules_test.go and docs/ARCHITECTURE.md"}
	}
	if own.name == "contract" && !slices.Contains(own.paths, path) {
		return []string{"lies below a contract and is no part of it: name its layer in rules_test.go, and it in docs/ARCHITECTURE.md"}
	}
	for _, imported := range p.Imports {
		if target, ours := strings.CutPrefix(imported, module); ours {
			if why := inside(own, path, target); why != "" {
				faults = append(faults, fmt.Sprintf("imports %s: %s", target, why))
			}
			continue
		}
		for _, rule := range thirdParty {
			if within(imported, rule.library) && !withinAny(path, rule.only) {
				faults = append(faults, fmt.Sprintf("imports %s: %s", imported, rule.why))
			}
		}
		if withinAny(path, pure.packages) && slices.Contains(pure.imports, imported) {
			faults = append(faults, fmt.Sprintf("imports %s: %s", imported, pure.why))
		}
	}
	return faults
}

// inside is the reason why a package of the layer may not import the target, empty when it may.
func inside(own *layer, path, target string) string {
	other := layerOf(target)
	switch {
	case other == nil:
		return "it belongs to no layer"
	case other != own && !slices.Contains(own.below, other.name):
		return own.why
	case other == own && !within(target, path) && !within(path, target):
		if rule, limited := siblings[own.name]; limited && !slices.Contains(rule.allowed[path], target) {
			return rule.why
		}
	}
	return ""
}

// shape checks the package as a whole.
func shape(p pkg) (faults []string) {
	if len(p.GoFiles) > 0 && p.Doc == "" {
		faults = append(faults, "has no package comment: it says what the package promises")
	}
	if slices.Contains(vagueNames, p.Name) {
		faults = append(faults, "has a name that says nothing about what it promises")
	}
	for _, file := range slices.Concat(p.GoFiles, p.IgnoredGoFiles) {
		if slices.Contains(vagueNames, strings.TrimSuffix(file, ".go")) {
			faults = append(faults, file+" has a name that says nothing about what is in it: interfaces live with their contract or consumer")
		}
	}
	return faults
}

// code checks what the package's own files use.
func code(t *testing.T, p pkg) (faults []string) {
	t.Helper()
	if p.Name == "main" || strings.HasSuffix(p.Name, "test") || withinAny(p.path(), tools) {
		return nil
	}
	files := token.NewFileSet()
	for _, name := range slices.Concat(p.GoFiles, p.IgnoredGoFiles) {
		file, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Logf("%s/%s does not parse: %v", p.path(), name, err)
			continue
		}
		for _, u := range uses(p.path(), file) {
			faults = append(faults, fmt.Sprintf("%s:%d %s", name, files.Position(u.at).Line, u.fault))
		}
	}
	return faults
}

type use struct {
	at    token.Pos
	fault string
}

// uses finds what the rules forbid in one file of the package.
func uses(path string, file *ast.File) (found []use) {
	named := map[string]string{} // the file's name of a package -> its path
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := imported[strings.LastIndexByte(imported, '/')+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		named[name] = imported
		for _, rule := range calls {
			if rule.pkg == imported && rule.names[0] == "*" && !withinAny(path, rule.except) {
				found = append(found, use{spec.Pos(), "imports " + imported + ": " + rule.why})
			}
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := selector.X.(*ast.Ident)
		if !ok {
			return true
		}
		for _, rule := range calls {
			if rule.pkg == named[x.Name] && slices.Contains(rule.names, selector.Sel.Name) && !withinAny(path, rule.except) {
				found = append(found, use{selector.Pos(), "uses " + rule.pkg + "." + selector.Sel.Name + ": " + rule.why})
			}
		}
		return true
	})
	return found
}
