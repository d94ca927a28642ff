package main

import (
	"fmt"
	"runtime"
	"testing"
)

func TestUsesTwoProcessorsAtLeast(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, tc := range []struct {
		said      string
		has, want int
	}{{"", 1, 2}, {"1", 1, 1}, {"", 2, 2}, {"", 3, 3}} {
		t.Run(fmt.Sprint(tc), func(t *testing.T) {
			t.Setenv("GOMAXPROCS", tc.said)
			runtime.GOMAXPROCS(tc.has)
			useTwoProcessors()
			if n := runtime.GOMAXPROCS(0); n != tc.want {
				t.Errorf("%d, want %d", n, tc.want)
			}
		})
	}
}
