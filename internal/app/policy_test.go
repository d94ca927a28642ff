package app_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/service/chimesdkmessaging"
	"github.com/aws/aws-sdk-go/service/iam"

	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// A user made through IAM's API is held to its policy at once: here that it comes over TLS, from
// this machine.
func TestPoliciesOfStoredUsers(t *testing.T) {
	n := start(t, lab.Settings(t, config.Dev, nil))
	api := iam.New(n.session(t, "http", n.RootKeys()))
	put := func(condition string) {
		t.Helper()
		_, err := api.PutUserPolicy(&iam.PutUserPolicyInput{UserName: aws.String("ann"), PolicyName: aws.String("p"), PolicyDocument: aws.String(lab.AllowWhen(condition))})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := api.CreateUser(&iam.CreateUserInput{UserName: aws.String("ann")}); err != nil {
		t.Fatal(err)
	}
	made, err := api.CreateAccessKey(&iam.CreateAccessKeyInput{UserName: aws.String("ann")})
	if err != nil {
		t.Fatal(err)
	}
	keys := sigv4.Credentials{AccessKeyID: *made.AccessKey.AccessKeyId, SecretAccessKey: *made.AccessKey.SecretAccessKey}
	list := func(scheme string) error {
		_, err := chimesdkmessaging.New(n.session(t, scheme, keys)).ListChannels(&chimesdkmessaging.ListChannelsInput{
			AppInstanceArn: &n.Seeded().AppInstanceARN, ChimeBearer: &n.Seeded().UserARNs[0],
		})
		return err
	}
	for _, test := range []struct {
		condition   string
		http, https bool
	}{
		{`{"Bool":{"aws:SecureTransport":"true"}}`, false, true},
		{`{"Bool":{"aws:SecureTransport":"false"}}`, true, false},
		{`{"IpAddress":{"aws:SourceIp":"127.0.0.0/8"}}`, true, true},
		{`{"NotIpAddress":{"aws:SourceIp":["127.0.0.0/8","::1/128"]}}`, false, false},
		{`{"StringEquals":{"aws:username":"ann"}}`, true, true},
	} {
		put(test.condition)
		for scheme, allowed := range map[string]bool{"http": test.http, "https": test.https} {
			err := list(scheme)
			if allowed && err != nil {
				t.Errorf("%s over %s: %v", test.condition, scheme, err)
			}
			refused, _ := err.(awserr.Error)
			if !allowed && (refused == nil || refused.Code() != "AccessDeniedException" || !strings.Contains(refused.Message(), "user/ann is not authorized to perform: chime:ListChannels")) {
				t.Errorf("%s over %s: %v", test.condition, scheme, err)
			}
		}
	}
	if _, err := api.UpdateAccessKey(&iam.UpdateAccessKeyInput{UserName: aws.String("ann"), AccessKeyId: made.AccessKey.AccessKeyId, Status: aws.String("Inactive")}); err != nil {
		t.Fatal(err)
	}
	if refused, _ := list("http").(awserr.Error); refused == nil || refused.Code() != "UnrecognizedClientException" {
		t.Errorf("an inactive key: %v", refused)
	}
}
