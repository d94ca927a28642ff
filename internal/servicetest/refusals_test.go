package servicetest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

// TestRefusalsSayWhy: a caller who may know a channel and is refused by a rule of the matrix is told who, what
// and why, or which member of the request is meant.
func TestRefusalsSayWhy(t *testing.T) {
	s := newStage(t, false, messaging.ChannelPrivacyPublic, messaging.ChannelModeRestricted)
	e := newStage(t, true, messaging.ChannelPrivacyPublic, messaging.ChannelModeRestricted)
	for _, r := range readMatrix(t) {
		at := map[string]*stage{"standard": s, "elastic": e}[r.kind]
		operation, variant, _ := strings.Cut(r.call, " ")
		for caller, cell := range r.cells {
			if caller == "prv" || cell != "N" && cell != "H" && cell != "U" || variant == "finds it" {
				continue
			}
			err := at.do(r.call, caller)
			if servicetest.Outcome(err) != "Forbidden" {
				t.Errorf("%s %s by %s: %v", r.kind, r.call, caller, err)
				continue
			}
			text := strings.TrimPrefix(err.Error(), "ForbiddenException: ")
			about := at.channel
			if operation == "ListChannels" {
				about = at.App
			}
			beginning := fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s because ", at.User(caller), operation, about)
			reason, explained := strings.CutPrefix(text, beginning)
			if member, _, _ := strings.Cut(text, " "); !explained && !strings.HasSuffix(member, "Arn") && member != "MessageId" && !strings.Contains(text, "AppInstanceUserArn") {
				t.Errorf("%s %s by %s: %s", r.kind, r.call, caller, text)
			}
			if explained && reason == "" || caller == "ban" && explained && reason != "it is banned from the channel" && operation != "ListChannels" {
				t.Errorf("%s %s by %s has the reason %q", r.kind, r.call, caller, reason)
			}
		}
	}
	for _, tc := range []struct{ call, caller, want string }{
		{"SendChannelMessage", "pub", "only members who are not hidden may send messages"},
		{"SendChannelMessage", "hid", "only members who are not hidden may send messages"},
		{"ListChannelModerators", "mem", "only moderators and app instance admins may list moderators"},
		{"ListChannelModerators", "pub", "only moderators and app instance admins may list moderators"},
		{"DeleteChannelMessage own", "mod", "only app instance admins may delete messages"},
	} {
		if err := s.do(tc.call, tc.caller); err == nil || !strings.HasSuffix(err.Error(), " because "+tc.want) {
			t.Errorf("%s by %s: %v, want %s", tc.call, tc.caller, err, tc.want)
		}
	}
}
