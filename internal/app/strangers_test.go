package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
)

func TestStrangersAtTheSocketAreTurnedAwayAndCounted(t *testing.T) {
	n := start(t, lab.Settings(t, config.Dev, nil))
	client := n.HTTP
	r, err := http.NewRequest("GET", "http://"+n.PublicHost()+"/connect?x=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"c2l4dGVlbiBieXRlcyBvaw=="}}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("an upgrade without a signature: %s, want 403", resp.Status)
	}
	_, metrics := get(t, client, "http://"+n.OpsAddr()+"/metrics")
	for _, want := range []string{
		`carillon_auth_refusals_total{code="MissingAuthenticationTokenException",step="form",transport="websocket"} 1`,
		`carillon_sockets_rejected_total{reason="query"} 1`, "carillon_sockets_pending 0", "carillon_sockets_refused 0", "carillon_sockets_cut_off_total 0",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %q", want)
		}
	}
}
