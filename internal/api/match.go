package api

import "errors"

// Matches reports whether the error is an answer of this kind.
func (x Exception) Matches(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Type == x.Type
}
