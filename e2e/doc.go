// Package e2e runs the built program as a person does, by scripts that readers without Go
// understand: see testdata/script.
package e2e
