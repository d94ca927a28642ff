package throttle_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// neverMore makes calls at random times and looks at every stretch between two that were
// admitted. Whoever waits as long as it is told gets in.
func neverMore(t *rapid.T) {
	bearerRate := rapid.IntRange(1, 40).Draw(t, "rate of bearers")
	channelRate := rapid.IntRange(1, 40).Draw(t, "rate of channels")
	w := newWorld(t, map[string]int{"rate-bearer": bearerRate, "rate-list-members": channelRate})
	rates := map[string]int{"b": bearerRate, "c": channelRate}
	admitted := map[string][]time.Time{}
	call := func(bearer, channel string) time.Duration {
		if e := w.call("ListChannelBans", request{"ChannelArn": channel, "ChimeBearer": bearer}); e != nil {
			return e.RetryAfter
		}
		for _, scope := range []string{bearer, channel} {
			admitted[scope] = append(admitted[scope], w.now)
		}
		return 0
	}
	for range rapid.IntRange(1, 300).Draw(t, "calls") {
		bearer, channel := fmt.Sprint("b", rapid.IntRange(0, 2).Draw(t, "bearer")), fmt.Sprint("c", rapid.IntRange(0, 2).Draw(t, "channel"))
		wait := call(bearer, channel)
		if wait > 0 && rapid.Bool().Draw(t, "waits") {
			w.now = w.now.Add(wait)
			if again := call(bearer, channel); again > 0 {
				t.Fatalf("was told to wait %v, and then %v", wait, again)
			}
		}
		pause := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, int64(100*time.Millisecond)), rapid.Int64Range(0, int64(5*time.Second)))
		w.now = w.now.Add(time.Duration(pause.Draw(t, "pause")))
	}
	for scope, times := range admitted {
		rate := rates[scope[:1]]
		for i := range times {
			for j := i; j < len(times); j++ {
				most := float64(2*rate) + float64(rate)*times[j].Sub(times[i]).Seconds()
				if n := float64(j - i + 1); n > most+1e-6 {
					t.Fatalf("%s got %v calls in %v at %d a second", scope, n, times[j].Sub(times[i]), rate)
				}
			}
		}
	}
}

func TestNeverMoreThanRateAndBurst(t *testing.T) { rapid.Check(t, neverMore) }

func FuzzNeverMoreThanRateAndBurst(f *testing.F) { f.Fuzz(rapid.MakeFuzz(neverMore)) }
