//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
)

// postgres is the plain chat server of bench/pgchat over PostgreSQL with its defaults, but for more
// shared memory: a message is answered when its transaction is on disk.
type postgres struct {
	folder string // of PostgreSQL's programs
	chat   string // program of the chat server
}

const pgchatSecret = "secret-of-the-tokens"

func (p postgres) name() string { return "PostgreSQL chat" }

func (p postgres) start(ctx context.Context, dir string) (server, error) {
	s := &postgresServer{kind: p, data: filepath.Join(dir, "data")}
	if err := os.MkdirAll(s.data, 0o700); err != nil {
		return nil, err
	}
	if err := s.give(dir); err != nil {
		return nil, err
	}
	create := exec.CommandContext(ctx, filepath.Join(p.folder, "initdb"), "-D", s.data, "-U", "chat", "-A", "trust", "-E", "UTF8", "--locale", "C", "--no-sync")
	create.Dir, create.SysProcAttr = dir, &syscall.SysProcAttr{Credential: s.as}
	if out, err := create.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s.address = fmt.Sprintf("127.0.0.1:%d", port)
	return s, s.again(ctx)
}

// give makes the folder one of the user that PostgreSQL runs as: it refuses to run as root.
func (s *postgresServer) give(dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return fmt.Errorf("PostgreSQL does not run as root: %w", err)
	}
	uid, err := strconv.Atoi(account.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(account.Gid)
	if err != nil {
		return err
	}
	s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return errors.Join(os.Chown(dir, uid, gid), os.Chown(s.data, uid, gid))
}

type postgresServer struct {
	kind     postgres
	data     string
	as       *syscall.Credential // nil is the user of this process
	address  string
	database *program
	chat     *program
	channels [][]int // their users
}

func (s *postgresServer) addr() string { return s.address }

func (s *postgresServer) pids() ([]int, error) {
	family, err := rig.Family(s.database.cmd.Process.Pid)
	return append(family, s.chat.cmd.Process.Pid), err
}

// again starts the database on its data, and then the chat server.
func (s *postgresServer) again(ctx context.Context) (err error) {
	s.database, err = command{
		name: filepath.Join(s.kind.folder, "postgres"),
		args: []string{"-D", s.data, "-k", s.data, "-c", "listen_addresses=", "-c", "shared_buffers=256MB"},
		dir:  s.data, as: s.as, network: "unix", addr: filepath.Join(s.data, ".s.PGSQL.5432"),
	}.launch(ctx)
	if err != nil {
		return err
	}
	s.chat, err = command{
		name: s.kind.chat, args: []string{"-listen", s.address, "-secret", pgchatSecret, "-database", "host=" + s.data + " user=chat dbname=postgres"},
		network: "tcp", addr: s.address, as: s.as,
	}.launch(ctx)
	if err != nil {
		err = errors.Join(err, s.database.end(syscall.SIGQUIT))
	}
	return err
}

func (s *postgresServer) stop() error {
	return errors.Join(s.chat.end(syscall.SIGTERM), s.database.end(syscall.SIGINT)) // a fast shutdown
}

// kill ends all processes, and waits for those that are no children of this one.
func (s *postgresServer) kill() error {
	family, err := rig.Family(s.database.cmd.Process.Pid)
	if err != nil {
		return err
	}
	for _, pid := range family[1:] {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	err = errors.Join(s.chat.end(syscall.SIGKILL), s.database.end(syscall.SIGKILL))
	for _, pid := range family[1:] {
		for rig.Runs(pid) {
			time.Sleep(time.Millisecond)
		}
	}
	return err
}

func (s *postgresServer) populate(ctx context.Context, channels [][]int) error {
	s.channels = channels
	return rig.Parallel(rig.SetupCallers, len(channels), func(i int) error {
		body, err := json.Marshal(map[string]any{"id": i, "members": channels[i]})
		if err != nil {
			return err
		}
		return ask(s.address, s.request(http.MethodPost, "/channels", "", string(body)), nil)
	})
}

func (s *postgresServer) send(channel int, text string) ([]byte, error) {
	return s.request(http.MethodPost, s.messages(channel), s.token(s.channels[channel][0]), fmt.Sprintf(`{"text":%q}`, text)), nil
}

func (s *postgresServer) reader(int) (rig.Conn, error) { return rig.DialHTTP(s.address) }

func (s *postgresServer) page(channel, messages int) ([]byte, error) {
	return s.request(http.MethodGet, fmt.Sprintf("%s?limit=%d", s.messages(channel), messages), s.token(s.channels[channel][0]), ""), nil
}

// texts are read page by page, each from before the last of the one before.
func (s *postgresServer) texts(_ context.Context, channel int) (texts []string, err error) {
	target := s.messages(channel) + "?limit=100"
	for before := ""; ; {
		var page []struct {
			ID   int64
			Text string
		}
		err := ask(s.address, s.request(http.MethodGet, target+before, s.token(s.channels[channel][0]), ""), &page)
		if err != nil || len(page) == 0 {
			return texts, err
		}
		for _, m := range page {
			texts = append(texts, m.Text)
		}
		before = fmt.Sprintf("&before=%d", page[len(page)-1].ID)
	}
}

func (s *postgresServer) messages(channel int) string {
	return fmt.Sprintf("/channels/%d/messages", channel)
}

func (s *postgresServer) request(method, target, token, body string) []byte {
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		method, target, s.address, token, len(body), body)
}

// token is a JWT of the user.
func (s *postgresServer) token(user int) string {
	return signedToken(fmt.Appendf(nil, `{"sub":"%d","exp":%d}`, user, time.Now().Add(time.Hour).Unix()), pgchatSecret)
}

func (s *postgresServer) entry(user int) (entry, error) { return s.enter(user, "") }

// join asks for the latest messages of all channels, each of which comes in a text after the greeting.
func (s *postgresServer) join(_ context.Context, user int) (e entry, texts int, err error) {
	e, err = s.enter(user, fmt.Sprintf("?history=%d", joinMessages))
	texts = 1
	for _, members := range s.channels {
		for _, member := range members {
			if member == user {
				texts++
			}
		}
	}
	return e, texts, err
}

func (s *postgresServer) enter(user int, query string) (e entry, err error) {
	r, err := rig.UpgradeRequest("http://" + s.address + "/connect" + query)
	if err != nil {
		return e, err
	}
	r.Header.Set("Authorization", "Bearer "+s.token(user))
	e.request, err = rig.Wire(r)
	return e, err
}
