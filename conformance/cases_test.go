package conformance

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/google/uuid"
)

// TestCases runs every case file through AWS's SDK for Go. Node and Chromium run the same files
// in web/e2e/cases.test.mjs.
func TestCases(t *testing.T) {
	words := loadVocabulary(t)
	nodes := map[string]*node{}
	for name, settings := range words.Servers {
		nodes[name] = start(t, settings)
	}
	var mu sync.Mutex
	var newer []string
	t.Cleanup(func() {
		for _, name := range newer {
			t.Logf("left out, because AWS's SDK for Go v1 is older than what it uses: %s", name)
		}
	})
	for _, file := range loadCases(t) {
		t.Run(file.service+"/"+file.operation, func(t *testing.T) {
			for _, c := range file.Cases {
				t.Run(c.Name, func(t *testing.T) {
					t.Parallel()
					if c.NewerThan == "aws-sdk-go" {
						mu.Lock()
						defer mu.Unlock()
						newer = append(newer, t.Name())
						return
					}
					n := nodes[cmp.Or(c.Server, "usual")]
					if n == nil {
						t.Fatalf("the vocabulary has no server %s", c.Server)
					}
					r := &caseRun{t: t, node: n, file: file, variables: map[string]any{"unique": uuid.NewString(), "host": n.PublicHost()}}
					r.run(words, &c)
				})
			}
		})
	}
}

// caseRun is one case on its way.
type caseRun struct {
	t         *testing.T
	node      *node
	file      *caseFile
	variables map[string]any
}

func (r *caseRun) run(words *vocabulary, c *testCase) {
	fixtures, err := words.steps(append(slices.Clone(r.file.Given), c.Given...))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(r.forget)
	for _, s := range fixtures {
		if wrong := r.step(words, s); len(wrong) > 0 {
			r.t.Fatalf("fixture %s: %s", s.Call, strings.Join(wrong, "\n"))
		}
	}
	for i, s := range c.all() {
		if s.Call == "" || s.Call == r.file.operation {
			s = r.ownStep(s)
		}
		if wrong := r.step(words, s); len(wrong) > 0 {
			r.t.Fatalf("step %d (%s): %s", i+1, s.Call, strings.Join(wrong, "\n"))
		}
	}
}

// forget deletes the app instances of the case, so that a server does not run full of them.
func (r *caseRun) forget() {
	for _, name := range []string{"app", "other_app"} {
		if arn, ok := r.variables[name]; ok {
			_, _ = r.call("DeleteAppInstance", map[string]any{"AppInstanceArn": arn}) // the case may have done it
		}
	}
}

// ownStep is a step of the file's operation, with the file's defaults.
func (r *caseRun) ownStep(s step) step {
	s.Call = r.file.operation
	if s.As == "" {
		s.As = r.file.As
	}
	with := maps.Clone(r.file.Input)
	if with == nil {
		with = map[string]any{}
	}
	maps.Copy(with, s.With)
	s.With = with
	return s
}

// step does one step and tells what is wrong with it.
func (r *caseRun) step(words *vocabulary, s step) (wrong []string) {
	input, err := r.input(s)
	if err != nil {
		return []string{err.Error()}
	}
	if s.Pages != nil {
		return r.pages(s, input)
	}
	answer, err := r.call(s.Call, input)
	for n := 1; n < s.Within && err == nil; n++ {
		_, err = r.call(s.Call, input)
	}
	if s.Error != "" {
		return expectError(err, s.Error, s.Says, words.Errors)
	}
	if err != nil {
		return []string{err.Error()}
	}
	wrong = compare(s.Call, s.Expect, answer, r.variables)
	if s.Expect == nil {
		wrong = nil
	}
	for name, path := range s.Save {
		if r.variables[name] = at(answer, path); r.variables[name] == nil {
			wrong = append(wrong, "the answer has no "+path)
		}
	}
	if s.Again {
		if second, err := r.call(s.Call, input); err != nil || !reflect.DeepEqual(second, answer) {
			wrong = append(wrong, fmt.Sprintf("called again it answers %v %v, at first %v", second, err, answer))
		}
	}
	return wrong
}

