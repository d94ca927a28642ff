package iam

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const userPolicy = `{"Version":"2012-10-17","Statement":[
 {"Effect":"Allow","Action":"chime:GetMessagingSessionEndpoint","Resource":"*"},
 {"Sid":"Own","Effect":"Allow","Action":["chime:Connect","chime:Send*"],
  "Resource":["arn:aws:chime:us-east-1:1:app-instance/A/user/ann","arn:aws:chime:us-east-1:1:app-instance/A/channel/*"]},
 {"Sid":"NoSecrets","Effect":"Deny","Action":"chime:*","Resource":"*/channel/secret"}]}`

func TestEvaluate(t *testing.T) {
	doc, err := Parse([]byte(userPolicy))
	if err != nil {
		t.Fatal(err)
	}
	const app = "arn:aws:chime:us-east-1:1:app-instance/A"
	for _, tc := range []struct {
		name, action string
		resources    []string
		allowed      bool
		reason       string
	}{
		{"allowed on everything", "chime:GetMessagingSessionEndpoint", []string{"*"}, true, "a statement allows it"},
		{"case of the action is ignored", "chime:connect", []string{app + "/user/ann"}, true, "a statement allows it"},
		{"every resource is allowed", "chime:SendChannelMessage", []string{app + "/user/ann", app + "/channel/c"}, true, "a statement allows it"},
		{"one resource is not", "chime:SendChannelMessage", []string{app + "/user/bob", app + "/channel/c"}, false, "no statement allows it"},
		{"case of the resource counts", "chime:Connect", []string{app + "/user/ANN"}, false, "no statement allows it"},
		{"deny wins", "chime:SendChannelMessage", []string{app + "/user/ann", app + "/channel/secret"}, false, `the statement "NoSecrets" denies it`},
		{"other action", "chime:DeleteChannel", []string{app + "/user/ann"}, false, "no statement allows it"},
		{"no resource, no allow", "chime:Connect", nil, false, "no statement allows it"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := Evaluate([]*Document{doc}, tc.action, tc.resources...)
			if d.Allowed != tc.allowed || d.Reason() != tc.reason {
				t.Errorf("allowed %v because %s; want %v because %s", d.Allowed, d.Reason(), tc.allowed, tc.reason)
			}
		})
	}
}

func TestParseRefusesWhatItCannotEnforce(t *testing.T) {
	for text, want := range map[string]string{
		`{`: "unexpected EOF",
		`{"Version":"2012-10-17","Statement":[]}`:                                                                               "no Statement",
		`{"Version":"2013-10-17","Statement":{"Effect":"Allow","Action":"a:b","Resource":"*"}}`:                                 "Version",
		`{"Version":"2012-10-17","Statement":{"Effect":"Maybe","Action":"a:b","Resource":"*"}}`:                                 "Effect",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Resource":"*"}}`:                                                "no Action",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:b"}}`:                                                "no Resource",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","NotAction":"a:b","Resource":"*"}}`:                              "NotAction",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{}}}`:                  "Condition",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:b","Resource":"*"}} {}`:                              "follows",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:b","Resource":"` + strings.Repeat("x", 7000) + `"}}`: "longer",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%.90s) = %v, want an error about %q", text, err, want)
		}
	}
}

func TestMatchEqualsANaiveOne(t *testing.T) {
	letters := rapid.SampledFrom([]rune("ab*?:/"))
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringOfN(letters, 0, 10, -1).Draw(t, "pattern")
		text := rapid.StringOfN(rapid.SampledFrom([]rune("ab:/")), 0, 12, -1).Draw(t, "text")
		naive := regexp.QuoteMeta(pattern)
		naive = strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(naive)
		want := regexp.MustCompile(`\A(?s:` + naive + `)\z`).MatchString(text)
		if got := match(pattern, text, exact); got != want {
			t.Fatalf("match(%q, %q) = %v", pattern, text, got)
		}
	})
}
