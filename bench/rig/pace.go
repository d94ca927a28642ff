//go:build linux

package rig

import (
	"context"
	"runtime"
	"syscall"
	"time"
)

const prSetTimerSlack = 29 // of prctl(2)

// Pace calls f at a steady rate, with the time when the call was due, until time is up or ctx
// ends. It does so from a thread of its own: timers of the runtime are late by up to a
// millisecond.
func Pace(ctx context.Context, rate float64, duration time.Duration, most int, f func(i int, due time.Time) error) error {
	runtime.LockOSThread() // never unlocked, so that the thread with its slack ends
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetTimerSlack, 1, 0)
	start := time.Now()
	for i := range min(most, int(rate*duration.Seconds())) {
		due := start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			t := syscall.NsecToTimespec(int64(wait))
			_ = syscall.Nanosleep(&t, nil) // interrupted: a little early
		}
		if ctx.Err() != nil {
			return nil
		}
		if err := f(i, due); err != nil {
			return err
		}
	}
	return nil
}
