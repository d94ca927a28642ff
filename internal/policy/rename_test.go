package policy

import "testing"

// Only principals get other names, wherever else the text has the same words.
func TestRenamePrincipals(t *testing.T) {
	const text = `{ "Statement":[{"Sid":"arn:x:y:::ann","Effect":"Allow","Principal":{"AWS" : [ "arn:x:y:::ann" , "*","arn:x:y:::\u0061nn"],"Federated":"arn:x:y:::ann"},
		"Action":"sts:*","Condition":{"StringEquals":{"aws:PrincipalArn":"arn:x:y:::ann"}}},{"Effect":"Deny","Principal":{"AWS":"arn:x:y:::ann"},"Action":"sts:*"},
		{"Effect":"Deny","Principal":"*","Action":"sts:TagSession"}]}`
	const want = `{ "Statement":[{"Sid":"arn:x:y:::ann","Effect":"Allow","Principal":{"AWS" : [ "AIDA1" , "*","AIDA1"],"Federated":"arn:x:y:::ann"},
		"Action":"sts:*","Condition":{"StringEquals":{"aws:PrincipalArn":"arn:x:y:::ann"}}},{"Effect":"Deny","Principal":{"AWS":"AIDA1"},"Action":"sts:*"},
		{"Effect":"Deny","Principal":"*","Action":"sts:TagSession"}]}`
	if got := RenamePrincipals(text, map[string]string{"arn:x:y:::ann": "AIDA1"}); got != want {
		t.Errorf("got %s", got)
	}
	for _, same := range []string{text, "{", ""} {
		if got := RenamePrincipals(same, nil); got != same {
			t.Errorf("got %s", got)
		}
	}
}
