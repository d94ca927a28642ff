package awshttp_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/awshttp"
)

// A page token shows nothing of the store, comes back as it was, belongs to its list, outlives the
// process, and is refused with any bit changed.
func TestPageTokensAreSealed(t *testing.T) {
	const inside = "key-of-the-store-with-a-position"
	var came string
	run := func(_ context.Context, op *api.Operation, req api.Request) (api.Response, error) {
		came = req.Member("NextToken")
		if op.Name == "ListChannelBans" {
			return &messaging.ListChannelBansResponse{NextToken: inside}, nil
		}
		return &messaging.ListChannelMessagesResponse{NextToken: inside}, nil
	}
	key := awshttp.PageKey{1}
	f := newFixture(t, run, func(o *awshttp.Options) { o.PageKey = &key })
	list := func(f *fixture, what, token string) answer {
		came = ""
		target := "/channels/" + channelLabel + "/" + what
		if token != "" {
			target += "?next-token=" + url.QueryEscape(token)
		}
		r := request("GET", target, "")
		r.Header.Set("X-Amz-Chime-Bearer", userARN)
		return f.do(r)
	}
	var page struct{ NextToken string }
	if err := json.Unmarshal([]byte(list(f, "messages", "").body), &page); err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(page.NextToken)
	if err != nil || strings.Contains(string(raw), "key-of") {
		t.Fatalf("the token is %q, %v", raw, err)
	}
	restarted := newFixture(t, run, func(o *awshttp.Options) { o.PageKey = &key })
	for name, server := range map[string]*fixture{"same process": f, "restarted": restarted} {
		if a := list(server, "messages", page.NextToken); a.status != 200 || came != inside {
			t.Errorf("%s: %d %s, the service got %q", name, a.status, a.body, came)
		}
	}
	other := newFixture(t, run)
	for name, a := range map[string]answer{
		"another list":   list(f, "bans", page.NextToken),
		"another server": list(other, "messages", page.NextToken),
		"the inside":     list(f, "messages", base64.RawURLEncoding.EncodeToString([]byte(inside))),
		"short":          list(f, "messages", "AAAA"),
		"no base64":      list(f, "messages", "%%%"),
	} {
		a.expect(t, 400, "BadRequestException", "NextToken")
		if t.Failed() {
			t.Log(name)
		}
	}
	for i := range len(raw) * 8 {
		changed := []byte(string(raw))
		changed[i/8] ^= 1 << (i % 8)
		if a := list(f, "messages", base64.RawURLEncoding.EncodeToString(changed)); a.status != 400 {
			t.Errorf("bit %d may change: %d", i, a.status)
		}
	}
}
