// Command gen writes the generated packages of the wire layer from the models:
// types, decoders, validators, encoders and operation tables. The same models
// always give the same bytes; a test compares them with what is checked in.
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
	if err := run(filepath.Join(*root, "internal", "api")); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run replaces the generated files below dir.
func run(dir string) error {
	files, err := generate()
	if err != nil {
		return err
	}
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	return removeStale(dir, files)
}

// removeStale deletes generated files that the models no longer give.
func removeStale(dir string, files map[string][]byte) error {
	old, err := filepath.Glob(filepath.Join(dir, "*", "*.gen.go"))
	if err != nil {
		return err
	}
	for _, path := range old {
		name, err := filepath.Rel(dir, path)
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
