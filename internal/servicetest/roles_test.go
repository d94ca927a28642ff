package servicetest_test

import (
	"context"
	"os"
	"strings"
	"testing"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

// row is one line of the matrix: a call, and how it ends for each caller.
type row struct {
	kind, call string
	cells      map[string]string // by caller
}

// readMatrix reads testdata/roles.txt.
func readMatrix(t *testing.T) (rows []row) {
	text, err := os.ReadFile("testdata/roles.txt")
	if err != nil {
		t.Fatal(err)
	}
	var kind string
	var callers []string
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0] == "#":
		case words[0] == "standard" || words[0] == "elastic":
			kind, callers = words[0], words[1:]
		default:
			cut := len(words) - len(callers)
			r := row{kind: kind, call: strings.Join(words[:cut], " "), cells: map[string]string{}}
			for i, caller := range callers {
				r.cells[caller] = words[cut+i]
			}
			rows = append(rows, r)
		}
	}
	return rows
}

var outcomes = map[string]string{"Y": "ok", "N": "Forbidden", "F": "NotFound", "C": "Conflict", "B": "BadRequest"}

// outcome is what a cell says of one channel.
func outcome(t *testing.T, cell string, privacy messaging.ChannelPrivacy, mode messaging.ChannelMode) string {
	switch {
	case cell == "U" && mode == messaging.ChannelModeUnrestricted, cell == "P" && privacy == messaging.ChannelPrivacyPublic:
		cell = "Y"
	case cell == "H" && privacy == messaging.ChannelPrivacyPrivate:
		cell = "F"
	case cell == "U" || cell == "P" || cell == "H":
		cell = "N"
	}
	want, known := outcomes[cell]
	if !known {
		t.Fatalf("the matrix has a cell %q", cell)
	}
	return want
}

// TestRoles tries every cell of the matrix on a channel of its own.
func TestRoles(t *testing.T) {
	for _, r := range readMatrix(t) {
		t.Run(r.kind+" "+r.call, func(t *testing.T) {
			for caller, cell := range r.cells {
				for _, privacy := range []messaging.ChannelPrivacy{messaging.ChannelPrivacyPublic, messaging.ChannelPrivacyPrivate} {
					public := privacy == messaging.ChannelPrivacyPublic
					if cell == "-" || caller == "pub" && !public || caller == "prv" && public {
						continue
					}
					for _, mode := range []messaging.ChannelMode{messaging.ChannelModeUnrestricted, messaging.ChannelModeRestricted} {
						if r.kind == "elastic" && mode == messaging.ChannelModeUnrestricted {
							continue
						}
						s := newStage(t, r.kind == "elastic", privacy, mode)
						if want, got := outcome(t, cell, privacy, mode), servicetest.Outcome(s.do(r.call, caller)); got != want {
							t.Errorf("%s %s, %s: %s, want %s", privacy, mode, caller, got, want)
						}
					}
				}
			}
		})
	}
}

// TestCallersWhoAreNobody: every operation on a channel refuses a bearer that does not exist,
// one of another app instance, and one that is no user at all.
func TestCallersWhoAreNobody(t *testing.T) {
	w := servicetest.New(t, "mem")
	w.AddChannel("mem", "c")
	other, err := w.Identity.CreateAppInstance(context.Background(), &identityapi.CreateAppInstanceRequest{Name: "other", ClientRequestToken: w.Token()})
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := w.Identity.CreateAppInstanceUser(context.Background(), &identityapi.CreateAppInstanceUserRequest{
		AppInstanceARN: other.AppInstanceARN, AppInstanceUserID: "mem", Name: "Stranger", ClientRequestToken: w.Token(),
	})
	if err != nil {
		t.Fatal(err)
	}
	for bearer, want := range map[string]string{
		w.User("nobody"):            "UnauthorizedClient",
		stranger.AppInstanceUserARN: "Forbidden",
		strings.Replace(w.User("mem"), "000000000000", "111122223333", 1): "UnauthorizedClient",
		w.Channel("c"):        "UnauthorizedClient",
		w.App:                 "UnauthorizedClient",
		"arn:aws:s3:::bucket": "UnauthorizedClient",
	} {
		_, err := w.Channels.DescribeChannel(context.Background(), &messaging.DescribeChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: bearer})
		if got := servicetest.Outcome(err); got != want {
			t.Errorf("%s: %s, want %s", bearer, got, want)
		}
	}
}
