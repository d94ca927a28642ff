package iam_test

import (
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/iam"
)

func operation(t *testing.T, name string) api.Operation {
	for _, op := range iam.Operations(iam.Unbuilt{}) {
		if op.Name == name {
			return op
		}
	}
	t.Fatalf("no operation %s", name)
	return api.Operation{}
}

func TestListsAndMapsAsXML(t *testing.T) {
	at := time.Date(2021, 6, 3, 16, 26, 31, 0, time.UTC)
	value := "v"
	users := &iam.ListUsersResponse{Users: []iam.User{{Path: "/", UserName: "u", CreateDate: at, Tags: []iam.Tag{{Key: "k", Value: &value}}}}}
	simulation := &iam.SimulatePolicyResponse{EvaluationResults: []iam.EvaluationResult{{
		EvalActionName: "chime:Connect", EvalDecision: iam.PolicyEvaluationDecisionTypeExplicitDeny,
		EvalDecisionDetails: map[string]iam.PolicyEvaluationDecisionType{"b": "allowed", "a": "explicitDeny"},
	}}}
	const head, tail = ` xmlns="https://iam.amazonaws.com/doc/2010-05-08/">`, `<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>`
	cases := []struct {
		operation string
		resp      api.Response
		want      string
	}{
		{"ListUsers", users, `<ListUsersResponse` + head + `<ListUsersResult><Users><member><Path>/</Path><UserName>u</UserName>` +
			`<CreateDate>2021-06-03T16:26:31.000Z</CreateDate><Tags><member><Key>k</Key><Value>v</Value></member></Tags></member></Users>` +
			`<IsTruncated>false</IsTruncated></ListUsersResult>` + tail + `</ListUsersResponse>`},
		{"ListUsers", new(iam.ListUsersResponse), `<ListUsersResponse` + head + `<ListUsersResult><Users></Users><IsTruncated>false</IsTruncated></ListUsersResult>` +
			tail + `</ListUsersResponse>`},
		{"SimulateCustomPolicy", simulation, `<SimulateCustomPolicyResponse` + head + `<SimulateCustomPolicyResult><EvaluationResults><member>` +
			`<EvalActionName>chime:Connect</EvalActionName><EvalDecision>explicitDeny</EvalDecision><EvalDecisionDetails>` +
			`<entry><key>a</key><value>explicitDeny</value></entry><entry><key>b</key><value>allowed</value></entry></EvalDecisionDetails>` +
			`</member></EvaluationResults><IsTruncated>false</IsTruncated></SimulateCustomPolicyResult>` + tail + `</SimulateCustomPolicyResponse>`},
		{"DeleteUser", new(iam.DeleteUserResponse), `<DeleteUserResponse` + head + tail + `</DeleteUserResponse>`},
	}
	for _, c := range cases {
		op := operation(t, c.operation)
		if got := string(op.AppendResponse(nil, c.resp, "r")); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.operation, got, c.want)
		}
	}
}

func TestExceptionsComeFromTheModel(t *testing.T) {
	e := iam.NoSuchEntityException.Errorf("user %s", "u")
	if e.Type != "NoSuchEntityException" || e.Code != "NoSuchEntity" || e.Status != 404 || e.Message != "user u" {
		t.Errorf("got %+v", e)
	}
}
