package conformance

import (
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/chimesdkidentity"
	"github.com/aws/aws-sdk-go/service/chimesdkmessaging"
	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is the whole program in dev mode, inside this process.
type node struct {
	*lab.Node
	identity  *chimesdkidentity.ChimeSDKIdentity // with the root key
	messaging *chimesdkmessaging.ChimeSDKMessaging
}

// start runs a fresh program until the test ends. Flags are those of carillon dev.
func start(t *testing.T, flags map[string]string) *node {
	t.Helper()
	return startWith(t, flags, app.Deps{})
}

// startWith does the same with a clock of the test's own.
func startWith(t *testing.T, flags map[string]string, deps app.Deps) *node {
	t.Helper()
	n := &node{Node: lab.Start(t, lab.Settings(t, config.Dev, flags), deps)}
	n.identity, n.messaging = n.clients(n.RootKeys())
	return n
}

// clients are AWS's own, changed in nothing but the endpoint.
func (n *node) clients(keys sigv4.Credentials) (*chimesdkidentity.ChimeSDKIdentity, *chimesdkmessaging.ChimeSDKMessaging) {
	sess := session.Must(session.NewSession(&aws.Config{
		Endpoint: aws.String("http://" + n.Addr()), Region: aws.String(n.Config.Region), HTTPClient: n.HTTP,
		MaxRetries: aws.Int(0), DisableParamValidation: aws.Bool(true), // the server has to answer, right away
		Credentials: credentials.NewStaticCredentials(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken),
	}))
	return chimesdkidentity.New(sess), chimesdkmessaging.New(sess)
}

func p[T any](v T) *T { return &v }
