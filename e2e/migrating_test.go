package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/chime"
	"github.com/aws/aws-sdk-go/service/chimesdkidentity"
	"github.com/aws/aws-sdk-go/service/chimesdkmessaging"
	"github.com/aws/aws-sdk-go/service/cognitoidentity"
	"github.com/aws/aws-sdk-go/service/iam"
	"github.com/aws/aws-sdk-go/service/sts"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
)

// namesOfAWS are those that AWS's clients call in us-east-1.
var namesOfAWS = []string{
	"messaging-chime.us-east-1.amazonaws.com", "identity-chime.us-east-1.amazonaws.com", "sts.us-east-1.amazonaws.com", "sts.amazonaws.com",
	"iam.amazonaws.com", "cognito-identity.us-east-1.amazonaws.com", "messaging-chat.example.org", "identity-chat.example.org", "chat.example.org",
}

// certify makes a certificate for the names, which is its own authority.
func certify(t *testing.T, names []string) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "names of AWS"}, DNSNames: names, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	err = errors.Join(os.WriteFile(certFile, cert, 0o600),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	return certFile, keyFile, roots
}

// serveNames runs a node with keys of its own and a certificate for the names, and gives a client's
// configuration for which all names lead to it.
func serveNames(t *testing.T, names []string) *aws.Config {
	t.Helper()
	certFile, keyFile, roots := certify(t, names)
	node := lab.Start(t, lab.Settings(t, config.Serve, map[string]string{
		"ops-listen": "", "tls-cert": certFile, "tls-key": keyFile, "public-host": "chat.example.org",
	}), app.Deps{})
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, node.Addr()) // as DNS would
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	keys := node.RootKeys()
	return &aws.Config{
		Region: aws.String("us-east-1"), Credentials: credentials.NewStaticCredentials(keys.AccessKeyID, keys.SecretAccessKey, ""), MaxRetries: aws.Int(0),
		HTTPClient: &http.Client{Transport: transport, Timeout: time.Minute},
	}
}

func TestNamesOfAWS(t *testing.T) {
	for _, name := range []string{"AWS_CA_BUNDLE", "AWS_PROFILE", "AWS_SDK_LOAD_CONFIG"} { // of the machine
		t.Setenv(name, "")
	}
	usual := serveNames(t, namesOfAWS)
	clients := session.Must(session.NewSession(usual))

	made, err := chimesdkidentity.New(clients).CreateAppInstance(&chimesdkidentity.CreateAppInstanceInput{Name: aws.String("app"), ClientRequestToken: aws.String("token-a")})
	if err != nil {
		t.Fatal(err)
	}
	user, err := chimesdkidentity.New(clients).CreateAppInstanceUser(&chimesdkidentity.CreateAppInstanceUserInput{
		AppInstanceArn: made.AppInstanceArn, AppInstanceUserId: aws.String("ann"), Name: aws.String("Ann"), ClientRequestToken: aws.String("token-b")})
	if err != nil {
		t.Fatal(err)
	}
	channel, err := chimesdkmessaging.New(clients).CreateChannel(&chimesdkmessaging.CreateChannelInput{
		AppInstanceArn: made.AppInstanceArn, ChimeBearer: user.AppInstanceUserArn, Name: aws.String("Books"), ClientRequestToken: aws.String("token-c")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sts.New(clients).GetCallerIdentity(nil); err != nil {
		t.Error(err)
	}
	if _, err := iam.New(clients).ListRoles(nil); err != nil {
		t.Error(err)
	}
	_, err = cognitoidentity.New(clients).GetId(&cognitoidentity.GetIdInput{IdentityPoolId: aws.String("us-east-1:00000000-0000-0000-0000-000000000000")})
	if refused := new(cognitoidentity.ResourceNotFoundException); !errors.As(err, &refused) {
		t.Errorf("a pool that is not there: %v", err)
	}

	// The client from before the services were split puts a prefix before the host.
	send := &chime.SendChannelMessageInput{
		ChannelArn: channel.ChannelArn, ChimeBearer: user.AppInstanceUserArn, Content: aws.String("old"), Type: aws.String("STANDARD"),
		Persistence: aws.String("PERSISTENT"), ClientRequestToken: aws.String("token-d"),
	}
	ours := usual.Copy().WithEndpoint("https://chat.example.org")
	for name, cfg := range map[string]*aws.Config{
		"whose prefixes resolve": ours.Copy(), "without prefixes": ours.Copy().WithDisableEndpointHostPrefix(true),
	} {
		if _, err := chime.New(session.Must(session.NewSession(cfg))).SendChannelMessage(send); err != nil {
			t.Errorf("the older client %s: %v", name, err)
		}
	}
}
