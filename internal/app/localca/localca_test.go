package localca_test

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/app/localca"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(moment time.Time) func() time.Time { return func() time.Time { return moment } }

func open(t *testing.T, dir string, moment time.Time, hosts ...string) *localca.Authority {
	t.Helper()
	a, err := localca.Open(dir, hosts, at(moment))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// files reads the certificate of the authority and of the server.
func files(t *testing.T, dir string) (ca, server []byte) {
	t.Helper()
	for name, text := range map[string]*[]byte{"ca.pem": &ca, "server.pem": &server} {
		var err error
		if *text, err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return ca, server
}

// handshake connects as a client that trusts ca and nothing else.
func handshake(t *testing.T, a *localca.Authority, ca []byte, moment time.Time, host string) error {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("ca.pem holds no certificate")
	}
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	served := make(chan error, 1)
	go func() { served <- tls.Server(theirs, &tls.Config{GetCertificate: a.GetCertificate}).Handshake() }()
	err := tls.Client(ours, &tls.Config{RootCAs: roots, ServerName: host, Time: at(moment)}).Handshake()
	_ = ours.Close()
	<-served
	return err
}

func TestClientsAcceptEveryName(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, start, "chat.example.com", "192.0.2.7")
	ca, _ := files(t, dir)
	for _, host := range []string{"localhost", "127.0.0.1", "::1", "chat.example.com", "192.0.2.7"} {
		if err := handshake(t, a, ca, start, host); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if err := handshake(t, a, ca, start, "other.example.com"); err == nil {
		t.Error("accepted for a name that was not asked for")
	}
}

func TestReuseAndRenewal(t *testing.T) {
	day := 24 * time.Hour
	for _, test := range []struct {
		name             string
		change           func(t *testing.T, dir string)
		later            time.Duration
		hosts            []string
		newCA, newServer bool
	}{
		{name: "again"},
		{name: "months later", later: 300 * day},
		{name: "server near its end", later: 380 * day, newServer: true},
		{name: "server past its end", later: 500 * day, newServer: true},
		{name: "authority near its end", later: 9 * 365 * day, newCA: true, newServer: true},
		{name: "another name", hosts: []string{"chat.example.com"}, newCA: true, newServer: true},
		{name: "damaged server certificate", change: damage("server.pem"), newServer: true},
		{name: "lost server key", change: lose("server-key.pem"), newServer: true},
		{name: "damaged authority", change: damage("ca.pem"), newCA: true, newServer: true},
		{name: "lost authority key", change: lose("ca-key.pem"), newCA: true, newServer: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if !open(t, dir, start).Made() {
				t.Error("the first authority is not reported as new")
			}
			ca, server := files(t, dir)
			if test.change != nil {
				test.change(t, dir)
			}
			now := start.Add(test.later)
			a := open(t, dir, now, test.hosts...)
			laterCA, laterServer := files(t, dir)
			if made := !bytes.Equal(ca, laterCA); made != test.newCA || a.Made() != test.newCA {
				t.Errorf("a new authority: %v, reported %v, want %v", made, a.Made(), test.newCA)
			}
			if made := !bytes.Equal(server, laterServer); made != test.newServer {
				t.Errorf("a new server certificate: %v, want %v", made, test.newServer)
			}
			for _, host := range append([]string{"localhost"}, test.hosts...) {
				if err := handshake(t, a, laterCA, now, host); err != nil {
					t.Errorf("%s: %v", host, err)
				}
			}
		})
	}
}

func damage(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("no PEM"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func lose(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRenewalWhileRunning(t *testing.T) {
	dir, now := t.TempDir(), start
	a, err := localca.Open(dir, nil, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	ca, _ := files(t, dir)
	now = start.Add(500 * 24 * time.Hour)
	if err := handshake(t, a, ca, now, "localhost"); err != nil {
		t.Error(err)
	}
}

// A stolen key of the authority must not be good for other names.
func TestAuthorityCannotVouchForOthers(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, start)
	ca, _ := files(t, dir)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	for _, forged := range []*x509.Certificate{
		{DNSNames: []string{"bank.example.com"}},
		{DNSNames: []string{"localhost", "bank.example.com"}},
		{IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}},
	} {
		forged.NotBefore, forged.NotAfter = start, start.Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, forged, pair.Leaf, pair.Leaf.PublicKey, pair.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := certificate.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: start}); err == nil {
			t.Errorf("accepted: %v %v", forged.DNSNames, forged.IPAddresses)
		}
	}
}

func TestKeysAreForTheOwnerAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	dir := filepath.Join(t.TempDir(), "tls")
	open(t, dir, start)
	for _, name := range []string{"ca-key.pem", "server-key.pem"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}

func TestUnreadableFolderIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := localca.Open(filepath.Join(file, "tls"), nil, at(start)); err == nil {
		t.Error("accepted")
	}
}

// OpenSSL is the verifier of curl, Python and Node.
func TestOpenSSLAccepts(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl here")
	}
	dir := t.TempDir()
	open(t, dir, time.Now())
	for _, name := range [][]string{{"-verify_hostname", "localhost"}, {"-verify_ip", "127.0.0.1"}, {"-verify_ip", "::1"}} {
		args := append([]string{"verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", filepath.Join(dir, "ca.pem")}, name...)
		if out, err := exec.Command(openssl, append(args, filepath.Join(dir, "server.pem"))...).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", name, out)
		}
	}
}
