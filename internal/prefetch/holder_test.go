package prefetch_test

import "testing"

// What the former holder of an id was sent alone is not prefetched to the next one, and what the
// former wrote is unread to the next one as it is to anybody else.
func TestTheNextHolderOfAnIDIsAStranger(t *testing.T) {
	onEach(t, "ann bob", func(w *world) {
		w.AddChannel("ann", "c")
		w.AddMember("ann", "c", "bob", standard)
		w.Say("bob", "c", "bob's own")
		w.Say("ann", "c", "psst", w.To("bob"))
		w.Replace("bob", "Robert")
		w.AddMember("ann", "c", "bob", standard)
		w.expect("unread", w.unread("bob", "c"), 1)
		w.expect("messages", w.first("bob").contents(), "bob's own")
	})
}
