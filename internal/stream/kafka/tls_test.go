package kafka_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/stream/kafka"
)

// certificate makes one for 127.0.0.1, which is its own authority, and a file with it.
func certificate(t *testing.T) (own tls.Certificate, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// TestBrokersWithTLS has brokers that demand TLS and credentials: what trusts their authority writes, what does
// not, or speaks without TLS, writes nothing.
func TestBrokersWithTLS(t *testing.T) {
	own, file := certificate(t)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(5, topic), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{own}}),
		kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "ann", "good"), kfake.Superuser("PLAIN", "reader", "good"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	credentials := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(credentials, []byte("ann good"), 0o600); err != nil {
		t.Fatal(err)
	}
	roots, err := kafka.ReadRoots(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		secure bool
		roots  *x509.CertPool
		writes bool
	}{{"trusted", true, roots, true}, {"an unknown authority", true, nil, false}, {"without TLS", false, nil, false}} {
		options := kafka.Options{
			Broker: cluster.ListenAddrs()[0], Topic: topic, TLS: test.secure, Roots: test.roots, Credentials: credentials,
			Client: outbound.New(outbound.Options{Networks: []netip.Prefix{loopback}}),
		}
		if !test.writes {
			options.Timeout = time.Second
		}
		sink, err := kafka.Open(options)
		if err != nil {
			t.Fatal(err)
		}
		written, err := sink.Write(t.Context(), records(20, "a", "b", "c"))
		if (err == nil) != test.writes || test.writes != (len(written) == 60) {
			t.Errorf("%s: %d written, %v", test.name, len(written), err)
		}
		_ = sink.Close()
	}
	expect(t, cluster, []string{"a", "b", "c"}, 20,
		kgo.DialTLSConfig(&tls.Config{RootCAs: roots}), kgo.SASL(plain.Auth{User: "reader", Pass: "good"}.AsMechanism()))

	// A file that has no authority says so.
	if _, err := kafka.ReadRoots(credentials); err == nil || strings.Contains(err.Error(), "good") {
		t.Errorf("%v", err)
	}
}
