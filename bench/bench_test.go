//go:build linux

package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
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
		if got := median(c.values); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.values, got, c.want)
		}
		if !cmp.Equal(given, append([]float64(nil), c.values...)) {
			t.Errorf("median changed its values to %v", c.values)
		}
	}
}

func TestRatiosPairRoundsThatRanTogether(t *testing.T) {
	got := ratios([]float64{10, 20, 30}, []float64{5, 0, 60})
	if want := []float64{2, 0.5}; !cmp.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	// A machine that slows down in between changes figures and not the ratio.
	r := figure("p", "n", "/s", []float64{100, 50, 10}).against("raw", []float64{200, 100, 20})
	if r.Ratio != 0.5 || r.Value != 50 || r.Reference != 100 {
		t.Errorf("got ratio %v of %v to %v", r.Ratio, r.Value, r.Reference)
	}
}

func TestTargetsAreJudged(t *testing.T) {
	for _, c := range []struct {
		row  row
		want string
	}{
		{figure("p", "n", "", []float64{1}).against("", []float64{2}).aims(ratioAtLeast(0.5)), "ratio >= 0.50: met"},
		{figure("p", "n", "", []float64{1}).against("", []float64{4}).aims(ratioAtLeast(0.5)), "ratio >= 0.50: missed"},
		{figure("p", "n", "", []float64{1}).aims(valueAtMost(1)), "value <= 1.00: met"},
		{figure("p", "n", "", []float64{1.1}).aims(valueAtMost(1)), "value <= 1.00: missed"},
	} {
		if got := c.row.Target.String(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestComparisonSurvivesTheFile(t *testing.T) {
	var reports [2]report
	for i, speed := range []float64{100, 150} {
		r := report{Commit: "c", Rows: []row{
			figure("send", "sends", "/s", []float64{speed}).against("raw", []float64{200}).aims(ratioAtLeast(0.5)),
			figure("size", "binary", "MiB", []float64{20}),
		}}
		path := filepath.Join(t.TempDir(), "r.json")
		if err := r.write(path); err != nil {
			t.Fatal(err)
		}
		var err error
		if reports[i], err = readReport(path); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, reports[i]); diff != "" {
			t.Fatal(diff)
		}
	}
	var out strings.Builder
	if err := compare(&out, reports[0], reports[1]); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ratio to raw  0.50    0.75   +50.0 %", "MiB           20.0    20.0   +0.0 %"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

func TestProcessAccountsAreRead(t *testing.T) {
	cpu, err := parseCPU("42 (a ) name) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 9")
	if err != nil || cpu != 2*time.Second {
		t.Errorf("got %v, %v", cpu, err)
	}
	if _, err := parseCPU("42 (name) S 1"); err == nil {
		t.Error("a short line is accepted")
	}
	resident, err := parseStatus("Name:\tx\nVmHWM:\t 4096 kB\nVmRSS:\t    2048 kB\nThreads:\t3\n", "VmRSS")
	if err != nil || resident != 2<<20 {
		t.Errorf("got %v, %v", resident, err)
	}
	if cpu, err := cpuTime(os.Getpid()); err != nil || cpu < 0 {
		t.Errorf("of this process: %v, %v", cpu, err)
	}
	value, err := metric("# HELP a x\na_b 7\na 1.5e+06\n", "a")
	if err != nil || value != 1.5e6 {
		t.Errorf("got %v, %v", value, err)
	}
}

func TestHeapIsToldByWhoAllocatedIt(t *testing.T) {
	const profile = `heap profile: 3: 1049600 [9: 9] @ heap/1048576
1: 1048576 [2: 2097152] @ 0x1 0x2
#	0x1	example.com/internal/store.put+0x1	a.go:1

2: 2097152 [2: 2097152] @ 0x1 0x3
#	0x1	example.com/internal/realtime.(*Hub).frame+0x1	b.go:1
#	0x3	main.main+0x1	c.go:1

0: 0 [5: 5] @ 0x1 0x3
#	0x1	example.com/internal/realtime.(*Hub).join+0x1	b.go:1


# runtime.MemStats
# Alloc = 5
`
	got, err := allocatedBy(profile, []string{"/internal/realtime."})
	if want := 2.0 * (1 << 20) / (1 - math.Exp(-2)); err != nil || math.Abs(got-want) > 1 {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if _, err := allocatedBy("no profile", nil); err == nil {
		t.Error("what is no profile is read")
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
		stream = append(stream, textFrame(130+i*300, marker(int64(i)))...)
	}
	stream = append(stream, 0x89, 0, 0x88, 2, 0x03, 0xe9) // a ping and a close frame
	for _, step := range []int{1, 3, 64, 500, len(stream)} {
		var got []int64
		var ops []byte
		var waiting []byte
		for rest := stream; len(rest) > 0; {
			n := min(step, len(rest))
			waiting, rest = append(waiting, rest[:n]...), rest[n:]
			waiting = waiting[readFrames(waiting, func(op byte, payload []byte) {
				ops = append(ops, op)
				if op == opText {
					got = append(got, markedBy(payload))
				}
			}):]
		}
		if !cmp.Equal(got, []int64{0, 1, 2, 3, 4}) || !bytes.Equal(ops, []byte{1, 1, 1, 1, 1, 9, 8}) || len(waiting) > 0 {
			t.Errorf("in steps of %d: %v, %v, %d bytes left", step, got, ops, len(waiting))
		}
	}
	for _, size := range []int{130, 600, 65_000} {
		if n := len(textFrame(size, marker(1))); n != size {
			t.Errorf("a frame of %d bytes has %d", size, n)
		}
	}
	if markedBy([]byte("no marker # here")) != -1 {
		t.Error("a marker is found where there is none")
	}
}

func TestRawLogKeepsEveryRecordOnce(t *testing.T) {
	file, err := preallocated(filepath.Join(t.TempDir(), "log"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	l := &rawLog{file: file, size: 1 << 20, pending: newGroup(), wake: make(chan struct{}, 1)}
	var writer sync.WaitGroup
	writer.Go(l.run)
	const records = 200
	if err := parallel(16, records, func(i int) error { return l.append([]byte(marker(int64(i)))) }); err != nil {
		t.Fatal(err)
	}
	close(l.wake)
	writer.Wait()
	text := make([]byte, records*len(marker(0)))
	if _, err := file.ReadAt(text, 0); err != nil {
		t.Fatal(err)
	}
	for i := range records {
		if n := bytes.Count(text, []byte(marker(int64(i)))); n != 1 {
			t.Errorf("record %d is there %d times", i, n)
		}
	}
}

func TestWrongCallsAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-parts", "nonsense"}, {"-seconds", "0"}, {"-rounds", "0"}, {"-role", "nonsense"}, {"-compare", "one.json"},
		{"-soak", "1s"}, {"-sizes", "storm"}, {"-sizes", "idle=20000"}, {"-sizes", "nonsense=5"},
	} {
		if err := run(t.Context(), args, strings.NewReader(""), new(bytes.Buffer)); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
}
