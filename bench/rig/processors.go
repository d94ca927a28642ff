//go:build linux

package rig

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

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

func processorSet(processors []int) (set unix.CPUSet) {
	for _, p := range processors {
		set.Set(p)
	}
	return set
}
