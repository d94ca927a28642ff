package sts_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api/iam"
	wire "github.com/carillon-chat/carillon/internal/api/sts"
	"github.com/carillon-chat/carillon/internal/oidc/oidctest"
	"github.com/carillon-chat/carillon/internal/sts"
)

func (f *fixture) web(token string, change ...func(*wire.AssumeRoleWithWebIdentityRequest)) (*wire.AssumeRoleWithWebIdentityResponse, error) {
	f.t.Helper()
	req := &wire.AssumeRoleWithWebIdentityRequest{RoleARN: roleARN, RoleSessionName: "s1", WebIdentityToken: token}
	for _, apply := range change {
		apply(req)
	}
	resp, err := f.call(keys{}, "AssumeRoleWithWebIdentity", req)
	if err != nil {
		return nil, err
	}
	return resp.(*wire.AssumeRoleWithWebIdentityResponse), nil
}

func byIssuer(i *oidctest.Issuer) string {
	return `"Federated":"arn:aws:iam::000000000000:oidc-provider/` + i.Provider() + `"`
}

func TestWebIdentity(t *testing.T) {
	f := newFixture(t)
	issuer := f.Issuer()
	f.role(trust(byIssuer(issuer), `"StringEquals":{"`+issuer.Provider()+`:aud":"client-1"}`))
	f.must(f.Account.PutRolePolicy(t.Context(), &iam.PutRolePolicyRequest{RoleName: "app", PolicyName: "all",
		PolicyDocument: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"chime:*","Resource":[` +
			`"arn:aws:chime:*:*:app-instance/A/user/${` + issuer.Provider() + `:sub}","arn:aws:chime:*:*:app-instance/A/channel/*"]}}`}))
	resp, err := f.web(issuer.Token(f.now, map[string]any{"sub": "ann-1"}))
	if err != nil {
		t.Fatal(err)
	}
	if resp.SubjectFromWebIdentityToken != "ann-1" || resp.Audience != "client-1" || resp.AssumedRoleUser.ARN != "arn:aws:sts::000000000000:assumed-role/app/s1" ||
		resp.Provider != "arn:aws:iam::000000000000:oidc-provider/"+issuer.Provider() || !resp.Credentials.Expiration.Equal(f.now.Add(time.Hour)) {
		t.Errorf("got %+v", resp)
	}
	session := keysOf(resp.Credentials)
	if !f.maySend(session, "ann-1", "c") || f.maySend(session, "bob", "c") {
		t.Error("the subject does not decide as whom the session acts")
	}
}

func TestTrustOfWebIdentities(t *testing.T) {
	f := newFixture(t)
	issuer, other := f.Issuer(), f.Issuer()
	name := issuer.Provider()
	f.role(trust(byIssuer(issuer), ""))
	for i, tc := range []struct {
		trust   string
		claims  map[string]any
		allowed bool
	}{
		{trust(byIssuer(issuer), ""), nil, true},
		{trust(byIssuer(other), ""), nil, false},
		{trust(`"AWS":"*"`, ""), nil, false},
		{trust(byAccount, ""), nil, false},
		{trust(`"Federated":"cognito-identity.amazonaws.com"`, ""), nil, false},
		{strings.ReplaceAll(trust(byIssuer(issuer), ""), "AssumeRoleWithWebIdentity", "Other"), nil, false},
		{trust(byIssuer(issuer), `"StringLike":{"`+name+`:sub":"subject-*"}`), nil, true},
		{trust(byIssuer(issuer), `"StringEquals":{"`+name+`:sub":"subject-2"}`), nil, false},
		{trust(byIssuer(issuer), `"StringEquals":{"`+name+`:aud":"client-2"}`), nil, false},
		{trust(byIssuer(issuer), `"StringEquals":{"`+name+`:aud":"client-1","`+name+`:oaud":"api"}`), map[string]any{"aud": "api", "azp": "client-1"}, true},
		{trust(byIssuer(issuer), `"ForAnyValue:StringEquals":{"`+name+`:amr":"otp"}`), map[string]any{"amr": []string{"pwd", "otp"}}, true},
		{trust(byIssuer(issuer), `"ForAnyValue:StringEquals":{"`+name+`:amr":"otp"}`), nil, false},
		{trust(byIssuer(issuer), `"StringEquals":{"sts:RoleSessionName":"s1"}`), nil, true},
		{trust(byIssuer(issuer), `"StringEquals":{"aws:PrincipalTag/Team":"blue"}`), nil, false},
	} {
		f.must(f.Account.UpdateAssumeRolePolicy(context.Background(), &iam.UpdateAssumeRolePolicyRequest{RoleName: "app", PolicyDocument: tc.trust}))
		_, err := f.web(issuer.Token(f.now, tc.claims))
		if tc.allowed != (err == nil) {
			t.Errorf("%d: %s: got %v, allowed should be %v", i, tc.trust, err, tc.allowed)
		} else if err != nil {
			f.refused(tc.trust, err, "AccessDenied")
		}
	}
	_, err := f.web(issuer.Token(f.now, nil), func(r *wire.AssumeRoleWithWebIdentityRequest) { r.RoleARN += "-missing" })
	f.refused("a missing role", err, "AccessDenied")
}

func TestWebIdentityTokensThatAreRefused(t *testing.T) {
	f := newFixture(t)
	issuer, stranger := f.Issuer(), oidctest.Start(t)
	f.role(trust(byIssuer(issuer), ""))
	for name, tc := range map[string]struct {
		token string
		code  string
	}{
		"no token":            {"abcd", "InvalidIdentityToken"},
		"of a stranger":       {stranger.Token(f.now, nil), "InvalidIdentityToken"},
		"for somebody else":   {issuer.Token(f.now, map[string]any{"aud": "client-2"}), "InvalidIdentityToken"},
		"expired":             {issuer.Token(f.now.Add(-2*time.Hour), nil), "ExpiredTokenException"},
		"of tomorrow":         {issuer.Token(f.now.Add(24*time.Hour), nil), "IDPRejectedClaim"},
		"with a reserved tag": {issuer.Token(f.now, map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"aws:x": "1"}}}), "IDPRejectedClaim"},
		"with a long tag": {issuer.Token(f.now, map[string]any{"https://aws.amazon.com/tags": map[string]any{
			"principal_tags": map[string]any{"k": strings.Repeat("v", 257)}}}), "IDPRejectedClaim"},
	} {
		_, err := f.web(tc.token)
		f.refused(name, err, tc.code)
	}
	silent := f.Issuer()
	silent.Serve = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(500); return true }
	_, err := f.web(silent.Token(f.now, nil))
	f.refused("an issuer that fails", err, "IDPCommunicationError")

	good := issuer.Token(f.now, nil)
	_, err = f.web(good, func(r *wire.AssumeRoleWithWebIdentityRequest) { r.ProviderID = p("graph.facebook.com") })
	f.refused("another kind of token", err, "ValidationError")
	_, err = f.web(good, func(r *wire.AssumeRoleWithWebIdentityRequest) { r.DurationSeconds = p(3601) })
	f.refused("longer than the role allows", err, "ValidationError")
	_, err = f.web(good, func(r *wire.AssumeRoleWithWebIdentityRequest) { r.Policy = p("x") })
	f.refused("a policy that is none", err, "MalformedPolicyDocument")
}

func TestTagsOfWebIdentities(t *testing.T) {
	f := newFixture(t)
	issuer := f.Issuer()
	both := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{` + byIssuer(issuer) + `},"Action":["sts:AssumeRoleWithWebIdentity","sts:TagSession"]},` +
		`{"Effect":"Allow","Principal":{` + byAccount + `},"Action":["sts:AssumeRole","sts:TagSession"]}]}`
	f.ownRole(both)
	token := issuer.Token(f.now, map[string]any{"https://aws.amazon.com/tags": map[string]any{
		"principal_tags": map[string]any{"UserUUID": []string{"ann"}}, "transitive_tag_keys": []string{"UserUUID"}}})
	resp, err := f.web(token)
	if err != nil {
		t.Fatal(err)
	}
	first := keysOf(resp.Credentials)
	_, second := f.assume(first)
	for _, session := range []keys{first, second} {
		if !f.maySend(session, "ann", "c") || f.maySend(session, "bob", "c") {
			t.Error("the tag of the token does not decide as whom the session acts")
		}
	}
	f.must(f.Account.UpdateAssumeRolePolicy(context.Background(), &iam.UpdateAssumeRolePolicyRequest{RoleName: "app",
		PolicyDocument: strings.ReplaceAll(both, `,"sts:TagSession"`, "")}))
	_, err = f.web(token)
	f.refused("tags that the role does not accept", err, "AccessDenied")
}

func TestCognitoTokenIsAWebIdentity(t *testing.T) {
	f := newFixture(t)
	f.role(trust(`"Federated":"cognito-identity.amazonaws.com"`, `"StringEquals":{"cognito-identity.amazonaws.com:aud":"us-east-1:pool"},`+
		`"ForAnyValue:StringLike":{"cognito-identity.amazonaws.com:amr":"authenticated"}`))
	token := func(pool, method string) string {
		token, err := f.Own.Token(t.Context(), "us-east-1:ann", pool, []string{method}, f.now, 10*time.Minute)
		f.must(token, err)
		return token
	}
	resp, err := f.web(token("us-east-1:pool", "authenticated"))
	if err != nil || resp.Provider != sts.Cognito || resp.SubjectFromWebIdentityToken != "us-east-1:ann" {
		t.Errorf("got %+v, %v", resp, err)
	}
	_, err = f.web(token("us-east-1:other", "authenticated"))
	f.refused("another pool", err, "AccessDenied")
	_, err = f.web(token("us-east-1:pool", "unauthenticated"))
	f.refused("a guest", err, "AccessDenied")
}
