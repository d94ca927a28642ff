// Package access turns a verified signature into a principal and answers whether that principal
// may call an operation on the resources it names. Everything is refused unless a policy allows
// it.
//
// Principals are the root key of the settings, which may do everything that IAM decides about;
// IAM users by their stored access keys; sessions of roles and users, whose temporary credentials
// carry all that is known about them in a sealed session token; and, for the chat page of dev
// mode, sessions of one app instance user with a policy that is built in.
//
// What it promises:
//
//   - A session lives no longer than its role or user: one that was deleted, or deleted and made
//     again under the same name, ends it.
//   - An open connection lives no longer either: it goes on while a request of its credentials would
//     be let in. One function decides about both, and the hub calls it within a second of a change of
//     the account (Standing, Reconnect).
//   - What the account holds is read once for each principal and then remembered, until Forget.
//     The very next request after that sees the change.
//   - A decision is remembered only when the same question always has the same answer for that
//     principal. Whatever depends on the time, the address, tags of resources or the request
//     itself is decided again each time.
//   - An operation that was allowed before is allowed again without an allocation or a lock.
//   - A refusal names principal, action, resource, and the statement that denies, or that none
//     allows.
//
// The roles of the service (admin, moderator, member) are a second, separate check, made by the
// services.
package access
