package oidc

import (
	"net/netip"
	"testing"
	"time"
)

func TestAddresses(t *testing.T) {
	allowed := ClientOptions{AllowedNetworks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/64")}}
	for address, public := range map[string]bool{
		"93.184.216.34:443": true, "8.8.8.8:80": true, "[2606:2800:220:1::1]:443": true,
		"10.1.2.3:443": true, "[fd00::5]:443": true, // listed
		"10.2.0.1:443": false, "172.16.0.1:443": false, "192.168.1.1:443": false, "127.0.0.1:443": false, "0.0.0.0:443": false,
		"0.1.2.3:443": false, "169.254.169.254:80": false, "100.64.0.1:443": false, "224.0.0.1:443": false, "239.1.1.1:443": false,
		"255.255.255.255:443": false, "240.0.0.1:443": false, "192.0.2.1:443": false, "198.18.0.1:443": false,
		"[::1]:443": false, "[::]:443": false, "[fe80::1]:443": false, "[fe80::1%eth0]:443": false, "[fc00::1]:443": false, "[ff02::1]:443": false,
		"[fec0::1]:443": false, "[::ffff:127.0.0.1]:443": false, "[::ffff:10.2.0.1]:443": false, "[::127.0.0.1]:443": false,
		"[64:ff9b::7f00:1]:443": false, "[2002:7f00:1::]:443": false, "[2001::1]:443": false,
		"name.example:443": false, "": false,
	} {
		if err := allowed.checkAddress(address); (err == nil) != public {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestSeconds(t *testing.T) {
	for s, want := range map[seconds]time.Time{
		0: time.Unix(0, 0), -5: time.Unix(0, 0), 1.5: time.Unix(1, 5e8), 1e300: time.Unix(maxSeconds, 0),
	} {
		if got := s.time(); !got.Equal(want) {
			t.Errorf("%v is %v, want %v", float64(s), got, want)
		}
	}
}
