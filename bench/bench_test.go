//go:build linux

package main

import (
	"bytes"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/bench/rig"
)

func TestRatiosPairRoundsThatRanTogether(t *testing.T) {
	got := rig.Ratios([]float64{10, 20, 30}, []float64{5, 0, 60})
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

func TestMetricsAreRead(t *testing.T) {
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
	if err := rig.Parallel(16, records, func(i int) error { return l.append([]byte(rig.Marker(int64(i)))) }); err != nil {
		t.Fatal(err)
	}
	close(l.wake)
	writer.Wait()
	text := make([]byte, records*len(rig.Marker(0)))
	if _, err := file.ReadAt(text, 0); err != nil {
		t.Fatal(err)
	}
	for i := range records {
		if n := bytes.Count(text, []byte(rig.Marker(int64(i)))); n != 1 {
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
