// Command gen writes what is generated from the models: the packages of the wire
// layer (types, decoders, validators, encoders and operation tables) and the
// structures and methods of the Go SDK. The same models always give the same
// bytes; a test compares them with what is checked in.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	root := flag.String("root", ".", "root of the repository")
	flag.Parse()
	if err := run(*root); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run replaces the generated files of the repository in root.
func run(root string) error {
	files, err := generate()
	if err != nil {
		return err
	}
	for name, data := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	return removeStale(root, files)
}

// removeStale deletes generated files that the models no longer give.
func removeStale(root string, files map[string][]byte) error {
	old, err := generated(root)
	if err != nil {
		return err
	}
	for _, path := range old {
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if _, ok := files[filepath.ToSlash(name)]; !ok {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// generated gives the paths of all generated files that are there.
func generated(root string) ([]string, error) {
	api, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(apiDir), "*", "*.gen.go"))
	if err != nil {
		return nil, err
	}
	sdk, err := filepath.Glob(filepath.Join(root, "client", "*.gen.go"))
	return append(api, sdk...), err
}
