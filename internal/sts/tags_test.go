package sts_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api/iam"
	wire "github.com/carillon-chat/carillon/internal/api/sts"
)

// tagged asks for tags, written "key=value"; a star in front makes one transitive.
func tagged(tags ...string) func(*wire.AssumeRoleRequest) {
	return func(r *wire.AssumeRoleRequest) {
		for _, tag := range tags {
			key, value, _ := strings.Cut(strings.TrimPrefix(tag, "*"), "=")
			r.Tags = append(r.Tags, wire.Tag{Key: key, Value: &value})
			if tag[0] == '*' {
				r.TransitiveTagKeys = append(r.TransitiveTagKeys, key)
			}
		}
	}
}

const ownUser = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:*","Resource":"*"},` +
	`{"Effect":"Allow","Action":"chime:SendChannelMessage","Resource":[` +
	`"arn:aws:chime:*:*:app-instance/A/user/${aws:PrincipalTag/UserUUID}","arn:aws:chime:*:*:app-instance/A/channel/*"]}]}`

// ownRole is a role whose sessions act as the user of their tag UserUUID.
func (f *fixture) ownRole(trust string, change ...func(*iam.CreateRoleRequest)) {
	f.t.Helper()
	f.role(trust, change...)
	f.must(f.Account.PutRolePolicy(f.t.Context(), &iam.PutRolePolicyRequest{RoleName: "app", PolicyName: "all", PolicyDocument: ownUser}))
}

func TestTagsFeedPolicyVariables(t *testing.T) {
	f := newFixture(t)
	f.ownRole(trust(byAccount, ""))
	_, ann := f.assume(root, tagged("UserUUID=ann"))
	_, nobody := f.assume(root)
	if !f.maySend(ann, "ann", "c") || f.maySend(ann, "bob", "c") || f.maySend(nobody, "", "c") {
		t.Error("the tag does not decide as whom the session acts")
	}
}

func TestTagsNeedPermissionOfTheRole(t *testing.T) {
	f := newFixture(t)
	f.role(strings.Replace(trust(byAccount, ""), `"sts:TagSession",`, "", 1))
	f.assume(root)
	_, err := f.tryAssume(root, tagged("k=v"))
	f.refused("tags", err, "AccessDenied")
}

func TestTagConditions(t *testing.T) {
	f := newFixture(t)
	f.role(trust(byAccount, `"StringEquals":{"aws:RequestTag/Team":"blue"},"ForAllValues:StringEquals":{"aws:TagKeys":["Team","City"],"sts:TransitiveTagKeys":["Team"]}`))
	f.assume(root, tagged("*Team=blue", "City=Bern"))
	for name, change := range map[string]func(*wire.AssumeRoleRequest){
		"no tags":                tagged(),
		"another value":          tagged("Team=red"),
		"another key":            tagged("Team=blue", "Other=x"),
		"another transitive key": tagged("Team=blue", "*City=Bern"),
	} {
		_, err := f.tryAssume(root, change)
		f.refused(name, err, "AccessDenied")
	}
}

func TestTransitiveTagsGoOn(t *testing.T) {
	f := newFixture(t)
	f.ownRole(trust(byAccount, ""))
	_, first := f.assume(root, tagged("*UserUUID=ann", "City=Bern"))
	_, second := f.assume(first, tagged("Team=blue"))
	_, third := f.assume(second)
	if !f.maySend(third, "ann", "c") {
		t.Error("the transitive tag is lost")
	}
	for _, tag := range []string{"UserUUID=bob", "useruuid=bob", "*UserUUID=bob"} {
		_, err := f.tryAssume(second, tagged(tag))
		f.refused("replacing it by "+tag, err, "ValidationError")
	}
	_, plain := f.assume(root, tagged("UserUUID=ann"))
	_, next := f.assume(plain)
	if f.maySend(next, "ann", "c") {
		t.Error("a tag that is not transitive went on")
	}
}

func TestTagsThatAreRefused(t *testing.T) {
	f := newFixture(t)
	f.role(trust(byAccount, ""))
	var many []string
	for i := range 50 {
		many = append(many, fmt.Sprintf("k%d=v", i))
	}
	f.assume(root, tagged(many...))
	_, one := f.assume(root, tagged("*first=1"))
	for name, tc := range map[string]struct {
		by     keys
		change func(*wire.AssumeRoleRequest)
	}{
		"twice":                         {root, tagged("k=1", "k=2")},
		"twice in other case":           {root, tagged("Key=1", "kEY=2")},
		"reserved":                      {root, tagged("aws:x=1")},
		"reserved in other case":        {root, tagged("AWS:x=1")},
		"transitive, but not given":     {root, func(r *wire.AssumeRoleRequest) { r.TransitiveTagKeys = []string{"k"} }},
		"too many with those inherited": {one, tagged(many...)},
	} {
		_, err := f.tryAssume(tc.by, tc.change)
		f.refused(name, err, "ValidationError")
	}
}
