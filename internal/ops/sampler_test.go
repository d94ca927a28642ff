package ops_test

import (
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/ops"
)

func TestSamplerLetsOneLineThroughInEachInterval(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s := ops.NewSampler(time.Second, func() time.Time { return now })
	for _, step := range []struct {
		after   time.Duration
		omitted uint64
		ok      bool
	}{
		{0, 0, true},
		{0, 0, false},
		{999 * time.Millisecond, 0, false},
		{time.Millisecond, 2, true},
		{time.Hour, 0, true},
		{0, 0, false},
		{-time.Hour, 1, true}, // the clock was set back
		{500 * time.Millisecond, 0, false},
	} {
		now = now.Add(step.after)
		if omitted, ok := s.Sample(); omitted != step.omitted || ok != step.ok {
			t.Errorf("at %s: %d, %v; want %d, %v", now, omitted, ok, step.omitted, step.ok)
		}
	}
}
