package wsconn

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/realtime"
)

// idleClientEnv makes the test binary a client that opens connections and keeps them: in a
// process of its own, its memory does not count.
const idleClientEnv = "CARILLON_WSCONN_IDLE_CLIENT"

// idleClient opens a connection for each line of in, and tells.
func idleClient(address string, in io.Reader, out io.Writer) error {
	var conns []net.Conn
	defer func() {
		for _, nc := range conns {
			nc.Close()
		}
	}()
	for lines := bufio.NewScanner(in); lines.Scan(); {
		nc, err := dialAny(address)
		if err != nil {
			return err
		}
		conns = append(conns, nc)
		// With temporary credentials a signed request has about this size.
		request := strings.Replace(upgradeRequest, "?", "?X-Amz-Security-Token="+stars(1500)+"&", 1)
		if _, err := io.WriteString(nc, request+testKey+"\r\n\r\n"); err != nil {
			return err
		}
		response, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
			return fmt.Errorf("upgrade: %v, %w", response, err)
		}
		fmt.Fprintln(out, "open")
		go io.Copy(io.Discard, nc)
	}
	return nil
}

// dialAny believes every certificate.
func dialAny(address string) (net.Conn, error) {
	if host, secure := strings.CutPrefix(address, securePrefix); secure {
		return tls.Dial("tcp", host, &tls.Config{InsecureSkipVerify: true})
	}
	return net.Dial("tcp", address)
}

// BenchmarkIdleConnection reports the memory that a connection without traffic holds, behind
// net/http, after it got one event: user/conn is heap and stacks together. It needs no -benchtime.
func BenchmarkIdleConnection(b *testing.B) {
	for _, w := range []way{{EngineEpoll, false}, {EngineGoroutine, false}, {EngineEpoll, true}, {EngineGoroutine, true}} {
		b.Run(w.String(), func(b *testing.B) { benchmarkIdle(b, w) })
	}
}

func benchmarkIdle(b *testing.B, w way) {
	const count = 2000
	frame := TextFrame([]byte("hello"), false)
	_, address := w.start(b, Options{Hub: attachFunc(func(_ realtime.Grant, t realtime.Transport) (Session, error) {
		t.Ready()
		return &single{frame: frame}, nil
	})})

	open, stop := startClient(b, address)
	defer stop()
	open(100) // what is made once
	before := inUse()
	open(count)
	after := inUse()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/count, "heap-B/conn")
	b.ReportMetric(float64(after.StackInuse-before.StackInuse)/count, "stack-B/conn")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc+after.StackInuse-before.StackInuse)/count, "user-B/conn")
}

// startClient starts the client's process. open opens connections, stop ends it.
func startClient(b *testing.B, address string) (open func(n int), stop func()) {
	b.Helper()
	client := exec.Command(os.Args[0])
	client.Env = append(os.Environ(), idleClientEnv+"="+address)
	client.Stderr = os.Stderr
	orders, err := client.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	answers, err := client.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := client.Start(); err != nil {
		b.Fatal(err)
	}
	opened := bufio.NewReader(answers)
	open = func(n int) {
		for range n {
			io.WriteString(orders, "\n")
			if _, err := opened.ReadString('\n'); err != nil {
				b.Fatal(err)
			}
		}
	}
	return open, func() {
		orders.Close()
		if err := client.Wait(); err != nil {
			b.Error(err)
		}
	}
}

// single is a session with one event.
type single struct {
	deaf
	frame []byte
}

func (s *single) Take(frames [][]byte, _ int) [][]byte {
	if s.frame != nil {
		frames = append(frames, s.frame)
		s.frame = nil
	}
	return frames
}

func (*single) Detach() {}

func inUse() (m runtime.MemStats) {
	for range 3 { // pools are emptied by the second collection
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m
}
