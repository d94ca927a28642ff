package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
)

const chimePath = module + "internal/chime"

const whyKinds = "what an event does is said in its row in internal/chime/kinds.go, so that a new kind is a row and its producer"

// kindReaders are the files that may read the name of an event.
var kindReaders = map[string]string{
	"internal/chime/event.go":              "it finds the row",
	"internal/chime/codec_event.go":        "it writes the name in the log",
	"internal/realtime/frame.go":           "it writes the name on the wire",
	"internal/stream/record.go":            "it writes the name in the record of a stream",
	"internal/follow/deadletter.go":        "it notes the name for the operator",
	"internal/store/pebble/dropcontent.go": "a migration knows the names of its time",
	"internal/store/postgres/write.go":     "the log has a column of it",
}

// TestTheTableOfKindsDecides: outside of the table nothing compares, switches on or maps from the
// kind of an event. The SDK and what is for tests look from outside, where there is only the name.
func TestTheTableOfKindsDecides(t *testing.T) {
	for path := range kindReaders {
		if _, err := os.Stat(filepath.Join("..", "..", path)); err != nil {
			t.Errorf("a file that may read the names of events: %v", err)
		}
	}
	check := newChecker(t)
	seen := 0
	for _, p := range list(t) {
		if p.ImportPath != chimePath && !slices.Contains(p.Imports, chimePath) {
			continue
		}
		if strings.HasSuffix(p.Name, "test") || within(p.path(), "e2e") {
			continue
		}
		seen++
		var files []*ast.File
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(check.files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
		for _, fault := range check.decisions(t, p.ImportPath, files) {
			t.Error(fault)
		}
	}
	if seen < 10 {
		t.Errorf("only %d packages have to do with events", seen)
	}
}

func TestDecisionsByKindAreNoticed(t *testing.T) {
	check := newChecker(t)
	for _, test := range []struct {
		body   string
		faults int
	}{
		{`_ = chime.Event{Type: chime.EventTyping}`, 0},
		{`e.Type = chime.EventTyping`, 0},
		{`produce(chime.EventTyping)`, 0},
		{`_ = e.Kind().Unread`, 0},
		{`_ = e.Type == chime.EventTyping`, 2},
		{`_ = chime.EventTyping != name`, 1},
		{`switch name { case chime.EventTyping, chime.EventDeleteUser: }`, 2},
		{`switch name { case "DELETE_APP_INSTANCE_USER": }`, 1},
		{`_ = map[string]bool{chime.EventTyping: true}[name]`, 1},
		{`_ = map[string]bool{}[chime.EventTyping]`, 1},
		{`_ = slices.Contains([]string{"x"}, e.Type)`, 1},
		{`_ = e.Kind() == chime.EventKindOf(name)`, 2},
		{`_ = e.Kind().Name == name`, 1},
		{`_ = name == "TYPING"`, 0}, // what a client sends
	} {
		source := `package x
			import ("slices"; "` + chimePath + `")
			var _ = slices.Contains[[]string]
			func produce(string) {}
			func f(e *chime.Event, name string) { ` + test.body + ` }`
		file, err := parser.ParseFile(check.files, "x.go", source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := check.decisions(t, module+"internal/x", []*ast.File{file}); len(got) != test.faults {
			t.Errorf("%s: %d faults, want %d: %q", test.body, len(got), test.faults, got)
		}
	}
}

// checker finds out the types of packages of this module.
type checker struct {
	files   *token.FileSet
	imports types.Importer
	kinds   map[string]bool
}

func newChecker(t *testing.T) *checker {
	t.Helper()
	c := &checker{files: token.NewFileSet(), kinds: map[string]bool{}}
	for _, kind := range chime.EventKinds() {
		c.kinds[kind.Name] = true
	}

	// The go command has compiled what is imported.
	command := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export", module+"...")
	command.Dir = filepath.Join("..", "..")
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	compiled := map[string]string{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ ImportPath, Export string }
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		compiled[p.ImportPath] = p.Export
	}
	c.imports = importer.ForCompiler(c.files, "gc", func(path string) (io.ReadCloser, error) { return os.Open(compiled[path]) })
	return c
}

// decisions finds where the files of a package decide by the kind of an event.
func (c *checker) decisions(t *testing.T, path string, files []*ast.File) (faults []string) {
	t.Helper()
	info := &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{},
	}
	config := types.Config{Importer: c.imports}
	if _, err := config.Check(path, c.files, files, info); err != nil {
		t.Fatal(err)
	}

	for _, file := range files {
		name := strings.TrimPrefix(path, module) + "/" + filepath.Base(c.files.Position(file.Pos()).Filename)
		if name == "internal/chime/kinds.go" {
			continue
		}
		report := func(at token.Pos, what string) {
			faults = append(faults, fmt.Sprintf("%s:%d %s: %s", name, c.files.Position(at).Line, what, whyKinds))
		}
		ast.Inspect(file, func(node ast.Node) bool {
			for _, decided := range deciding(info, node) {
				if c.isKind(info, decided) {
					report(decided.Pos(), "decides by the kind of an event")
				}
			}
			if assign, is := node.(*ast.AssignStmt); is {
				for _, target := range assign.Lhs {
					delete(info.Selections, selector(target)) // it is written
				}
			}
			if read := info.Selections[selector(node)]; read != nil && isName(read) && kindReaders[name] == "" {
				report(node.Pos(), "reads the kind of an event")
			}
			return true
		})
	}
	return faults
}

