package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// reader reads JSON token by token. It refuses members that come twice, and it never goes deeper
// than the elements it knows.
type reader struct {
	dec  *jsontext.Decoder
	text []byte
}

func newReader(text []byte) *reader {
	return &reader{dec: jsontext.NewDecoder(bytes.NewBuffer(text)), text: text}
}

// syntax describes what is wrong with the JSON.
func syntax(err error) error {
	var at *jsontext.SyntacticError
	switch {
	case errors.As(err, &at) && errors.Is(err, jsontext.ErrDuplicateName):
		where := string(at.JSONPointer.Parent())
		if where == "" {
			where = "the policy"
		}
		return fmt.Errorf("%q comes twice in %s", at.JSONPointer.LastToken(), where)
	case errors.As(err, &at):
		return fmt.Errorf("the policy is not valid JSON at byte %d: %w", at.ByteOffset, at.Err)
	default:
		return fmt.Errorf("the policy is not valid JSON: %w", err)
	}
}

func (r *reader) token() (jsontext.Token, error) {
	t, err := r.dec.ReadToken()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return t, syntax(err)
	}
	return t, nil
}

// object reads an object and calls member for each of its values.
func (r *reader) object(element string, member func(name string) error) error {
	if _, err := r.open(element); err != nil {
		return err
	}
	return r.members(member)
}

// open begins an object and returns at which byte.
func (r *reader) open(element string) (start int, err error) {
	if kind := r.dec.PeekKind(); kind != jsontext.KindBeginObject && kind != jsontext.KindInvalid {
		return 0, fmt.Errorf("%s is not an object", element)
	}
	_, err = r.token()
	return r.offset() - 1, err
}

func (r *reader) members(member func(name string) error) error {
	for r.dec.PeekKind() != jsontext.KindEndObject {
		name, err := r.token()
		if err != nil {
			return err
		}
		if err := member(name.String()); err != nil {
			return err
		}
	}
	_, err := r.token()
	return err
}

// each reads one value, or each value of a list.
func (r *reader) each(value func() error) error {
	if r.dec.PeekKind() != jsontext.KindBeginArray {
		return value()
	}
	if _, err := r.token(); err != nil {
		return err
	}
	for r.dec.PeekKind() != jsontext.KindEndArray {
		if err := value(); err != nil {
			return err
		}
	}
	_, err := r.token()
	return err
}

// string reads a string.
func (r *reader) string(element string) (string, error) {
	if kind := r.dec.PeekKind(); kind != jsontext.KindString && kind != jsontext.KindInvalid {
		return "", fmt.Errorf("%s is not a string", element)
	}
	t, err := r.token()
	if err != nil {
		return "", err
	}
	return t.String(), nil
}

// strings reads a string or a list of them.
func (r *reader) strings(element string) (list []string, err error) {
	err = r.each(func() error {
		s, err := r.string(element)
		list = append(list, s)
		return err
	})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%s is an empty list", element)
	}
	return list, err
}

// spans reads strings as well as where they are.
func (r *reader) spans(element string) (list []string, at []span, err error) {
	err = r.each(func() error {
		begin := r.offset()
		s, err := r.string(element)
		if err == nil { // before it are white space and one of [ : ,
			begin += bytes.IndexByte(r.text[begin:], '"')
			list, at = append(list, s), append(at, span{begin, r.offset()})
		}
		return err
	})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%s is an empty list", element)
	}
	return list, at, err
}

// scalars reads a string, number or boolean or a list of them, as text.
func (r *reader) scalars(element string) (list []string, err error) {
	err = r.each(func() error {
		switch r.dec.PeekKind() {
		case jsontext.KindString, jsontext.KindNumber, jsontext.KindTrue, jsontext.KindFalse, jsontext.KindInvalid:
			t, err := r.token()
			if err != nil {
				return err
			}
			list = append(list, t.String())
			return nil
		default:
			return fmt.Errorf("%s has a value that is no string, number or boolean", element)
		}
	})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%s has no value", element)
	}
	return list, err
}

// offset is where the last token ended.
func (r *reader) offset() int { return int(r.dec.InputOffset()) }

// end makes sure that nothing follows.
func (r *reader) end() error {
	if _, err := r.dec.ReadToken(); err == nil {
		return errors.New("something follows the policy")
	} else if err != io.EOF {
		return syntax(err)
	}
	return nil
}

// position counts lines up to a byte.
func position(text []byte, offset int) Position {
	before := text[:offset]
	return Position{
		Line:   1 + bytes.Count(before, []byte("\n")),
		Column: offset - bytes.LastIndexByte(before, '\n'),
	}
}

func (r *reader) isString() bool { return r.dec.PeekKind() == jsontext.KindString }
