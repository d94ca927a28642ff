package outbound

import (
	"errors"
	"net/netip"
	"net/url"
	"testing"
)

func TestIsPublic(t *testing.T) {
	for address, public := range map[string]bool{
		"93.184.216.34": true, "8.8.8.8": true, "2606:2800:220:1::1": true,
		"::ffff:8.8.8.8": true, "2002:808:808::1": true, "64:ff9b::808:808": true,

		"10.2.0.1": false, "172.16.0.1": false, "192.168.1.1": false, "127.0.0.1": false, "127.8.9.1": false, "0.0.0.0": false, "0.1.2.3": false,
		"169.254.169.254": false, "100.64.0.1": false, "100.100.100.200": false, "224.0.0.1": false, "239.1.1.1": false,
		"255.255.255.255": false, "240.0.0.1": false, "192.0.2.1": false, "198.18.0.1": false, "198.51.100.1": false, "203.0.113.9": false,

		"::1": false, "::": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "fd00:ec2::254": false, "ff02::1": false,
		"fec0::1": false, "2001:db8::1": false, "3fff::1": false, "2001::1": false, "100::1": false,

		// An IPv4 address within: mapped, compatible, NAT64, NAT64 of a local prefix, 6to4.
		"::ffff:127.0.0.1": false, "::ffff:10.2.0.1": false, "::ffff:169.254.169.254": false, "::127.0.0.1": false,
		"64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false, "64:ff9b:1::808:808": false,
		"2002:7f00:1::": false, "2002:a02:1::1": false, "2002:a9fe:a9fe::1": false,
	} {
		if got := isPublic(netip.MustParseAddr(address)); got != public {
			t.Errorf("%s is public: %v", address, got)
		}
	}
	if isPublic(netip.Addr{}) {
		t.Error("no address is public")
	}
}

func TestAllowed(t *testing.T) {
	a := newAllowed([]netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/64")}, []string{"Inner.Example"})
	for _, test := range []struct {
		host      string
		addresses []string
		tls, http bool
	}{
		{"public.example", []string{"8.8.8.8", "2606:2800:220:1::1"}, true, false},
		{"listed.example", []string{"10.1.2.3", "fd00::5"}, true, true},
		{"listed.example", []string{"::ffff:10.1.2.3"}, true, true},
		{"listed.example", []string{"64:ff9b::a01:203"}, true, true},
		{"listed.example", []string{"10.1.2.3", "8.8.8.8"}, true, false},
		{"mixed.example", []string{"8.8.8.8", "10.2.0.1"}, false, false},
		{"mixed.example", []string{"10.1.2.3", "127.0.0.1"}, false, false},
		{"private.example", []string{"fd01::5"}, false, false},
		{"inner.example", []string{"127.0.0.1", "8.8.8.8"}, true, true},
		{"INNER.example.", []string{"192.168.0.1"}, true, true},
		{"x.inner.example", []string{"192.168.0.1"}, false, false},
	} {
		var addresses []netip.Addr
		for _, text := range test.addresses {
			addresses = append(addresses, netip.MustParseAddr(text))
		}
		if err := a.check(test.host, addresses, true); (err == nil) != test.tls {
			t.Errorf("%s %v over TLS: %v", test.host, test.addresses, err)
		}
		if err := a.check(test.host, addresses, false); (err == nil) != test.http {
			t.Errorf("%s %v over plain HTTP: %v", test.host, test.addresses, err)
		}
	}
}

// TestCheck refuses URLs that no call could be made to. Names are looked at when they are dialled.
func TestCheck(t *testing.T) {
	client := New(Options{Networks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}})
	for text, good := range map[string]bool{
		"https://example.com/hook": true, "https://93.184.216.34": true, "http://10.1.2.3:8080/hook": true, "https://10.1.2.3": true,
		"http://93.184.216.34": false, "https://10.2.0.1": false, "https://[::1]/": false, "http://169.254.169.254/": false,
		"https://[::ffff:127.0.0.1]": false, "ftp://example.com": false, "https://": false, "//example.com": false,
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Check(u); (err == nil) != good || err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
