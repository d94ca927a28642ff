package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestParameters(t *testing.T) {
	in := &Input{
		Path:   func(label string) string { return "decoded " + label },
		Query:  url.Values{"n": {"7"}, "empty": {""}, "at": {"1622737591.013"}, "e": {"A"}},
		Header: http.Header{"X-Amz-Chime-Bearer": {"bearer"}, "X-Empty": {""}},
	}
	p := Parameters{In: in}
	got := fmt.Sprint(
		p.Path("A", "a"), ",", p.Header("B", "X-Amz-Chime-Bearer"), ",", *p.OptionalHeader("B", "X-Amz-Chime-Bearer"), ",",
		p.OptionalHeader("B", "X-Empty") == nil, p.OptionalHeader("B", "X-None") == nil, ",",
		p.Query("E", "e"), ",", p.Enum("E", "e"), p.Enum("E", "none"), ",", *p.OptionalInt("N", "n"), p.OptionalInt("N", "none") == nil, ",",
		p.OptionalQuery("E", "none") == nil, *p.OptionalQuery("E", "empty"), ",", p.OptionalTime("At", "at").UnixMilli(), p.OptionalTime("At", "none") == nil)
	if want := "decoded a,bearer,bearer,true true,A,A,7 true,true,1622737591013 true"; got != want || p.Err() != nil {
		t.Errorf("got  %s %v\nwant %s", got, p.Err(), want)
	}
}

func TestParameterFaults(t *testing.T) {
	in := &Input{
		Path:   func(string) string { return "\xff" },
		Query:  url.Values{"max-results": {"1.5"}, "empty": {""}, "bad": {"\xff"}},
		Header: http.Header{"X-Bad": {"\xff"}},
	}
	cases := map[string]func(p *Parameters){
		"ChannelArn (path label channelArn) must be valid UTF-8":                                       func(p *Parameters) { p.Path("ChannelArn", "channelArn") },
		"ChimeBearer (header X-Bad) must be valid UTF-8":                                               func(p *Parameters) { p.Header("ChimeBearer", "X-Bad") },
		"NextToken (query parameter bad) must be valid UTF-8":                                          func(p *Parameters) { p.OptionalQuery("NextToken", "bad") },
		"Type (query parameter empty) must not be an empty string":                                     func(p *Parameters) { p.Enum("Type", "empty") },
		"MaxResults (query parameter max-results) must be an integer":                                  func(p *Parameters) { p.OptionalInt("MaxResults", "max-results"); p.Enum("Type", "empty") },
		"NotBefore (query parameter empty) must be an ISO 8601 time or a number of seconds since 1970": func(p *Parameters) { p.OptionalTime("NotBefore", "empty") },
	}
	for want, read := range cases {
		p := Parameters{In: in}
		read(&p)
		if p.Err() == nil || p.Err().As(BadRequestException).Message != want {
			t.Errorf("got %+v, want %s", p.Err(), want)
		}
	}
}

func TestStrictIntegers(t *testing.T) {
	for _, s := range []string{"", "-", "+1", "01", "-0", "1.0", "1e3", " 1", "0x1", "1_000", "٣", "9223372036854775808"} {
		if n, ok := parseInt(s); ok {
			t.Errorf("%q accepted as %d", s, n)
		}
	}
	for s, want := range map[string]int{"0": 0, "7": 7, "-12": -12, "9223372036854775807": 9223372036854775807} {
		if n, ok := parseInt(s); !ok || n != want {
			t.Errorf("%q: %d %v", s, n, ok)
		}
	}
}

// element is a structure of a form.
type element struct {
	Key  string
	Tags []string
}

func (e *element) decode(f *Form) { e.Key, e.Tags = f.String("Key"), f.Strings("Tags") }

func TestForm(t *testing.T) {
	values, err := url.ParseQuery("Action=X&Name=a+b&N=5&Flag=true&Kind=A&Empty=&None=" +
		"&List.member.2.Key=two&List.member.1.Key=one&List.member.1.Tags.member.1=x&List.member.1.Tags.member.2=y" +
		"&Names.member.1=1&Names.member.2=2&Names.member.3=3&Names.member.4=4&Names.member.5=5&Names.member.6=6" +
		"&Names.member.7=7&Names.member.8=8&Names.member.9=9&Names.member.10=10&Names.member.11=11&Namesx.member.99=no")
	if err != nil {
		t.Fatal(err)
	}
	f := NewForm(values)
	got := fmt.Sprint(f.String("Name"), *f.OptionalString("Empty"), f.OptionalString("Absent") == nil, *f.OptionalInt("N"), f.OptionalInt("Absent") == nil,
		f.Bool("Flag"), f.Bool("Absent"), f.Enum("Kind"), f.Enum("Absent"), f.Strings("Names"), f.Strings("None"), f.Strings("Absent") == nil,
		FormList(f, "List", (*element).decode), FormList(f, "Absent", (*element).decode) == nil)
	want := fmt.Sprint("a b", "", true, 5, true, true, false, "A", "", []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"}, []string{}, true,
		[]element{{"one", []string{"x", "y"}}, {"two", nil}}, true)
	if got != want || f.Err() != nil {
		t.Errorf("got  %s %v\nwant %s", got, f.Err(), want)
	}
}

