package access_test

import (
	"testing"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api/messaging"
)

// Authorising what was allowed before is on the way of every message.
func TestAuthorizingAgainAllocatesNothing(t *testing.T) {
	f := newFixture(t)
	f.role(t, "chat", allow(`"chime:*"`, `"`+app+`/user/${aws:PrincipalTag/UserUUID}", "`+app+`/channel/*"`))
	ann := f.assume(t, "chat", access.SessionRequest{Tags: tags("UserUUID", "ann")})
	send := &messaging.SendChannelMessageRequest{ChimeBearer: app + "/user/ann", ChannelARN: app + "/channel/c"}
	op := operation("chime", "SendChannelMessage")
	from := access.Source{Remote: "192.0.2.1:4000", UserAgent: "test"}
	authorize := func() {
		if err := f.Authorize(t.Context(), ann, op, send, from); err != nil {
			t.Fatal(err)
		}
	}
	authorize()
	if n := testing.AllocsPerRun(1000, authorize); n > 0 {
		t.Errorf("%v allocations", n)
	}
	root := f.root(t)
	if n := testing.AllocsPerRun(1000, func() {
		if err := f.Authorize(t.Context(), root, op, send, from); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("root: %v allocations", n)
	}
}

func BenchmarkAuthorize(b *testing.B) {
	f := newFixture(b)
	f.role(b, "chat", allow(`"chime:*"`, `"`+app+`/user/${aws:PrincipalTag/UserUUID}", "`+app+`/channel/*"`))
	ann := f.assume(b, "chat", access.SessionRequest{Tags: tags("UserUUID", "ann")})
	send := &messaging.SendChannelMessageRequest{ChimeBearer: app + "/user/ann", ChannelARN: app + "/channel/c"}
	op, from := operation("chime", "SendChannelMessage"), access.Source{}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := f.Authorize(b.Context(), ann, op, send, from); err != nil {
				b.Fatal(err)
			}
		}
	})
}
