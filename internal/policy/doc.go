// Package policy decides whether policies allow an action on a resource, as AWS IAM does: an
// explicit deny wins, every layer of a principal's limits must allow, everything else is refused.
// It is pure.
//
// Parse and ParseTrust read a document and prepare its matchers; anything that they do not
// understand is an error, so that no policy is ever enforced in part. A Set is everything that
// limits one principal; Set.Decide answers a question and says which statement decided.
// Documents are never changed after parsing and are safe for concurrent use, and so is a Set
// that is not changed.
//
// Where AWS's documentation leaves a case open, this package does the following:
//
//   - A key with several values under an operator without set prefix: a positive operator holds
//     when one of the values fits, a negated one when none does.
//   - A variable that has no value, or several: a Resource or the value of a positive operator
//     that holds it fits nothing; a NotResource or the value of a negated operator that holds it
//     makes the whole statement not match, whatever its effect.
//   - A value of the request that is no number, date, address or ARN is unlike every number, date,
//     address or ARN.
package policy
