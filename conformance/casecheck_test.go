package conformance

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api/model"
)

// TestCasesAreComplete holds the case files against the models: what an operation declares is
// shown by a case or explained.
func TestCasesAreComplete(t *testing.T) {
	words := loadVocabulary(t)
	files := loadCases(t)
	models := map[string]*model.Model{}
	for folder, name := range services {
		m, err := model.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		models[folder] = m
		for operation := range m.Operations {
			if !slices.ContainsFunc(files, func(f *caseFile) bool { return f.service == folder && f.operation == operation }) {
				t.Errorf("%s/%s.yaml is missing", folder, operation)
			}
		}
	}
	for _, f := range files {
		t.Run(f.service+"/"+f.operation, func(t *testing.T) {
			m := models[f.service]
			op := m.Operations[f.operation]
			if op == nil {
				t.Fatal("the model has no such operation")
			}
			c := &check{T: t, file: f, words: words, model: m, op: op}
			c.names()
			c.spelling(models)
			c.errors()
			c.repeats()
			c.members(op.Output, "")
		})
	}
}

// check holds one file against the model.
type check struct {
	*testing.T
	file  *caseFile
	words *vocabulary
	model *model.Model
	op    *model.Operation
}

// own are the steps of the file's operation that a predicate picks.
func (c *check) own(pick func(step) bool) (steps []step) {
	for i := range c.file.Cases {
		for _, s := range c.file.Cases[i].all() {
			if (s.Call == "" || s.Call == c.file.operation) && pick(s) {
				steps = append(steps, s)
			}
		}
	}
	return steps
}

func (c *check) names() {
	seen := map[string]bool{}
	for i := range c.file.Cases {
		one := &c.file.Cases[i]
		if one.Name == "" || seen[one.Name] {
			c.Errorf("the name %q is empty or not the only one", one.Name)
		}
		seen[one.Name] = true
		if one.Steps != nil && !reflect.DeepEqual(one.step, step{}) {
			c.Errorf("%s: words of a step stand beside the steps", one.Name)
		}
		if _, ok := c.words.Servers[one.Server]; one.Server != "" && !ok {
			c.Errorf("%s: the vocabulary has no server %s", one.Name, one.Server)
		}
		if one.NewerThan != "" && one.NewerThan != "aws-sdk-go" {
			c.Errorf("%s: newer_than %s is unknown", one.Name, one.NewerThan)
		}
		if _, err := c.words.steps(append(slices.Clone(c.file.Given), one.Given...)); err != nil {
			c.Errorf("%s: %v", one.Name, err)
		}
	}
}

// spelling wants members that answers have: what is spelt wrong is absent from every answer.
func (c *check) spelling(models map[string]*model.Model) {
	for i := range c.file.Cases {
		for _, s := range c.file.Cases[i].all() {
			name := cmp.Or(s.Call, c.file.operation)
			m := c.model
			for _, other := range models {
				if m.Operations[name] == nil {
					m = other
				}
			}
			if op := m.Operations[name]; op == nil {
				c.Errorf("%s: there is no operation %s", c.file.Cases[i].Name, name)
			} else if unknown := unknownMember(m, op.Output, s.Expect); unknown != "" {
				c.Errorf("%s: %s does not answer %s", c.file.Cases[i].Name, name, unknown)
			}
		}
	}
}

// unknownMember is one that is expected of a structure that has no such member, or nothing.
func unknownMember(m *model.Model, shape string, expect any) (unknown string) {
	switch expect := expect.(type) {
	case map[string]any:
		s := m.Shapes[shape]
		if s != nil && s.Type == "map" {
			return ""
		}
		for name, inside := range expect {
			i := -1
			if s != nil {
				i = slices.IndexFunc(s.Members, func(member model.Member) bool { return member.Name == name })
			}
			if i < 0 {
				return name
			}
			if unknown = unknownMember(m, s.Members[i].Shape, inside); unknown != "" {
				return unknown
			}
		}
	case []any:
		for _, item := range expect {
			if unknown = unknownMember(m, string(m.Shapes[shape].Member), item); unknown != "" {
				return unknown
			}
		}
	}
	return ""
}

