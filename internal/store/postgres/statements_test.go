package postgres

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/store"
)

// avoided is what not all of CockroachDB, YugabyteDB, Aurora and Citus have.
var avoided = regexp.MustCompile(`(?i)\b(listen|notify|pg_notify|advisory|pg_advisory\w*|pg_try_advisory\w*|lock\s+table|trigger|rule|exclude|deferrable|stored|serial|bigserial|smallserial|sequence|nextval|identity|temp|temporary|unlogged|tablespace|inherits|ctid|xmin|merge)\b`)

// TestStatementsRunElsewhere looks at the text of every statement.
func TestStatementsRunElsewhere(t *testing.T) {
	var texts []string

	// Constants, and what is made for tables.
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			literal, ok := node.(*ast.BasicLit)
			if ok && literal.Kind == token.STRING {
				text, _ := strconv.Unquote(literal.Value)
				texts = append(texts, text)
			}
			return true
		})
	}

	// The migrations, without what they say about tables.
	comments := regexp.MustCompile(`(?m)^--.*$|^COMMENT ON .*$`)
	err = fs.WalkDir(migrations, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := migrations.ReadFile(path)
		texts = append(texts, comments.ReplaceAllString(string(text), ""))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	statements := 0
	for _, text := range texts {
		if sqlText.MatchString(text) {
			statements++
			if word := avoided.FindString(text); word != "" {
				t.Errorf("%s is not known everywhere: %s", word, text)
			}
		}
	}
	if statements < 15 {
		t.Errorf("only %d statements were found", statements)
	}
}

var sqlText = regexp.MustCompile(`(?m)^(SELECT|INSERT|UPDATE|DELETE|CREATE|BEGIN|COMMIT|ROLLBACK|SET|SHOW|VACUUM)\b`)

// TestEveryTableIsMade: each table of the schema has an SQL name, and a migration that makes it with a comment.
func TestEveryTableIsMade(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../schema.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[store.TableID]bool{store.TableTraces: true, store.TableLogs: true}
	ast.Inspect(file, func(node ast.Node) bool {
		pair, ok := node.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		if name, ok := pair.Key.(*ast.Ident); ok && name.Name == "ID" {
			if n, err := strconv.Atoi(pair.Value.(*ast.BasicLit).Value); err == nil {
				ids[store.TableID(n)] = true
			}
		}
		return true
	})

	var all strings.Builder
	for _, entry := range must(migrations.ReadDir("migrations")) {
		all.Write(must(migrations.ReadFile("migrations/" + entry.Name())))
	}
	used := map[string]bool{}
	for id := range ids {
		name, known := names[id]
		if !known || used[name] {
			t.Errorf("table %d has no SQL name of its own", id)
			continue
		}
		used[name] = true
		for _, text := range []string{"CREATE TABLE " + name + " (", "COMMENT ON TABLE " + name + " IS"} {
			if !strings.Contains(all.String(), text) {
				t.Errorf("no migration has %q", text)
			}
		}
	}
	for id, name := range names {
		if !ids[id] && id < 200 {
			t.Errorf("%s is no table of the schema", name)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestPlaces: a key has the place that its bytes have among all keys, whatever they are.
func TestPlaces(t *testing.T) {
	r := relation{ofApps: true}
	keys := []store.Key{
		nil, store.K(""), store.K("", "a"), store.K("").Num(1), store.Prefix(store.K("")).To, store.K("\x00"), store.K("\x00", "b"), store.K("\x00\x00"),
		{textTag, 'a'}, store.K("a"), store.K("a", ""), store.K("a").Num(7), store.Prefix(store.K("a")).To, store.K("a\x00"), store.K("a\x00b", "c"),
		store.K("aa"), store.K("b").Num(1), store.K("\xff"), store.K("\xff\xff"),
	}
	for i, a := range keys {
		at, beyond := r.locate(a)
		if beyond {
			t.Errorf("%q is beyond all", a)
		}
		if string(r.storeKey(at)) != string(a) && i != 8 { // which is no key
			t.Errorf("%q came back as %q", a, r.storeKey(at))
		}
		if i > 0 {
			if last, _ := r.locate(keys[i-1]); !before(last, at) {
				t.Errorf("%q is not before %q", keys[i-1], a)
			}
		}
	}
	if _, beyond := r.locate(store.Key(nil).Num(1)); !beyond {
		t.Error("a number is not behind all texts")
	}
}

func TestPositions(t *testing.T) {
	r := relationOf(store.TableEvents)
	for _, tc := range []struct {
		key  store.Key
		want int64
	}{
		{store.K("a"), 0}, {store.K("a").Num(0), 0}, {store.K("a").Num(7), 7}, {append(store.K("a").Num(7), 0), 8},
		{store.K("a").Num(1 << 62), 1 << 62}, {store.K("a").Num(^uint64(0)), 1<<63 - 1}, {store.Prefix(store.K("a")).To, 1<<63 - 1},
	} {
		at, _ := r.locate(tc.key)
		if got := positionAt(at.key); got != tc.want {
			t.Errorf("%q is position %d, want %d", tc.key, got, tc.want)
		}
	}
	at := place{[]byte("a"), eventKey(7)}
	if got := r.storeKey(at); string(got) != string(store.K("a").Num(7)) {
		t.Errorf("the key of an event is %q", got)
	}
}
