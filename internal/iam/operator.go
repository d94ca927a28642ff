package iam

import (
	"encoding/base64"
	"errors"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// operator is a comparison, without the prefixes and suffixes that every operator can have. One of
// compare, which takes variables, and read, which does not, is set.
type operator struct {
	negated bool
	null    bool
	wild    bool // * and ? are wildcards
	arn     bool
	compare func(pattern []byte, value string) bool
	read    func(text string) (check, error)
}

// check is one prepared value of a condition.
type check interface{ holds(value string) bool }

// operators are found by their names in lower case: AWS's own documents do not agree on the case.
var operators = map[string]*operator{
	"stringequals":              {compare: sameText},
	"stringnotequals":           {compare: sameText, negated: true},
	"stringequalsignorecase":    {compare: sameTextFolded},
	"stringnotequalsignorecase": {compare: sameTextFolded, negated: true},
	"stringlike":                {compare: match[[]byte, string], wild: true},
	"stringnotlike":             {compare: match[[]byte, string], wild: true, negated: true},

	"arnequals":    {compare: matchARN, wild: true, arn: true},
	"arnlike":      {compare: matchARN, wild: true, arn: true},
	"arnnotequals": {compare: matchARN, wild: true, arn: true, negated: true},
	"arnnotlike":   {compare: matchARN, wild: true, arn: true, negated: true},

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

func sameText(text []byte, value string) bool { return string(text) == value }

func sameTextFolded(text []byte, value string) bool { return strings.EqualFold(string(text), value) }

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

// numeric is a number; whole ones are compared exactly.
type numeric struct {
	float float64
	whole int64
	exact bool
}

func parseNumber(text string) (numeric, bool) {
	if strings.Trim(text, "+-.0123456789eE") != "" {
		return numeric{}, false // what ParseFloat reads beyond decimal numbers
	}
	whole, err := strconv.ParseInt(text, 10, 64)
	if err == nil {
		return numeric{float64(whole), whole, true}, true
	}
	float, err := strconv.ParseFloat(text, 64)
	return numeric{float: float}, err == nil && !math.IsInf(float, 0)
}

func (n numeric) order(other numeric) int {
	switch {
	case n.exact && other.exact:
		return order(n.whole, other.whole)
	default:
		return order(n.float, other.float)
	}
}

func order[T int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

type numberCheck struct {
	than numeric
	wish func(order int) bool
}

func (c numberCheck) holds(value string) bool {
	n, ok := parseNumber(value)
	return ok && c.wish(n.order(c.than))
}

func number(wish func(order int) bool) func(string) (check, error) {
	return func(text string) (check, error) {
		n, ok := parseNumber(text)
		if !ok {
			return nil, errors.New("is no number")
		}
		return numberCheck{n, wish}, nil
	}
}

// dateLayouts are those of the W3C profile of ISO 8601. Seconds may have a fraction.
var dateLayouts = []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01", "2006"}

// parseDate reads a date, in UTC when it has no zone, or seconds since 1970. Four digits are a year.
func parseDate(text string) (time.Time, bool) {
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	return time.Unix(seconds, 0), err == nil
}

type dateCheck struct {
	than time.Time
	wish func(order int) bool
}

func (c dateCheck) holds(value string) bool {
	t, ok := parseDate(value)
	return ok && c.wish(t.Compare(c.than))
}

func date(wish func(order int) bool) func(string) (check, error) {
	return func(text string) (check, error) {
		t, ok := parseDate(text)
		if !ok {
			return nil, errors.New("is no date")
		}
		return dateCheck{t, wish}, nil
	}
}

type boolCheck string

func (c boolCheck) holds(value string) bool { return strings.EqualFold(value, string(c)) }

func readBool(text string) (check, error) {
	lower := strings.ToLower(text)
	if lower != "true" && lower != "false" {
		return nil, errors.New("is neither true nor false")
	}
	return boolCheck(lower), nil
}

// binaryCheck holds bytes. Both sides are written in base64.
type binaryCheck string

func (c binaryCheck) holds(value string) bool {
	bytes, err := base64.StdEncoding.DecodeString(value)
	return err == nil && string(bytes) == string(c)
}

func readBinary(text string) (check, error) {
	bytes, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("is not in base64")
	}
	return binaryCheck(bytes), nil
}

type networkCheck netip.Prefix

func (c networkCheck) holds(value string) bool {
	addr, err := netip.ParseAddr(value)
	return err == nil && netip.Prefix(c).Contains(addr.Unmap())
}

// readNetwork reads an address or a CIDR block.
func readNetwork(text string) (check, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return networkCheck(netip.PrefixFrom(addr, addr.BitLen())), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return nil, errors.New("is no IP address or CIDR block")
	}
	return networkCheck(prefix.Masked()), nil
}
