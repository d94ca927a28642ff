package app_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/service/chimesdkmessaging"

	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
)

// Calls of AWS's clients are plain requests, with TLS and without.
func TestCallsTakeTheFastPathUnlessItIsOff(t *testing.T) {
	for _, on := range []bool{true, false} {
		n := start(t, lab.Settings(t, config.Dev, map[string]string{"http-fast-path": fmt.Sprint(on)}))
		for i, scheme := range []string{"http", "https"} {
			messaging := chimesdkmessaging.New(n.session(t, scheme, n.RootKeys()))
			if _, err := messaging.DescribeChannel(&chimesdkmessaging.DescribeChannelInput{
				ChannelArn: &n.Seeded().ChannelARN, ChimeBearer: &n.Seeded().UserARNs[0]}); err != nil {
				t.Fatal(err)
			}
			want := ""
			if on {
				want = fmt.Sprint(i + 1)
			}
			if got := n.metric(t, "carillon_http_fast_connections_open"); got != want {
				t.Errorf("fast path %v, %s: connections open %q, want %q", on, scheme, got, want)
			}
		}
		if got := n.metric(t, "carillon_http_fast_handed_over_total"); on && got != "0" {
			t.Errorf("%s connections were handed over", got)
		}
	}
}

// A client may send frames before its upgrade is answered, on a connection that was used for calls as
// well as on a new one.
func TestFramesBehindAnUpgradeReachTheSocket(t *testing.T) {
	n := start(t, lab.Settings(t, config.Dev, nil))
	for _, scheme := range []string{"http", "https"} {
		for name, before := range map[string]string{"new": "", "used": "GET /chat/ HTTP/1.1\r\nHost: localhost\r\n\r\n"} {
			target, err := n.at(scheme, n.RootKeys()).Presign(n.Seeded().UserARNs[0], time.Now(), time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(target)
			if err != nil {
				t.Fatal(err)
			}

			conn := n.dial(t)
			_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second)) // only keeps a failure short
			if scheme == "https" {
				trust := n.HTTP.Transport.(*http.Transport).TLSClientConfig.Clone()
				trust.ServerName = "localhost"
				conn = tls.Client(conn, trust)
			}
			r := bufio.NewReader(conn)
			if before != "" {
				sendOn(t, conn, before)
				readAnswer(t, r, http.StatusOK)
			}

			// Pings with a mask of zeros, which is no mask; each has to be answered.
			const pings = 48 // with their payloads more than 4 KiB
			var frames strings.Builder
			for i := range pings {
				text := fmt.Sprintf("%0120d", i)
				frames.WriteString("\x89\xf8\x00\x00\x00\x00" + text)
			}
			sendOn(t, conn, "GET "+u.RequestURI()+" HTTP/1.1\r\nHost: "+u.Host+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
				"Sec-WebSocket-Key: "+base64.StdEncoding.EncodeToString(make([]byte, 16))+"\r\n\r\n"+frames.String())
			readAnswer(t, r, http.StatusSwitchingProtocols)
			for pongs := 0; pongs < pings; {
				head := make([]byte, 2)
				if _, err := io.ReadFull(r, head); err != nil {
					t.Fatalf("%s, %s connection: %v after %d pongs", scheme, name, err, pongs)
				}
				size := int(head[1])
				if size == 126 {
					if _, err := io.ReadFull(r, head); err != nil {
						t.Fatal(err)
					}
					size = int(head[0])<<8 | int(head[1])
				} else if head[0] == 0x8a {
					pongs++
				}
				if _, err := r.Discard(size); err != nil {
					t.Fatal(err)
				}
			}
			_ = conn.Close()
		}
	}
}

func sendOn(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

func readAnswer(t *testing.T, r *bufio.Reader, status int) {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil && status != http.StatusSwitchingProtocols || resp.StatusCode != status {
		t.Fatalf("%s, %v", resp.Status, err)
	}
}
