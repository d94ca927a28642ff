package chime

import "time"

// Millis is a moment in milliseconds since 1970 UTC: the precision of every timestamp of the
// service. Zero means absent.
type Millis int64

// At is the moment of t.
func At(t time.Time) Millis { return Millis(t.UnixMilli()) }

// MaxAhead is by how much a time may be in the future and still be believed: enough for a clock that
// was an hour or two ahead and was set right.
const MaxAhead Millis = 2 * 60 * 60 * 1000

// NotBefore is the time to give to what follows something of the time latest, at the moment m by the
// clock of the machine: times do not go back when that clock does. A latest time more than MaxAhead
// in the future was given by a wrong clock and is not followed.
func (m Millis) NotBefore(latest Millis) Millis {
	if latest > m && latest-m <= MaxAhead {
		return latest
	}
	return m
}

// Time is the moment as a time.Time in UTC.
func (m Millis) Time() time.Time { return time.UnixMilli(int64(m)).UTC() }

// Optional is nil when the moment is absent.
func (m Millis) Optional() *time.Time {
	if m == 0 {
		return nil
	}
	t := m.Time()
	return &t
}

// OptionalIn is Optional with the time in the given place.
func (m Millis) OptionalIn(t *time.Time) *time.Time {
	if m == 0 {
		return nil
	}
	*t = m.Time()
	return t
}
