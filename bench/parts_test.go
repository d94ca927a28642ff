//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/store/pgtest"
)

// TestMain lets the test's own program play the roles that the parts start it in.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-role" {
		if err := run(context.Background(), os.Args[1:], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// measure runs parts in their small form and returns the rows by part and name.
func measure(t *testing.T, args ...string) report {
	t.Helper()
	file := filepath.Join(t.TempDir(), "figures.json")
	args = append([]string{"-small", "-seconds", "0.1", "-rounds", "1", "-dir", t.TempDir(), "-out", file}, args...)
	if err := run(t.Context(), args, strings.NewReader(""), io.Discard); err != nil {
		t.Fatal(err)
	}
	r, err := readReport(file)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Every part measures something, in every form of a node that it needs. What the figures are
// decides nothing here.
func TestEveryPartMeasures(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: every part starts nodes of its own")
	}
	r := measure(t)
	measured := map[string]int{}
	for _, row := range r.Rows {
		measured[row.Part]++
		if row.Target != nil && row.Target.Of == "ratio" && row.Ratio <= 0 {
			t.Errorf("%s: %s has no ratio: %+v", row.Part, row.Name, row)
		}
	}
	without := []string{"before", "fill", "soak"} // they need to be asked for
	if servers, err := pgtest.Find(); err != nil || len(servers) == 0 {
		t.Log("NOT TESTED: the part database, because PostgreSQL is not installed", err)
		without = append(without, "database")
	}
	for _, p := range parts {
		if got := measured[p.name] > 0; got == slices.Contains(without, p.name) {
			t.Errorf("%s has figures: %v", p.name, got)
		}
	}
}

// A build that is compared with itself has a ratio in every row.
func TestABuildIsComparedWithAnother(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: it builds the program and starts nodes of it")
	}
	other, err := build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	rows := measure(t, "-parts", "before", "-before", other).Rows
	for _, row := range rows {
		// What few sessions take can be less than what the collector frees meanwhile, so its sign says nothing.
		if row.Ratio == 0 || row.Ratio < 0 && !strings.HasPrefix(row.Name, "heap") {
			t.Errorf("%s has no ratio: %+v", row.Name, row)
		}
	}
	if len(rows) != 10 {
		t.Errorf("%d figures, want 10", len(rows))
	}
}

func TestSoakHoldsWhatItHeldWhenWarm(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: it takes some seconds")
	}
	r := measure(t, "-soak", "6s")
	held := 0
	for _, row := range r.Rows {
		if strings.HasSuffix(row.Name, "at the end") && row.Reference > 0 {
			held++
		}
		if row.Name == "sockets opened again" && row.Value == 0 {
			t.Error("no socket was opened again")
		}
	}
	if held != 4 {
		t.Errorf("%d kinds of what a node holds were compared, want 4", held)
	}
}

func TestSoakFailsWhenMemoryGrows(t *testing.T) {
	b := &bench{growth: soakGrowth}
	var samples []sample
	for i := range 60 {
		samples = append(samples, sample{user: 1e6, resident: 1e6 + 2e3*float64(i), goroutines: 10, files: 5})
	}
	if err := b.judge(samples, loadResult{}, loadJob{}); err != nil {
		t.Fatal(err)
	}
	if len(b.failed) != 1 || !strings.Contains(b.failed[0].Error(), "[resident at the end]") {
		t.Errorf("failed for %v", b.failed)
	}
}
