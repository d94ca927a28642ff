//go:build linux

package rig

import (
	"bytes"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMedianIsTheMiddle(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 9}, 3},
	} {
		given := append([]float64(nil), c.values...)
		if got := Median(c.values); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.values, got, c.want)
		}
		if !cmp.Equal(given, append([]float64(nil), c.values...)) {
			t.Errorf("median changed its values to %v", c.values)
		}
	}
}

func TestProcessAccountsAreRead(t *testing.T) {
	resident, err := parseStatus("Name:\tx\nVmHWM:\t 4096 kB\nVmRSS:\t    2048 kB\nThreads:\t3\n", "VmRSS")
	if err != nil || resident != 2<<20 {
		t.Errorf("got %v, %v", resident, err)
	}
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		t.Fatal(err)
	}
	cpu, err := CPUTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		t.Fatal(err)
	}
	used := func(u syscall.Rusage) time.Duration { return time.Duration(u.Utime.Nano() + u.Stime.Nano()) }
	if tick := 10 * time.Millisecond; cpu < used(before)-tick || cpu > used(after)+tick {
		t.Errorf("CPU time of this process is %v, between %v and %v", cpu, used(before), used(after))
	}
}

func TestHeadsOfAnswers(t *testing.T) {
	for head, want := range map[string][2]int{
		"HTTP/1.1 201 Created\r\nContent-Type: x\r\nContent-Length: 17\r\n": {201, 17},
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n":        {101, 0},
	} {
		status, length, err := parseHead([]byte(head))
		if err != nil || [2]int{status, length} != want {
			t.Errorf("%q: got %d, %d, %v", head, status, length, err)
		}
	}
	for _, head := range []string{"", "HTTP/1.1 abc x\r\n", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n"} {
		if _, _, err := parseHead([]byte(head)); err == nil {
			t.Errorf("%q is accepted", head)
		}
	}
}

func TestFramesAreFoundHoweverTheyArrive(t *testing.T) {
	var stream []byte
	for i := range 5 {
		stream = append(stream, TextFrame(130+i*300, Marker(int64(i)))...)
	}
	stream = append(stream, 0x89, 0, 0x88, 2, 0x03, 0xe9) // a ping and a close frame
	for _, step := range []int{1, 3, 64, 500, len(stream)} {
		var got []int64
		var ops []byte
		var waiting []byte
		for rest := stream; len(rest) > 0; {
			n := min(step, len(rest))
			waiting, rest = append(waiting, rest[:n]...), rest[n:]
			waiting = waiting[ReadFrames(waiting, func(op byte, payload []byte) {
				ops = append(ops, op)
				if op == OpText {
					got = append(got, MarkedBy(payload))
				}
			}):]
		}
		if !cmp.Equal(got, []int64{0, 1, 2, 3, 4}) || !bytes.Equal(ops, []byte{1, 1, 1, 1, 1, 9, 8}) || len(waiting) > 0 {
			t.Errorf("in steps of %d: %v, %v, %d bytes left", step, got, ops, len(waiting))
		}
	}
	for _, size := range []int{130, 600, 65_000} {
		if n := len(TextFrame(size, Marker(1))); n != size {
			t.Errorf("a frame of %d bytes has %d", size, n)
		}
	}
	if MarkedBy([]byte("no marker # here")) != -1 {
		t.Error("a marker is found where there is none")
	}
}

func TestAnswersAreReadHoweverTheyArrive(t *testing.T) {
	for _, c := range []struct{ answer, want string }{
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"},
		{"HTTP/1.1 204 No Content\r\n\r\n", ""},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "hello"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""},
	} {
		for n := range len(c.answer) {
			if _, whole, err := parseAnswer([]byte(c.answer[:n]), true); whole != 0 || err != nil {
				t.Errorf("%d bytes of %q: %d, %v", n, c.answer, whole, err)
			}
		}
		body, whole, err := parseAnswer([]byte(c.answer+"HTTP/1.1 200"), true)
		if string(body) != c.want || whole != len(c.answer) || err != nil {
			t.Errorf("%q: %q, %d, %v", c.answer, body, whole, err)
		}
	}
	refused := "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nlate"
	if _, whole, err := parseAnswer([]byte(refused), false); whole != len(refused) || err == nil {
		t.Errorf("%q: %d, %v", refused, whole, err)
	}
}
