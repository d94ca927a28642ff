package api

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// fail reports the value just read.
func (r *JSONReader) fail(reason string) {
	if r.err == nil {
		r.err = &Invalid{path: r.path(), reason: reason}
		if r.err.path == "" {
			r.err.reason = "the request body " + reason
		}
	}
}

// path spells the decoder's place as Invalid does: Tags[0].Key.
func (r *JSONReader) path() string { return r.spell(r.dec.StackPointer()) }

// spell spells a pointer below the decoder's place. What lies deeper than the
// decoder has names alone: indexes in it look like names.
func (r *JSONReader) spell(place jsontext.Pointer) string {
	path := ""
	pointer := string(place)
	for depth := 1; pointer != ""; depth++ {
		var token string
		token, pointer, _ = strings.Cut(pointer[1:], "/")
		if pointer != "" {
			pointer = "/" + pointer
		}
		if depth <= r.dec.StackDepth() && r.isArray(depth) {
			path += "[" + token + "]"
			continue
		}
		key := pathKey(strings.NewReplacer("~1", "/", "~0", "~").Replace(token))
		if path != "" && key[0] != '[' {
			path += "."
		}
		path += key
	}
	return path
}

func (r *JSONReader) isArray(depth int) bool {
	kind, _ := r.dec.StackIndex(depth)
	return kind == jsontext.KindBeginArray
}

// syntax reports a body that is not JSON.
func (r *JSONReader) syntax(err error) {
	if r.err != nil {
		return
	}
	var s *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &s):
		r.err = &Invalid{path: r.spell(s.JSONPointer), reason: "is given twice"}
	case errors.As(err, &s):
		r.err = invalid(fmt.Sprintf("the request body is not valid JSON: %v at byte %d", s.Err, s.ByteOffset))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		r.err = invalid("the request body is not valid JSON: it ends too early")
	default:
		r.err = invalid("the request body is not valid JSON")
	}
}
