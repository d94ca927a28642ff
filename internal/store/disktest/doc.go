// Package disktest makes disks for tests: small ones, and such that are nearly full. Mounting one
// needs root; a test that cannot have one is skipped and says so.
package disktest
