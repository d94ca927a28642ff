package policy

import (
	"errors"
	"strings"
)

// operator is a comparison, without the prefixes and suffixes that every operator can have. It
// compares text with a pattern, which may hold variables, or it has read, which may not.
type operator struct {
	negated bool
	null    bool
	text    textual
	read    func(text string) (check, error)
}

// textual is a way to compare text.
type textual int

const (
	noText textual = iota
	sameText
	foldedText
	likeText
	likeARN
)

// operators are found by their names in lower case: AWS's own documents do not agree on the case.
var operators = map[string]*operator{
	"stringequals":              {text: sameText},
	"stringnotequals":           {text: sameText, negated: true},
	"stringequalsignorecase":    {text: foldedText},
	"stringnotequalsignorecase": {text: foldedText, negated: true},
	"stringlike":                {text: likeText},
	"stringnotlike":             {text: likeText, negated: true},

	"arnequals":    {text: likeARN},
	"arnlike":      {text: likeARN},
	"arnnotequals": {text: likeARN, negated: true},
	"arnnotlike":   {text: likeARN, negated: true},

	"numericequals":            {read: number(func(order int) bool { return order == 0 })},
	"numericnotequals":         {read: number(func(order int) bool { return order == 0 }), negated: true},
	"numericlessthan":          {read: number(func(order int) bool { return order < 0 })},
	"numericlessthanequals":    {read: number(func(order int) bool { return order <= 0 })},
	"numericgreaterthan":       {read: number(func(order int) bool { return order > 0 })},
	"numericgreaterthanequals": {read: number(func(order int) bool { return order >= 0 })},

	"dateequals":            {read: date(func(order int) bool { return order == 0 })},
	"datenotequals":         {read: date(func(order int) bool { return order == 0 }), negated: true},
	"datelessthan":          {read: date(func(order int) bool { return order < 0 })},
	"datelessthanequals":    {read: date(func(order int) bool { return order <= 0 })},
	"dategreaterthan":       {read: date(func(order int) bool { return order > 0 })},
	"dategreaterthanequals": {read: date(func(order int) bool { return order >= 0 })},

	"bool":         {read: readBool},
	"null":         {read: readBool, null: true},
	"binaryequals": {read: readBinary},
	"ipaddress":    {read: readNetwork},
	"notipaddress": {read: readNetwork, negated: true},
}

func (t textual) wild() bool { return t == likeText || t == likeARN }

// compare is no function value, so that the pattern can stay on the stack.
func (t textual) compare(pattern []byte, value string) bool {
	switch t {
	case sameText:
		return string(pattern) == value
	case foldedText:
		return strings.EqualFold(string(pattern), value)
	case likeText:
		return match(pattern, value)
	case likeARN:
		return matchARN(pattern, value)
	default:
		return false
	}
}

// matchARN compares the six parts of an ARN each for itself: a wildcard in one of the first five
// does not reach beyond its colon. "*" is every ARN.
func matchARN(pattern []byte, value string) bool {
	if strings.Count(value, ":") < 5 {
		return false
	}
	if len(pattern) == 1 && pattern[0] == anyText {
		return true
	}
	for range 5 {
		p, v := indexColon(pattern), indexColon(value)
		if p < 0 || !match(pattern[:p], value[:v]) {
			return false
		}
		pattern, value = pattern[p+1:], value[v+1:]
	}
	return match(pattern, value)
}

func indexColon[T ~string | ~[]byte](text T) int {
	for i := range len(text) {
		if text[i] == ':' {
			return i
		}
	}
	return -1
}

func checkARNPattern(pattern string) error {
	if strings.Count(pattern, ":") < 5 && pattern != "\xFF" {
		return errors.New("is no ARN")
	}
	return nil
}
