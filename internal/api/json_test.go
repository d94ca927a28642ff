package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

// thing has a member of every kind, read as generated decoders do it.
type thing struct {
	Text     string
	Optional *string
	Enum     string
	Count    int
	Limit    *int
	Flag     bool
	At       *time.Time
	Names    []string
	Labels   map[string]string
	Inner    *thing
	List     []thing
	Map      map[string]thing
}

func (v *thing) decode(d *JSONReader) {
	if !d.Object() {
		return
	}
	for d.Member() {
		switch string(d.Name()) {
		case "Text":
			v.Text = d.String()
		case "Optional":
			v.Optional = d.OptionalString()
		case "Enum":
			v.Enum = string(d.Enum())
		case "Count":
			v.Count = d.Int()
		case "Limit":
			v.Limit = d.OptionalInt()
		case "Flag":
			v.Flag = d.Bool()
		case "At":
			v.At = d.OptionalTime()
		case "Names":
			v.Names = d.Strings()
		case "Labels":
			v.Labels = d.StringMap()
		case "Inner":
			v.Inner = ReadStruct(d, (*thing).decode)
		case "List":
			v.List = ReadList(d, (*thing).decode)
		case "Map":
			v.Map = ReadMap(d, (*thing).decode)
		default:
			d.Skip()
		}
	}
}

func readThing(body string) (thing, error) {
	var v thing
	d := ReadJSON([]byte(body))
	v.decode(d)
	if e := d.Close(); e != nil {
		return v, e.As(BadRequestException)
	}
	return v, nil
}

