package iam

import "testing"

const demoPolicy = `{"Version":"2012-10-17","Statement":[
 {"Effect":"Allow","Action":"chime:GetMessagingSessionEndpoint","Resource":"*"},
 {"Sid":"Own","Effect":"Allow","Action":["chime:Connect","chime:Send*"],
  "Resource":["arn:aws:chime:us-east-1:1:app-instance/A/user/${aws:PrincipalTag/UserUUID}","arn:aws:chime:us-east-1:1:app-instance/A/channel/*"]},
 {"Sid":"NoSecrets","Effect":"Deny","Action":"chime:*","Resource":"*/channel/secret"}]}`

type values map[string]string

func (v values) Lookup(key string) ([]string, bool, bool) {
	value, found := v[key]
	return []string{value}, found, true
}

func TestDecide(t *testing.T) {
	doc, err := Parse([]byte(demoPolicy))
	if err != nil {
		t.Fatal(err)
	}
	set := Set{Identity: []Policy{{Name: "inline policy P", Document: doc}}}
	const app = "arn:aws:chime:us-east-1:1:app-instance/A"
	ann := values{"aws:principaltag/useruuid": "ann"}
	for _, tc := range []struct {
		name, action, resource string
		allowed                bool
		reason                 string
	}{
		{"on everything", "chime:GetMessagingSessionEndpoint", "*", true, "because the inline policy P, statement 1 allows it"},
		{"case of the action is ignored", "chime:connect", app + "/user/ann", true, "because the inline policy P, statement 2 (Sid Own) allows it"},
		{"case of the resource counts", "chime:Connect", app + "/user/ANN", false, "because no identity-based policy allows the chime:Connect action"},
		{"deny wins", "chime:SendChannelMessage", app + "/channel/secret", false, "because of an explicit deny in the inline policy P, statement 3 (Sid NoSecrets)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := set.Decide(Question{Action: tc.action, Resource: tc.resource, Context: ann})
			if d.Allowed != tc.allowed || d.Reason() != tc.reason {
				t.Errorf("allowed %v %s; want %v %s", d.Allowed, d.Reason(), tc.allowed, tc.reason)
			}
		})
	}
}
