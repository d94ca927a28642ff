package audit_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/apitest"
	"github.com/carillon-chat/carillon/internal/api/carillon"
	"github.com/carillon-chat/carillon/internal/api/cognito"
	"github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/api/sts"
	"github.com/carillon-chat/carillon/internal/audit"
)

// public are the fields that may be in a line, by their Go names: ARNs, ids, and the names of IAM. All
// that is not on this list must not.
var public = regexp.MustCompile(`ARNs?$|IDs?$|^ChimeBearer$|^(Group|Policy|Role|RoleSession|User)Name$`)

// secretIDs have the name of an id and must not be in a line all the same.
var secretIDs = []string{"CallbackID", "ExternalID", "LocaleID"}

const mark, id = "MARKED-SECRET", "an-id"

// fill sets every string in v: those that may be in a line to id, all others to mark.
func fill(v reflect.Value, name string) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		fill(v.Elem(), name)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				fill(v.Field(i), f.Name)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), name)
		}
	case reflect.Map:
		element := reflect.New(v.Type().Elem()).Elem()
		fill(element, mark)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf(mark).Convert(v.Type().Key()), element)
	case reflect.String:
		text := mark
		if public.MatchString(name) && !slices.Contains(secretIDs, name) {
			text = id
		}
		v.SetString(text)
	}
}

// TestNothingSecretInAnyLine: of a request and an answer of every operation, with everything set that
// they can have, the line has the ARNs and ids and nothing else.
func TestNothingSecretInAnyLine(t *testing.T) {
	tables := []struct {
		operations []api.Operation
		handler    reflect.Type
	}{
		{messaging.Operations(messaging.Unbuilt{}), reflect.TypeFor[messaging.Handler]()},
		{identity.Operations(identity.Unbuilt{}), reflect.TypeFor[identity.Handler]()},
		{sts.Operations(sts.Unbuilt{}), reflect.TypeFor[sts.Handler]()},
		{iam.Operations(iam.Unbuilt{}), reflect.TypeFor[iam.Handler]()},
		{cognito.Operations(cognito.Unbuilt{}), reflect.TypeFor[cognito.Handler]()},
		{carillon.Operations(carillon.Unbuilt{}), reflect.TypeFor[carillon.Handler]()},
	}
	chimeOperations := 0
	for _, table := range tables {
		requests, err := apitest.Load(table.operations[0].Service)
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range table.operations {
			if op.SigningName == "chime" && op.Service != "carillon" {
				chimeOperations++
			}
			full, err := requests.Full(op.Name)
			if err != nil {
				t.Fatal(err)
			}
			request, err := op.Decode(full.Input())
			if err != nil {
				t.Fatal(op.Name, err)
			}
			method, _ := table.handler.MethodByName(op.Name)
			response := reflect.New(method.Type.Out(0).Elem())
			fill(reflect.ValueOf(request), "")
			fill(response, "")

			line := record(t, &audit.Call{
				Service: op.SigningName, Name: op.Name, ReadOnly: op.ReadOnly, Request: request, Response: response.Interface(), Status: op.Status,
			})
			if strings.Contains(line, mark) {
				t.Errorf("%s: %s", op.Name, line)
			}
			var got struct{ RequestParameters, ResponseElements map[string]any }
			if err := json.Unmarshal([]byte(line), &got); err != nil {
				t.Fatalf("%s: %v in %s", op.Name, err, line)
			}
			for _, member := range topLevelIDs(reflect.TypeOf(request).Elem()) {
				if !slices.ContainsFunc(slices.Collect(maps.Keys(got.RequestParameters)), func(name string) bool { return strings.EqualFold(name, member) }) {
					t.Errorf("%s: the line has no %s: %s", op.Name, member, line)
				}
			}
			if op.SigningName == "chime" && op.ReadOnly != (got.ResponseElements == nil) && len(topLevelIDs(response.Type().Elem())) > 0 {
				t.Errorf("%s: reads %v, with %v of its answer", op.Name, op.ReadOnly, got.ResponseElements)
			}
		}
	}
	if chimeOperations != 81 {
		t.Errorf("%d operations of Chime", chimeOperations)
	}
}

// topLevelIDs are the members of a structure that must be in its line, in their Go spelling.
func topLevelIDs(structure reflect.Type) (names []string) {
	for i := range structure.NumField() {
		f := structure.Field(i)
		kind := f.Type
		if kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		if kind.Kind() != reflect.String || !public.MatchString(f.Name) || slices.Contains(secretIDs, f.Name) {
			continue
		}
		names = append(names, f.Name)
	}
	return names
}

// record returns the line of a call.
func record(t *testing.T, c *audit.Call) string {
	t.Helper()
	d := new(disk)
	l := audit.New(audit.Options{Site: site, Out: d, Random: rand.Reader})
	l.Record(c)
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Run(stopped); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(d.text.String()) {
		if strings.Contains(line, fmt.Sprintf("%q:%q", "eventName", c.Name)) {
			return line
		}
	}
	t.Fatal("there is no line: ", d.text.String())
	return ""
}
