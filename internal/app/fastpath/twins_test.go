package fastpath_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/app/fastpath"
)

// twin is one of two servers that get the same bytes in the same pieces: net/http alone, or behind
// the fast path.
type twin struct {
	server *http.Server
	conn   *memory
	fast   *fastpath.Listener // nil for net/http alone
	handed atomic.Int32       // connections that the fast path handed over
	done   chan error

	working atomic.Bool // the handler has not returned

	mu     sync.Mutex
	events []string // what the handler and the hook of the server saw
}

// note writes down what happened.
func (s *twin) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, fmt.Sprintf(format, args...))
}

// startTwin starts a server whose handler follows the plan.
func startTwin(plan []byte, fast bool) *twin {
	s := &twin{conn: newMemory(), done: make(chan error, 1)}
	requests := 0
	s.server = &http.Server{
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			step := byte(0)
			if len(plan) > 0 {
				step = plan[requests%len(plan)]
			}
			requests++
			s.note("%s", describe(r))
			s.working.Store(true)
			defer s.working.Store(false)
			answers[int(step)/len(readings)%len(answers)](s, w, r, readings[int(step)%len(readings)])
		}),
		ConnState: func(_ net.Conn, state http.ConnState) {
			// net/http does not tell when a request begins whose bytes came with the one before.
			if state != http.StateActive && state != http.StateIdle {
				s.note("%v", state)
			}
		},
	}
	var listener net.Listener = newOne(s.conn)
	if fast {
		s.fast = fastpath.NewListener(listener, s.server)
		listener = counted{s.fast, &s.handed}
	}
	go func() { s.done <- s.server.Serve(listener) }()
	return s
}

type counted struct {
	net.Listener
	n *atomic.Int32
}

func (l counted) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.n.Add(1)
	}
	return conn, err
}

// describe writes down a request.
func describe(r *http.Request) string {
	u := *r.URL
	user := u.User.String()
	u.User = nil // a pointer
	return fmt.Sprintf("%s %q %q %q %d.%d host %q from %q header %q length %d encoding %q trailer %q close %v url %#v of %q body %v tls %v local %v",
		r.Method, r.RequestURI, r.URL.Path, r.Proto, r.ProtoMajor, r.ProtoMinor, r.Host, r.RemoteAddr, r.Header, r.ContentLength,
		r.TransferEncoding, r.Trailer, r.Close, u, user, r.Body == http.NoBody, r.TLS, r.Context().Value(http.LocalAddrContextKey))
}

// state is all that could tell the twins apart.
func (s *twin) state() (events, answered string) {
	answered, closed := s.conn.seen()
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("%s\nclosed %v", strings.Join(s.events, "\n"), closed), answered
}

// stop ends the server and everything that it started.
func (s *twin) stop(t *testing.T) {
	s.conn.hangUp()
	_ = s.server.Close()
	if s.fast != nil {
		_ = s.fast.Shutdown(t.Context())
	}
	if err := <-s.done; !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("Serve: %v", err)
	}
	time.Sleep(time.Second)
}

// compare sends the pieces to both twins. After each of them, at the end of the input and after a
// while they must have seen, answered and closed the same. It reports whether the connection was
// handed over.
func compare(t *testing.T, pieces [][]byte, plan []byte) (handed bool, answered string) {
	synctest.Test(t, func(t *testing.T) {
		plain, fast := startTwin(plan, false), startTwin(plan, true)
		defer plain.stop(t)
		defer fast.stop(t)
		check := func(when string) bool {
			synctest.Wait()
			want, wantAnswer := plain.state()
			got, answer := fast.state()
			// net/http sends what is more than 4 KiB although the handler goes on.
			equal := want == got && (wantAnswer == answer || fast.working.Load() && strings.HasPrefix(wantAnswer, answer))
			if !equal {
				t.Errorf("%.200s\nnet/http: %s\n%.2000q\n\nfast path: %s\n%.2000q", when, want, wantAnswer, got, answer)
			}
			return equal
		}

		for i, piece := range pieces {
			plain.conn.send(piece)
			fast.conn.send(piece)
			if !check(fmt.Sprintf("after piece %d, %q", i, piece)) {
				return
			}
		}
		plain.conn.finish()
		fast.conn.finish()
		time.Sleep(time.Second) // the client has read what it was sent before it is cut off
		if check("at the end of the input") {
			time.Sleep(5 * time.Minute) // every timeout is over
			check("at last")
		}
		handed = fast.handed.Load() > 0
		answered, _ = plain.conn.seen()
	})
	return handed, answered
}

// readings are what handlers do with a body.
var readings = []func(s *twin, r *http.Request){
	func(s *twin, r *http.Request) { s.readAll(r) },
	func(*twin, *http.Request) {},
	func(s *twin, r *http.Request) {
		var some [3]byte
		n, err := r.Body.Read(some[:])
		s.note("read %q, %v", some[:n], err)
	},
	func(s *twin, r *http.Request) {
		s.readAll(r)
		s.readAll(r)
		s.note("close %v", r.Body.Close())
		s.readAll(r)
	},
	func(s *twin, r *http.Request) {
		s.note("close %v", r.Body.Close())
		s.readAll(r)
	},
}

func (s *twin) readAll(r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.note("body %q, %v", body, err)
}

