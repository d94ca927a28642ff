package identity_test

import (
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/identity"
)

const arn = "arn:aws:chime:us-east-1:000000000000:app-instance/a"

func decode(t *testing.T, name, body string) (api.Request, error) {
	for _, op := range identity.Operations(identity.Unbuilt{}) {
		if op.Name == name {
			return op.Decode(&api.Input{Path: func(string) string { return arn }, Query: url.Values{}, Header: http.Header{}, Body: []byte(body)})
		}
	}
	t.Fatalf("no operation %s", name)
	return nil, nil
}

// An update replaces the metadata: empty clears it, absent is an error.
func TestRequiredMetadataMayBeEmptyButNotAbsent(t *testing.T) {
	req, err := decode(t, "UpdateAppInstance", `{"Name":"n","Metadata":""}`)
	if err != nil {
		t.Fatal(err)
	}
	if r := req.(*identity.UpdateAppInstanceRequest); r.Metadata == nil || *r.Metadata != "" || r.Name != "n" {
		t.Errorf("got %+v", r)
	}
	for body, member := range map[string]string{
		`{"Name":"n"}`:                     "Metadata",
		`{"Name":"n","Metadata":null}`:     "Metadata",
		`{"Name":"","Metadata":""}`:        "Name",
		`{"Metadata":""}`:                  "Name",
		`{"Name":"a\u0001","Metadata":""}`: "Name",
	} {
		_, err := decode(t, "UpdateAppInstance", body)
		var e *api.Error
		if !errors.As(err, &e) || e.Member != member || e.Type != "BadRequestException" {
			t.Errorf("%s: got %v", body, err)
		}
	}
}

func TestUserIDsMayHoldColonsAndAts(t *testing.T) {
	for id, ok := range map[string]bool{"us-east-1:0a-b_c.d@e": true, "a:": false, "": false, "a b": false} {
		_, err := decode(t, "CreateAppInstanceUser", `{"AppInstanceArn":"`+arn+`","AppInstanceUserId":"`+id+`","Name":"n","ClientRequestToken":"tt"}`)
		if (err == nil) != ok {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestNamesOfUsersAreNotBlank(t *testing.T) {
	for name, ok := range map[string]bool{"Ann": true, " Ann ": true, "   ": false, "": false} {
		_, err := decode(t, "UpdateAppInstanceUser", `{"Name":"`+name+`","Metadata":""}`)
		if (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}
