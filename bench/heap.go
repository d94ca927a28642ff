//go:build linux

package main

import (
	"context"
	"fmt"
	"math"
	"strings"
)

// sessionPackages allocate what the node holds for sessions: queues, frames, connections.
var sessionPackages = []string{"/internal/realtime.", "/internal/wsconn."}

// sessionBytes is how much of the heap was allocated by those, after a collection. It is an
// estimate: the runtime samples one allocation in 512 KiB.
func (n *node) sessionBytes(ctx context.Context) (float64, error) {
	text, err := n.get(ctx, "/debug/pprof/heap?gc=1&debug=1")
	if err != nil {
		return 0, err
	}
	return allocatedBy(string(text), sessionPackages)
}

// allocatedBy sums what the heap profile, in its text form, has from functions whose names contain
// any of the words.
func allocatedBy(profile string, words []string) (sum float64, err error) {
	var twice float64 // the sampling rate, as the header has it
	head, rest, _ := strings.Cut(profile, "\n")
	if _, err := fmt.Sscanf(head[strings.LastIndexByte(head, '@')+1:], " heap/%f", &twice); err != nil {
		return 0, fmt.Errorf("the heap profile begins with %q: %w", head, err)
	}
	for record := range strings.SplitSeq(rest, "\n\n") {
		var count, bytes float64
		named := strings.Contains(record, "\n#\t") // a record of a stack
		if !named || !containsAny(record, words) {
			continue
		}
		if _, err := fmt.Sscanf(record, "%f: %f", &count, &bytes); err != nil {
			return 0, fmt.Errorf("a record of the heap profile is %q: %w", record, err)
		}
		if count > 0 {
			sum += bytes / (1 - math.Exp(-bytes/count/(twice/2)))
		}
	}
	return sum, nil
}

func containsAny(text string, words []string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}
