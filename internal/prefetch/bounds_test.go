package prefetch

import (
	"fmt"
	"testing"
)

// Excerpts without text take memory too: what is kept of many channels is bounded.
func TestKeptExcerptsAreBounded(t *testing.T) {
	const limit = 1 << 16
	for name, text := range map[string]string{"empty": "", "long": string(make([]byte, 1000))} {
		e := newExcerpts(limit)
		most := 0
		for i := range 10_000 {
			e.put(place{fmt.Sprint("channel-", i), latestMessages}, excerpt{app: "A", text: []byte(text)})
			most = max(most, len(e.by))
		}
		if bound := limit / (len(text) + excerptOverhead); most > bound {
			t.Errorf("%s: %d excerpts are kept, want %d at most", name, most, bound)
		}
	}
}
