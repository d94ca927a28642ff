package oidc

import (
	"testing"
	"time"
)

func TestSeconds(t *testing.T) {
	for s, want := range map[seconds]time.Time{
		0: time.Unix(0, 0), -5: time.Unix(0, 0), 1.5: time.Unix(1, 5e8), 1e300: time.Unix(maxSeconds, 0),
	} {
		if got := s.time(); !got.Equal(want) {
			t.Errorf("%v is %v, want %v", float64(s), got, want)
		}
	}
}
