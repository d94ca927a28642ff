// Package natstest is what tests of NATS share: servers, certificates, and waiting.
package natstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Await waits until a condition holds, which is looked at again and again.
func Await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	for !holds() {
		select {
		case <-ticks.C:
		case <-t.Context().Done():
			t.Fatalf("the test ends before %s", what)
		}
	}
}

// Authority signs certificates for 127.0.0.1.
type Authority struct {
	Certificate *x509.Certificate
	File        string // with the certificate, in PEM
	key         *ecdsa.PrivateKey
	folder      string
}

// NewAuthority makes an authority of a name, whose files are in the folder.
func NewAuthority(t testing.TB, folder, name string) *Authority {
	t.Helper()
	a := &Authority{key: Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t), folder: folder}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der := Must(x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key))(t)
	a.Certificate = Must(x509.ParseCertificate(der))(t)
	a.File = Write(t, folder, name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return a
}

// Sign makes a certificate of a name, for servers and clients, and its key, both in PEM.
func (a *Authority) Sign(t testing.TB, name string) (certFile, keyFile string) {
	t.Helper()
	key := Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der := Must(x509.CreateCertificate(rand.Reader, template, a.Certificate, &key.PublicKey, a.key))(t)
	private := Must(x509.MarshalPKCS8PrivateKey(key))(t)
	return Write(t, a.folder, name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		Write(t, a.folder, name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

// Write writes a file and returns its path.
func Write(t testing.TB, folder, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Must returns a function that returns the value, or ends the test for the error.
func Must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// Serve runs a server at a port, zero for a free one, until stop is called or the test ends.
func Serve(t testing.TB, port int) (at int, stop func()) {
	t.Helper()
	if port == 0 {
		port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server does not start")
	}
	stop = func() {
		s.Shutdown()
		s.WaitForShutdown()
	}
	t.Cleanup(stop)
	return s.Addr().(*net.TCPAddr).Port, stop
}