func (r *caseRun) input(s step) (map[string]any, error) {
	with := maps.Clone(s.With)
	if with == nil {
		with = map[string]any{}
	}
	if _, given := with["ChimeBearer"]; s.As != "" && !given {
		with["ChimeBearer"] = "$" + s.As
	}
	filled, err := fill(with, r.variables)
	if err != nil {
		return nil, err
	}
	input := filled.(map[string]any)
	maps.DeleteFunc(input, func(_ string, v any) bool { return v == nil })
	return input, nil
}

// pages calls with pages of one until the end.
func (r *caseRun) pages(s step, input map[string]any) []string {
	input["MaxResults"] = 1
	var items []any
	for range 2000 {
		answer, err := r.call(s.Call, input)
		if err != nil {
			return []string{err.Error()}
		}
		page, _ := answer[s.Pages.Items].([]any)
		if len(page) > 1 {
			return []string{fmt.Sprintf("a page of one has %d items", len(page))}
		}
		for _, item := range page {
			if s.Pages.By != "" {
				item = at(item, s.Pages.By)
			}
			items = append(items, item)
		}
		token, more := answer["NextToken"]
		if !more {
			return r.comparePages(s, items)
		}
		input["NextToken"] = token
	}
	return []string{"the pages have no end"}
}

func (r *caseRun) comparePages(s step, items []any) []string {
	if s.Pages.Includes == nil {
		return compare(s.Pages.Items, append([]any{}, s.Pages.Equals...), append([]any{}, items...), r.variables)
	}
	want, err := fill(s.Pages.Includes, r.variables)
	if err != nil {
		return []string{err.Error()}
	}
	items = slices.DeleteFunc(items, func(item any) bool {
		return !slices.ContainsFunc(want.([]any), func(w any) bool { return reflect.DeepEqual(item, w) })
	})
	return compare(s.Pages.Items, want, append([]any{}, items...), r.variables)
}

// call finds the client's method by the operation's name; the file's own service goes first,
// because both have tags.
func (r *caseRun) call(operation string, input map[string]any) (map[string]any, error) {
	clients := []any{r.node.identity, r.node.messaging}
	if r.file.service == "messaging" {
		slices.Reverse(clients)
	}
	for _, client := range clients {
		method := reflect.ValueOf(client).MethodByName(operation)
		if !method.IsValid() {
			continue
		}
		text, err := json.Marshal(input)
		if err != nil {
			return nil, err
		}
		in := reflect.New(method.Type().In(0).Elem())
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(in.Interface()); err != nil {
			return nil, fmt.Errorf("AWS's SDK for Go does not take this input: %w", err)
		}
		out := method.Call([]reflect.Value{in})
		if err, _ := out[1].Interface().(error); err != nil {
			return nil, err
		}
		answer, _ := tree(out[0]).(map[string]any)
		return answer, nil
	}
	return nil, fmt.Errorf("AWS's SDK for Go has no operation %s", operation)
}

// tree is an answer of the SDK as JSON would have it; nil is what is absent.
func tree(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return tree(v.Elem())
	case reflect.Struct:
		if at, ok := v.Interface().(time.Time); ok {
			return at.UTC().Format(timeForm)
		}
		members := map[string]any{}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				if member := tree(v.Field(i)); member != nil {
					members[f.Name] = member
				}
			}
		}
		return members
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = tree(v.Index(i))
		}
		return list
	case reflect.Map:
		if v.IsNil() {
			return nil
		}
		members := map[string]any{}
		for key, value := range v.Seq2() {
			members[key.String()] = tree(value)
		}
		return members
	case reflect.Int64:
		return float64(v.Int())
	}
	return v.Interface()
}

// expectError checks the class, the status and the text of an exception.
func expectError(err error, want, says string, statuses map[string]int) []string {
	var typed awserr.RequestFailure
	if !errors.As(err, &typed) {
		return []string{fmt.Sprintf("the error is %v, want %s", err, want)}
	}
	class := reflect.TypeOf(typed).Elem().Name()
	if class != want || typed.Code() != want || typed.StatusCode() != statuses[want] || !strings.Contains(typed.Message(), says) {
		return []string{fmt.Sprintf("the error is a %s %s %d %q, want %s %d %q", class, typed.Code(), typed.StatusCode(), typed.Message(), want, statuses[want], says)}
	}
	return nil
}
