package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Effect is what a matching statement does.
type Effect string

// The two effects.
const (
	Allow Effect = "Allow"
	Deny  Effect = "Deny"
)

// Document is a policy.
type Document struct {
	Version    string
	ID         string
	Statements []Statement
}

// Statement is one rule of a policy. Actions and Resources are patterns: * stands for any
// text, ? for any one character. Actions match without regard to case, resources exactly.
type Statement struct {
	Sid       string
	Effect    Effect
	Actions   []string
	Resources []string
}

// MaxDocumentSize is the most bytes of a policy document that Parse reads.
const MaxDocumentSize = 6144

// Parse reads a policy document. Unknown elements and versions are errors.
func Parse(text []byte) (*Document, error) {
	if len(text) > MaxDocumentSize {
		return nil, fmt.Errorf("the policy is longer than %d bytes", MaxDocumentSize)
	}
	var raw struct {
		Version   string
		ID        string `json:"Id"`
		Statement oneOrMore[statementText]
	}
	if err := strict(text, &raw); err != nil {
		return nil, fmt.Errorf("the policy cannot be read: %w", err)
	}
	if raw.Version != "2012-10-17" && raw.Version != "2008-10-17" {
		return nil, fmt.Errorf("the policy's Version is %q, not 2012-10-17", raw.Version)
	}
	if len(raw.Statement) == 0 {
		return nil, errors.New("the policy has no Statement")
	}
	doc := &Document{Version: raw.Version, ID: raw.ID}
	for i, s := range raw.Statement {
		st := Statement{Sid: s.Sid, Effect: s.Effect, Actions: s.Action, Resources: s.Resource}
		if err := st.check(); err != nil {
			return nil, fmt.Errorf("statement %d of the policy %w", i+1, err)
		}
		doc.Statements = append(doc.Statements, st)
	}
	return doc, nil
}

type statementText struct {
	Sid      string
	Effect   Effect
	Action   oneOrMore[string]
	Resource oneOrMore[string]
}

func (s Statement) check() error {
	switch {
	case s.Effect != Allow && s.Effect != Deny:
		return fmt.Errorf("has Effect %q, not Allow or Deny", s.Effect)
	case len(s.Actions) == 0:
		return errors.New("has no Action")
	case len(s.Resources) == 0:
		return errors.New("has no Resource")
	}
	return nil
}

// oneOrMore is a list that may be written as its only element.
type oneOrMore[T any] []T

func (l *oneOrMore[T]) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("[")) {
		return strict(text, (*[]T)(l))
	}
	var one T
	if err := strict(text, &one); err != nil {
		return err
	}
	*l = []T{one}
	return nil
}

func strict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the document")
	}
	return nil
}
