package conformance

import (
	"bytes"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	id "github.com/aws/aws-sdk-go/service/chimesdkidentity"
	"github.com/aws/aws-sdk-go/service/iam"

	"github.com/carillon-chat/carillon/internal/sigv4"
)

// iam is AWS's own client of IAM, with the given keys.
func (n *node) iam(keys sigv4.Credentials) *iam.IAM {
	return iam.New(session.Must(session.NewSession(&aws.Config{
		Endpoint: aws.String("http://" + n.Addr()), Region: aws.String(n.Config.Region), HTTPClient: n.HTTP, MaxRetries: aws.Int(0),
		Credentials: credentials.NewStaticCredentials(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken),
	})))
}

// code is the error code by which programs tell refusals apart, "ok" when there is none.
func code(err error) string {
	if err == nil {
		return "ok"
	}
	if answer, ok := errors.AsType[awserr.Error](err); ok {
		return answer.Code()
	}
	return err.Error()
}

const allowUsers = `{"Version": "2012-10-17", "Statement": [{"Sid": "Users", "Effect": "Allow", "Action": "chime:List*", "Resource": "*"}]}`

// TestIAMTakesEffectAtOnce gives a user a key and takes it away, and tries after each change what
// the key is good for.
func TestIAMTakesEffectAtOnce(t *testing.T) {
	n := start(t, map[string]string{"data": filepath.Join(t.TempDir(), "data")})
	root := n.iam(n.RootKeys())
	ann := aws.String("Ann")
	must[*iam.CreateUserOutput](t)(root.CreateUser(&iam.CreateUserInput{UserName: ann, Path: aws.String("/team/")}))
	key := must[*iam.CreateAccessKeyOutput](t)(root.CreateAccessKey(&iam.CreateAccessKeyInput{UserName: ann})).AccessKey
	keys := sigv4.Credentials{AccessKeyID: *key.AccessKeyId, SecretAccessKey: *key.SecretAccessKey}
	app := n.Seeded().AppInstanceARN
	try := func() string {
		identity, _ := n.clients(keys)
		_, err := identity.ListAppInstanceUsers(&id.ListAppInstanceUsersInput{AppInstanceArn: &app})
		return code(err)
	}
	expect := func(when, want string) {
		t.Helper()
		if got := try(); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	expect("no policy", "AccessDeniedException")
	must[*iam.PutUserPolicyOutput](t)(root.PutUserPolicy(&iam.PutUserPolicyInput{UserName: ann, PolicyName: aws.String("own"), PolicyDocument: aws.String(allowUsers)}))
	expect("inline policy", "ok")
	must[*iam.DeleteUserPolicyOutput](t)(root.DeleteUserPolicy(&iam.DeleteUserPolicyInput{UserName: ann, PolicyName: aws.String("own")}))
	expect("inline policy deleted", "AccessDeniedException")

	made := must[*iam.CreatePolicyOutput](t)(root.CreatePolicy(&iam.CreatePolicyInput{PolicyName: aws.String("users"), PolicyDocument: aws.String(allowUsers)})).Policy
	must[*iam.AttachUserPolicyOutput](t)(root.AttachUserPolicy(&iam.AttachUserPolicyInput{UserName: ann, PolicyArn: made.Arn}))
	expect("attached policy", "ok")
	must[*iam.CreatePolicyVersionOutput](t)(root.CreatePolicyVersion(&iam.CreatePolicyVersionInput{
		PolicyArn: made.Arn, PolicyDocument: aws.String(strings.Replace(allowUsers, "Allow", "Deny", 1)), SetAsDefault: aws.Bool(true)}))
	expect("version that denies", "AccessDeniedException")
	must[*iam.SetDefaultPolicyVersionOutput](t)(root.SetDefaultPolicyVersion(&iam.SetDefaultPolicyVersionInput{PolicyArn: made.Arn, VersionId: aws.String("v1")}))
	expect("version that allows", "ok")

	status := func(s string) *iam.UpdateAccessKeyInput {
		return &iam.UpdateAccessKeyInput{UserName: ann, AccessKeyId: key.AccessKeyId, Status: &s}
	}
	must[*iam.UpdateAccessKeyOutput](t)(root.UpdateAccessKey(status("Inactive")))
	expect("inactive key", "UnrecognizedClientException")
	must[*iam.UpdateAccessKeyOutput](t)(root.UpdateAccessKey(status("Active")))
	expect("active key", "ok")

	own := n.iam(keys)
	if _, err := own.GetUser(&iam.GetUserInput{}); code(err) != "AccessDenied" {
		t.Errorf("GetUser without permission: %v", err)
	}
	must[*iam.PutUserPolicyOutput](t)(root.PutUserPolicy(&iam.PutUserPolicyInput{UserName: ann, PolicyName: aws.String("self"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:GetUser","iam:*AccessKey*"],"Resource":"arn:aws:iam::*:user/team/${aws:username}"}}`)}))
	if u, err := own.GetUser(&iam.GetUserInput{}); err != nil || *u.User.UserName != "Ann" {
		t.Errorf("GetUser of oneself: %v, %v", u, err)
	}
	second := must[*iam.CreateAccessKeyOutput](t)(own.CreateAccessKey(&iam.CreateAccessKeyInput{})).AccessKey // as keys are rotated
	must[*iam.DeleteAccessKeyOutput](t)(own.DeleteAccessKey(&iam.DeleteAccessKeyInput{AccessKeyId: key.AccessKeyId}))
	expect("deleted key", "UnrecognizedClientException")
	keys = sigv4.Credentials{AccessKeyID: *second.AccessKeyId, SecretAccessKey: *second.SecretAccessKey}
	expect("second key", "ok")

	secrets := []string{*key.SecretAccessKey, *second.SecretAccessKey}
	n.Stop()
	filesHold(t, n.Config.Data, secrets)
	for _, secret := range secrets {
		if strings.Contains(n.Log.String(), secret) {
			t.Error("the log holds a secret")
		}
	}
	n = start(t, map[string]string{"data": n.Config.Data})
	expect("second key after a restart", "ok")
}

// filesHold fails when a file below the folder holds one of the texts.
func filesHold(t *testing.T, dir string, texts []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		for _, text := range texts {
			if bytes.Contains(data, []byte(text)) {
				t.Errorf("%s holds a secret", path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestIAMThroughItsClient goes the way of a tool that manages roles: what it makes it finds again,
// what is in use is not deleted, and every refusal has the code that tools look for.
func TestIAMThroughItsClient(t *testing.T) {
	n := start(t, nil)
	c := n.iam(n.RootKeys())
	const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:root"},"Action":"sts:AssumeRole"}]}`
	name, policyName := aws.String("app"), aws.String("own")

	dev := must[*iam.GetRoleOutput](t)(c.GetRole(&iam.GetRoleInput{RoleName: aws.String("dev")})).Role
	if *dev.Arn != "arn:aws:iam::000000000000:role/dev" || *dev.Arn != n.Seeded().RoleARN {
		t.Errorf("the role of dev mode is %s", *dev.Arn)
	}
	decided := must[*iam.SimulatePolicyResponse](t)(c.SimulatePrincipalPolicy(&iam.SimulatePrincipalPolicyInput{
		PolicySourceArn: dev.Arn, ActionNames: aws.StringSlice([]string{"chime:CreateAppInstance", "iam:CreateUser"})})).EvaluationResults
	if len(decided) != 2 || *decided[0].EvalDecision != "allowed" || *decided[1].EvalDecision != "implicitDeny" ||
		*decided[0].MatchedStatements[0].SourcePolicyId != "role_dev_dev" {
		t.Errorf("the role of dev mode may do: %v", decided)
	}

	if _, err := c.GetRole(&iam.GetRoleInput{RoleName: name}); code(err) != iam.ErrCodeNoSuchEntityException {
		t.Errorf("a missing role: %v", err)
	}
	must[*iam.CreateRoleOutput](t)(c.CreateRole(&iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(trust), Tags: []*iam.Tag{{Key: aws.String("k"), Value: aws.String("")}}}))
	if _, err := c.CreateRole(&iam.CreateRoleInput{RoleName: aws.String("APP"), AssumeRolePolicyDocument: aws.String(trust)}); code(err) != iam.ErrCodeEntityAlreadyExistsException {
		t.Errorf("a second role of the name: %v", err)
	}
	if _, err := c.PutRolePolicy(&iam.PutRolePolicyInput{RoleName: name, PolicyName: policyName, PolicyDocument: aws.String(trust)}); code(err) != iam.ErrCodeMalformedPolicyDocumentException {
		t.Errorf("a trust policy as an identity policy: %v", err)
	}
	must[*iam.PutRolePolicyOutput](t)(c.PutRolePolicy(&iam.PutRolePolicyInput{RoleName: name, PolicyName: policyName, PolicyDocument: aws.String(allowUsers)}))
	inline := must[*iam.GetRolePolicyOutput](t)(c.GetRolePolicy(&iam.GetRolePolicyInput{RoleName: name, PolicyName: policyName}))
	if document, err := url.PathUnescape(*inline.PolicyDocument); err != nil || document != allowUsers || strings.ContainsAny(*inline.PolicyDocument, " +*\"") {
		t.Errorf("the document is answered as %s", *inline.PolicyDocument)
	}
	must[*iam.AttachRolePolicyOutput](t)(c.AttachRolePolicy(&iam.AttachRolePolicyInput{RoleName: name, PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonChimeFullAccess")}))
	if _, err := c.DeleteRole(&iam.DeleteRoleInput{RoleName: name}); code(err) != iam.ErrCodeDeleteConflictException {
		t.Errorf("a role in use: %v", err)
	}
	role := must[*iam.GetRoleOutput](t)(c.GetRole(&iam.GetRoleInput{RoleName: name})).Role
	if *role.MaxSessionDuration != 3600 || *role.Path != "/" || role.Description != nil || *role.Tags[0].Value != "" || role.CreateDate.IsZero() {
		t.Errorf("the role is %v", role)
	}

	var names []string
	for _, u := range []string{"c", "A", "b"} {
		must[*iam.CreateUserOutput](t)(c.CreateUser(&iam.CreateUserInput{UserName: &u}))
	}
	pages := 0
	err := c.ListUsersPages(&iam.ListUsersInput{MaxItems: aws.Int64(1)}, func(page *iam.ListUsersOutput, _ bool) bool {
		pages++
		for _, u := range page.Users {
			names = append(names, *u.UserName)
		}
		return true
	})
	if err != nil || pages != 3 || !slices.Equal(names, []string{"A", "b", "c"}) {
		t.Errorf("%d pages of users %v, %v", pages, names, err)
	}
	if _, err := c.ListUsers(&iam.ListUsersInput{Marker: aws.String("stale")}); code(err) != "ValidationError" {
		t.Errorf("a marker of nothing: %v", err)
	}
	provider := must[*iam.CreateOpenIDConnectProviderOutput](t)(c.CreateOpenIDConnectProvider(&iam.CreateOpenIDConnectProviderInput{
		Url: aws.String("https://issuer.example/realm"), ClientIDList: aws.StringSlice([]string{"chat"}), ThumbprintList: aws.StringSlice([]string{strings.Repeat("0", 40)})}))
	described := must[*iam.GetOpenIDConnectProviderOutput](t)(c.GetOpenIDConnectProvider(&iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: provider.OpenIDConnectProviderArn}))
	if *described.Url != "issuer.example/realm" || *described.ClientIDList[0] != "chat" {
		t.Errorf("the provider is %v", described)
	}
	if strings.Contains(n.Log.String(), "does not declare") {
		t.Errorf("an error was not declared:\n%s", n.Log)
	}
}
