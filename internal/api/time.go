package api

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// TimeFormat is how timestamps are written in JSON (spec 0.4, 4.5, 10.2).
type TimeFormat uint8

const (
	// Epoch is the form of the REST answers: a number of seconds since 1970
	// with three fraction digits, 1622737591.013.
	Epoch TimeFormat = iota
	// ISO is the form of WebSocket payloads and streams: a UTC string with
	// three fraction digits, "2021-06-03T16:26:31.013Z".
	ISO
)

// Append appends t as JSON. Precision is the millisecond, cut and not rounded.
func (f TimeFormat) Append(b []byte, t time.Time) []byte {
	if f == ISO {
		b = appendISO(append(b, '"'), t)
		return append(b, '"')
	}
	ms := t.UnixMilli()
	if ms < 0 {
		b, ms = append(b, '-'), -ms
	}
	b = strconv.AppendInt(b, ms/1000, 10)
	return append(b, '.', byte('0'+ms/100%10), byte('0'+ms/10%10), byte('0'+ms%10))
}

func appendISO(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(b, "2006-01-02T15:04:05.000Z")
	}
	hour, minute, second := t.Clock()
	ms := t.Nanosecond() / 1e6
	b = appendTwo(appendTwo(b, year/100), year%100)
	b = appendTwo(append(b, '-'), int(month))
	b = appendTwo(append(b, '-'), day)
	b = appendTwo(append(b, 'T'), hour)
	b = appendTwo(append(b, ':'), minute)
	b = appendTwo(append(b, ':'), second)
	return append(b, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

func appendTwo(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// maxEpoch is the last second of the year 9999.
const maxEpoch = 253402300799

// ParseTime reads a timestamp of a request: ISO 8601 with "Z" or an offset and
// up to nine fraction digits, or seconds since 1970 with an optional fraction.
func ParseTime(s string) (time.Time, bool) {
	if len(s) < 1 || len(s) > 40 {
		return time.Time{}, false
	}
	if strings.IndexByte(s, 'T') < 0 {
		return parseEpoch(s)
	}
	if dot := strings.IndexAny(s, ".,"); dot >= 0 {
		digits := strings.IndexAny(s[dot+1:], "Z+-")
		if s[dot] == ',' || digits < 1 || digits > 9 {
			return time.Time{}, false
		}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return t.UTC(), err == nil
}

// parseEpoch reads plain decimals exactly. Numbers with an exponent, which some
// JSON writers make, are exact to the millisecond.
func parseEpoch(s string) (time.Time, bool) {
	if strings.ContainsAny(s, "eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(f) || math.Abs(f) > maxEpoch {
			return time.Time{}, false
		}
		return time.UnixMilli(int64(math.Round(f * 1000))).UTC(), true

	}

	whole, fraction, hasFraction := strings.Cut(s, ".")
	seconds, ok := parseInt(whole)
	negative := strings.HasPrefix(whole, "-")
	if whole == "-0" {
		ok = true // "-0.5" is a time before the epoch
	}
	if !ok || seconds > maxEpoch || seconds < -maxEpoch || hasFraction && fraction == "" || len(fraction) > 9 {
		return time.Time{}, false

	}

	// Missing digits of the fraction are zeros.
	nanos := 0
	for i := range 9 {
		nanos *= 10
		if i < len(fraction) {
			if fraction[i] < '0' || fraction[i] > '9' {
				return time.Time{}, false
			}
			nanos += int(fraction[i] - '0')
		}
	}

	if negative {
		nanos = -nanos
	}
	return time.Unix(int64(seconds), int64(nanos)).UTC(), true
}
