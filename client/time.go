package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Time is a time of the API, in milliseconds. Answers have it as a number of seconds since 1970, events as
// text (spec 4.5); it reads both and writes the number. The zero value is absent.
type Time struct{ time.Time }

// At makes a Time.
func At(t time.Time) Time { return Time{t} }

// UnmarshalJSON reads a number of seconds or an RFC 3339 text.
func (t *Time) UnmarshalJSON(data []byte) error {
	data = bytes.TrimSpace(data)
	switch {
	case bytes.Equal(data, []byte("null")):
		return nil
	case len(data) > 0 && data[0] == '"':
		var text string
		err := json.Unmarshal(data, &text)
		if err == nil {
			t.Time, err = time.Parse(time.RFC3339Nano, text)
		}
		return err
	}

	seconds, err := strconv.ParseFloat(string(data), 64)
	if err != nil || math.Abs(seconds) > 1e12 {
		return fmt.Errorf("client: %s is no time", data)
	}
	t.Time = time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
	return nil
}

// MarshalJSON writes the number of seconds.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return []byte(t.seconds()), nil
}

func (t Time) seconds() string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', -1, 64) }

// query is the form in a query: RFC 3339 in UTC, empty when it is absent.
func (t Time) query() string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
