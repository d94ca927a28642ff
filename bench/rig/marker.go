package rig

import (
	"bytes"
	"fmt"
	"strconv"
)

// Marker distinguishes frames. It survives any encoding as JSON.
func Marker(i int64) string { return fmt.Sprintf("#%08d#", i) }

// MarkedBy finds the marker in a frame; -1 when there is none.
func MarkedBy(frame []byte) int64 {
	at := bytes.IndexByte(frame, '#')
	if at < 0 || len(frame) < at+10 || frame[at+9] != '#' {
		return -1
	}
	n, err := strconv.ParseInt(string(frame[at+1:at+9]), 10, 64)
	if err != nil {
		return -1
	}
	return n
}