// write notes what a write returned.
func (s *twin) write(w io.Writer, text string) {
	n, err := io.WriteString(w, text)
	s.note("wrote %d, %v", n, err)
}

// answers are what handlers answer, and when they read.
var answers = []func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)){
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) { // as awshttp does
		read(s, r)
		w.Header()["X-Amzn-Requestid"] = []string{"id"}
		w.Header()["Content-Type"] = []string{"application/json"}
		w.Header()["Content-Length"] = []string{"2"}
		w.WriteHeader(http.StatusCreated)
		s.write(w, "{}")
	},
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) { // a text, in two pieces
		read(s, r)
		s.write(w, "<html>")
		s.write(w, "some text")
	},
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) { read(s, r) }, // nothing
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) { // answers before it reads
		w.WriteHeader(http.StatusForbidden)
		s.write(w, "no")
		w.(http.Flusher).Flush()
		read(s, r)
		s.write(w, "!")
	},
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) { // a status without a body
		read(s, r)
		w.Header().Set("Content-Length", "4")
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusNoContent)
		s.write(w, "body")
	},
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) {
		read(s, r)
		w.Header().Set("Content-Length", "4")
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Transfer-Encoding", "chunked")
		w.WriteHeader(http.StatusNotModified)
	},
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) { // chunks
		read(s, r)
		s.write(w, strings.Repeat("long ", 1000))
	},
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) {
		for i := range 300 {
			s.write(w, fmt.Sprintf("line %d\n", i))
		}
		read(s, r)
	},
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) { // long, with a length
		read(s, r)
		w.Header().Set("Content-Length", "150000")
		s.write(w, strings.Repeat("0123456789", 10000))
		s.write(w, strings.Repeat("0123456789", 5000))
	},
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) { // ends the connection
		w.Header().Set("Connection", "close")
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(2 * time.Second))
		s.write(w, "refused")
		read(s, r)
	},
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) { // another Connection
		read(s, r)
		w.Header().Set("Connection", "foo, Close")
		s.write(w, "refused")
	},
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) { // Transfer-Encoding of its own
		read(s, r)
		w.Header().Set("Transfer-Encoding", "identity")
		s.write(w, "until the end")
	},
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) {
		read(s, r)
		w.Header().Set("Transfer-Encoding", "chunked")
		w.Header().Set("Content-Length", "6")
		s.write(w, "chunks")
	},
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) {
		read(s, r)
		w.Header().Set("Transfer-Encoding", "gzip")
		s.write(w, "chunks")
	},
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) { // wrong lengths
		read(s, r)
		w.Header().Set("Content-Length", "10")
		s.write(w, "less")
	},
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) {
		read(s, r)
		w.Header().Set("Content-Length", "2")
		s.write(w, "it")
		s.write(w, "is more")
	},
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) {
		read(s, r)
		w.Header().Set("Content-Length", "-1")
		s.write(w, "no length")
	},
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) { // too late for the header
		read(s, r)
		w.Header().Set("A", "before")
		w.Header().Set("B", "before")
		w.WriteHeader(http.StatusTeapot)
		w.WriteHeader(http.StatusOK)
		w.Header().Set("A", "after")
		w.Header().Add("B", "after")
		w.Header().Set("C", "after")
		s.write(w, "")
		w.Header().Set("D", "after")
	},
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) { // fields that need care
		read(s, r)
		h := w.Header()
		h["Date"], h["Content-Type"] = nil, []string{}
		h["a b"], h["lower"], h[""] = []string{"no name"}, []string{"as it is", "twice"}, []string{"nothing"}
		h["Lines"] = []string{" one\r\ntwo\n\tthree \t"}
		h["Vary"] = append(h["Vary"], "Origin", "Accept")
		h["Content-Encoding"] = []string{"gzip"}
		w.WriteHeader(599)
		s.write(w, "fields")
	},
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) { // panics
		read(s, r)
		panic(http.ErrAbortHandler)
	},
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) {
		s.write(w, strings.Repeat("half ", 1000))
		s.write(w, "lost")
		read(s, r)
		panic("a fault")
	},
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) { // takes the connection
		read(s, r)
		w.Header().Set("A", "lost")
		w.WriteHeader(http.StatusOK)
		nc, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			s.note("hijack %v", err)
			return
		}
		_, _, err = w.(http.Hijacker).Hijack()
		s.note("again %v", err)
		s.write(nc, "own")
		s.write(w, "lost")
		rest, err := io.ReadAll(rw)
		s.note("rest %q, %v", rest, err)
		nc.Close()
	},
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) { // takes it, and panics
		read(s, r)
		nc, rw, err := http.NewResponseController(w).Hijack()
		s.note("hijack %v", err)
		_, _ = rw.WriteString("own")
		s.note("flush %v", rw.Flush())
		defer time.AfterFunc(time.Second, func() { nc.Close() })
		panic("a fault")
	},
	func(s *twin, w http.ResponseWriter, r *http.Request, read func(*twin, *http.Request)) { // changes the request
		read(s, r)
		r.Header.Set("User-Agent", "changed")
		r.Header.Del("Accept")
		r.URL.Path, r.Host, r.Method = "/changed", "changed", "CHANGED"
		s.write(w, r.URL.Path)
	},
}
