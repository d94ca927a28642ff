//go:build linux

package main

import (
	"bytes"
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
	channel := map[string]any{"history_size": keptPublications, "history_ttl": "24h", "allow_history_for_subscriber": true}
	return map[string]any{
		"http_server": map[string]any{"address": "127.0.0.1", "port": port},
		"http_api":    map[string]any{"key": centrifugoKey},
		"client": map[string]any{
			"token":           map[string]any{"hmac_secret_key": centrifugoSecret},
			"allowed_origins": []string{"*"}, "queue_max_size": queueBytes, "channel_limit": 1000,
		},
		"channel":     map[string]any{"without_namespace": channel},
		"log":         map[string]any{"level": "error"},
		"usage_stats": map[string]any{"disabled": true},
	}
}

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
	kind     centrifugo
	address  string
	config   string
	channels [][]int // of each user
}

func (s *centrifugoServer) addr() string         { return s.address }
func (s *centrifugoServer) pids() ([]int, error) { return []int{s.cmd.Process.Pid}, nil }
func (s *centrifugoServer) kill() error          { return s.end(syscall.SIGKILL) }
func (s *centrifugoServer) stop() error          { return s.end(syscall.SIGTERM) }

// again starts the program, which knows nothing of what an earlier one had.
func (s *centrifugoServer) again(ctx context.Context) (err error) {
	s.program, err = command{name: s.kind.program, args: []string{"-c", s.config}, network: "tcp", addr: s.address}.launch(ctx)
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

func (s *centrifugoServer) channel(n int) string { return "channel-" + strconv.Itoa(n) }

// send publishes what a chat would: the sender, an id, and the text.
func (s *centrifugoServer) send(channel int, text string) ([]byte, error) {
	return s.call("publish", fmt.Sprintf(`{"channel":%q,"data":{"id":%q,"sender":"user-%05d","text":%q}}`,
		s.channel(channel), uuid.NewString(), channel, text)), nil
}

func (s *centrifugoServer) texts(_ context.Context, channel int) (texts []string, err error) {
	var answer struct {
		Result struct {
			Publications []struct{ Data struct{ Text string } }
		}
	}
	if err := ask(s.address, s.call("history", fmt.Sprintf(`{"channel":%q,"limit":-1}`, s.channel(channel))), &answer); err != nil {
		return nil, err
	}
	for _, p := range answer.Result.Publications {
		texts = append(texts, p.Data.Text)
	}
	return texts, nil
}

// reader is a WebSocket, over which Centrifugo answers a page with less work than over HTTP.
func (s *centrifugoServer) reader(user int) (rig.Conn, error) {
	e, err := s.entry(user)
	if err != nil {
		return nil, err
	}
	socket, err := e.open(s.address)
	if err != nil {
		return nil, err
	}
	socket.Grow(rig.LongestAnswer)
	return commands{socket}, nil
}

func (s *centrifugoServer) page(channel, messages int) ([]byte, error) {
	return rig.MaskedText(fmt.Appendf(nil, `{"id":2,"history":{"channel":%q,"limit":%d,"reverse":true}}`,
		s.channel(channel), messages)), nil
}

// commands is a socket of Centrifugo's protocol over which commands are sent, one at a time.
type commands struct{ *rig.Socket }

func (c commands) Answer() error {
	_, err := c.Body()
	return err
}

// Body waits for the answer to a command and returns it.
func (c commands) Body() ([]byte, error) {
	for {
		text, err := c.Text()
		switch {
		case err != nil:
			return nil, err
		case bytes.Equal(text, heartbeat):
			if err := c.WriteText(heartbeat); err != nil {
				return nil, err
			}
		case bytes.Contains(text[:min(len(text), 40)], []byte(`"error"`)):
			return nil, fmt.Errorf("refused: %s", text)
		default:
			return text, nil
		}
	}
}

// call is a request of the HTTP API.
func (s *centrifugoServer) call(method, body string) []byte {
	return fmt.Appendf(nil, "POST /api/%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nX-API-Key: %s\r\nContent-Length: %d\r\n\r\n%s",
		method, s.address, centrifugoKey, len(body), body)
}

func (s *centrifugoServer) entry(user int) (e entry, err error) {
	names := make([]string, len(s.channels[user]))
	for i, channel := range s.channels[user] {
		names[i] = s.channel(channel)
	}
	return s.enter(map[string]any{"token": s.token(user, "channels", names)})
}

// join recovers: the client says at which position it left each channel, and gets with the answer what
// was published since. What others are subscribed is not in it.
func (s *centrifugoServer) join(_ context.Context, user int) (e entry, texts int, err error) {
	claimed, asked := map[string]any{}, map[string]any{}
	for _, channel := range s.channels[user] {
		name := s.channel(channel)
		at, err := s.position(name)
		if err != nil {
			return e, 0, err
		}
		claimed[name] = map[string]any{"override": map[string]any{"force_recovery": map[string]any{"value": true}}}
		asked[name] = map[string]any{"recover": true, "epoch": at.Epoch, "offset": at.Offset - joinMessages}
	}
	e, err = s.enter(map[string]any{"token": s.token(user, "subs", claimed), "subs": asked})
	return e, 1, err
}

// position is where the history of a channel ends.
type position struct {
	Offset uint64
	Epoch  string
}

func (s *centrifugoServer) position(channel string) (position, error) {
	var answer struct{ Result position }
	err := ask(s.address, s.call("history", fmt.Sprintf(`{"channel":%q,"limit":0}`, channel)), &answer)
	if err == nil && answer.Result.Offset < joinMessages {
		err = fmt.Errorf("%s has %d messages", channel, answer.Result.Offset)
	}
	return answer.Result, err
}

// enter makes an entry whose first command is to connect.
func (s *centrifugoServer) enter(connect map[string]any) (e entry, err error) {
	if e.hello, err = json.Marshal(map[string]any{"id": 1, "connect": connect}); err != nil {
		return e, err
	}
	r, err := rig.UpgradeRequest("http://" + s.address + "/connection/websocket")
	if err == nil {
		e.request, err = rig.Wire(r)
	}
	return e, err
}

// token is a JWT of the user with one more claim: the channels that it is subscribed to.
func (s *centrifugoServer) token(user int, claim string, value any) string {
	claims, _ := json.Marshal(map[string]any{"sub": fmt.Sprintf("user-%05d", user), "exp": time.Now().Add(time.Hour).Unix(), claim: value})
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
