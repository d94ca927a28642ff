package awshttp_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	sdkidentity "github.com/aws/aws-sdk-go/service/chimesdkidentity"
	sdkmessaging "github.com/aws/aws-sdk-go/service/chimesdkmessaging"
	sdkcognito "github.com/aws/aws-sdk-go/service/cognitoidentity"
	sdkiam "github.com/aws/aws-sdk-go/service/iam"
	sdksts "github.com/aws/aws-sdk-go/service/sts"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/cognito"
	"github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/api/sts"
	"github.com/carillon-chat/carillon/internal/awshttp"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
	"github.com/carillon-chat/carillon/internal/throttle"
)

// service is the transport behind the real gate, for AWS's own Go SDK.
type service struct {
	t      *testing.T
	url    string
	access *access.Service
	store  store.Store
}

func serve(t *testing.T, run stub, change ...func(*awshttp.Options)) service {
	t.Helper()
	st := memstore.New()
	t.Cleanup(func() { st.Close() })
	gate := servicetest.NewAccess(t, st, time.Now)
	f := newFixture(t, run, append(change, func(o *awshttp.Options) { o.Gate = gate })...)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return service{t, server.URL, gate, st}
}

// session is a client configuration with the root key but for the changes.
func (s service) session(change ...func(*aws.Config)) *session.Session {
	s.t.Helper()
	c := aws.NewConfig().WithEndpoint(s.url).WithRegion("us-east-1").WithMaxRetries(0).
		WithCredentials(credentials.NewStaticCredentials("AKIDROOT", "root-secret", ""))
	for _, apply := range change {
		apply(c)
	}
	sess, err := session.NewSession(c)
	if err != nil {
		s.t.Fatal(err)
	}
	return sess
}

func as(id, secret, token string) func(*aws.Config) {
	return func(c *aws.Config) { c.Credentials = credentials.NewStaticCredentials(id, secret, token) }
}

func expectCode(t *testing.T, err error, status int, code string) {
	t.Helper()
	var failure awserr.RequestFailure
	if !errors.As(err, &failure) || failure.StatusCode() != status || failure.Code() != code || failure.RequestID() != zeroID {
		t.Errorf("got %v, want %d %s", err, status, code)
	}
}

func TestTheSDKReadsAnswers(t *testing.T) {
	created := time.UnixMilli(1622737591013).UTC()
	s := serve(t, func(_ context.Context, op *api.Operation, req api.Request) (api.Response, error) {
		switch op.Name {
		case "DescribeChannel":
			return &messaging.DescribeChannelResponse{Channel: &messaging.Channel{
				ChannelARN: req.Member("ChannelArn"), Name: "näme", CreatedTimestamp: &created}}, nil
		case "DeleteChannel":
			return new(messaging.DeleteChannelResponse), nil
		case "CreateAppInstanceUser":
			return &identity.CreateAppInstanceUserResponse{AppInstanceUserARN: req.Member("AppInstanceArn") + "/user/" + req.Member("AppInstanceUserId")}, nil
		case "GetCallerIdentity":
			return &sts.GetCallerIdentityResponse{Account: "000000000000"}, nil
		case "GetId":
			return &cognito.GetIdResponse{IdentityID: "us-east-1:1"}, nil
		}
		return nil, api.ServiceUnavailable("stub")
	})
	m := sdkmessaging.New(s.session())
	const odd = appARN + "/channel/a:b@c.d"
	described, err := m.DescribeChannel(&sdkmessaging.DescribeChannelInput{ChannelArn: aws.String(odd), ChimeBearer: aws.String(userARN)})
	if err != nil || aws.StringValue(described.Channel.ChannelArn) != odd || aws.StringValue(described.Channel.Name) != "näme" {
		t.Errorf("DescribeChannel: %v %v", described, err)
	} else if got := aws.TimeValue(described.Channel.CreatedTimestamp); got.Sub(created).Abs() > time.Second {
		t.Errorf("created %v, want %v", got, created)
	}
	if _, err := m.DeleteChannel(&sdkmessaging.DeleteChannelInput{ChannelArn: aws.String(odd), ChimeBearer: aws.String(userARN)}); err != nil {
		t.Errorf("DeleteChannel: %v", err)
	}
	user, err := sdkidentity.New(s.session()).CreateAppInstanceUser(&sdkidentity.CreateAppInstanceUserInput{
		AppInstanceArn: aws.String(appARN), AppInstanceUserId: aws.String("us-east-1:x"), Name: aws.String("Ann")})
	if err != nil || aws.StringValue(user.AppInstanceUserArn) != appARN+"/user/us-east-1:x" {
		t.Errorf("CreateAppInstanceUser: %v %v", user, err)
	}
	caller, err := sdksts.New(s.session()).GetCallerIdentity(&sdksts.GetCallerIdentityInput{})
	if err != nil || aws.StringValue(caller.Account) != "000000000000" {
		t.Errorf("GetCallerIdentity: %v %v", caller, err)
	}
	anonymous := func(c *aws.Config) { c.Credentials = credentials.AnonymousCredentials }
	id, err := sdkcognito.New(s.session(anonymous)).GetId(&sdkcognito.GetIdInput{IdentityPoolId: aws.String("us-east-1:0")})
	if err != nil || aws.StringValue(id.IdentityId) != "us-east-1:1" {
		t.Errorf("GetId: %v %v", id, err)
	}
	_, err = sdkiam.New(s.session()).ListUsers(&sdkiam.ListUsersInput{})
	expectCode(t, err, 503, "ServiceUnavailable")
}

