// Package filter reads and applies the rules by which members choose which messages are pushed
// to them (spec 6.7).
//
// A rule is a JSON object. Each of its keys names a message attribute; the value lists the
// strings of which the attribute must have one, or says {"anything-but": [...]} of which it
// must have none. All keys must agree; of the objects under "$or" one is enough. Strings are
// equal when their bytes are.
package filter

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of a rule (spec 11.4).
const (
	MaxBytes      = 2048
	MaxOr         = 5  // objects under "$or"
	MaxComplexity = 20 // keys and values together; "$or" and "anything-but" are not counted
	maxAttribute  = 64 // characters of the name of a message attribute
)

// Rule is a rule that was read.
type Rule struct {
	all    object
	either []object // empty: no "$or"
}

// object is constraints that must all hold.
type object []constraint

type constraint struct {
	attribute string
	values    []string
	not       bool // anything but the values
}

// Parse reads a rule. The error says what is wrong with it, to follow the name of a member.
func Parse(text string) (*Rule, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("has %d bytes; the limit is %d", len(text), MaxBytes)
	}
	p := parser{dec: jsontext.NewDecoder(strings.NewReader(text))}
	rule, err := p.rule()
	if err != nil {
		return nil, err
	}
	if p.complexity > MaxComplexity {
		return nil, fmt.Errorf("has %d keys and values together; the limit is %d", p.complexity, MaxComplexity)
	}
	return rule, nil
}

// Match reports whether a message with these attributes passes. An attribute that a message
// does not have is none of the values.
func (r *Rule) Match(attributes map[string][]string) bool {
	if !r.all.match(attributes) {
		return false
	}
	return len(r.either) == 0 || slices.ContainsFunc(r.either, func(o object) bool { return o.match(attributes) })
}

func (o object) match(attributes map[string][]string) bool {
	for _, c := range o {
		listed := func(value string) bool { return slices.Contains(c.values, value) }
		if slices.ContainsFunc(attributes[c.attribute], listed) == c.not {
			return false
		}
	}
	return true
}

var (
	errNotJSON  = errors.New("is not a JSON object without repeated keys")
	errEmpty    = errors.New("must constrain at least one message attribute")
	errValues   = errors.New(`takes for each attribute a list of strings, or a list with one {"anything-but": [strings]}`)
	errOr       = errors.New(`takes a list of objects for "$or"`)
	errNestedOr = errors.New(`takes "$or" at the top alone`)
	errOrLength = fmt.Errorf(`takes at most %d objects in "$or"`, MaxOr)
	errName     = fmt.Errorf("names an attribute that is not of 1 to %d characters", maxAttribute)
)

const (
	keyOr  = "$or"
	keyNot = "anything-but"
)

type parser struct {
	dec        *jsontext.Decoder
	complexity int
}

// next reads the next token as kind, or fails with wrong.
func (p *parser) next(kind jsontext.Kind, wrong error) (string, error) {
	t, err := p.dec.ReadToken()
	if err != nil {
		return "", errNotJSON
	}
	if t.Kind() != kind {
		return "", wrong
	}
	return t.String(), nil
}

func (p *parser) rule() (*Rule, error) {
	r := new(Rule)
	var err error
	if r.all, err = p.object(errNotJSON, func() error {
		r.either, err = p.or()
		return err
	}); err != nil {
		return nil, err
	}
	if _, err := p.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errNotJSON // something follows
	}
	if len(r.all)+len(r.either) == 0 {
		return nil, errEmpty
	}
	return r, nil
}

// object reads constraints; or reads the value of "$or".
func (p *parser) object(wrong error, or func() error) (o object, err error) {
	if _, err := p.next('{', wrong); err != nil {
		return nil, err
	}
	for p.dec.PeekKind() != '}' {
		key, err := p.next('"', errNotJSON)
		if err == nil && key == keyOr {
			if err = or(); err == nil {
				continue
			}
		}
		if err != nil {
			return nil, err
		}
		c, err := p.constraint(key)
		if err != nil {
			return nil, err
		}
		o = append(o, c)
	}
	_, err = p.next('}', errNotJSON)
	return o, err
}

func (p *parser) or() (objects []object, err error) {
	if _, err := p.next('[', errOr); err != nil {
		return nil, err
	}
	for p.dec.PeekKind() != ']' {
		o, err := p.object(errOr, func() error { return errNestedOr })
		if err != nil {
			return nil, err
		}
		if len(o) == 0 {
			return nil, errEmpty
		}
		objects = append(objects, o)
	}
	if len(objects) == 0 {
		return nil, errOr
	}
	if len(objects) > MaxOr {
		return nil, errOrLength
	}
	_, err = p.next(']', errNotJSON)
	return objects, err
}

func (p *parser) constraint(attribute string) (c constraint, err error) {
	if n := len([]rune(attribute)); n == 0 || n > maxAttribute {
		return c, errName
	}
	c.attribute = attribute
	if _, err := p.next('[', errValues); err != nil {
		return c, err
	}
	if c.not = p.dec.PeekKind() == '{'; c.not {
		if c.values, err = p.anythingBut(); err != nil {
			return c, err
		}
		_, err = p.next(']', errValues)
	} else {
		c.values, err = p.strings()
	}
	p.complexity += 1 + len(c.values)
	return c, err
}

func (p *parser) anythingBut() (values []string, err error) {
	if _, err := p.next('{', errValues); err != nil {
		return nil, err
	}
	key, err := p.next('"', errValues)
	if err == nil && key != keyNot {
		err = errValues
	}
	if err != nil {
		return nil, err
	}
	if _, err := p.next('[', errValues); err != nil {
		return nil, err
	}
	if values, err = p.strings(); err != nil {
		return nil, err
	}
	_, err = p.next('}', errValues)
	return values, err
}

// strings reads a list from behind its bracket.
func (p *parser) strings() (values []string, err error) {
	for p.dec.PeekKind() != ']' {
		value, err := p.next('"', errValues)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	if len(values) == 0 {
		return nil, errValues
	}
	_, err = p.next(']', errValues)
	return values, err
}
