// Package access turns a verified signature into a principal and answers whether that
// principal may call an operation on the resources it names. Everything is refused unless a
// policy allows it.
//
// There are two kinds of principal: the root key, which may do everything that IAM decides
// about, and the session of one app instance user, whose temporary credentials carry all that
// is known about them in a sealed session token. The roles of the service (admin, moderator,
// member) are a second, separate check, made by the services.
package access
