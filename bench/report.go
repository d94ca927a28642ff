package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/carillon-chat/carillon/bench/rig"
)

// report is the file that two commits are compared by.
type report struct {
	Commit  string  `json:"commit"` // with "-dirty" when files differ from it
	Time    string  `json:"time"`
	Go      string  `json:"go"`
	Machine string  `json:"machine"`
	Seconds float64 `json:"seconds"` // of a round
	Load    string  `json:"load"`    // of the machine before: one, five and fifteen minutes
	Rows    []row   `json:"rows"`
}

// row is one figure.
type row struct {
	Part   string    `json:"part"`
	Name   string    `json:"name"` // with part, the row's identity in a comparison
	Unit   string    `json:"unit"`
	Value  float64   `json:"value"` // median of the rounds
	Rounds []float64 `json:"rounds,omitempty"`

	Raw             string    `json:"raw,omitempty"` // what the reference is
	Reference       float64   `json:"reference,omitempty"`
	ReferenceRounds []float64 `json:"referenceRounds,omitempty"`
	Ratio           float64   `json:"ratio,omitempty"` // median of value/reference of each round

	Target *target `json:"target,omitempty"`
}

// target is what design asks for.
type target struct {
	Of    string  `json:"of"` // "ratio" or "value"
	Least float64 `json:"least,omitempty"`
	Most  float64 `json:"most,omitempty"`
	Met   bool    `json:"met"`
}

func ratioAtLeast(least float64) *target { return &target{Of: "ratio", Least: least} }
func valueAtLeast(least float64) *target { return &target{Of: "value", Least: least} }
func ratioAtMost(most float64) *target   { return &target{Of: "ratio", Most: most} }
func valueAtMost(most float64) *target   { return &target{Of: "value", Most: most} }

// figure makes a row from rounds.
func figure(part, name, unit string, rounds []float64) row {
	return row{Part: part, Name: name, Unit: unit, Rounds: rounds, Value: rig.Median(rounds)}
}

// against adds the reference that ran in turns with the row.
func (r row) against(raw string, rounds []float64) row {
	r.Raw, r.ReferenceRounds, r.Reference = raw, rounds, rig.Median(rounds)
	r.Ratio = rig.Median(rig.Ratios(r.Rounds, rounds))
	return r
}

// aims adds the target.
func (r row) aims(t *target) row {
	measured := r.Value
	if t.Of == "ratio" {
		measured = r.Ratio
	}
	t.Met = measured >= t.Least && (t.Most == 0 || measured <= t.Most)
	r.Target = t
	return r
}

func (t *target) String() string {
	if t == nil {
		return ""
	}
	verdict, bound := "missed", fmt.Sprintf(">= %s", short(t.Least))
	if t.Met {
		verdict = "met"
	}
	if t.Most != 0 {
		bound = fmt.Sprintf("<= %s", short(t.Most))
	}
	return t.Of + " " + bound + ": " + verdict
}

// short writes a figure with three significant digits, or as a whole number.
func short(v float64) string {
	switch a := math.Abs(v); {
	case v == 0:
		return "0"
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// optional leaves out what was not measured.
func optional(v float64) string {
	if v == 0 {
		return ""
	}
	return short(v)
}

func (r report) print(w io.Writer) error {
	fmt.Fprintf(w, "commit %s, %s, %s, load before %s\n\n", r.Commit, r.Go, r.Machine, r.Load)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "part\tfigure\tmedian\tunit\traw\tratio\ttarget\tagainst")
	for _, f := range r.Rows {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.Part, f.Name, short(f.Value), f.Unit,
			optional(f.Reference), optional(f.Ratio), f.Target, f.Raw)
	}
	return table.Flush()
}

func (r report) write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

func readReport(path string) (r report, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// compare prints how the rows of two reports differ: by ratio where both have one, because only
// that survives a change of machine or load.
func compare(w io.Writer, before, after report) error {
	fmt.Fprintf(w, "before %s (%s), after %s (%s)\n\n", before.Commit, before.Time, after.Commit, after.Time)
	old := map[string]row{}
	for _, r := range before.Rows {
		old[r.Part+"\x00"+r.Name] = r
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "part\tfigure\tby\tbefore\tafter\tchange")
	for _, r := range after.Rows {
		was, found := old[r.Part+"\x00"+r.Name]
		if !found {
			continue
		}
		by, a, b := r.Unit, was.Value, r.Value
		if was.Ratio != 0 && r.Ratio != 0 {
			by, a, b = "ratio to raw", was.Ratio, r.Ratio
		}
		change := "-"
		if a != 0 {
			change = fmt.Sprintf("%+.1f %%", (b/a-1)*100)
		}
		fmt.Fprintln(table, strings.Join([]string{r.Part, r.Name, by, short(a), short(b), change}, "\t"))
	}
	return table.Flush()
}
