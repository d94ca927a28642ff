package message

import (
	"fmt"
	"testing"
)

func pageOf(i int) opening { return opening{history{channel: fmt.Sprint("channel-", i)}, 50} }

// Pages without messages take memory too: what is kept of many channels is bounded by the limit, twice.
func TestKeptPagesAreBounded(t *testing.T) {
	const limit = 1 << 16
	for name, text := range map[string]string{"empty": "", "long": string(make([]byte, 1000))} {
		n := newNewest(limit)
		most := 0
		for i := range 10_000 {
			n.put(pageOf(i), Versions{}, encoded{text: []byte(text)})
			most = max(most, len(n.now)+len(n.before))
		}
		if bound := 2 * (limit/(len(text)+pageOverhead) + 1); most > bound {
			t.Errorf("%s: %d pages are kept, want %d at most", name, most, bound)
		}
	}
}

// What is removed from a history leaves the pages of others, and its size counts no more.
func TestPagesOfAHistoryAreForgotten(t *testing.T) {
	n := newNewest(1 << 20)
	text := encoded{text: []byte("text")}
	kept := []opening{
		{history{"c", "sub-1"}, 50}, {history{"c", "sub-1"}, 20}, {history{"c", "sub-2"}, 50}, {history{"d", ""}, 50},
	}
	for _, at := range kept {
		n.put(at, Versions{}, text)
	}
	n.forget(history{"c", "sub-1"})
	for i, at := range kept {
		if _, found := n.find(at, Versions{}); found != (i >= 2) {
			t.Errorf("%+v is kept: %v", at, found)
		}
	}
	if want := 2 * (len("text") + pageOverhead); n.size != want {
		t.Errorf("size %d, want %d", n.size, want)
	}

	// Also what was kept for longer.
	n.before, n.now, n.size = n.now, make(map[history][]keptPage), 0
	n.forget(history{"d", ""})
	for i, at := range kept {
		if _, found := n.find(at, Versions{}); found != (i == 2) {
			t.Errorf("%+v is kept: %v", at, found)
		}
	}
}

// BenchmarkForget is a removal of content while pages of many channels are kept.
func BenchmarkForget(b *testing.B) {
	n := newNewest(newestBytes)
	for i := range newestBytes / (2 * pageOverhead) {
		n.put(pageOf(i), Versions{}, encoded{text: make([]byte, pageOverhead/2)})
	}
	for b.Loop() {
		n.forget(history{channel: "another"})
	}
}