// errors wants each declared error from a case, or its reason.
func (c *check) errors() {
	shown := map[string]bool{}
	for _, s := range c.own(func(s step) bool { return s.Error != "" }) {
		if c.words.Errors[s.Error] == 0 {
			c.Errorf("the vocabulary has no error %s", s.Error)
		}
		if s.Error == "BadRequestException" && s.Says == "" {
			c.Error("a case with BadRequestException does not say which member is bad")
		}
		shown[s.Error] = true
	}
	shown["success"] = len(c.own(func(s step) bool { return s.Error == "" })) > 0
	for _, name := range append(slices.Clone(c.op.Errors), "success") {
		reason := c.file.NotProvoked[name]
		switch {
		case !shown[name] && reason == "" && c.words.Never[name] == "":
			c.Errorf("no case shows %s, and not_provoked does not say why", name)
		case shown[name] && reason != "":
			c.Errorf("a case shows %s, which is said not to be provoked", name)
		}
	}
	for name := range c.file.NotProvoked {
		if name != "success" && !slices.Contains(c.op.Errors, name) {
			c.Errorf("not_provoked names %s, which is not declared", name)
		}
	}
	if c.op.Input != "" && !shown["BadRequestException"] {
		c.Error("nothing bad is sent")
	}
}

// repeats wants lists paged to their end, and calls with the same token and with another input.
func (c *check) repeats() {
	if p := c.op.Pagination; p != nil {
		paged := c.own(func(s step) bool {
			return s.Pages != nil && s.Pages.Items == p.Items[0] && len(s.Pages.Equals)+len(s.Pages.Includes) > 1
		})
		if len(paged) == 0 {
			c.Errorf("%s is not paged", p.Items[0])
		}
	}
	token := c.op.IdempotencyToken
	if token == "" || c.file.NotProvoked["success"] != "" {
		return
	}
	if len(c.own(func(s step) bool { return s.Again && s.With[token] != nil })) == 0 {
		c.Errorf("no call is repeated with the same %s", token)
	}
}

// members wants each member of the answer, down to the last structure, looked at by a case.
func (c *check) members(shape, path string) {
	s := c.model.Shapes[shape]
	if s == nil || c.file.NotProvoked["success"] != "" {
		return
	}
	switch {
	case s.Type == "list":
		c.members(string(s.Member), path+"[]")
	case s.Type == "structure":
		for _, m := range s.Members {
			c.members(m.Shape, strings.TrimPrefix(path+"."+m.Name, "."))
		}
	case path != "NextToken" && !c.looksAt(path):
		c.Errorf("no case looks at %s", path)
	}
}

// looksAt reports whether an expectation, a saved variable or the items of pages reach a member.
func (c *check) looksAt(path string) bool {
	steps := c.own(func(s step) bool {
		if reaches(s.Expect, strings.Split(path, ".")) {
			return true
		}
		saved := slices.Collect(maps.Values(s.Save))
		if p := s.Pages; p != nil && p.By != "" {
			saved = append(saved, p.Items+".0."+p.By)
		} else if p != nil && reaches(map[string]any{p.Items: append(slices.Clone(p.Equals), p.Includes...)}, strings.Split(path, ".")) {
			return true
		}
		return slices.ContainsFunc(saved, func(p string) bool { return strings.ReplaceAll(p, ".0", "[]") == path })
	})
	return len(steps) > 0
}

// reaches follows a path such as Channels[].Name into an expectation.
func reaches(expect any, path []string) bool {
	if len(path) == 0 {
		return true
	}
	name, isList := strings.CutSuffix(path[0], "[]")
	members, _ := expect.(map[string]any)
	inside, ok := members[name]
	if !ok {
		return false
	}
	if text, ok := inside.(string); ok && (len(path) > 1 || isList) {
		return strings.HasPrefix(text, "$") // a whole structure
	}
	if !isList {
		return reaches(inside, path[1:])
	}
	list, _ := inside.([]any)
	return slices.ContainsFunc(list, func(item any) bool { return reaches(item, path[1:]) })
}
