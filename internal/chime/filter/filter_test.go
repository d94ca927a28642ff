package filter_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime/filter"
)

// attributes reads "a=1,2 b=3".
func attributes(text string) map[string][]string {
	all := make(map[string][]string)
	for _, field := range strings.Fields(text) {
		name, values, _ := strings.Cut(field, "=")
		all[name] = strings.Split(values, ",")
	}
	return all
}

func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		rule, message string
		want          bool
	}{
		{`{"mention":["Bob"]}`, "mention=Bob", true},
		{`{"mention":["Bob"]}`, "mention=Bob,Alice", true},
		{`{"mention":["Bob","Cy"]}`, "mention=Cy", true},
		{`{"mention":["Bob"]}`, "mention=bob", false},
		{`{"mention":["Bob"]}`, "mention=Bobby", false},
		{`{"mention":["Bob"]}`, "other=Bob", false},
		{`{"mention":["Bob"]}`, "", false},
		{`{"mention":[{"anything-but":["Bob"]}]}`, "mention=Cy", true},
		{`{"mention":[{"anything-but":["Bob"]}]}`, "mention=Cy,Bob", false},
		{`{"mention":[{"anything-but":["Bob","Cy"]}]}`, "mention=Cy", false},
		{`{"mention":[{"anything-but":["Bob"]}]}`, "", true},
		{`{"mention":["Bob"],"urgent":["yes"]}`, "mention=Bob urgent=yes", true},
		{`{"mention":["Bob"],"urgent":["yes"]}`, "mention=Bob urgent=no", false},
		{`{"$or":[{"mention":["Bob"]},{"urgent":["yes"]}]}`, "urgent=yes", true},
		{`{"$or":[{"mention":["Bob"]},{"urgent":["yes"]}]}`, "mention=Bob", true},
		{`{"$or":[{"mention":["Bob"]},{"urgent":["yes"]}]}`, "mention=Cy", false},
		{`{"$or":[{"mention":["Bob"],"urgent":["yes"]},{"a":["1"]}]}`, "mention=Bob", false},
		{`{"team":["red"],"$or":[{"mention":["Bob"]},{"urgent":["yes"]}]}`, "team=red urgent=yes", true},
		{`{"team":["red"],"$or":[{"mention":["Bob"]},{"urgent":["yes"]}]}`, "urgent=yes", false},
		{`{"team":["red"],"$or":[{"mention":["Bob"]},{"urgent":["yes"]}]}`, "team=red", false},
		{`{"\u006dention":["B\u006fb"]}`, "mention=Bob", true},
	} {
		rule, err := filter.Parse(tc.rule)
		if err != nil {
			t.Errorf("%s: %v", tc.rule, err)
			continue
		}
		if got := rule.Match(attributes(tc.message)); got != tc.want {
			t.Errorf("%s on %q: %v", tc.rule, tc.message, got)
		}
	}
}

