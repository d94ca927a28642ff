package conformance

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api/apitest"
	"github.com/carillon-chat/carillon/internal/lab"
)

// sendRequest signs and sends what apitest made.
func sendRequest(ctx context.Context, p lab.Peer, r *apitest.Request) (lab.Answer, error) {
	req, err := http.NewRequestWithContext(ctx, r.Method, p.Base+r.Target(), bytes.NewReader(r.Body))
	if err != nil {
		return lab.Answer{}, err
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	if err := p.Sign(req, r.Body); err != nil {
		return lab.Answer{}, err
	}
	return p.Do(req)
}

// TestEveryBrokenConstraintIsRefused breaks each constraint of the models once, over HTTP.
func TestEveryBrokenConstraintIsRefused(t *testing.T) {
	n := start(t, nil)
	total := 0
	for _, name := range slices.Sorted(maps.Values(services)) {
		service, err := apitest.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, operation := range service.Operations() {
			t.Run(name+"/"+operation, func(t *testing.T) {
				violations, err := service.Violations(operation)
				if err != nil {
					t.Fatal(err)
				}
				total += len(violations)
				for _, v := range violations {
					got, err := sendRequest(t.Context(), n.Peer(), v.Request)
					member := v.Member
					if strings.HasPrefix(v.Description, "key ") { // the message names the key as well
						member, _, _ = strings.Cut(member, ".")
					}
					if err != nil || got.Status != 400 || got.Type() != "BadRequestException" || !strings.HasPrefix(got.Message(), member) {
						t.Errorf("%s %s: %d %s %s %v", v.Member, v.Description, got.Status, got.Type(), got.Body, err)
					}
				}
			})
		}
	}
	t.Logf("%d broken constraints", total)
}

// TestBadRequests are faults that no constraint of the models holds.
func TestBadRequests(t *testing.T) {
	n := start(t, nil)
	s := n.Seeded()
	user, channel, app := s.UserARNs[0], escaped(s.ChannelARN), escaped(s.AppInstanceARN)
	const message = `{"Content":"x","Type":"STANDARD","Persistence":"PERSISTENT","ClientRequestToken":"token"}`
	for _, tc := range []struct {
		name, method, target, bearer, body string
		status                             int
		kind, says                         string
	}{
		{"user as channel", "GET", "/channels/" + escaped(user), user, "", 400, "BadRequestException", "ChannelArn"},
		{"channel as app instance", "GET", "/app-instances/" + channel, "", "", 400, "BadRequestException", "AppInstanceArn"},
		{"channel as user", "GET", "/app-instance-users/" + channel, "", "", 400, "BadRequestException", "AppInstanceUserArn"},
		{"channel as admin", "GET", "/app-instances/" + app + "/admins/" + channel, "", "", 400, "BadRequestException", "AppInstanceAdminArn"},
		{"channel as member", "GET", "/channels/" + channel + "/memberships/" + channel, user, "", 400, "BadRequestException", "MemberArn"},
		{"channel as new member", "POST", "/channels/" + channel + "/memberships", user, `{"MemberArn":"` + s.ChannelARN + `","Type":"DEFAULT","ClientRequestToken":"token"}`, 400, "BadRequestException", "MemberArn"},
		{"channel as bearer", "GET", "/channels/" + channel, s.ChannelARN, "", 401, "UnauthorizedClientException", "ChimeBearer"},
		{"foreign account", "GET", "/channels/" + strings.Replace(channel, "000000000000", "000000000001", 1), user, "", 403, "ForbiddenException", "ChannelArn"},
		{"foreign region", "GET", "/channels/" + strings.Replace(channel, "us-east-1", "eu-central-1", 1), user, "", 403, "ForbiddenException", "ChannelArn"},
		{"foreign app instance", "GET", "/app-instances/" + strings.Replace(app, "000000000000", "000000000001", 1), "", "", 403, "ForbiddenException", "AppInstanceArn"},
		{"missing bearer", "GET", "/channels/" + channel, "", "", 400, "BadRequestException", "ChimeBearer"},
		{"unknown user", "POST", "/channels/" + channel + "/messages", user + "-unknown", message, 401, "UnauthorizedClientException", "ChimeBearer"},
		{"malformed JSON", "POST", "/channels/" + channel + "/messages", user, `{"Content":`, 400, "", ""},
		{"JSON of another kind", "POST", "/channels/" + channel + "/messages", user, `[]`, 400, "", ""},
		{"oversized body", "POST", "/channels/" + channel + "/messages", user, strings.Repeat(" ", 4<<20), 413, "RequestEntityTooLargeException", "longer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var body []byte
			if tc.body != "" {
				body = []byte(tc.body)
			}
			got, err := n.Peer().Send(t.Context(), tc.method, tc.target, tc.bearer, body)
			if err != nil || got.Status != tc.status || tc.kind != "" && got.Type() != tc.kind || !strings.Contains(got.Message(), tc.says) {
				t.Errorf("%d %s %s %v", got.Status, got.Type(), got.Body, err)
			}
			if got.Type() == "" {
				t.Error("the answer has no x-amzn-ErrorType")
			}
		})
	}
}

// escaped is an ARN as a part of a path, as the SDKs write it.
func escaped(arn string) string {
	return strings.NewReplacer(":", "%3A", "/", "%2F", "@", "%40").Replace(arn)
}
