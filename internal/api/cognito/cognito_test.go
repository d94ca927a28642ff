package cognito_test

import (
	"errors"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/cognito"
)

func TestGetCredentialsForIdentity(t *testing.T) {
	op := cognito.Operations(cognito.Unbuilt{})[0]
	if op.Name != "GetCredentialsForIdentity" || op.Target != "AWSCognitoIdentityService.GetCredentialsForIdentity" || !op.Unsigned {
		t.Fatalf("row %+v", op)
	}
	req, err := op.Decode(&api.Input{Body: []byte(`{"IdentityId":"us-east-1:0a","Logins":{"issuer/pool":"token"}}`)})
	if err != nil {
		t.Fatal(err)
	}
	if r := req.(*cognito.GetCredentialsForIdentityInput); r.IdentityID != "us-east-1:0a" || r.Logins["issuer/pool"] != "token" || r.CustomRoleARN != nil {
		t.Errorf("got %+v", r)
	}
	at := time.UnixMilli(1622737591013)
	resp := &cognito.GetCredentialsForIdentityResponse{IdentityID: "i", Credentials: &cognito.Credentials{AccessKeyID: "A", Expiration: &at}}
	want := `{"IdentityId":"i","Credentials":{"AccessKeyId":"A","Expiration":1622737591.013}}`
	if got := string(op.AppendResponse(nil, resp, "")); got != want {
		t.Errorf("got %s", got)
	}
	_, err = op.Decode(&api.Input{Body: []byte(`{"IdentityId":"nobody","Logins":{"a":5}}`)})
	var e *api.Error
	if !errors.As(err, &e) || e.Status != 400 || e.Member != "Logins.a" {
		t.Fatalf("got %v", err)
	}
	want = `{"__type":"InvalidParameterException","message":"Logins.a must be a string"}`
	if got := string(op.AppendError(nil, e, "")); got != want {
		t.Errorf("got %s", got)
	}
}
