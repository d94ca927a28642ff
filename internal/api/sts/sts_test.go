package sts_test

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/sts"
)

func operation(t *testing.T, name string) api.Operation {
	for _, op := range sts.Operations(sts.Unbuilt{}) {
		if op.Name == name {
			return op
		}
	}
	t.Fatalf("no operation %s", name)
	return api.Operation{}
}

func TestAssumeRoleIsReadFromAForm(t *testing.T) {
	form, err := url.ParseQuery("Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A000000000000%3Arole%2Fapp&RoleSessionName=s1" +
		"&DurationSeconds=900&Tags.member.1.Key=UserUUID&Tags.member.1.Value=&Tags.member.2.Key=Team&Tags.member.2.Value=a+b" +
		"&TransitiveTagKeys.member.1=UserUUID&PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3A000000000000%3Apolicy%2Fp")
	if err != nil {
		t.Fatal(err)
	}
	req, err := operation(t, "AssumeRole").Decode(&api.Input{Form: form})
	if err != nil {
		t.Fatal(err)
	}
	r := req.(*sts.AssumeRoleRequest)
	if r.RoleARN != "arn:aws:iam::000000000000:role/app" || *r.DurationSeconds != 900 || len(r.Tags) != 2 || *r.Tags[0].Value != "" ||
		*r.Tags[1].Value != "a b" || r.TransitiveTagKeys[0] != "UserUUID" || *r.PolicyARNs[0].ARN != "arn:aws:iam::000000000000:policy/p" || r.Policy != nil {
		t.Errorf("got %+v", r)
	}
	form.Del("Tags.member.2.Value")
	_, err = operation(t, "AssumeRole").Decode(&api.Input{Form: form})
	var e *api.Error
	if !errors.As(err, &e) || e.Type != "ValidationError" || e.Status != 400 || e.Message != "Tags[1].Value is required" {
		t.Errorf("got %v", err)
	}
}

func TestAnswersAreXML(t *testing.T) {
	op := operation(t, "AssumeRole")
	resp := &sts.AssumeRoleResponse{
		Credentials: &sts.Credentials{
			AccessKeyID: "ASIA", SecretAccessKey: "s<&>", SessionToken: "t",
			Expiration: time.Date(2021, 6, 3, 16, 26, 31, 0, time.UTC),
		},
		AssumedRoleUser: &sts.AssumedRoleUser{AssumedRoleID: "AROA:s1", ARN: "arn:x"},
	}
	want := `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>` +
		`<Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s&lt;&amp;&gt;</SecretAccessKey><SessionToken>t</SessionToken>` +
		`<Expiration>2021-06-03T16:26:31.000Z</Expiration></Credentials>` +
		`<AssumedRoleUser><AssumedRoleId>AROA:s1</AssumedRoleId><Arn>arn:x</Arn></AssumedRoleUser><PackedPolicySize>0</PackedPolicySize>` +
		`</AssumeRoleResult><ResponseMetadata><RequestId>r1</RequestId></ResponseMetadata></AssumeRoleResponse>`
	if got := string(op.AppendResponse(nil, resp, "r1")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestErrorsHaveTheirCodeOnTheWire(t *testing.T) {
	op := operation(t, "AssumeRoleWithWebIdentity")
	if !op.Unsigned || !op.Declares(sts.InvalidIdentityTokenException.Type) {
		t.Errorf("row %+v", op)
	}
	want := `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code>` +
		`<Message>expired</Message></Error><RequestId>r1</RequestId></ErrorResponse>`
	if got := string(op.AppendError(nil, sts.InvalidIdentityTokenException.Errorf("expired"), "r1")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
