package model

import (
	"strings"
	"testing"
)

// TestAdditions: more operations of a service join its model, and replace nothing of it.
func TestAdditions(t *testing.T) {
	text := func() *Shape { return &Shape{Type: "string"} }
	own := func() *Model {
		return &Model{
			Service:    "iam",
			Operations: map[string]*Operation{"GetUser": {Input: "Name"}},
			Shapes:     map[string]*Shape{"Name": text()},
		}
	}
	for _, test := range []struct {
		name  string
		more  *Model
		fault string
	}{
		{"an operation and its shapes", &Model{Service: "iam",
			Operations: map[string]*Operation{"TagUser": {Input: "Tag"}},
			Shapes:     map[string]*Shape{"Name": text(), "Tag": text()}}, ""},
		{"another service", &Model{Service: "sts"}, "another service"},
		{"another protocol", &Model{Service: "iam", Metadata: Metadata{Protocol: "json"}}, "another service"},
		{"an operation of the model", &Model{Service: "iam", Operations: map[string]*Operation{"GetUser": {}}}, "GetUser"},
		{"another shape of a name", &Model{Service: "iam", Shapes: map[string]*Shape{"Name": {Type: "integer"}}}, "Name"},
	} {
		m := own()
		err := m.add(test.more)
		switch {
		case test.fault == "" && (err != nil || m.Operations["GetUser"] == nil || m.Operations["TagUser"] == nil || m.Shapes["Tag"] == nil):
			t.Errorf("%s: %v, %v", test.name, m.Operations, err)
		case test.fault != "" && (err == nil || !strings.Contains(err.Error(), test.fault)):
			t.Errorf("%s: %v, want an error about %s", test.name, err, test.fault)
		}
	}
}
