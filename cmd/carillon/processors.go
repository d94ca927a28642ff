package main

import (
	"os"
	"runtime"
)

// useTwoProcessors has Go run on two threads at least, unless the operator says otherwise with
// GOMAXPROCS. On one, a sync of the disk holds up everything else, and the commits that it should have
// been shared with. More processors than that, and changes of their number, are left to Go.
func useTwoProcessors() {
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) < 2 {
		runtime.GOMAXPROCS(2)
	}
}