func TestTheSDKReadsErrors(t *testing.T) {
	s := serve(t, answering(nil, api.Forbidden("not you")), func(o *awshttp.Options) { o.Explain = true })
	describe := &sdkmessaging.DescribeChannelInput{ChannelArn: aws.String(channelARN), ChimeBearer: aws.String(userARN)}

	_, err := sdkmessaging.New(s.session()).DescribeChannel(describe)
	var forbidden *sdkmessaging.ForbiddenException
	if !errors.As(err, &forbidden) || forbidden.StatusCode() != 403 || aws.StringValue(forbidden.Code_) != "Forbidden" || aws.StringValue(forbidden.Message_) != "not you" {
		t.Errorf("got %v, want a ForbiddenException", err)
	}
	_, err = sdkmessaging.New(s.session(as("AKIDROOT", "other", ""))).DescribeChannel(describe)
	expectCode(t, err, 403, "InvalidSignatureException")
	if !strings.Contains(err.Error(), "this canonical request:\nGET\n/channels/arn%253Aaws") {
		t.Errorf("no explanation: %v", err)
	}
	_, err = sdkmessaging.New(s.session(as("AKIDNOBODY", "root-secret", ""))).DescribeChannel(describe)
	expectCode(t, err, 403, "UnrecognizedClientException")
	_, err = sdkmessaging.New(s.session(func(c *aws.Config) { c.Region = aws.String("eu-west-1") })).DescribeChannel(describe)
	expectCode(t, err, 403, "InvalidSignatureException")
	_, err = sdksts.New(s.session(as("AKIDROOT", "other", ""))).GetCallerIdentity(&sdksts.GetCallerIdentityInput{})
	expectCode(t, err, 403, "SignatureDoesNotMatch")

	_, err = sdkmessaging.New(s.session()).SendChannelMessage(&sdkmessaging.SendChannelMessageInput{
		ChannelArn: aws.String(channelARN), ChimeBearer: aws.String(userARN), Content: aws.String(strings.Repeat("x", awshttp.MaxRESTBody)),
		Type: aws.String("STANDARD"), Persistence: aws.String("PERSISTENT")})
	expectCode(t, err, 413, "RequestEntityTooLargeException")
}

func TestASessionOfAUserIsHeldToItsPolicy(t *testing.T) {
	s := serve(t, answering(new(messaging.DescribeChannelResponse), nil))
	if err := s.store.Update(t.Context(), "a", func(tx store.Tx) error { return store.Users.Put(tx, store.K("a", "u"), chime.User{ID: "u"}) }); err != nil {
		t.Fatal(err)
	}
	c, err := s.access.IssueUserCredentials(t.Context(), "a", chime.UserRef("u"), access.UserSessionDuration)
	if err != nil {
		t.Fatal(err)
	}
	m := sdkmessaging.New(s.session(as(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)))
	describe := func(bearer string) error {
		_, err := m.DescribeChannel(&sdkmessaging.DescribeChannelInput{ChannelArn: aws.String(channelARN), ChimeBearer: aws.String(bearer)})
		return err
	}
	if err := describe(userARN); err != nil {
		t.Errorf("as itself: %v", err)
	}
	expectCode(t, describe(appARN+"/user/other"), 403, "AccessDeniedException")
}

// TestTheSDKComesBackAfterAThrottle: the caller sees the typed exception when it does not retry,
// and nothing of it when it does.
func TestTheSDKComesBackAfterAThrottle(t *testing.T) {
	now := time.UnixMilli(0)
	limiter, err := throttle.New(throttle.Options{
		Rates: map[string]int{"rate-describe-channel": 1}, Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	s := serve(t, func(context.Context, *api.Operation, api.Request) (api.Response, error) {
		calls++
		return new(messaging.DescribeChannelResponse), nil
	}, func(o *awshttp.Options) { o.Limiter = limiter })
	describe := func(change ...func(*aws.Config)) error {
		_, err := sdkmessaging.New(s.session(change...)).DescribeChannel(&sdkmessaging.DescribeChannelInput{
			ChannelArn: aws.String(channelARN), ChimeBearer: aws.String(userARN)})
		return err
	}
	for range 2 {
		if err := describe(); err != nil {
			t.Fatal(err)
		}
	}
	var throttled *sdkmessaging.ThrottledClientException
	if err := describe(); !errors.As(err, &throttled) || throttled.StatusCode() != 429 ||
		aws.StringValue(throttled.Code_) != "Throttled" || !strings.Contains(throttled.Message(), "rate-describe-channel is 1 call a second") {
		t.Errorf("got %v, want a ThrottledClientException", err)
	}
	if calls != 2 {
		t.Errorf("the service was called %d times", calls)
	}
	var waited []time.Duration
	err = describe(func(c *aws.Config) {
		c.MaxRetries = aws.Int(1)
		c.SleepDelay = func(d time.Duration) {
			waited = append(waited, d)
			now = now.Add(d)
		}
	})
	if err != nil || len(waited) != 1 || waited[0] < time.Second || calls != 3 {
		t.Errorf("after waiting %v, %d calls: %v", waited, calls, err)
	}
}
