package main

import (
	"io/fs"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// memory is how much the process may have, in bytes: that of the machine, or less by the limits of its control
// groups. It is 0 where it is not known. root is the file system.
func memory(root fs.FS) uint64 {
	var machine unix.Sysinfo_t
	if unix.Sysinfo(&machine) != nil {
		return 0
	}
	bytes := uint64(machine.Totalram) * uint64(machine.Unit)

	// A group is limited by those around it, too. A container sees its own as the root.
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		group, unified := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !unified {
			continue
		}
		for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
			bytes = min(bytes, limit(root, path.Join("sys/fs/cgroup", dir, "memory.max")))
			if dir == "/" {
				break
			}
		}
	}
	return min(bytes, limit(root, "sys/fs/cgroup/memory/memory.limit_in_bytes")) // of version 1
}

// limit reads a limit of bytes; without one it is the greatest number.
func limit(root fs.FS, file string) uint64 {
	const none = 1<<64 - 1
	text, err := fs.ReadFile(root, file)
	if err != nil {
		return none
	}
	bytes, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil { // "max"
		return none
	}
	return bytes
}
