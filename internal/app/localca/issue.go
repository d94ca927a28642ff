package localca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"os"
	"time"
)

// backdate lets clients with a slightly late clock accept a new certificate.
const backdate = time.Hour

func authorityTemplate(hosts []string, now time.Time) *x509.Certificate {
	template := &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"Carillon"}, CommonName: "Carillon local CA"},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(authorityLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},

		PermittedDNSDomainsCritical: true,
	}

	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.PermittedIPRanges = append(template.PermittedIPRanges, single(ip))
		} else {
			template.PermittedDNSDomains = append(template.PermittedDNSDomains, host)
		}
	}
	return template
}

// single is the range of one address.
func single(ip net.IP) *net.IPNet {
	if four := ip.To4(); four != nil {
		ip = four
	}
	return &net.IPNet{IP: ip, Mask: net.CIDRMask(8*len(ip), 8*len(ip))}
}

func serverTemplate(hosts []string, now, end time.Time) *x509.Certificate {
	template := &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"Carillon"}, CommonName: "Carillon server"},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(serverLife),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}

	if end.Before(template.NotAfter) {
		template.NotAfter = end
	}

	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return template
}

// issue makes a key and a certificate for it, signed by the issuer or, without one, by itself,
// and writes both.
func (a *Authority) issue(name string, template *x509.Certificate, issuer *tls.Certificate) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}

	parent, signer := template, crypto.PrivateKey(key)
	if issuer != nil {
		parent, signer = issuer.Leaf, issuer.PrivateKey
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}

	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}

	// The key first: a certificate without its key would be of no use.
	certificatePEM, keyPEM := armour("CERTIFICATE", certificate), armour("PRIVATE KEY", private)
	if err := replace(a.path(name+"-key.pem"), keyPEM, 0o600); err != nil {
		return nil, err
	}
	if err := replace(a.path(name+".pem"), certificatePEM, 0o644); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certificatePEM, keyPEM)
	return &pair, err
}

func armour(kind string, der []byte) []byte {
	var text bytes.Buffer
	_ = pem.Encode(&text, &pem.Block{Type: kind, Bytes: der}) // a buffer takes everything
	return text.Bytes()
}

// replace writes a file so that a reader, and a crash, sees the old text or the new one.
func replace(path string, text []byte, mode os.FileMode) error {
	temporary := path + ".new"
	_ = os.Remove(temporary) // left by a crash, perhaps with another mode
	if err := os.WriteFile(temporary, text, mode); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
