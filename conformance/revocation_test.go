package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	id "github.com/aws/aws-sdk-go/service/chimesdkidentity"
	msg "github.com/aws/aws-sdk-go/service/chimesdkmessaging"
	"github.com/aws/aws-sdk-go/service/iam"
	"github.com/aws/aws-sdk-go/service/sts"
	"github.com/coder/websocket"

	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

const (
	allowChime = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"chime:*","Resource":"*"}}`
	denyChime  = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"chime:*","Resource":"*"}}`
	otherThan  = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*","Resource":"*"}}`
	anybody    = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"sts:AssumeRole"}}`
	noService  = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}`
)

// tenant is a user or a role of the account with what it may do, for one row of a table.
type tenant struct {
	t    *testing.T
	n    *node
	name *string
	key  *string // id of the user's access key
	keys sigv4.Credentials
	own  *string // ARN of the managed policy that allows it everything
	iam  *iam.IAM
	sts  *sts.STS
}

func (n *node) tenant(t *testing.T, name string) *tenant {
	x := &tenant{t: t, n: n, name: &name}
	x.iam, x.sts = n.account()
	made := must[*iam.CreatePolicyOutput](t)(x.iam.CreatePolicy(&iam.CreatePolicyInput{PolicyName: p("of-" + name), PolicyDocument: p(allowChime)}))
	x.own = made.Policy.Arn
	return x
}

// user makes a user with a key.
func (x *tenant) user() {
	x.t.Helper()
	must[*iam.CreateUserOutput](x.t)(x.iam.CreateUser(&iam.CreateUserInput{UserName: x.name}))
	must[*iam.AttachUserPolicyOutput](x.t)(x.iam.AttachUserPolicy(&iam.AttachUserPolicyInput{UserName: x.name, PolicyArn: x.own}))
	key := must[*iam.CreateAccessKeyOutput](x.t)(x.iam.CreateAccessKey(&iam.CreateAccessKeyInput{UserName: x.name})).AccessKey
	x.key, x.keys = key.AccessKeyId, sigv4.Credentials{AccessKeyID: *key.AccessKeyId, SecretAccessKey: *key.SecretAccessKey}
}

// userSession makes a user and temporary credentials of it.
func (x *tenant) userSession() {
	x.t.Helper()
	x.user()
	x.keys = stsKeys(must[*sts.GetSessionTokenOutput](x.t)(sts.New(x.n.session(x.keys)).GetSessionToken(&sts.GetSessionTokenInput{})).Credentials)
}

func (x *tenant) deleteUser() {
	x.t.Helper()
	must[*iam.DeleteAccessKeyOutput](x.t)(x.iam.DeleteAccessKey(&iam.DeleteAccessKeyInput{UserName: x.name, AccessKeyId: x.key}))
	must[*iam.DetachUserPolicyOutput](x.t)(x.iam.DetachUserPolicy(&iam.DetachUserPolicyInput{UserName: x.name, PolicyArn: x.own}))
	must[*iam.DeleteUserOutput](x.t)(x.iam.DeleteUser(&iam.DeleteUserInput{UserName: x.name}))
}

// role makes a role and a session of it, which the managed policies limit.
func (x *tenant) role(limits ...*sts.PolicyDescriptorType) {
	x.t.Helper()
	x.makeRole()
	assumed := must[*sts.AssumeRoleOutput](x.t)(x.sts.AssumeRole(&sts.AssumeRoleInput{
		RoleArn: p("arn:aws:iam::000000000000:role/" + *x.name), RoleSessionName: p("web"), PolicyArns: limits}))
	x.keys = stsKeys(assumed.Credentials)
}

func (x *tenant) makeRole() {
	x.t.Helper()
	must[*iam.CreateRoleOutput](x.t)(x.iam.CreateRole(&iam.CreateRoleInput{RoleName: x.name, AssumeRolePolicyDocument: p(anybody)}))
	must[*iam.AttachRolePolicyOutput](x.t)(x.iam.AttachRolePolicy(&iam.AttachRolePolicyInput{RoleName: x.name, PolicyArn: x.own}))
}

func (x *tenant) deleteRole() {
	x.t.Helper()
	must[*iam.DetachRolePolicyOutput](x.t)(x.iam.DetachRolePolicy(&iam.DetachRolePolicyInput{RoleName: x.name, PolicyArn: x.own}))
	must[*iam.DeleteRoleOutput](x.t)(x.iam.DeleteRole(&iam.DeleteRoleInput{RoleName: x.name}))
}

// limit makes a managed policy that allows everything of chime.
func (x *tenant) limit(name string) *string {
	x.t.Helper()
	return must[*iam.CreatePolicyOutput](x.t)(x.iam.CreatePolicy(&iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: p(allowChime)})).Policy.Arn
}

