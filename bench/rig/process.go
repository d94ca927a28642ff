//go:build linux

package rig

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPUTime is what the process has used of the processors, as user and as system.
func CPUTime(pid int) (time.Duration, error) {
	// clock_getcpuclockid(3) makes the clock of a process so.
	const scheduled = 2
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|scheduled, &used); err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	return time.Duration(used.Nano()), nil
}

// ResidentBytes is the memory of the process that is in RAM.
func ResidentBytes(pid int) (float64, error) { return statusBytes(pid, "VmRSS") }

// PeakBytes is the most that it was so far.
func PeakBytes(pid int) (float64, error) { return statusBytes(pid, "VmHWM") }

func statusBytes(pid int, name string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return parseStatus(string(text), name)
}

func parseStatus(status, name string) (float64, error) {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kib * 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/<pid>/status has no %s", name)
}

// ProportionalBytes is the memory of the process in RAM, with its part of what it shares with others.
func ProportionalBytes(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	return parseStatus(string(text), "Pss")
}

// Family are the process and its descendants.
func Family(pid int) ([]int, error) {
	family := []int{pid}
	for i := 0; i < len(family); i++ {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", family[i]))
		if err != nil {
			if i == 0 {
				return nil, err
			}
			continue // it ended meanwhile
		}
		for _, task := range tasks {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", family[i], task.Name()))
			for field := range strings.FieldsSeq(string(text)) {
				if child, err := strconv.Atoi(field); err == nil {
					family = append(family, child)
				}
			}
		}
	}
	return family, nil
}

// Runs reports whether there is a process that has not ended, be its end noticed or not.
func Runs(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(state, "Z")
}
