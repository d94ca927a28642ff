//go:build linux

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
)

// Every shape has figures of every peer that is there. What they are decides nothing here.
func TestEveryShapeMeasures(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: every shape starts servers of its own")
	}
	// The processors are this process's own: a test shares the machine with others.
	args := []string{"-small", "-seconds", "0.1", "-rounds", "1", "-server-cpus", "all", "-load-cpus", "all"}
	want := []string{"Carillon"}
	if path := os.Getenv("BENCH_CENTRIFUGO"); path != "" {
		args, want = append(args, "-centrifugo", path), append(want, "Centrifugo")
	} else {
		t.Log("NOT TESTED: the driver of Centrifugo, because BENCH_CENTRIFUGO does not name its program")
	}
	if folder, chat := os.Getenv("BENCH_POSTGRES"), os.Getenv("BENCH_PGCHAT"); folder != "" && chat != "" {
		args, want = append(args, "-postgres", folder, "-pgchat", chat), append(want, "PostgreSQL chat")
	} else {
		t.Log("NOT TESTED: the driver of PostgreSQL, because BENCH_POSTGRES and BENCH_PGCHAT do not name its programs")
	}
	var out bytes.Buffer
	if err := run(t.Context(), args, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}

	for _, peer := range want {
		if !strings.Contains(out.String(), "| "+peer+" | ") {
			t.Errorf("%s is not in\n%s", peer, &out)
		}
	}
	for _, s := range shapes {
		if !strings.Contains(out.String(), "| "+s.name+" |") {
			t.Errorf("%s is not in\n%s", s.name, &out)
		}
	}
}

func TestWrongCallsAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-shapes", "nonsense"}, {"-seconds", "0"}, {"-rounds", "0"}, {"-tries", "0"}, {"-postgres", "/x"}, {"-server-cpus", "100000"}, {"-load-cpus", "x"},
	} {
		if err := run(t.Context(), args, new(bytes.Buffer)); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
}

func TestMessagesAreCountedInAnyFrame(t *testing.T) {
	letters := newTexts()
	joined := "{}\n{\"push\":\"" + letters.text(3) + "\"}\n{\"push\":\"" + letters.text(12345678) + "\"}"
	if n := countMarkers([]byte(joined)); n != 2 {
		t.Errorf("%d messages, want 2", n)
	}
	if len(letters.text(7)) != messageSize {
		t.Errorf("a text has %d bytes", len(letters.text(7)))
	}

	a, err := newAudience(5, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer a.crowd.Close()
	for i, frame := range []string{letters.text(3) + "\n" + letters.text(4), letters.text(3)} {
		a.listen(i, rig.OpText, []byte(frame))
	}
	if a.fresh != 3 || a.times.TotalCount() != 1 {
		t.Errorf("%d receptions and %d messages that all have, want 3 and 1", a.fresh, a.times.TotalCount())
	}
}

func TestTheTableJudgesAndMarks(t *testing.T) {
	r := row{
		shape: "s", name: "n", unit: "/s", goal: ratioAtLeast(1.2),
		rounds: map[string][]float64{"us": {1000, 3000, 2600}, "Centrifugo": {1000, 1000, 2000}},
		marks:  map[string]string{"Centrifugo": limitedMark},
	}
	var out strings.Builder
	if err := print(&out, []string{"us", "Centrifugo"}, []row{r}); err != nil {
		t.Fatal(err)
	}
	want := "| s | n | /s | 2,600 | 1,000 † | **1.30** (1.00–3.00) | ≥ 1.20: met |"
	if !strings.Contains(out.String(), want) || !strings.Contains(out.String(), "\n† ") {
		t.Errorf("%q is not in\n%s", want, &out)
	}
	for _, c := range []struct {
		goal goal
		want string
	}{
		{ratioAtLeast(1.4), "≥ 1.40: **missed**"}, {ratioAtMost(1.3), "≤ 1.30: met"},
		{moreByAtMost(1600, "ms"), "≤ its + 1,600 ms: met"}, {atMost(5), "≤ 5.00: **missed**"}, {goal{}, ""},
	} {
		r.goal = c.goal
		if got := r.verdict("us", "Centrifugo"); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestADisturbedRoundIsRepeated(t *testing.T) {
	foreign := []float64{0.5, 0.3, 0.4, 0.05}
	for tries, want := range map[int]float64{1: 0.5, 3: 0.3, 4: 0.05, 9: 0.05} {
		b, n := bench{tries: tries}, 0
		o, err := b.calmly(func() (o outcome, err error) {
			o.seconds, o.processors, o.all = 1, 1, time.Duration(foreign[n]*float64(time.Second))
			n++
			return o, nil
		})
		if err != nil || o.foreign() != want {
			t.Errorf("of %d tries one with %v is taken, %v, want %v", tries, o.foreign(), err, want)
		}
	}
}

func TestFiguresOfAPageAreReplaced(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	for _, c := range []struct{ before, want string }{
		{"a\n" + figuresBegin + "old\n" + figuresEnd + "b\n", "a\n" + figuresBegin + "\nnew\n\n" + figuresEnd + "b\n"},
		{"no marks\n", "no marks\n"},
	} {
		if err := os.WriteFile(page, []byte(c.before), 0o644); err != nil {
			t.Fatal(err)
		}
		err := replaceFigures(page, "new\n")
		text, failed := os.ReadFile(page)
		if failed != nil || string(text) != c.want || (err == nil) != (c.before != c.want) {
			t.Errorf("%q became %q, %v", c.before, text, err)
		}
	}
}