// rewrite puts another text of a managed policy into force.
func (x *tenant) rewrite(arn *string, text string) {
	x.t.Helper()
	must[*iam.CreatePolicyVersionOutput](x.t)(x.iam.CreatePolicyVersion(&iam.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: &text, SetAsDefault: p(true)}))
}

// try makes a call with the tenant's credentials.
func (x *tenant) try() string {
	identity, _ := x.n.clients(x.keys)
	_, err := identity.ListAppInstanceUsers(&id.ListAppInstanceUsersInput{AppInstanceArn: &x.n.Seeded().AppInstanceARN})
	return code(err)
}

// connect opens a socket of alice's with the tenant's credentials.
func (x *tenant) connect() socket {
	x.t.Helper()
	return socket{x.t, lab.Opened(x.t)(x.n.Peer().As(x.keys).Open(x.t.Context(), x.n.Seeded().UserARNs[0]))}
}

// say has bob send a message to a channel that alice is in too.
func (n *node) say(t *testing.T, content string) {
	t.Helper()
	_, err := n.messaging.SendChannelMessage(&msg.SendChannelMessageInput{ChannelArn: &n.Seeded().ChannelARN, ChimeBearer: &n.Seeded().UserARNs[1],
		Content: &content, Persistence: p("PERSISTENT"), Type: p("STANDARD")})
	if err != nil {
		t.Fatal(err)
	}
}

