package apitest

import (
	"fmt"
	"strings"

	"github.com/carillon-chat/carillon/internal/api/model"
)

// sample is how to make strings for a pattern: prefix, any number of a's or
// other filling, suffix. bad does not match; it is empty when everything does.
type sample struct {
	prefix, fill, suffix string
	bad                  string
}

const (
	nameClass = `[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]`
	pathChars = `(\u002F)|(\u002F[\u0021-\u007E]+\u002F)`
)

// samples are by pattern. One that is missing is an error: a new model has to
// be thought about.
var samples = map[string]sample{
	"":                {fill: "a"},
	`[\s\S]*`:         {fill: "a"},
	`.*`:              {fill: "a", bad: "a\nb"},
	`[-_a-zA-Z0-9]*`:  {fill: "a", bad: "a.b"},
	nameClass + `*`:   {fill: "é", bad: "a\x01b"},
	nameClass + `+`:   {prefix: "arn:aws:iam::000000000000:role/", fill: "a", bad: "a\x01b"},
	`.*\S.*`:          {fill: "a", bad: " \t "},
	`^([A-Za-z]_?)+$`: {fill: "a", bad: "1a"},
	`arn:[a-z0-9-\.]{1,63}:[a-z0-9-\.]{0,63}:[a-z0-9-\.]{0,63}:[a-z0-9-\.]{0,63}:[^/].{0,1023}`: {
		prefix: "arn:aws:chime:us-east-1:000000000000:app-instance/", fill: "a", bad: "no:arn:at:all:a/b"},
	`[A-Za-z0-9]([A-Za-z0-9\:\-\_\.\@]{0,62}[A-Za-z0-9])?`: {fill: "a", bad: "a:"},
	`arn:aws:lambda:[a-z]{2}-[a-z]+-\d{1}:\d{12}:function:[a-zA-Z0-9\-_\.]+(:(\$LATEST|[a-zA-Z0-9\-_]+))?`: {
		prefix: "arn:aws:lambda:us-east-1:000000000000:function:f", fill: "a", bad: "arn:aws:lambda:us-east-1:0:function:f"},
	`arn:aws:lex:[a-z]{2}-[a-z]+-\d{1}:\d{12}:bot-alias/[A-Z0-9]{10}/[A-Z0-9]{10}`: {
		prefix: "arn:aws:lex:us-east-1:000000000000:bot-alias/AAAAAAAAAA/BBBBBBBBBB", fill: "a", bad: "arn:aws:lex:us-east-1:0:bot-alias/A/B"},

	`[\w]*`:                              {fill: "a", bad: "a-a"},
	`[\w]+`:                              {fill: "a", bad: "a-a"},
	`[\w+=,.@-]*`:                        {fill: "a", bad: "a b"},
	`[\w+=,.@-]+`:                        {fill: "a", bad: "a b"},
	`[\w+=,.@:\/-]*`:                     {fill: "a", bad: "a b"},
	`[\w+=/:,.@-]*`:                      {fill: "a", bad: "a b"},
	`[\d]*`:                              {fill: "0", bad: "a"},
	`\d+`:                                {fill: "0", bad: "a"},
	`[\w-]+:[0-9a-f-]+`:                  {prefix: "us-east-1:", fill: "a", bad: "us-east-1:z"},
	`[\u0020-\u00FF]+`:                   {fill: "a", bad: "a\x01"},
	`\u002F[\u0021-\u007F]*`:             {prefix: "/", fill: "a", bad: "a"},
	pathChars:                            {prefix: "/", fill: "a", suffix: "/", bad: "a"},
	`v[1-9][0-9]*(\.[A-Za-z0-9-]*)?`:     {prefix: "v1", fill: "0", bad: "1"},
	`[\p{L}\p{Z}\p{N}_.:/=+\-@]+`:        {fill: "a", bad: "a#"},
	`[\p{L}\p{Z}\p{N}_.:/=+\-@]*`:        {fill: "a", bad: "a#"},
	`[\u0009\u000A\u000D\u0020-\u00FF]+`: {fill: "a", bad: "a\x01"},
	`[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]*`: {fill: "a", bad: "a\x01"},
	`((/[A-Za-z0-9\.,\+@=_-]+)*)/`:                    {prefix: "/", fill: "a", suffix: "/", bad: "a"},
}

// sampleOf gives the sample for a shape.
func sampleOf(name string, s *model.Shape) (sample, error) {
	v, ok := samples[s.Pattern]
	if !ok {
		return sample{}, fmt.Errorf("shape %s: no sample for the pattern %s", name, s.Pattern)
	}
	if name == "Metadata" {
		v.bad = "" // its pattern is not enforced
	}
	return v, nil
}

// text is a string of the sample with at least n units.
func (v sample) text(n int) string {
	if n -= len(v.prefix) + len(v.suffix); n < 0 {
		n = 0
	}
	if n == 0 && v.prefix == "/" {
		return "/" // a path of only one slash
	}
	if n == 0 && v.prefix+v.suffix == v.prefix && strings.HasSuffix(v.prefix, "/") || n == 0 && strings.HasSuffix(v.prefix, ":") {
		n = 1 // an ARN or an id needs something behind its prefix
	}
	return v.prefix + strings.Repeat(v.fill, n) + v.suffix
}

// mismatch is a string that does not match, with at least n units.
func (v sample) mismatch(n int) string {
	if len(v.bad) >= n {
		return v.bad
	}
	return strings.Repeat(v.fill, n-len(v.bad)) + v.bad
}
