package grants_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/iam/grants"
	"github.com/carillon-chat/carillon/internal/policy"
	"github.com/carillon-chat/carillon/internal/store"
)

func TestBuiltInPoliciesAreWhole(t *testing.T) {
	var last string
	ids := map[string]bool{}
	for _, m := range grants.BuiltIn() {
		name := strings.ToLower(m.Name)
		if m.ARN != "arn:aws:iam::aws:policy"+m.Path+m.Name || !m.BuiltIn || m.Description == "" || name <= last {
			t.Errorf("%s after %s: %+v", m.Name, last, m)
		}
		if !regexp.MustCompile(`^ANPA[A-Z2-7]{17}$`).MatchString(m.ID) || ids[m.ID] {
			t.Errorf("%s has the id %s", m.Name, m.ID)
		}
		if _, err := m.InForce(); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
		last, ids[m.ID] = name, true
	}
}

// What the policies of AWS's own allow here is what they allow there.
func TestPoliciesOfAWS(t *testing.T) {
	st := filled(t)
	for arn, want := range map[string]struct{ allows, not string }{
		"AdministratorAccess":                        {"chime:DeleteAppInstance iam:CreateUser sts:AssumeRole", ""},
		"PowerUserAccess":                            {"chime:DeleteAppInstance sts:AssumeRole iam:ListRoles", "iam:CreateUser iam:GetRole"},
		"ReadOnlyAccess":                             {"chime:ListChannelMessages chime:SearchChannels iam:GetRole iam:SimulateCustomPolicy", "chime:SendChannelMessage chime:Connect iam:CreateUser sts:AssumeRole"},
		"AmazonChimeFullAccess":                      {"chime:Connect chime:DeleteAppInstance", "iam:GetRole sts:AssumeRole kinesis:PutRecord"},
		"AmazonChimeReadOnly":                        {"chime:ListChannels chime:DescribeChannel chime:GetChannelMessage", "chime:Connect chime:SendChannelMessage chime:SearchChannels"},
		"AmazonChimeSDK":                             {"chime:TagResource chime:ListTagsForResource", "chime:ListChannels chime:SendChannelMessage"},
		"AmazonChimeUserManagement":                  {"chime:ListUsers", "chime:ListAppInstanceUsers chime:CreateAppInstanceUser"},
		"AmazonCognitoPowerUser":                     {"cognito-identity:GetId iam:GetRole iam:ListRoles", "iam:CreateRole chime:ListChannels"},
		"AmazonCognitoReadOnly":                      {"iam:ListOpenIDConnectProviders iam:ListRoles", "iam:GetRole"},
		"IAMFullAccess":                              {"iam:CreateUser iam:DeleteRole", "chime:ListChannels sts:AssumeRole"},
		"IAMReadOnlyAccess":                          {"iam:GetUser iam:ListRoles iam:SimulatePrincipalPolicy", "iam:CreateUser"},
		"service-role/AWSLambdaBasicExecutionRole":   {"logs:PutLogEvents", "chime:ListChannels iam:GetRole"},
		"service-role/AWSLambdaKinesisExecutionRole": {"kinesis:DescribeStream", "kinesis:PutRecord chime:ListChannels"},
		"AWSLambda_FullAccess":                       {"lambda:InvokeFunction iam:GetRole iam:ListRoles", "iam:CreateRole iam:PassRole chime:ListChannels"},
		"AmazonDynamoDBFullAccess":                   {"dynamodb:PutItem iam:ListRoles", "iam:CreateRole chime:ListChannels"},
		"AmazonS3FullAccess":                         {"s3:PutObject", "chime:ListChannels iam:GetRole"},
	} {
		view(t, st, func(r store.Reader) error {
			p, found, err := grants.Document(r, site, "arn:aws:iam::aws:policy/"+arn)
			if err != nil || !found {
				t.Errorf("%s: %v, %v", arn, found, err)
				return nil
			}
			set := policy.Set{Identity: []policy.Policy{p}}
			for _, action := range strings.Fields(want.allows) {
				if !set.Decide(policy.Question{Action: action, Resource: "arn:aws:x:::y"}).Allowed {
					t.Errorf("%s does not allow %s", arn, action)
				}
			}
			for _, action := range strings.Fields(want.not) {
				if set.Decide(policy.Question{Action: action, Resource: "arn:aws:x:::y"}).Allowed {
					t.Errorf("%s allows %s", arn, action)
				}
			}
			return nil
		})
	}
	view(t, st, func(r store.Reader) error {
		for _, arn := range []string{"AWSLambdaBasicExecutionRole", "service-role/AmazonChimeFullAccess", "Extra", "", "service-role"} {
			if _, found, err := grants.LoadManaged(r, site, "arn:aws:iam::aws:policy/"+arn); found || err != nil {
				t.Errorf("%s: %v, %v", arn, found, err)
			}
		}
		return nil
	})
}
