package conformance

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/request"
	"github.com/aws/aws-sdk-go/aws/session"
	v4 "github.com/aws/aws-sdk-go/aws/signer/v4"
	apps "github.com/aws/aws-sdk-go/service/chimesdkidentity"
	msg "github.com/aws/aws-sdk-go/service/chimesdkmessaging"
	cognito "github.com/aws/aws-sdk-go/service/cognitoidentity"
	"github.com/aws/aws-sdk-go/service/iam"
	"github.com/aws/aws-sdk-go/service/sts"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/oidc/oidctest"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// session is that of AWS's clients with the keys; keys without an id sign nothing.
func (n *node) session(keys sigv4.Credentials) *session.Session {
	c := credentials.NewStaticCredentials(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken)
	if keys.AccessKeyID == "" {
		c = credentials.AnonymousCredentials
	}
	return session.Must(session.NewSession(&aws.Config{
		Endpoint: aws.String("http://" + n.Addr()), Region: aws.String(n.Config.Region), HTTPClient: n.HTTP, MaxRetries: aws.Int(0), Credentials: c,
	}))
}

// account are the clients of those who manage it.
func (n *node) account() (*iam.IAM, *sts.STS) {
	sess := n.session(n.RootKeys())
	return iam.New(sess), sts.New(sess)
}

// refused checks that an error is the one of the code, as the SDK types it.
func refused(t *testing.T, what string, err error, code string) {
	t.Helper()
	var typed awserr.Error
	if !errors.As(err, &typed) || typed.Code() != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func stsKeys(c *sts.Credentials) sigv4.Credentials {
	return sigv4.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken}
}

func cognitoKeys(c *cognito.Credentials) sigv4.Credentials {
	return sigv4.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretKey, SessionToken: *c.SessionToken}
}

// chatRole makes a role with the policy of spec 2.6, whose users are those of the variable.
func (n *node) chatRole(t *testing.T, name, trust, variable string) (arn *string) {
	t.Helper()
	client, _ := n.account()
	made := must[*iam.CreateRoleOutput](t)(client.CreateRole(&iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}))
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"chime:GetMessagingSessionEndpoint","Resource":"*"},
		{"Effect":"Allow","Action":["chime:Connect","chime:SendChannelMessage","chime:ListChannelMessages","chime:CreateChannelMembership"],
		 "Resource":["%[1]s/user/${%[2]s}","%[1]s/channel/*"]}]}`, n.Seeded().AppInstanceARN, variable)
	must[*iam.PutRolePolicyOutput](t)(client.PutRolePolicy(&iam.PutRolePolicyInput{RoleName: &name, PolicyName: p("chat"), PolicyDocument: &policy}))
	return made.Role.Arn
}

func trustPolicy(principal, condition string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{` + principal +
		`},"Action":["sts:AssumeRole","sts:TagSession","sts:AssumeRoleWithWebIdentity"],"Condition":{` + condition + `}}}`
}