func selector(node ast.Node) *ast.SelectorExpr {
	s, _ := node.(*ast.SelectorExpr)
	return s
}

// deciding are the expressions of a node whose values decide what it does.
func deciding(info *types.Info, node ast.Node) []ast.Expr {
	switch node := node.(type) {
	case *ast.BinaryExpr:
		if node.Op == token.EQL || node.Op == token.NEQ {
			return []ast.Expr{node.X, node.Y}
		}
	case *ast.CaseClause:
		return node.List
	case *ast.IndexExpr:
		return []ast.Expr{node.Index}
	case *ast.CompositeLit:
		if _, is := info.TypeOf(node).Underlying().(*types.Map); !is {
			return nil
		}
		var keys []ast.Expr
		for _, element := range node.Elts {
			keys = append(keys, element.(*ast.KeyValueExpr).Key)
		}
		return keys
	}
	return nil
}

// isKind reports whether an expression is a row of the table, or the name of one.
func (c *checker) isKind(info *types.Info, e ast.Expr) bool {
	if named(info.TypeOf(e), "EventKind") {
		return true
	}
	value := info.Types[e].Value
	if value == nil || value.Kind() != constant.String || !c.kinds[constant.StringVal(value)] {
		return false
	}
	literal, is := e.(*ast.BasicLit)
	return !is || strings.Contains(literal.Value, "_") // a name of one word is a word
}

// isName reports whether a selection is the name of an event or of a row.
func isName(s *types.Selection) bool {
	return s.Obj().Name() == "Type" && named(s.Recv(), "Event") || s.Obj().Name() == "Name" && named(s.Recv(), "EventKind")
}

// named reports whether a type is the one of chime, or a pointer to it.
func named(t types.Type, name string) bool {
	if p, is := t.(*types.Pointer); is {
		t = p.Elem()
	}
	n, is := t.(*types.Named)
	return is && n.Obj().Name() == name && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == chimePath
}

// TestTheSDKKnowsTheKinds: the Go SDK has a constant for each kind that a socket carries, and decodes
// the payloads of all that have one of their own.
func TestTheSDKKnowsTheKinds(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "client", "event.go"), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	constants, decoded := map[string]string{}, map[string]bool{}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.ValueSpec:
			if name := node.Names[0].Name; strings.HasPrefix(name, "Event") && len(node.Values) == 1 {
				constants[name] = strings.Trim(node.Values[0].(*ast.BasicLit).Value, `"`)
			}
		case *ast.CaseClause:
			for _, e := range node.List {
				if name, is := e.(*ast.Ident); is {
					decoded[constants[name.Name]] = true
				}
			}
		}
		return true
	})

	carried := kindsWhere(func(k *chime.EventKind) bool { return k.To != chime.NoSocket })
	sameKinds(t, "client/event.go has constants", slices.Collect(maps.Values(constants)), carried)
	decoded[chime.EventResumeToken] = true // the SDK keeps the token itself
	sameKinds(t, "client/event.go decodes", slices.Collect(maps.Keys(decoded)), carried)
}

// TestTheDocumentationKnowsTheKinds: docs/EXTENSIONS.md describes each kind that AWS does not have.
func TestTheDocumentationKnowsTheKinds(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "EXTENSIONS.md"))
	if err != nil {
		t.Fatal(err)
	}
	var described []string
	for _, found := range regexp.MustCompile(`(?m)^(?:\| |\*\*)([A-Z]+(?:_[A-Z]+)*)(?: \||\*\*)`).FindAllSubmatch(page, -1) {
		described = append(described, string(found[1]))
	}
	described = slices.DeleteFunc(described, func(name string) bool { return name == chime.EventSessionEstablished }) // of AWS, with more in it
	sameKinds(t, "docs/EXTENSIONS.md describes", described, kindsWhere(func(k *chime.EventKind) bool { return k.Extension }))
}

func kindsWhere(holds func(*chime.EventKind) bool) (names []string) {
	rows := chime.EventKinds()
	for i := range rows {
		if holds(&rows[i]) {
			names = append(names, rows[i].Name)
		}
	}
	return names
}

func sameKinds(t *testing.T, what string, got, want []string) {
	t.Helper()
	for _, name := range want {
		if !slices.Contains(got, name) {
			t.Errorf("%s, but not %s", what, name)
		}
	}
	for _, name := range got {
		if !slices.Contains(want, name) {
			t.Errorf("%s, among them %q, which is not in the table in internal/chime/kinds.go", what, name)
		}
	}
}