func TestFormFaults(t *testing.T) {
	cases := []struct{ form, member, message string }{
		{"N=many", "N", "must be an integer"},
		{"Flag=yes", "Flag", "must be true or false"},
		{"Kind=", "Kind", "must not be an empty string"},
		{"Name=%FF", "Name", "must be valid UTF-8"},
		{"Names.member.1=a&Names.member.3=c", "Names", "without a gap"},
		{"Names.member.0=a", "Names", "numbered from 1"},
		{"Names.member.01=a", "Names", "numbered from 1"},
		{"Names.member.x=a", "Names", "numbered from 1"},
		{"Names.member.1001=a", "Names", "at most 1000"},
		{"Names.member.4611686018427387904=a", "Names", "at most 1000"},
		{"Names.member.1=a&Names.member.2=%FF", "Names[1]", "must be valid UTF-8"},
		{"List.member.2.Key=a", "List", "without a gap"},
		{"List.member.1.Key=a&List.member.2.Tags.member.2=b", "List[1].Tags", "without a gap"},
		{"List.member.1.Tags.member.1=%FF", "List[0].Tags[0]", "must be valid UTF-8"},
	}
	for _, c := range cases {
		values, err := url.ParseQuery(c.form)
		if err != nil {
			t.Fatal(err)
		}
		f := NewForm(values)
		f.String("Name")
		f.OptionalInt("N")
		f.Bool("Flag")
		f.Enum("Kind")
		f.Strings("Names")
		FormList(f, "List", (*element).decode)
		if f.Err() == nil {
			t.Errorf("%s: accepted", c.form)
			continue
		}
		if e := f.Err().As(ValidationError); e.Member != c.member || !strings.Contains(e.Message, c.message) {
			t.Errorf("%s: got %v of %s", c.form, e, e.Member)
		}
	}
}

func TestExceptionsOfTheSpecification(t *testing.T) {
	cases := []struct {
		err  *Error
		typ  string
		code string
		http int
	}{
		{BadRequest("Name", "no"), "BadRequestException", "BadRequest", 400},
		{ResourceLimitExceeded("no"), "ResourceLimitExceededException", "ResourceLimitExceeded", 400},
		{UnauthorizedClientException.Errorf("no"), "UnauthorizedClientException", "Unauthorized", 401},
		{Forbidden("no"), "ForbiddenException", "Forbidden", 403},
		{NotFound("no"), "NotFoundException", "NotFound", 404},
		{Conflict("no"), "ConflictException", "Conflict", 409},
		{Throttled("no"), "ThrottledClientException", "Throttled", 429},
		{ServiceFailure("no"), "ServiceFailureException", "ServiceFailure", 500},
		{ServiceUnavailable("no"), "ServiceUnavailableException", "ServiceUnavailable", 503},
	}
	for _, c := range cases {
		if c.err.Type != c.typ || c.err.Code != c.code || c.err.Status != c.http {
			t.Errorf("%+v, want %+v", c.err, c)
		}
	}
	var target *Error
	if err := fmt.Errorf("wrapped: %w", Conflict("x %d", 1)); !errors.As(err, &target) || target.Error() != "ConflictException: x 1" {
		t.Errorf("got %v", target)
	}
	if e := BadRequest("Content", "too large"); e.Message != "Content: too large" || e.Member != "Content" {
		t.Errorf("got %+v", e)
	}
	if e := BadRequest("Content", "Content is too large"); e.Message != "Content is too large" {
		t.Errorf("got %+v", e)
	}
}

func TestErrorBodies(t *testing.T) {
	e := &Error{Type: "X", Status: 500, Message: `a "b" <c>`}
	if got := string(e.AppendJSON(nil)); got != `{"Message":"a \"b\" <c>"}` {
		t.Errorf("without a code: %s", got)
	}
	if got := string(e.AppendTypedJSON(nil)); got != `{"__type":"X","message":"a \"b\" <c>"}` {
		t.Errorf("json protocol: %s", got)
	}
	want := `<ErrorResponse xmlns="ns"><Error><Type>Receiver</Type><Code>X</Code><Message>a &#34;b&#34; &lt;c&gt;</Message></Error><RequestId>r</RequestId></ErrorResponse>`
	if got := string(e.AppendXML(nil, "ns", "r")); got != want {
		t.Errorf("query protocol: %s", got)
	}
}

func TestLengthCountsCodePointsAndBytes(t *testing.T) {
	long := strings.Repeat("é", 5)
	cases := []struct {
		got *Invalid
		bad bool
	}{
		{Length(long, 5, 5), false}, {Length(long, 0, 4), true}, {Length(long, 6, 10), true}, {Length("", 1, 2), true}, {Length("", 0, 2), false},
		{Length("aaaa", 2, Unbounded), false}, {Length("😀", 2, 4), true}, {Length("😀😀", 2, 4), false},
		{Bytes(long, 0, 10), false}, {Bytes(long, 0, 9), true}, {Bytes("", 1, Unbounded), true},
		{Range(0, 1, 3), true}, {Range(3, 1, 3), false}, {Range(4, 1, 3), true}, {Count(0, 1, 2), true}, {Count(3, 1, 2), true},
	}
	for i, c := range cases {
		if (c.got != nil) != c.bad {
			t.Errorf("case %d: %+v", i, c.got)
		}
	}
	for want, e := range map[string]*Invalid{
		"A must have 1 to 3 characters": Length("", 1, 3).In("A"),
		"A must have exactly 1 element": Count(2, 1, 1).In("A"),
		"A must be at least 2":          Range(1, 2, Unbounded).In("A"),
		"A[2].B must have 0 to 9 bytes": Bytes(long, 0, 9).In("B").At(2).In("A"),
		"A.k[0] must be one of X":       NotOneOf("X").At(0).Key("k").In("A"),
		`A["k k"].B is required`:        Missing("B").Key("k k").In("A"),
		"A (header X) is required":      Missing("A").Via("header X"),
		`A["` + strings.Repeat("k", 64) + `..."] is required and must not be 0`: Zero("").Key(strings.Repeat("k", 70)).In("A"),
	} {
		if got := e.As(BadRequestException).Message; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
