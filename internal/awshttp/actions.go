package awshttp

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/carillon-chat/carillon/internal/api"
)

// action names an operation of POST /: of the query protocol by version and
// Action, of the json protocol by X-Amz-Target. The other field is empty.
type action struct{ version, name, target string }

type actions map[action]*api.Operation

func (t actions) add(op *api.Operation) error {
	key := action{target: op.Target}
	if op.Protocol == api.Query {
		key = action{version: version(op), name: op.Name}
	}
	if key == (action{}) {
		return errors.New("the operation has no target")
	}
	if other := t[key]; other != nil {
		return fmt.Errorf("%s of %s has the same action", other.Name, other.Service)
	}
	t[key] = op
	return nil
}

func (t actions) find(x *exchange) (*api.Operation, error) {
	if x.formErr != nil {
		return nil, x.formErr
	}
	key := x.action()
	if op := t[key]; op != nil {
		return op, nil
	}
	if x.fallback.Protocol == api.JSON {
		return nil, unknownOperation(http.StatusBadRequest, "no operation has the X-Amz-Target "+quote(key.target))
	}
	return nil, &api.Error{Type: "InvalidAction", Code: "InvalidAction", Status: http.StatusBadRequest,
		Message: fmt.Sprintf("there is no action %s of version %s", quote(key.name), quote(key.version))}
}

// version is the API version of an operation of the query protocol, which ends
// its XML namespace: https://sts.amazonaws.com/doc/2011-06-15/.
func version(op *api.Operation) string { return path.Base(op.Namespace) }

// fallbackOps stand for the operation of a request that belongs to none, so that
// its error has the shape of its protocol.
type fallbackOps struct {
	rest, json *api.Operation
	query      map[string]*api.Operation // by version
	noVersion  *api.Operation
}

const unknownName = "unknown"

func newFallbackOps(operations []api.Operation) *fallbackOps {
	s := &fallbackOps{
		rest:      &api.Operation{Name: unknownName, SigningName: "chime", Protocol: api.RESTJSON},
		json:      &api.Operation{Name: unknownName, SigningName: "cognito-identity", Protocol: api.JSON},
		query:     map[string]*api.Operation{},
		noVersion: &api.Operation{Name: unknownName, Protocol: api.Query, Namespace: "https://sts.amazonaws.com/doc/2011-06-15/"},
	}
	for i := range operations {
		if op := &operations[i]; op.Protocol == api.Query {
			s.query[version(op)] = &api.Operation{Name: unknownName, SigningName: op.SigningName, Protocol: api.Query, Namespace: op.Namespace}
		}
	}
	return s
}

// of returns the fallback for a request whose body is not known yet.
func (s *fallbackOps) of(r *http.Request) *api.Operation {
	switch protocol(r) {
	case api.JSON:
		return s.json
	case api.Query:
		return s.noVersion
	}
	return s.rest
}

// ofVersion returns the fallback for a form of that version.
func (s *fallbackOps) ofVersion(version string) *api.Operation {
	if op := s.query[version]; op != nil {
		return op
	}
	return s.noVersion
}

// protocol returns the protocol of a request: what is posted to / is a target or a
// form, everything else is REST.
func protocol(r *http.Request) api.Protocol {
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/" && r.URL.Path != "": // empty in http://host
		return api.RESTJSON
	case len(r.Header["X-Amz-Target"]) > 0:
		return api.JSON
	case strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "application/x-www-form-urlencoded"):
		return api.Query
	}
	return api.RESTJSON
}