func TestParse(t *testing.T) {
	list := func(n int) string { return strings.TrimSuffix(strings.Repeat(`"x",`, n), ",") }
	keys := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`"k%d":["v"]`, i))
		}
		return strings.Join(all, ",")
	}
	objects := func(n int) string { return strings.TrimSuffix(strings.Repeat(`{"a":["1"]},`, n), ",") }
	for name, tc := range map[string]struct {
		rule string
		want string // part of the error; empty: none
	}{
		"complexity 20, one key":      {`{"a":[` + list(19) + `]}`, ""},
		"complexity 21, one key":      {`{"a":[` + list(20) + `]}`, "21 keys and values"},
		"complexity 20, keys":         {`{` + keys(10) + `}`, ""},
		"complexity 22, keys":         {`{` + keys(11) + `}`, "22 keys and values"},
		"anything-but is counted":     {`{"a":[{"anything-but":[` + list(20) + `]}]}`, "21 keys and values"},
		"$or is not counted":          {`{"a":[` + list(17) + `],"$or":[{"b":["1"]}]}`, ""},
		"what is in $or is counted":   {`{"a":[` + list(18) + `],"$or":[{"b":["1"]}]}`, "21 keys and values"},
		"five in $or":                 {`{"$or":[` + objects(5) + `]}`, ""},
		"six in $or":                  {`{"$or":[` + objects(6) + `]}`, "at most 5"},
		"2048 bytes":                  {`{"a":["` + strings.Repeat("x", 2048-10) + `"]}`, ""},
		"2049 bytes":                  {`{"a":["` + strings.Repeat("x", 2049-10) + `"]}`, "2049 bytes"},
		"nested $or":                  {`{"$or":[{"$or":[{"a":["1"]}]}]}`, "top alone"},
		"empty":                       {``, "not a JSON object"},
		"no constraint":               {`{}`, "at least one"},
		"no constraint in $or":        {`{"$or":[{}]}`, "at least one"},
		"empty $or":                   {`{"$or":[]}`, "list of objects"},
		"$or of strings":              {`{"$or":["a"]}`, "list of objects"},
		"$or of an object":            {`{"$or":{"a":["1"]}}`, "list of objects"},
		"a string":                    {`"a"`, "not a JSON object"},
		"a list":                      {`[{"a":["1"]}]`, "not a JSON object"},
		"two objects":                 {`{"a":["1"]}{"b":["1"]}`, "not a JSON object"},
		"text behind":                 {`{"a":["1"]} x`, "not a JSON object"},
		"space behind":                {`{"a":["1"]} `, ""},
		"open":                        {`{"a":["1"]`, "not a JSON object"},
		"repeated key":                {`{"a":["1"],"a":["2"]}`, "not a JSON object"},
		"value is a string":           {`{"a":"1"}`, "list of strings"},
		"value is a number":           {`{"a":[1]}`, "list of strings"},
		"value is null":               {`{"a":[null]}`, "list of strings"},
		"no values":                   {`{"a":[]}`, "list of strings"},
		"anything-but nothing":        {`{"a":[{"anything-but":[]}]}`, "list of strings"},
		"anything-but a string":       {`{"a":[{"anything-but":"1"}]}`, "list of strings"},
		"anything-but a number":       {`{"a":[{"anything-but":[1]}]}`, "list of strings"},
		"anything-but and strings":    {`{"a":[{"anything-but":["1"]},"2"]}`, "list of strings"},
		"strings and anything-but":    {`{"a":["2",{"anything-but":["1"]}]}`, "list of strings"},
		"two operators in an object":  {`{"a":[{"anything-but":["1"],"prefix":["2"]}]}`, "list of strings"},
		"another operator":            {`{"a":[{"prefix":"1"}]}`, "list of strings"},
		"no operator":                 {`{"a":[{}]}`, "list of strings"},
		"a name of 64 characters":     {`{"` + strings.Repeat("é", 64) + `":["1"]}`, ""},
		"a name of 65 characters":     {`{"` + strings.Repeat("é", 65) + `":["1"]}`, "64 characters"},
		"a name without a character":  {`{"":["1"]}`, "64 characters"},
		"not UTF-8":                   {"{\"a\":[\"\xff\"]}", "not a JSON object"},
		"$or and constraints with it": {`{"a":["1"],"$or":[{"b":["1"]},{"c":[{"anything-but":["1"]}]}]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := filter.Parse(tc.rule)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

// FuzzParse: no text makes Parse or Match panic, and what Parse accepts keeps the limits.
func FuzzParse(f *testing.F) {
	f.Add(`{"a":["1"],"$or":[{"b":[{"anything-but":["2"]}]}]}`)
	f.Add(`{"$or":[]}`)
	f.Add(`{"a":[{"anything-but":["1"]},"2"]}`)
	f.Fuzz(func(t *testing.T, text string) {
		rule, err := filter.Parse(text)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a text")
			}
			return
		}
		if len(text) > filter.MaxBytes || strings.Count(text, `"`) < 4 {
			t.Errorf("%q is accepted", text)
		}
		rule.Match(nil)
		rule.Match(map[string][]string{"a": {"1"}, "b": {"2"}})
	})
}
