//go:build !race

package access_test

import (
	"testing"

	"github.com/carillon-chat/carillon/internal/access"
)

// The race detector lets pools forget what they hold, so it does not take part here.
func TestVerifyingAgainAllocatesNothing(t *testing.T) {
	f := newFixture(t)
	f.role(t, "chat", allow(`"chime:*"`, `"*"`))
	r := f.signed(t, f.session(t, "chat", access.SessionRequest{Policies: documents(allow(`"chime:*"`, `"*"`))}))
	verify := func() {
		if _, _, err := f.Verify(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	verify()
	if n := testing.AllocsPerRun(1000, verify); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
