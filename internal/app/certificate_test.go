package app_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
)

// certify writes a self-signed certificate and its key into the folder.
func certify(t *testing.T, dir string, expires time.Time, names ...string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: serial, NotBefore: expires.Add(-90 * 24 * time.Hour), NotAfter: expires, DNSNames: names}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: text}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// shown is the end of the certificate that the node shows.
func (n node) shown(t *testing.T) time.Time {
	t.Helper()
	conn, err := tls.Dial("tcp", n.Addr(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].NotAfter
}

func (n node) metric(t *testing.T, name string) string {
	t.Helper()
	_, metrics := get(t, n.HTTP, "http://"+n.OpsAddr()+"/metrics")
	for line := range strings.Lines(metrics) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func TestReloadTakesANewCertificate(t *testing.T) {
	dir, day := t.TempDir(), 24*time.Hour
	soon, later := time.Now().Add(5*day).Truncate(time.Second), time.Now().Add(80*day).Truncate(time.Second)
	cert, key := certify(t, dir, soon, "localhost")
	n := start(t, lab.Settings(t, config.Serve, map[string]string{"tls-cert": cert, "tls-key": key}))
	expiry := func(at time.Time) string { return fmt.Sprintf("%v", float64(at.Unix())) }
	if got := n.metric(t, "carillon_tls_certificate_expiry_timestamp_seconds"); got != expiry(soon) || !n.shown(t).Equal(soon) {
		t.Errorf("expires %s, want %s", got, expiry(soon))
	}
	certify(t, dir, later, "localhost")
	if restart, err := n.Reload(n.Config); err != nil || restart != nil {
		t.Errorf("%q %v", restart, err)
	}
	if got := n.metric(t, "carillon_tls_certificate_expiry_timestamp_seconds"); got != expiry(later) || !n.shown(t).Equal(later) {
		t.Errorf("after the reload it expires %s, want %s", got, expiry(later))
	}

	if err := os.WriteFile(key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	narrow := n.Config
	narrow.AllowedOrigins = []string{"https://app.example"}
	if _, err := n.Reload(narrow); err == nil || !strings.Contains(err.Error(), "tls-key") {
		t.Errorf("a broken key: %v", err)
	}
	evil := map[string]string{"Origin": "https://evil.example"}
	if !n.shown(t).Equal(later) || n.send(t, "GET", "/app-instances", n.PublicHost(), evil) != 200 {
		t.Error("a reload that failed changed something")
	}
}

func TestReloadTakesOriginsAndNamesWhatNeedsARestart(t *testing.T) {
	n := start(t, lab.Settings(t, config.Serve, nil))
	evil := map[string]string{"Origin": "https://evil.example"}
	if status := n.send(t, "GET", "/app-instances", n.PublicHost(), evil); status != 200 {
		t.Errorf("before: %d", status)
	}
	other := n.Config
	other.AllowedOrigins, other.LogLevel = []string{"https://app.example"}, "debug"
	other.Region, other.TLSCert, other.TLSKey = "eu-central-1", "a.pem", "b.pem"
	restart, err := n.Reload(other)
	if err != nil || !slices.Equal(restart, []string{"region", "tls-cert"}) {
		t.Errorf("%q %v", restart, err)
	}
	if status := n.send(t, "GET", "/app-instances", n.PublicHost(), evil); status != 403 {
		t.Errorf("after: %d", status)
	}
}

// What clients will not accept is told before they complain.
func TestBadCertificatesAreWarnedOf(t *testing.T) {
	day := 24 * time.Hour
	for name, test := range map[string]struct {
		left time.Duration
		host string
		want string // empty: no warning
	}{
		"good":       {80 * day, "localhost", ""},
		"soon":       {13*day + time.Hour, "localhost", "it expires in 13 days"},
		"expired":    {-time.Hour, "localhost", "it has expired"},
		"another":    {80 * day, "chat.example", "does not cover public-host"},
		"not so far": {100 * day, "localhost", "not valid before"},
	} {
		t.Run(name, func(t *testing.T) {
			cert, key := certify(t, t.TempDir(), time.Now().Add(test.left), test.host)
			n := start(t, lab.Settings(t, config.Serve, map[string]string{"tls-cert": cert, "tls-key": key}))
			n.Stop()
			if got := n.Log.String(); !strings.Contains(got, test.want) || strings.Contains(got, "clients may refuse") != (test.want != "") {
				t.Errorf("the log says %s", got)
			}
		})
	}
}
