package apitest_test

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/apitest"
	"github.com/carillon-chat/carillon/internal/api/carillon"
	"github.com/carillon-chat/carillon/internal/api/cognito"
	"github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/api/model"
	"github.com/carillon-chat/carillon/internal/api/sts"
)

// service is a generated table with what it is compared with.
type service struct {
	name       string
	operations []api.Operation
	handler    reflect.Type
	refusal    string // type of the error of a broken constraint

	model    *model.Model
	requests *apitest.Service
	inInputs map[string]bool // shapes that requests reach
}

func services(t *testing.T) []*service {
	list := []*service{
		{name: "chime-sdk-messaging", operations: messaging.Operations(messaging.Unbuilt{}), handler: reflect.TypeFor[messaging.Handler](), refusal: "BadRequestException"},
		{name: "chime-sdk-identity", operations: identity.Operations(identity.Unbuilt{}), handler: reflect.TypeFor[identity.Handler](), refusal: "BadRequestException"},
		{name: "sts", operations: sts.Operations(sts.Unbuilt{}), handler: reflect.TypeFor[sts.Handler](), refusal: "ValidationError"},
		{name: "iam", operations: iam.Operations(iam.Unbuilt{}), handler: reflect.TypeFor[iam.Handler](), refusal: "ValidationError"},
		{name: "cognito-identity", operations: cognito.Operations(cognito.Unbuilt{}), handler: reflect.TypeFor[cognito.Handler](), refusal: "InvalidParameterException"},
		{name: "carillon", operations: carillon.Operations(carillon.Unbuilt{}), handler: reflect.TypeFor[carillon.Handler](), refusal: "BadRequestException"},
	}
	for _, s := range list {
		var err error
		if s.model, err = model.Load(s.name); err != nil {
			t.Fatal(err)
		}
		if s.requests, err = apitest.Load(s.name); err != nil {
			t.Fatal(err)
		}
		s.inInputs = shapesOfRequests(s.model)
	}
	return list
}

// eachOperation runs a test for every operation of every service.
func eachOperation(t *testing.T, run func(t *testing.T, s *service, op api.Operation)) {
	for _, s := range services(t) {
		for _, op := range s.operations {
			t.Run(s.name+"/"+op.Name, func(t *testing.T) { run(t, s, op) })
		}
	}
}

func TestTablesMatchTheModels(t *testing.T) {
	for _, s := range services(t) {
		m := s.model
		if !slices.Equal(s.requests.Operations(), slices.Sorted(maps.Keys(m.Operations))) {
			t.Errorf("%s: apitest knows %v", s.name, s.requests.Operations())
		}
		if len(s.operations) != len(m.Operations) {
			t.Errorf("%s: %d operations, the model has %d", s.name, len(s.operations), len(m.Operations))
		}
		for _, op := range s.operations {
			want := m.Operations[op.Name]
			if want == nil {
				t.Errorf("%s: %s is not in the model", s.name, op.Name)
				continue
			}
			if op.Method != want.Method || op.Path != want.Path || op.Status != want.Status || op.Unsigned != want.Unsigned ||
				op.Service != s.name || op.SigningName != m.Metadata.SigningName || op.Idempotency != want.IdempotencyToken {
				t.Errorf("%s: row %+v, model %+v", op.Name, op, want)
			}
			if len(op.Query) != len(want.Query) || len(op.Query) > 0 && !reflect.DeepEqual(op.Query, want.Query) {
				t.Errorf("%s: query %v, model %v", op.Name, op.Query, want.Query)
			}
			for _, name := range want.Errors {
				if !op.Declares(name) {
					t.Errorf("%s does not declare %s", op.Name, name)
				}
			}
			if op.Declares("NoSuchException") {
				t.Errorf("%s declares everything", op.Name)
			}
		}
	}
}

func TestMinimalRequestsAreValid(t *testing.T) {
	eachOperation(t, func(t *testing.T, s *service, op api.Operation) {
		r, err := s.requests.Minimal(op.Name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := op.Decode(r.Input()); err != nil {
			t.Errorf("%s %s\n%s\n%v", r.Method, r.Target(), r.Body, err)
		}
	})
}

func TestFullRequestsReadEveryMember(t *testing.T) {
	eachOperation(t, func(t *testing.T, s *service, op api.Operation) {
		r, err := s.requests.Full(op.Name)
		if err != nil {
			t.Fatal(err)
		}
		req, err := op.Decode(r.Input())
		if err != nil {
			t.Fatalf("%s %s\n%s\n%v", r.Method, r.Target(), r.Body, err)
		}
		input := s.model.Operations[op.Name].Input
		if input == "" {
			return
		}
		got := s.tree(input, reflect.ValueOf(req), forInput)
		if want := any(r.Members); !reflect.DeepEqual(got, want) {
			t.Errorf("read\n%v\nwant\n%v", got, want)
		}
		for _, member := range s.model.Shapes[input].Members {
			if s.model.Shapes[member.Shape].Type == "string" && req.Member(member.Name) != r.Members[member.Name] {
				t.Errorf("Member(%s) = %q", member.Name, req.Member(member.Name))
			}
		}
		if got := req.Member("NoSuchMember"); got != "" {
			t.Errorf("Member of an unknown name = %q", got)
		}
	})
}

func TestEveryBrokenConstraintIsRefusedByName(t *testing.T) {
	total := 0
	eachOperation(t, func(t *testing.T, s *service, op api.Operation) {
		violations, err := s.requests.Violations(op.Name)
		if err != nil {
			t.Fatal(err)
		}
		total += len(violations)
		for _, v := range violations {
			_, err := op.Decode(v.Input())
			var e *api.Error
			if !errors.As(err, &e) {
				t.Errorf("%s %s: got %v\n%s %s\n%s", v.Member, v.Description, err, v.Method, v.Target(), v.Body)
				continue
			}
			isKey := strings.HasPrefix(v.Description, "key ") && strings.HasPrefix(e.Member, v.Member)
			if e.Type != s.refusal || e.Status != 400 || !isKey && e.Member != v.Member || !strings.HasPrefix(e.Message, e.Member) {
				t.Errorf("%s %s: got %v (member %s)", v.Member, v.Description, e, e.Member)
			}
		}
	})
	if total < 2000 {
		t.Errorf("only %d violations were made", total)
	}
}

func TestUnbuiltNamesTheOperation(t *testing.T) {
	eachOperation(t, func(t *testing.T, s *service, op api.Operation) {
		r, err := s.requests.Minimal(op.Name)
		if err != nil {
			t.Fatal(err)
		}
		req, err := op.Decode(r.Input())
		if err != nil {
			t.Fatal(err)
		}
		_, err = op.Call(t.Context(), req)
		var e *api.Error
		if !errors.As(err, &e) || e.Status != 503 || e.Type != "ServiceUnavailableException" || !strings.Contains(e.Message, op.Name) {
			t.Errorf("got %v", err)
		}
	})
}
