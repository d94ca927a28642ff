package policy

import (
	"cmp"
	"encoding/base64"
	"errors"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// check is one prepared value of a condition that is no text.
type check interface{ holds(value string) bool }

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
	if n.exact && other.exact {
		return cmp.Compare(n.whole, other.whole)
	}
	return cmp.Compare(n.float, other.float)
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
	return networkCheck(prefix), nil
}