// actsAs checks that the keys can send as one user and not as another, over REST and the socket.
func (n *node) actsAs(t *testing.T, keys sigv4.Credentials, self, other string) {
	t.Helper()
	_, m := n.clients(keys)
	send := func(user string) error {
		_, err := m.SendChannelMessage(&msg.SendChannelMessageInput{ChannelArn: &n.Seeded().ChannelARN, ChimeBearer: &user,
			Content: p("hello"), Type: p("STANDARD"), Persistence: p("PERSISTENT")})
		return err
	}
	peer := n.Peer().As(keys)
	conn, err := peer.Open(t.Context(), self)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := send(self); err != nil {
		t.Errorf("as itself: %v", err)
	}
	if f, err := conn.Next(t.Context()); err != nil || f.Field("Content") != "hello" {
		t.Errorf("its own message on the socket: %+v, %v", f, err)
	}
	refused(t, "as another", send(other), "AccessDeniedException")
	target, err := peer.Presign(other, time.Now(), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if code := n.dial(t, target).closed(); code != 4401 {
		t.Errorf("a socket as another is closed with %d", code)
	}
}

// TestCredentialExchange is how a back end gives its users credentials (spec 2.7).
func TestCredentialExchange(t *testing.T) {
	n := start(t, nil)
	alice, bob := n.Seeded().UserARNs[0], n.Seeded().UserARNs[1]
	_, client := n.account()
	role := n.chatRole(t, "chat", trustPolicy(`"AWS":"`+n.Config.Account+`"`, `"StringLike":{"aws:RequestTag/UserUUID":"?*"}`), "aws:PrincipalTag/UserUUID")
	in := &sts.AssumeRoleInput{RoleArn: role, RoleSessionName: p("exchange"), Tags: []*sts.Tag{{Key: p("UserUUID"), Value: p("alice")}}}
	got := must[*sts.AssumeRoleOutput](t)(client.AssumeRole(in))
	if *got.AssumedRoleUser.Arn != "arn:aws:sts::000000000000:assumed-role/chat/exchange" || *got.PackedPolicySize < 1 ||
		time.Until(*got.Credentials.Expiration).Round(time.Minute) != time.Hour {
		t.Errorf("got %v", got)
	}
	keys := stsKeys(got.Credentials)
	n.actsAs(t, keys, alice, bob)

	who := must[*sts.GetCallerIdentityOutput](t)(sts.New(n.session(keys)).GetCallerIdentity(&sts.GetCallerIdentityInput{}))
	if *who.Arn != *got.AssumedRoleUser.Arn || *who.UserId != *got.AssumedRoleUser.AssumedRoleId || *who.Account != "000000000000" {
		t.Errorf("got %v", who)
	}

	in.Policy = p(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"chime:ListChannelMessages","Resource":"*"}}`)
	_, m := n.clients(stsKeys(must[*sts.AssumeRoleOutput](t)(client.AssumeRole(in)).Credentials))
	_, err := m.SendChannelMessage(&msg.SendChannelMessageInput{ChannelArn: &n.Seeded().ChannelARN, ChimeBearer: &alice,
		Content: p("x"), Type: p("STANDARD"), Persistence: p("PERSISTENT")})
	refused(t, "narrowed by a session policy", err, "AccessDeniedException")
	must[*msg.ListChannelMessagesOutput](t)(m.ListChannelMessages(&msg.ListChannelMessagesInput{ChannelArn: &n.Seeded().ChannelARN, ChimeBearer: &alice}))

	for what, call := range map[string]struct {
		change func(*sts.AssumeRoleInput)
		code   string
	}{
		"no such role":    {func(r *sts.AssumeRoleInput) { r.RoleArn = p(*role + "-missing") }, "AccessDenied"},
		"without its tag": {func(r *sts.AssumeRoleInput) { r.Tags = nil }, "AccessDenied"},
		"no policy":       {func(r *sts.AssumeRoleInput) { r.Policy = p("{") }, sts.ErrCodeMalformedPolicyDocumentException},
		"too long":        {func(r *sts.AssumeRoleInput) { r.DurationSeconds = p(int64(3601)) }, "ValidationError"},
		"a bad name":      {func(r *sts.AssumeRoleInput) { r.RoleSessionName = p("a b") }, "ValidationError"},
	} {
		changed := *in
		call.change(&changed)
		_, err := client.AssumeRole(&changed)
		refused(t, what, err, call.code)
	}
}

func TestUserSession(t *testing.T) {
	n := start(t, nil)
	manage, _ := n.account()
	must[*iam.CreateUserOutput](t)(manage.CreateUser(&iam.CreateUserInput{UserName: p("ann")}))
	key := must[*iam.CreateAccessKeyOutput](t)(manage.CreateAccessKey(&iam.CreateAccessKeyInput{UserName: p("ann")})).AccessKey
	ann := sts.New(n.session(sigv4.Credentials{AccessKeyID: *key.AccessKeyId, SecretAccessKey: *key.SecretAccessKey}))
	keys := stsKeys(must[*sts.GetSessionTokenOutput](t)(ann.GetSessionToken(&sts.GetSessionTokenInput{DurationSeconds: p(int64(900))})).Credentials)
	session := n.session(keys)
	if who := must[*sts.GetCallerIdentityOutput](t)(sts.New(session).GetCallerIdentity(&sts.GetCallerIdentityInput{})); *who.Arn != "arn:aws:iam::000000000000:user/ann" {
		t.Errorf("got %v", who)
	}
	_, err := sts.New(session).GetSessionToken(&sts.GetSessionTokenInput{})
	refused(t, "a session of a session", err, "AccessDenied")
	_, err = iam.New(session).GetUser(&iam.GetUserInput{})
	refused(t, "IAM by a session", err, "AccessDenied")
}

func TestExpiredSession(t *testing.T) {
	var later atomic.Int64 // how far the clocks of server and client are ahead
	clock := func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	n := startWith(t, nil, app.Deps{Now: clock})
	_, client := n.account()
	keys := stsKeys(must[*sts.AssumeRoleOutput](t)(client.AssumeRole(&sts.AssumeRoleInput{
		RoleArn: &n.Seeded().RoleARN, RoleSessionName: p("short"), DurationSeconds: p(int64(900))})).Credentials)
	_, m := n.clients(keys)
	m.Handlers.Sign.Clear()
	m.Handlers.Sign.PushBack(func(r *request.Request) { v4.SignSDKRequestWithCurrentTime(r, clock) })
	in := &msg.ListChannelMessagesInput{ChannelArn: &n.Seeded().ChannelARN, ChimeBearer: &n.Seeded().UserARNs[0]}
	must[*msg.ListChannelMessagesOutput](t)(m.ListChannelMessages(in))
	later.Store(int64(15 * time.Minute))
	_, err := m.ListChannelMessages(in)
	refused(t, "after its end", err, "ExpiredTokenException")
}

// issuer is one that the node knows and can reach.
func (n *node) issuer(t *testing.T) *oidctest.Issuer {
	t.Helper()
	issuer := oidctest.Start(t)
	manage, _ := n.account()
	must[*iam.CreateOpenIDConnectProviderOutput](t)(manage.CreateOpenIDConnectProvider(&iam.CreateOpenIDConnectProviderInput{
		Url: p("https://" + issuer.Provider()), ClientIDList: aws.StringSlice([]string{"client-1"})}))
	return issuer
}

var nearIssuers = map[string]string{"oidc-allow-http": "true", "oidc-allowed-networks": "127.0.0.0/8"}

func TestWebIdentity(t *testing.T) {
	n := start(t, nearIssuers)
	issuer := n.issuer(t)
	role := n.chatRole(t, "web", trustPolicy(`"Federated":"arn:aws:iam::000000000000:oidc-provider/`+issuer.Provider()+`"`,
		`"StringEquals":{"`+issuer.Provider()+`:aud":"client-1"}`), issuer.Provider()+":sub")
	client := sts.New(n.session(sigv4.Credentials{}))
	in := func(token string) *sts.AssumeRoleWithWebIdentityInput {
		return &sts.AssumeRoleWithWebIdentityInput{RoleArn: role, RoleSessionName: p("web"), WebIdentityToken: &token}
	}
	alice := map[string]any{"sub": "alice"}
	got := must[*sts.AssumeRoleWithWebIdentityOutput](t)(client.AssumeRoleWithWebIdentity(in(issuer.Token(time.Now(), alice))))
	if *got.SubjectFromWebIdentityToken != "alice" || *got.Audience != "client-1" || !strings.HasSuffix(*got.Provider, "oidc-provider/"+issuer.Provider()) {
		t.Errorf("got %v", got)
	}
	n.actsAs(t, stsKeys(got.Credentials), n.Seeded().UserARNs[0], n.Seeded().UserARNs[1])

	silent := n.issuer(t)
	silent.Serve = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true }
	tomorrow := issuer.Token(time.Now().Add(24*time.Hour), alice)
	for what, call := range map[string]struct{ token, code string }{
		"a stranger's token":     {oidctest.Start(t).Token(time.Now(), alice), sts.ErrCodeInvalidIdentityTokenException},
		"no token":               {"no-token", sts.ErrCodeInvalidIdentityTokenException},
		"an old token":           {issuer.Token(time.Now().Add(-24*time.Hour), alice), sts.ErrCodeExpiredTokenException},
		"a token of tomorrow":    {tomorrow, sts.ErrCodeIDPRejectedClaimException},
		"an issuer that is down": {silent.Token(time.Now(), alice), sts.ErrCodeIDPCommunicationErrorException},
	} {
		_, err := client.AssumeRoleWithWebIdentity(in(call.token))
		refused(t, what, err, call.code)
	}
}

// A node that was not told to reaches no issuer on its own machine.
func TestIssuersOnThisMachineAreNotReached(t *testing.T) {
	n := start(t, map[string]string{"oidc-allow-http": "true"})
	issuer := n.issuer(t)
	_, err := sts.New(n.session(sigv4.Credentials{})).AssumeRoleWithWebIdentity(&sts.AssumeRoleWithWebIdentityInput{
		RoleArn: &n.Seeded().RoleARN, RoleSessionName: p("web"), WebIdentityToken: p(issuer.Token(time.Now(), nil))})
	refused(t, "an issuer on this machine", err, sts.ErrCodeIDPCommunicationErrorException)
	if issuer.Asked.Count() != 0 {
		t.Error("the issuer was asked")
	}
}

func TestIdentityPool(t *testing.T) {
	n := start(t, nearIssuers)
	issuer := n.issuer(t)
	const pool = "us-east-1:11111111-2222-3333-4444-555555555555"
	trust := func(method string) string {
		return trustPolicy(`"Federated":"cognito-identity.amazonaws.com"`, `"StringEquals":{"cognito-identity.amazonaws.com:aud":"`+pool+`"},`+
			`"ForAnyValue:StringLike":{"cognito-identity.amazonaws.com:amr":"`+method+`"}`)
	}
	role := n.chatRole(t, "pool-users", trust("authenticated"), "cognito-identity.amazonaws.com:sub")
	client := cognito.New(n.session(sigv4.Credentials{}))
	logins := aws.StringMap(map[string]string{issuer.Provider(): issuer.Token(time.Now(), map[string]any{"sub": "carol"})})

	id := must[*cognito.GetIdOutput](t)(client.GetId(&cognito.GetIdInput{IdentityPoolId: p(pool), Logins: logins})).IdentityId
	self, other := n.newMember(t, *id), n.Seeded().UserARNs[0]
	got := must[*cognito.GetCredentialsForIdentityOutput](t)(client.GetCredentialsForIdentity(&cognito.GetCredentialsForIdentityInput{IdentityId: id, Logins: logins}))
	n.actsAs(t, cognitoKeys(got.Credentials), self, other)

	token := must[*cognito.GetOpenIdTokenOutput](t)(client.GetOpenIdToken(&cognito.GetOpenIdTokenInput{IdentityId: id, Logins: logins})).Token
	web := must[*sts.AssumeRoleWithWebIdentityOutput](t)(sts.New(n.session(sigv4.Credentials{})).AssumeRoleWithWebIdentity(&sts.AssumeRoleWithWebIdentityInput{
		RoleArn: role, RoleSessionName: p("classic"), WebIdentityToken: token}))
	n.actsAs(t, stsKeys(web.Credentials), self, other)

	_, err := client.GetId(&cognito.GetIdInput{IdentityPoolId: p(pool)})
	refused(t, "a guest where there are none", err, cognito.ErrCodeNotAuthorizedException)
	_, err = client.GetId(&cognito.GetIdInput{IdentityPoolId: p("us-east-1:0")})
	refused(t, "no pool", err, cognito.ErrCodeResourceNotFoundException)
	_, err = client.GetCredentialsForIdentity(&cognito.GetCredentialsForIdentityInput{IdentityId: id})
	refused(t, "an identity without its login", err, cognito.ErrCodeNotAuthorizedException)

	n.chatRole(t, "pool-guests", trust("unauthenticated"), "cognito-identity.amazonaws.com:sub")
	guest := must[*cognito.GetIdOutput](t)(client.GetId(&cognito.GetIdInput{IdentityPoolId: p(pool)})).IdentityId
	got = must[*cognito.GetCredentialsForIdentityOutput](t)(client.GetCredentialsForIdentity(&cognito.GetCredentialsForIdentityInput{IdentityId: guest}))
	n.actsAs(t, cognitoKeys(got.Credentials), n.newMember(t, *guest), other)
}

// newMember makes a user with the id, and a member of the seeded channel of it.
func (n *node) newMember(t *testing.T, id string) (arn string) {
	t.Helper()
	must[*apps.CreateAppInstanceUserOutput](t)(n.identity.CreateAppInstanceUser(&apps.CreateAppInstanceUserInput{
		AppInstanceArn: &n.Seeded().AppInstanceARN, AppInstanceUserId: &id, Name: p("N")}))
	arn = n.Seeded().AppInstanceARN + "/user/" + id
	must[*msg.CreateChannelMembershipOutput](t)(n.messaging.CreateChannelMembership(&msg.CreateChannelMembershipInput{
		ChannelArn: &n.Seeded().ChannelARN, ChimeBearer: &n.Seeded().UserARNs[0], MemberArn: &arn, Type: p("DEFAULT")}))
	return arn
}
