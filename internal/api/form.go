package api

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxFormElements bounds a list of the query protocol.
const MaxFormElements = 1000

// Form reads the members of a query protocol request, whose names are paths:
// Tags.member.1.Key. It keeps the first fault, like JSONReader, and ignores
// unknown parameters. The caller bounds the number of parameters.
type Form struct {
	*formValues
	prefix string // wire name of the structure being read, with its dot
	path   string // the same as errors spell it: Tags[0]
}

// formValues are shared by all levels of one request.
type formValues struct {
	values url.Values
	names  []string // sorted: what belongs to a member is one range
	err    *Invalid
}

// NewForm starts reading.
func NewForm(values url.Values) *Form {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	return &Form{formValues: &formValues{values: values, names: names}}
}

// Err is the first fault.
func (f *formValues) Err() *Invalid { return f.err }

// String reads a string; empty when absent.
func (f *Form) String(member string) string {
	s := f.values.Get(f.prefix + member)
	if !utf8.ValidString(s) {
		f.fail(member, "must be valid UTF-8")
	}
	return s
}

// OptionalString reads a string; nil when absent.
func (f *Form) OptionalString(member string) *string {
	if !f.has(member) {
		return nil
	}
	s := f.String(member)
	return &s
}

// Enum reads a value of an enumeration; empty when absent. An empty value is
// no value of any enumeration.
func (f *Form) Enum(member string) string {
	s := f.String(member)
	if s == "" && f.has(member) {
		f.fail(member, "must not be an empty string")
	}
	return s
}

// OptionalInt reads a strict decimal integer; nil when absent.
func (f *Form) OptionalInt(member string) *int {
	if !f.has(member) {
		return nil
	}
	n, ok := parseInt(f.values.Get(f.prefix + member))
	if !ok {
		f.fail(member, "must be an integer")
	}
	return &n
}

// Bool reads true or false; false when absent.
func (f *Form) Bool(member string) bool {
	if !f.has(member) {
		return false
	}
	s := f.values.Get(f.prefix + member)
	if s != "true" && s != "false" {
		f.fail(member, "must be true or false")
	}
	return s == "true"
}

// Strings reads a list of strings; nil when absent.
func (f *Form) Strings(member string) []string {
	n, present := f.length(member)
	if !present {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = f.String(elementName(member, i))
	}
	return list
}

// FormList reads a list of structures; nil when absent.
func FormList[T any](f *Form, member string, read func(*T, *Form)) []T {
	n, present := f.length(member)
	if !present {
		return nil
	}
	list := make([]T, n)
	for i := range list {
		read(&list[i], &Form{
			formValues: f.formValues,
			prefix:     f.prefix + elementName(member, i) + ".",
			path:       f.below(member) + "[" + strconv.Itoa(i) + "]",
		})
	}
	return list
}

func elementName(member string, i int) string { return member + ".member." + strconv.Itoa(i+1) }

// length counts the elements of a list. Their numbers must run from 1 without
// a gap. A list without elements travels as an empty parameter of its name.
func (f *Form) length(member string) (n int, present bool) {
	prefix := f.prefix + member + ".member."
	first, _ := slices.BinarySearch(f.names, prefix)

	seen := map[int]bool{}
	for _, name := range f.names[first:] {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			break
		}
		number, _, _ := strings.Cut(rest, ".")
		index, ok := parseInt(number)
		if !ok || index < 1 || index > MaxFormElements {
			f.fail(member, fmt.Sprintf("must have elements numbered from 1 to at most %d", MaxFormElements))
			return 0, false
		}
		seen[index] = true
		n = max(n, index)
	}

	if n != len(seen) {
		f.fail(member, "must have elements numbered from 1 without a gap")
		return 0, false
	}
	return n, n > 0 || f.has(member)
}

func (f *Form) has(member string) bool { return f.values.Has(f.prefix + member) }

func (f *Form) fail(member, reason string) {
	if f.err != nil {
		return
	}
	// A string of a list is read by its wire name, Names.member.1.
	if list, number, ok := strings.Cut(member, ".member."); ok {
		if n, ok := parseInt(number); ok {
			member = list + "[" + strconv.Itoa(n-1) + "]"
		}
	}
	f.err = &Invalid{path: f.below(member), reason: reason}
}

// below is the path of a member of the structure being read.
func (f *Form) below(member string) string {
	if f.path == "" {
		return member
	}
	return f.path + "." + member
}
