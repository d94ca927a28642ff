// Package iam decides whether a policy allows an action on a resource, as AWS IAM does: an
// explicit deny wins, an allow is needed, everything else is refused. It is pure.
//
// Documents hold Version, Id, Statement, Sid, Effect, Action and Resource. Any other element
// is refused when the document is read, so that no policy is ever enforced in part.
package iam
