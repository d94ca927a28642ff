package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/iam"

	"github.com/carillon-chat/carillon/internal/config"
)

const chatPolicy = `{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Action": "chime:*",
   "Resource": "arn:aws:chime:us-east-1:000000000000:app-instance/A/user/${aws:PrincipalTag/UserUUID}"},
  {"Sid": "NoConnect", "Effect": "Deny", "Action": "chime:Connect", "Resource": "*/user/bob"}
]}`

const userOfA = "arn:aws:chime:us-east-1:000000000000:app-instance/A/user/"

// simulation is a call of `carillon policy simulate` and what it must say.
type simulation struct {
	name string
	args []string
	code int
	want []string // in what is printed
}

func checkSimulations(t *testing.T, common []string, tests []simulation) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := run(t, t.Context(), nil, append(append([]string{"policy", "simulate"}, common...), test.args...)...)
			if got.code != test.code {
				t.Errorf("code %d, want %d: %s", got.code, test.code, got.stderr)
			}
			for _, want := range test.want {
				if !strings.Contains(got.stdout+got.stderr, want) {
					t.Errorf("it does not say %q:\n%s%s", want, got.stdout, got.stderr)
				}
			}
		})
	}
}

var chatSimulations = []simulation{
	{"allowed", []string{"--action", "chime:SendChannelMessage", "--resource", userOfA + "ann", "--context", "aws:PrincipalTag/UserUUID=ann"}, 0,
		[]string{"allowed: chime:SendChannelMessage on " + userOfA + "ann\n", "by statement 1 of ", `"Action": "chime:*"`, `${aws:PrincipalTag/UserUUID}"}`}},
	{"implicitly denied", []string{"--action", "chime:SendChannelMessage", "--resource", userOfA + "bob", "--context", "aws:PrincipalTag/UserUUID=ann"}, 1,
		[]string{"denied: chime:SendChannelMessage on " + userOfA + "bob\n  because no statement allows it\n", "denied: 1 of 1"}},
	{"a key is missing", []string{"--action", "chime:SendChannelMessage", "--resource", userOfA + "ann"}, 1,
		[]string{"denied", "not given with --context: aws:principaltag/useruuid"}},
	{"explicitly denied", []string{"--action", "chime:Connect", "--resource", userOfA + "bob", "--context", "aws:PrincipalTag/UserUUID=bob"}, 1,
		[]string{"by statement 2 of ", `"Sid": "NoConnect"`}},
	{"two of four", []string{"--action", "chime:Connect", "--action", "chime:ListChannels", "--resource", userOfA + "ann", "--resource", userOfA + "bob",
		"--context", "aws:PrincipalTag/UserUUID=ann"}, 1, []string{"denied: 2 of 4", "allowed: chime:ListChannels on " + userOfA + "ann"}},
}

func TestSimulatingFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "chat.json")
	if err := os.WriteFile(file, []byte(chatPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(broken, []byte(`{"Version":"2012-10-17","Statement":{"Effect":"Maybe"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	checkSimulations(t, []string{"--policy", file}, chatSimulations)
	checkSimulations(t, nil, []simulation{
		{"a word is wrong", []string{"--policy", file, "--action", "chime:SendChannelMesage", "--resource", userOfA + "ann", "--context", "aws:PrincipalTag/UserUUID=ann"}, 2,
			[]string{"allowed: chime:SendChannelMesage", "unknown action chime:SendChannelMesage; did you mean chime:SendChannelMessage?"}},
		{"another service, denied", []string{"--policy", file, "--action", "s3:GetObject"}, 2, []string{"denied: s3:GetObject", "unknown action s3:GetObject\ndenied: 1 of 1"}},
		{"other letters", []string{"--policy", file, "--action", "CHIME:sendchannelmessage", "--resource", userOfA + "bob"}, 1, []string{"denied: 1 of 1"}},
		{"named file", []string{"--policy", file, "--action", "chime:Connect", "--resource", userOfA + "bob"}, 1, []string{"statement 2 of " + file}},
		{"broken policy", []string{"--policy", broken, "--action", "a:b"}, 1, []string{broken, "Maybe"}},
		{"no file", []string{"--policy", "absent.json", "--action", "a:b"}, 1, []string{"absent.json"}},
		{"no action", []string{"--policy", file}, 2, []string{"--action"}},
		{"no principal", []string{"--action", "a:b"}, 2, []string{"--as"}},
		{"bad context", []string{"--policy", file, "--action", "a:b", "--context", "key"}, 2, []string{"key=value"}},
		{"bad endpoint", []string{"--as", "arn:aws:iam::000000000000:role/x", "--action", "a:b", "--endpoint", "localhost"}, 2, []string{"--endpoint"}},
		{"no ARN", []string{"--as", "ann", "--action", "a:b", "--endpoint", "http://127.0.0.1:1"}, 2, []string{"--as"}},
		{"root", []string{"--as", "arn:aws:iam::000000000000:root", "--action", "a:b"}, 1, []string{"may do everything"}},
		{"no server", []string{"--as", "arn:aws:iam::000000000000:role/x", "--action", "a:b", "--endpoint", "http://127.0.0.1:1"}, 1, []string{"cannot connect to"}},
	})
}

func TestSimulatingWhatTheServerHasStored(t *testing.T) {
	endpoint := devServer(t).endpoint
	api := iam.New(session.Must(session.NewSession(&aws.Config{
		Endpoint: &endpoint, Region: aws.String("us-east-1"), MaxRetries: aws.Int(0),
		Credentials: credentials.NewStaticCredentials(config.DevAccessKeyID, config.DevSecretAccessKey, ""),
	})))
	t.Cleanup(api.Config.HTTPClient.CloseIdleConnections)
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"sts:AssumeRole"}}`
	_, err := api.CreateRole(&iam.CreateRoleInput{RoleName: aws.String("my_chat"), Path: aws.String("/team/"), AssumeRolePolicyDocument: &trust})
	if err == nil {
		_, err = api.PutRolePolicy(&iam.PutRolePolicyInput{RoleName: aws.String("my_chat"), PolicyName: aws.String("own_things"), PolicyDocument: aws.String(chatPolicy)})
	}
	if err == nil {
		_, err = api.CreateUser(&iam.CreateUserInput{UserName: aws.String("ann")})
	}
	if err == nil {
		_, err = api.PutUserPolicy(&iam.PutUserPolicyInput{UserName: aws.String("ann"), PolicyName: aws.String("own"), PolicyDocument: aws.String(chatPolicy)})
	}
	if err == nil {
		_, err = api.AttachUserPolicy(&iam.AttachUserPolicyInput{UserName: aws.String("ann"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonChimeFullAccess")})
	}
	if err != nil {
		t.Fatal(err)
	}
	role, user := "arn:aws:iam::000000000000:role/team/my_chat", "arn:aws:iam::000000000000:user/ann"
	checkSimulations(t, []string{"--endpoint", endpoint, "--as", role}, chatSimulations)
	checkSimulations(t, []string{"--endpoint", endpoint}, []simulation{
		{"inline policy of a role", []string{"--as", role, "--action", "chime:Connect", "--resource", userOfA + "bob"}, 1,
			[]string{"statement 2 of the inline policy own_things of the role my_chat:\n", `"NoConnect"`}},
		{"session of a role", []string{"--as", "arn:aws:sts::000000000000:assumed-role/my_chat/web", "--action", "chime:Connect", "--resource", userOfA + "bob", "--dev"}, 1,
			[]string{"inline policy own_things of the role my_chat"}},
		{"inline policy of a user", []string{"--as", user, "--action", "chime:Connect", "--resource", userOfA + "bob"}, 1, []string{"inline policy own of the user ann"}},
		{"managed policy", []string{"--as", user, "--action", "chime:ListAppInstances"}, 0,
			[]string{"statement 1 of arn:aws:iam::aws:policy/AmazonChimeFullAccess", `"chime:*"`}},
		{"unknown role", []string{"--as", "arn:aws:iam::000000000000:role/none", "--action", "a:b"}, 1, []string{"NoSuchEntity"}},
	})
	got := run(t, t.Context(), ownKeys, "policy", "simulate", "--endpoint", endpoint, "--as", role, "--action", "chime:Connect")
	if got.code != 1 || !strings.Contains(got.stderr, "InvalidClientTokenId") {
		t.Errorf("other keys: %d %s", got.code, got.stderr)
	}
}