func TestJSONFaultsNameTheMember(t *testing.T) {
	cases := []struct{ body, member, message string }{
		{`{"Text":5}`, "Text", "must be a string"},
		{`{"Text":{"a":"b"}}`, "Text", "must be a string"},
		{`{"Text":["a"]}`, "Text", "must be a string"},
		{`{"Enum":""}`, "Enum", "must not be an empty string"},
		{`{"Enum":true}`, "Enum", "must be a string"},
		{`{"Count":"5"}`, "Count", "must be an integer"},
		{`{"Count":1.5}`, "Count", "must be an integer"},
		{`{"Count":1e3}`, "Count", "must be an integer"},
		{`{"Count":9223372036854775808}`, "Count", "must be an integer"},
		{`{"Flag":1}`, "Flag", "must be true or false"},
		{`{"At":"2021-06-03T16:26:31Z"}`, "At", "must be a number of seconds since 1970"},
		{`{"At":1e400}`, "At", "must be a number of seconds since 1970"},
		{`{"Names":"a"}`, "Names", "must be a list"},
		{`{"Names":["a",null]}`, "Names[1]", "must be a string"},
		{`{"Names":["a","b",{}]}`, "Names[2]", "must be a string"},
		{`{"Labels":{"a":1}}`, "Labels.a", "must be a string"},
		{`{"Labels":{"a/b~c":1}}`, `Labels["a/b~c"]`, "must be a string"},
		{`{"Inner":"a"}`, "Inner", "must be a JSON object"},
		{`{"Inner":{"Inner":{"Text":1}}}`, "Inner.Inner.Text", "must be a string"},
		{`{"List":[{},{"Text":"a","Count":"b"}]}`, "List[1].Count", "must be an integer"},
		{`{"List":[null]}`, "List[0]", "must be a JSON object"},
		{`{"List":{}}`, "List", "must be a list"},
		{`{"Map":{"mention":{"Names":[1]}}}`, "Map.mention.Names[0]", "must be a string"},
		{`{"Map":[]}`, "Map", "must be a JSON object"},
		{`{"Text":1,"Count":"a"}`, "Text", "must be a string"}, // the first fault
		{`[]`, "", "the request body must be a JSON object"},
		{`null`, "", "the request body must be a JSON object"},
		{`"text"`, "", "the request body must be a JSON object"},
		{`{} {}`, "", "data after the JSON object"},
		{`{}x`, "", "the request body is not valid JSON"},
		{`{`, "", "not valid JSON"},
		{`{"Text"`, "", "not valid JSON"},
		{`{"Text":"a`, "", "not valid JSON"},
		{`{"Text":"a",}`, "", "not valid JSON"},
		{`{"Unknown":01}`, "", "not valid JSON"},
		{`{Text:"a"}`, "", "not valid JSON"},
		{"{\"Text\":\"a\nb\"}", "", "not valid JSON"},
		{"{\"Text\":\"\xff\"}", "Text", "must be valid UTF-8"},
		{"{\"Text\":\"\xc0\x80\"}", "Text", "must be valid UTF-8"},     // overlong
		{"{\"Text\":\"\xed\xa0\x80\"}", "Text", "must be valid UTF-8"}, // a surrogate as bytes
		{"{\"Enum\":\"\xff\"}", "Enum", "must be valid UTF-8"},
		{"{\"Names\":[\"a\",\"\xff\"]}", "Names[1]", "must be valid UTF-8"},
		{"{\"Labels\":{\"a\":\"\xff\"}}", "Labels.a", "must be valid UTF-8"},
		{"{\"Unknown\":{\"a\":\"\xff\"}}", "Unknown", "must be valid UTF-8"},
		{"{\"Te\xffxt\":1}", "[\"Te\uFFFDxt\"]", "must be valid UTF-8"},
		{`{"Text":"a","Text":"b"}`, "Text", "is given twice"},
		{`{"Text":"a","T\u0065xt":"b"}`, "Text", "is given twice"},
		{`{"Text":"a","Text":null}`, "Text", "is given twice"},
		{`{"Labels":{"a":"1","b":"2","a":"3"}}`, "Labels.a", "is given twice"},
		{`{"Inner":{"Inner":{"Text":"a","Text":"b"}}}`, "Inner.Inner.Text", "is given twice"},
		{`{"List":[{},{"Text":"a","Text":"b"}]}`, "List[1].Text", "is given twice"},
		{`{"Unknown":{"a":[{"b":1,"b":2}]}}`, "Unknown.a[0].b", "is given twice"},
		{`{"Unknown":1,"Unknown":2}`, "Unknown", "is given twice"},
		{`{"Unknown":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, "", "not valid JSON"},
	}
	for _, c := range cases {
		_, err := readThing(c.body)
		var e *Error
		if !errors.As(err, &e) || e.Member != c.member || !strings.HasPrefix(e.Message, c.member) || !strings.Contains(e.Message, c.message) {
			t.Errorf("%.60s: got %v", c.body, err)
		}
	}
}

func TestJSONBodiesThatAreFine(t *testing.T) {
	for _, body := range []string{"", " \n", "{}", " {} \n", `{"Unknown":[{"a":[[[]]]}],"Other":null}`} {
		if v, err := readThing(body); err != nil || v.Text != "" || v.Names != nil {
			t.Errorf("%q: %+v %v", body, v, err)
		}
	}
	all := `{"Text":null,"Optional":null,"Enum":null,"Count":null,"Limit":null,"Flag":null,"At":null,"Names":null,"Labels":null,"Inner":null,"List":null,"Map":null}`
	v, err := readThing(all)
	if err != nil || v.Optional != nil || v.Limit != nil || v.At != nil || v.Names != nil || v.Labels != nil || v.Inner != nil || v.List != nil || v.Map != nil {
		t.Errorf("null is not absent: %+v %v", v, err)
	}
	v, err = readThing(`{"Names":[],"Labels":{},"List":[],"Map":{"gone":null,"\u0061":{"Text":"x"}}}`)
	if err != nil || v.Names == nil || v.Labels == nil || v.List == nil || len(v.Map) != 1 || v.Map["a"].Text != "x" {
		t.Errorf("empty is not absent: %+v %v", v, err)
	}
	v, err = readThing(`{"T\u0065xt":"la\u0000st \ud83d\ude00 \"\/","Flag":true,"Count":-7,"At":1622737591.013,"Enum":"A\u0042"}`)
	if err != nil || v.Text != "la\x00st 😀 \"/" || !v.Flag || v.Count != -7 || v.At.UnixMilli() != 1622737591013 || v.Enum != "AB" {
		t.Errorf("got %+v %v", v, err)
	}
	v, err = readThing(`{"List":[{"Text":"a"},{"Text":"b","Inner":{}}]}`)
	if err != nil || len(v.List) != 2 || v.List[1].Inner == nil {
		t.Errorf("got %+v %v", v, err)
	}
	for sent, want := range map[string]string{ // text that was cut through an emoji
		`x\ud83d`: "x\uFFFD", `\ude00y`: "\uFFFDy", `\ud800\u0041`: "\uFFFDA", `\ud83d\ude00`: "😀", `\ud83d\n`: "\uFFFD\n",
	} {
		v, err := readThing(`{"Text":"` + sent + `","Labels":{"` + sent + `":"` + sent + `"}}`)
		if err != nil || v.Text != want || v.Labels[want] != want {
			t.Errorf("%s: %+v %v", sent, v, err)
		}
	}
}

func TestStringsSurviveTheWayThroughJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		doc := CloseObject(AppendString(append([]byte(nil), `,"Text":`...), s), 0)
		var std struct{ Text string }
		if err := json.Unmarshal(doc, &std); err != nil || std.Text != s {
			t.Fatalf("encoding/json reads %q from %s: %v", std.Text, doc, err)
		}
		if v, err := readThing(string(doc)); err != nil || v.Text != s {
			t.Fatalf("JSONReader reads %q from %s: %v", v.Text, doc, err)
		}
	})
}

func TestInvalidUTF8IsReplacedOnOutput(t *testing.T) {
	if got := string(AppendString(nil, "a\xffb")); got != "\"a\uFFFDb\"" {
		t.Errorf("JSON: %q", got)
	}
	if got := string(AppendText(nil, "a\xffb\x00\uFFFE<")); got != "a\uFFFDb\uFFFD\uFFFD&lt;" {
		t.Errorf("XML: %q", got)
	}
}

func TestClosing(t *testing.T) {
	if got := string(CloseArray(AppendInt(append(CloseObject(nil, 0), ','), 5), 2)); got != "{}[5]" {
		t.Errorf("got %s", got)
	}
	if got := string(AppendStrings(AppendStrings(nil, []string{}), []string{"a", "b"})); got != `[]["a","b"]` {
		t.Errorf("got %s", got)
	}
}

// JSON within a string is what the quoting of the whole would be.
func TestJSONInAString(t *testing.T) {
	for _, s := range []string{"", "plain", `say "no"`, `a\b`, `\"`, "tab\tand \x01", "\u00fcber \u2028 \U0001F600", strings.Repeat(`"\`, 50), "\x7f", "\xff"} {
		text := AppendStrings(nil, []string{s, s})
		for range 3 { // and quoted again
			want, err := jsontext.AppendQuote(nil, text)
			if err != nil {
				t.Fatal(err)
			}
			got := append(AppendInString([]byte{'"'}, text), '"')
			if !bytes.Equal(got, want) {
				t.Errorf("%q: got %s, want %s", s, got, want)
			}
			text = want
		}
	}
}
