//go:build linux

// Package cputime measures for benchmarks how much of the processors was used. That moves less than time does
// when other programs use the machine.
package cputime

import (
	"syscall"
	"testing"
	"time"
)

// Process returns what the process has used so far, in user and system mode, with all of its threads.
func Process(t testing.TB) time.Duration {
	t.Helper()
	return used(t, syscall.RUSAGE_SELF)
}

// Thread returns what the calling thread has used so far. It means something while the goroutine is locked to
// its thread.
func Thread(t testing.TB) time.Duration {
	t.Helper()
	return used(t, syscall.RUSAGE_THREAD)
}

func used(t testing.TB, by int) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(by, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
