// Package model holds the models of the APIs and reads them. Only the
// generator and tests use it; the server runs on the generated code.
package model

import (
	"embed"
	"encoding/json"
	"fmt"
	"reflect"
)

//go:embed *.json
var files embed.FS

// Services are the models in the order in which they are generated.
var Services = []string{"chime-sdk-messaging", "chime-sdk-identity", "sts", "iam", "cognito-identity", "carillon"}

// additions are files with more operations of a service, beside the copy of its own model that is
// not edited.
var additions = map[string][]string{"iam": {"iam-tools"}, "carillon": {"carillon-person"}}

// Model is one API.
type Model struct {
	Format     int
	Service    string
	Metadata   Metadata
	Operations map[string]*Operation
	Shapes     map[string]*Shape
}

// Metadata describes the API as a whole.
type Metadata struct {
	Protocol     string
	SigningName  string
	XMLNamespace string `json:"xmlNamespace"`
	TargetPrefix string
}

// Operation is one operation. Input and Output are shape names and may be
// empty.
type Operation struct {
	Method, Path     string
	Query            map[string]string
	Status           int
	Unsigned         bool
	Input, Output    string
	ResultWrapper    string
	IdempotencyToken string
	Pagination       *Pagination
	Errors           []string
}

// Pagination names the members that page through a list.
type Pagination struct {
	Input, Output, Limit string
	Items                []string
}

// Shape is a type with its constraints.
type Shape struct {
	Type      string
	Members   []Member
	Member    Ref // element of a list
	Key       Ref // of a map
	Value     Ref // of a map
	Enum      []string
	Min, Max  *int
	Pattern   string
	Sensitive bool
	Union     bool
	Error     *Fault
}

// Fault makes a structure an exception.
type Fault struct {
	Code   string
	Status int
	Fault  string // client or server
}

// Member is a member of a structure.
type Member struct {
	Name, Shape      string
	Required         bool
	Location         string // uri, querystring, header; empty for the body
	LocationName     string
	IdempotencyToken bool
	TimestampFormat  string
}

// Wire is the member's name where it travels.
func (m Member) Wire() string {
	if m.LocationName != "" {
		return m.LocationName
	}
	return m.Name
}

// Ref is a shape's name. The format also allows an element with a name of its
// own on the wire; no model has one, and reading refuses it.
type Ref string

// Load reads the model of a service, and what is added to it.
func Load(service string) (*Model, error) {
	m, err := read(service)
	if err != nil {
		return nil, err
	}
	for _, file := range additions[service] {
		more, err := read(file)
		if err != nil {
			return nil, err
		}
		if err := m.add(more); err != nil {
			return nil, fmt.Errorf("model %s: %w", file, err)
		}
	}
	return m, nil
}

func read(file string) (*Model, error) {
	data, err := files.ReadFile(file + ".json")
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", file, err)
	}
	m := new(Model)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("model %s: %w", file, err)
	}
	if m.Format != 1 {
		return nil, fmt.Errorf("model %s: format %d, want 1", file, m.Format)
	}
	return m, nil
}

// add puts the operations of another file into the model. A shape may be in both when it is the
// same; nothing of the model is replaced.
func (m *Model) add(more *Model) error {
	if more.Service != m.Service || more.Metadata != m.Metadata {
		return fmt.Errorf("is of another service than %s", m.Service)
	}
	for name, op := range more.Operations {
		if m.Operations[name] != nil {
			return fmt.Errorf("the operation %s is in both", name)
		}
		m.Operations[name] = op
	}
	for name, shape := range more.Shapes {
		if own := m.Shapes[name]; own != nil && !reflect.DeepEqual(own, shape) {
			return fmt.Errorf("the shape %s is another one in %s", name, m.Service)
		}
		m.Shapes[name] = shape
	}
	return nil
}
