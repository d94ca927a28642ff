package chime

import "time"

// Millis is a moment in milliseconds since 1970 UTC: the precision of every timestamp of the
// service. Zero means absent.
type Millis int64

// At is the moment of t.
func At(t time.Time) Millis { return Millis(t.UnixMilli()) }

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
