package main

import (
	"fmt"
	"runtime/debug"
	"testing"
)

func TestRoomForGarbageDependsOnTheMemory(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	for _, tc := range []struct {
		said   string
		memory uint64
		want   int
	}{{"", 0, 100}, {"", roomyMemory - 1, 100}, {"", roomyMemory, 200}, {"100", roomyMemory, 100}, {"off", roomyMemory, 100}} {
		t.Run(fmt.Sprint(tc), func(t *testing.T) {
			t.Setenv("GOGC", tc.said)
			debug.SetGCPercent(100)
			useRoomForGarbage(tc.memory)
			if got := debug.SetGCPercent(100); got != tc.want {
				t.Errorf("%d, want %d", got, tc.want)
			}
		})
	}
}