// TestWhatIsTakenAwayEnds takes access away in every way that there is. The next request is refused,
// the open socket is closed with 4401, and all other sockets get what is sent afterwards.
func TestWhatIsTakenAwayEnds(t *testing.T) {
	n := start(t, nil)
	user, userSession, role := (*tenant).user, (*tenant).userSession, func(x *tenant) { x.role() }
	for _, test := range []struct {
		name string
		make func(*tenant)
		take func(*tenant)
		says string // the beginning of the close reason; empty where a step before the last ends it
	}{
		{"key deleted", user, func(x *tenant) {
			must[*iam.DeleteAccessKeyOutput](x.t)(x.iam.DeleteAccessKey(&iam.DeleteAccessKeyInput{UserName: x.name, AccessKeyId: x.key}))
		}, "UnrecognizedClientException (key)"},
		{"key inactive", user, func(x *tenant) {
			must[*iam.UpdateAccessKeyOutput](x.t)(x.iam.UpdateAccessKey(&iam.UpdateAccessKeyInput{UserName: x.name, AccessKeyId: x.key, Status: p("Inactive")}))
		}, "UnrecognizedClientException (key)"},
		{"user deleted", userSession, (*tenant).deleteUser, ""},
		{"user made again", userSession, func(x *tenant) {
			before := x.keys
			x.deleteUser()
			x.user()
			x.keys = before
		}, ""},
		{"deny on a user", user, func(x *tenant) {
			must[*iam.PutUserPolicyOutput](x.t)(x.iam.PutUserPolicy(&iam.PutUserPolicyInput{UserName: x.name, PolicyName: p("stop"), PolicyDocument: p(denyChime)}))
		}, "AccessDeniedException: no chime:Connect on userArn because of an explicit deny in the inline policy stop"},
		{"deny on a user's session", userSession, func(x *tenant) {
			must[*iam.PutUserPolicyOutput](x.t)(x.iam.PutUserPolicy(&iam.PutUserPolicyInput{UserName: x.name, PolicyName: p("stop"), PolicyDocument: p(denyChime)}))
		}, "AccessDeniedException"},
		{"deny on a role", role, func(x *tenant) {
			must[*iam.PutRolePolicyOutput](x.t)(x.iam.PutRolePolicy(&iam.PutRolePolicyInput{RoleName: x.name, PolicyName: p("stop"), PolicyDocument: p(denyChime)}))
		}, "AccessDeniedException"},
		{"policy detached", user, func(x *tenant) {
			must[*iam.DetachUserPolicyOutput](x.t)(x.iam.DetachUserPolicy(&iam.DetachUserPolicyInput{UserName: x.name, PolicyArn: x.own}))
		}, "AccessDeniedException: no chime:Connect on userArn because no identity-based policy allows"},
		{"version of a policy", user, func(x *tenant) { x.rewrite(x.own, denyChime) }, "AccessDeniedException"},
		{"boundary of a user", user, func(x *tenant) {
			arn := x.limit("boundary-of-" + *x.name)
			x.rewrite(arn, otherThan)
			must[*iam.PutUserPermissionsBoundaryOutput](x.t)(x.iam.PutUserPermissionsBoundary(&iam.PutUserPermissionsBoundaryInput{UserName: x.name, PermissionsBoundary: arn}))
		}, "AccessDeniedException: no chime:Connect on userArn because no permissions boundary allows"},
		{"role deleted", role, (*tenant).deleteRole, ""},
		{"role made again", role, func(x *tenant) { x.deleteRole(); x.makeRole() }, ""},
		{"session policy", func(x *tenant) { x.role(&sts.PolicyDescriptorType{Arn: x.limit("limit-of-" + *x.name)}) }, func(x *tenant) {
			x.rewrite(p("arn:aws:iam::000000000000:policy/limit-of-"+*x.name), otherThan)
		}, "AccessDeniedException: no chime:Connect on userArn because no session policy allows"},
		{"session policy deleted", func(x *tenant) { x.role(&sts.PolicyDescriptorType{Arn: x.limit("limit-of-" + *x.name)}) }, func(x *tenant) {
			must[*iam.DeletePolicyOutput](x.t)(x.iam.DeletePolicy(&iam.DeletePolicyInput{PolicyArn: p("arn:aws:iam::000000000000:policy/limit-of-" + *x.name)}))
		}, "AccessDeniedException: no chime:Connect on userArn because no session policy allows"},
	} {
		t.Run(test.name, func(t *testing.T) {
			x := n.tenant(t, strings.ReplaceAll(strings.ReplaceAll(test.name, " ", "-"), "'", ""))
			test.make(x)
			victim := x.connect()
			others := []socket{n.connect(t, n.Seeded().UserARNs[0]), n.connect(t, n.Seeded().UserARNs[1])}
			if got := x.try(); got != "ok" {
				t.Fatalf("before: %s", got)
			}
			test.take(x)
			if got := x.try(); got == "ok" {
				t.Error("the next request is allowed")
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // that it never ends, fails too
			defer cancel()
			_, _, err := victim.Read(ctx)
			if closed, ok := errors.AsType[websocket.CloseError](err); !ok || closed.Code != 4401 || !strings.HasPrefix(closed.Reason, test.says) {
				t.Errorf("the socket ends with %v", err)
			}
			n.say(t, test.name)
			for _, other := range others {
				other.expect("CREATE_CHANNEL_MESSAGE STANDARD " + test.name)
			}
		})
	}
}

// TestTrustIsForThoseWhoCome changes the trust policy of a role: sessions that were assumed before go
// on, in requests and on sockets, as on AWS, and no caller assumes the role any more.
func TestTrustIsForThoseWhoCome(t *testing.T) {
	n := start(t, nil)
	x := n.tenant(t, "app")
	x.role()
	open := x.connect()
	must[*iam.UpdateAssumeRolePolicyOutput](t)(x.iam.UpdateAssumeRolePolicy(&iam.UpdateAssumeRolePolicyInput{RoleName: x.name, PolicyDocument: p(noService)}))
	_, err := x.sts.AssumeRole(&sts.AssumeRoleInput{RoleArn: p("arn:aws:iam::000000000000:role/app"), RoleSessionName: p("web")})
	refused(t, "AssumeRole", err, "AccessDenied")
	if got := x.try(); got != "ok" {
		t.Errorf("a request of the session: %s", got)
	}
	// A later change that ends another session shows that this one was looked at.
	y := n.tenant(t, "other")
	y.user()
	ends := y.connect()
	y.deleteUser()
	if code := ends.closed(); code != 4401 {
		t.Errorf("the deleted user's socket ends with %d", code)
	}
	n.say(t, "still here")
	open.expect("CREATE_CHANNEL_MESSAGE STANDARD still here")
}

// TestACrowdIsSentAway denies a role whose session has a thousand sockets.
func TestACrowdIsSentAway(t *testing.T) {
	const crowd, parallel = 1000, 8
	n := start(t, map[string]string{"ws-connections-per-user": fmt.Sprint(crowd)})
	x := n.tenant(t, "crowd")
	x.role()
	bystander := n.connect(t, n.Seeded().UserARNs[1])
	sockets := make([]socket, crowd)
	var group sync.WaitGroup
	for worker := range parallel {
		group.Go(func() {
			peer := n.Peer().As(x.keys)
			for i := worker; i < crowd; i += parallel {
				conn, err := peer.Open(context.Background(), n.Seeded().UserARNs[0])
				if err != nil {
					t.Error(err)
					return
				}
				t.Cleanup(func() { _ = conn.CloseNow() })
				sockets[i] = socket{t, conn}
			}
		})
	}
	if group.Wait(); t.Failed() {
		return
	}
	must[*iam.PutRolePolicyOutput](t)(x.iam.PutRolePolicy(&iam.PutRolePolicyInput{RoleName: x.name, PolicyName: p("stop"), PolicyDocument: p(denyChime)}))
	for i, s := range sockets {
		if code := s.closed(); code != 4401 {
			t.Fatalf("socket %d ends with %d", i, code)
		}
	}
	n.say(t, "quiet now")
	bystander.expect("CREATE_CHANNEL_MESSAGE STANDARD quiet now")
}
