package wsconn

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
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
		nc, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		conns = append(conns, nc)
		if _, err := io.WriteString(nc, upgradeRequest+testKey+"\r\n\r\n"); err != nil {
			return err
		}
		response, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
			return fmt.Errorf("upgrade: %v, %w", response, err)
		}
		fmt.Fprintln(out, "open")
	}
	return nil
}

// BenchmarkIdleConnection reports the memory that a connection without traffic holds, behind
// net/http, after it got one event: user/conn is heap and stacks together. It needs no -benchtime.
func BenchmarkIdleConnection(b *testing.B) {
	const count = 4000
	frame := TextFrame([]byte("hello"), false)
	_, address := start(b, Options{Hub: attachFunc(func(_ realtime.Grant, t realtime.Transport) (Session, error) {
		t.Ready()
		return &single{frame: frame}, nil
	})})

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
	open := func(n int) {
		for range n {
			io.WriteString(orders, "\n")
			if _, err := opened.ReadString('\n'); err != nil {
				b.Fatal(err)
			}
		}
	}
	open(100) // what is made once
	before := inUse()
	open(count)
	after := inUse()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/count, "heap-B/conn")
	b.ReportMetric(float64(after.StackInuse-before.StackInuse)/count, "stack-B/conn")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc+after.StackInuse-before.StackInuse)/count, "user-B/conn")
	orders.Close()
	if err := client.Wait(); err != nil {
		b.Fatal(err)
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
