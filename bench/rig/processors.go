//go:build linux

package rig

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// On runs f on the processors, and so the processes that f starts itself, which stay there.
func On(processors []int, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked, so that the thread ends with its processors
		set := processorSet(processors)
		err := unix.SchedSetaffinity(0, &set)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// StayOn keeps this process on the processors.
func StayOn(processors []int) error {
	// Threads that start later inherit the processors of the one that starts them.
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	set := processorSet(processors)
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err == nil {
			err = unix.SchedSetaffinity(id, &set)
		}
		if err != nil && err != unix.ESRCH { // ended meanwhile
			return fmt.Errorf("processors %v: %w", processors, err)
		}
	}
	return nil
}

// BusyTime is how long the processors have worked for any process, together, to 10 ms for each.
func BusyTime(processors []int) (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	var busy time.Duration
	for line := range strings.Lines(string(text)) {
		var n int
		var user, nice, system int64
		_, err := fmt.Sscanf(line, "cpu%d %d %d %d", &n, &user, &nice, &system)
		if err == nil && slices.Contains(processors, n) {
			busy += time.Duration(user+nice+system) * time.Second / clockTicks
		}
	}
	return busy, nil
}

// The tick of /proc/stat is the same on every Linux that Go runs on.
const clockTicks = 100

func processorSet(processors []int) (set unix.CPUSet) {
	for _, p := range processors {
		set.Set(p)
	}
	return set
}
