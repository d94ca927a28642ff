package person

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"

	"github.com/carillon-chat/carillon/internal/store"
)

// Undecided are the tables of the schema about which tables.go says nothing.
func Undecided() (undecided []string) {
	file, err := parser.ParseFile(token.NewFileSet(), "../store/schema.go", nil, parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	swept := sweptTables()
	decide := func(name, number string) {
		id, err := strconv.Atoi(number)
		table := store.TableID(id)
		if err != nil || notSwept[table] == "" == !slices.Contains(swept, table) {
			undecided = append(undecided, fmt.Sprintf("%s (%s)", name, number))
		}
	}

	// Tables are literals with an ID, or constants.
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, value := range spec.Values {
			switch v := value.(type) {
			case *ast.BasicLit:
				decide(spec.Names[i].Name, v.Value)
			case *ast.CompositeLit:
				for _, member := range v.Elts {
					if pair, ok := member.(*ast.KeyValueExpr); ok && pair.Key.(*ast.Ident).Name == "ID" {
						decide(spec.Names[i].Name, pair.Value.(*ast.BasicLit).Value)
					}
				}
			}
		}
		return false
	})
	return undecided
}
