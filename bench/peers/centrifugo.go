//go:build linux

package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/carillon-chat/carillon/bench/rig"
)

// centrifugo is Centrifugo 6 with its memory engine: publications are kept in memory, up to a number
// for each channel, and no request is authorised beyond its API key. Clients speak its JSON protocol,
// show a token that is signed with HMAC, and are subscribed by it to their channels.
type centrifugo struct{ program string }

const (
	centrifugoKey    = "key-of-the-api"
	centrifugoSecret = "secret-of-the-tokens"

	// keptPublications is how many of each channel Centrifugo keeps; Carillon keeps all.
	keptPublications = 1000
)

func (c centrifugo) name() string { return "Centrifugo" }

// settings are its defaults but for what a measurement needs.
func (c centrifugo) settings(port int) map[string]any {
	channel := map[string]any{"history_size": keptPublications, "history_ttl": "24h"}
	recovered := map[string]any{"name": recoveredNamespace, "force_recovery": true}
	for name, value := range channel {
		recovered[name] = value
	}
	return map[string]any{
		"http_server": map[string]any{"address": "127.0.0.1", "port": port},
		"http_api":    map[string]any{"key": centrifugoKey},
		"client": map[string]any{
			"token":           map[string]any{"hmac_secret_key": centrifugoSecret},
			"allowed_origins": []string{"*"}, "queue_max_size": queueBytes, "channel_limit": 1000,
		},
		"channel":     map[string]any{"without_namespace": channel, "namespaces": []any{recovered}},
		"log":         map[string]any{"level": "error"},
		"usage_stats": map[string]any{"disabled": true},
	}
}

// recoveredNamespace has the channels of which a client gets, when it connects, what it missed.
const recoveredNamespace = "recovered"

func (c centrifugo) start(ctx context.Context, dir string) (server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(c.settings(port))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "config.json")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return nil, err
	}
	s := &centrifugoServer{kind: c, address: fmt.Sprintf("127.0.0.1:%d", port), config: file}
	return s, s.again(ctx)
}

type centrifugoServer struct {
	*program
	kind      centrifugo
	address   string
	config    string
	namespace string  // with its colon, or empty
	channels  [][]int // of each user
}

func (s *centrifugoServer) addr() string         { return s.address }
func (s *centrifugoServer) pids() ([]int, error) { return []int{s.cmd.Process.Pid}, nil }
func (s *centrifugoServer) kill() error          { return s.end(syscall.SIGKILL) }
func (s *centrifugoServer) stop() error          { return s.end(syscall.SIGTERM) }

// again starts the program, which knows nothing of what an earlier one had.
func (s *centrifugoServer) again(ctx context.Context) (err error) {
	s.program, err = launch(ctx, s.address, s.kind.program, "-c", s.config)
	return err
}

// populate notes which channels a user's token names: there is nothing to create.
func (s *centrifugoServer) populate(_ context.Context, channels [][]int) error {
	for channel, members := range channels {
		for _, user := range members {
			for len(s.channels) <= user {
				s.channels = append(s.channels, nil)
			}
			s.channels[user] = append(s.channels[user], channel)
		}
	}
	return nil
}

func (s *centrifugoServer) channel(n int) string { return s.namespace + "channel-" + strconv.Itoa(n) }

// send publishes what a chat would: the sender, an id, and the text.
func (s *centrifugoServer) send(channel int, text string) ([]byte, error) {
	return s.call("publish", fmt.Sprintf(`{"channel":%q,"data":{"id":%q,"sender":"user-%05d","text":%q}}`,
		s.channel(channel), uuid.NewString(), channel, text)), nil
}

func (s *centrifugoServer) page(channel, messages int) ([]byte, error) {
	return s.call("history", fmt.Sprintf(`{"channel":%q,"limit":%d,"reverse":true}`, s.channel(channel), messages)), nil
}

// call is a request of the HTTP API.
func (s *centrifugoServer) call(method, body string) []byte {
	return fmt.Appendf(nil, "POST /api/%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nX-API-Key: %s\r\nContent-Length: %d\r\n\r\n%s",
		method, s.address, centrifugoKey, len(body), body)
}

func (s *centrifugoServer) entry(user int) (e entry, err error) {
	e.hello = fmt.Appendf(nil, `{"id":1,"connect":{"token":%q}}`, s.token(user))
	r, err := rig.UpgradeRequest("http://" + s.address + "/connection/websocket")
	if err == nil {
		e.request, err = rig.Wire(r)
	}
	return e, err
}

// token is a JWT that names the user and the user's channels.
func (s *centrifugoServer) token(user int) string {
	names := make([]string, len(s.channels[user]))
	for i, channel := range s.channels[user] {
		names[i] = s.channel(channel)
	}
	claims, _ := json.Marshal(map[string]any{"sub": fmt.Sprintf("user-%05d", user), "exp": time.Now().Add(time.Hour).Unix(), "channels": names})
	return signedToken(claims, centrifugoSecret)
}

// signedToken is a JWT of the claims, with HMAC and SHA-256.
func signedToken(claims []byte, secret string) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(claims)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}
