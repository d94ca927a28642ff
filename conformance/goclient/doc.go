// Package goclient tests the Go SDK, which is a module of its own, against scripted servers and
// against the node, and shows how it is used.
package goclient
