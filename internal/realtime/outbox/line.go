package outbox

// MaxLine bounds a line, in bytes: about as much as the kernel takes of one write. Longer ones gain nothing.
const MaxLine = 128 << 10

// LineUp makes a line of frames that nothing else has yet: their bytes lie one behind the other in memory. A
// transport writes the frames of a line at once without a copy of its own, so all receivers share it. The
// caller sees that it is no longer than MaxLine.
func LineUp(frames []*Frame) {
	line := make([]byte, 0, size(frames))
	for _, f := range frames {
		start := len(line)
		line = append(line, f.Bytes...)
		f.Bytes = line[start:] // its capacity goes on to the end of the line
	}
}

// Extend returns piece with next at its end, if next lies right behind it in a line.
func Extend(piece, next []byte) (longer []byte, ok bool) {
	end := len(piece)
	if len(next) == 0 || cap(piece)-end < len(next) || &piece[:end+1][end] != &next[0] {
		return piece, false
	}
	return piece[:end+len(next)], true
}
