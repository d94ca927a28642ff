package pebble

import (
	"encoding/hex"
	"slices"
	"testing"
)

func TestZZ(t *testing.T) {
	whole := killed(t)
	name := newest(t, whole, ".log")
	content := readFile(t, whole, name)
	n := 0
	for i := 98304 - 900; i < 98304+900; i++ {
		disk := copyOf(t, whole)
		broken := slices.Clone(content)
		broken[i] ^= 0x10
		writeFile(t, disk, name, broken)
		if err := openAndRead(disk); err == nil {
			n++
			t.Log(i, i-98304)
		}
	}
	t.Log(n)
	t.Log("\n" + hex.Dump(content[98304-64:98304+200]))
}
