package api

import (
	"strconv"
	"strings"
)

// Invalid is the fault of one member of a request, without its value.
// It is built from the inside out: the place that finds the fault makes it,
// and each level around it puts its own name in front.
type Invalid struct {
	path   string // Processors[0].Name; empty for the request as a whole
	wire   string // how the member travels, when its name there is another
	reason string
}

func invalid(reason string) *Invalid { return &Invalid{reason: reason} }

// Missing reports a required member that is absent.
func Missing(member string) *Invalid { return &Invalid{path: member, reason: "is required"} }

// Empty reports a required member that is absent or empty, where its
// constraints allow neither.
func Empty(member string) *Invalid {
	return &Invalid{path: member, reason: "is required and must not be empty"}
}

// Zero is Empty for numbers.
func Zero(member string) *Invalid {
	return &Invalid{path: member, reason: "is required and must not be 0"}
}

// In puts the name of the member in front of the path.
func (e *Invalid) In(member string) *Invalid {
	e.path = joinPath(member, e.path)
	return e
}

// At puts the index of a list element in front of the path.
func (e *Invalid) At(i int) *Invalid {
	e.path = joinPath("["+strconv.Itoa(i)+"]", e.path)
	return e
}

// Key puts the key of a map entry in front of the path.
func (e *Invalid) Key(key string) *Invalid {
	e.path = joinPath(pathKey(key), e.path)
	return e
}

// Via says how the member travels: "query parameter max-results".
func (e *Invalid) Via(wire string) *Invalid {
	e.wire = wire
	return e
}

// As turns it into an answer of the given kind.
func (e *Invalid) As(x Exception) *Error {
	var m strings.Builder
	m.WriteString(e.path)
	if e.wire != "" {
		m.WriteString(" (" + e.wire + ")")
	}
	if e.path != "" {
		m.WriteByte(' ')
	}
	m.WriteString(e.reason)
	return &Error{Type: x.Type, Code: x.Code, Status: x.Status, Message: m.String(), Member: e.path}
}

func joinPath(head, tail string) string {
	switch {
	case tail == "":
		return head
	case tail[0] == '[':
		return head + tail
	}
	return head + "." + tail
}

// maxPathKey bounds what a caller's own key adds to an error.
const maxPathKey = 64

// pathKey spells a caller's key so that a path stays readable: plain words as
// they are, anything else in brackets and quotes.
func pathKey(key string) string {
	if key != "" && len(key) <= maxPathKey && IsToken(key) {
		return key
	}
	if len(key) > maxPathKey {
		key = strings.ToValidUTF8(key[:maxPathKey], "") + "..."
	}
	return "[" + strconv.Quote(key) + "]"
}
