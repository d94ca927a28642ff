package config

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parseFile reads a YAML file of settings. It keeps the texts as they are written, so that an
// account of twelve zeros is not taken for a number, and the lines, for error messages.
// Faults of single settings are returned with the entries that are valid.
func parseFile(path string, text []byte) (entries []entry, faults []error, err error) {
	name := filepath.Base(path)

	// One document, which is a mapping or empty.
	var document yaml.Node
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil, nil, nil // an empty file sets nothing
	} else if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("%s: must hold one YAML document", name)
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, nil, fmt.Errorf("%s: must hold lines of the form \"setting: value\"", name)
	}

	// Every entry is read, so that all faults are reported together.
	seen := map[string]bool{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		e := entry{key: key.Value, origin: fmt.Sprintf("%s:%d: %s", name, key.Line, key.Value)}
		if seen[e.key] {
			faults = append(faults, fmt.Errorf("%s: is set twice", e.origin))
			continue
		}
		seen[e.key] = true
		var ok bool
		if e.value, ok = scalar(value); !ok {
			faults = append(faults, fmt.Errorf("%s: must be a single value or a list of them", e.origin))
			continue
		}
		entries = append(entries, e)
	}
	return entries, faults, nil
}

// scalar is the text of a value or of a list of values.
func scalar(node *yaml.Node) (text string, ok bool) {
	if node.Kind == yaml.ScalarNode {
		if node.Tag == "!!null" {
			return "", true
		}
		return node.Value, true
	}
	if node.Kind != yaml.SequenceNode {
		return "", false
	}
	items := make([]string, len(node.Content))
	for i, item := range node.Content {
		if item.Kind != yaml.ScalarNode {
			return "", false
		}
		items[i] = item.Value
	}
	return strings.Join(items, ","), true
}
