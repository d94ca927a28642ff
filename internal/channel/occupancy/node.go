package occupancy

import "encoding/binary"

// fanout is how many children a node has: the thousand sub-channels of a channel make two levels.
const fanout = 32

// node is a record: for each child the extremes below it, as two numbers of 32 bits.
type node []byte

const (
	childSize = 8
	nodeSize  = fanout * childSize
)

// extremes are those of some sub-channels, each one higher than it is, so that zero is none.
type extremes struct {
	fullest  int // the most members of a sub-channel with room for another
	smallest int // the fewest members of any
}

func (n node) at(child int) extremes {
	b := n[child*childSize:]
	return extremes{int(binary.BigEndian.Uint32(b)), int(binary.BigEndian.Uint32(b[4:]))}
}

func (n node) set(child int, e extremes) {
	b := n[child*childSize:]
	binary.BigEndian.PutUint32(b, uint32(e.fullest))
	binary.BigEndian.PutUint32(b[4:], uint32(e.smallest))
}

// fullest is the child with the fullest sub-channel that has room, the first of equals; -1 for none.
func (n node) fullest() int {
	best, most := -1, 0
	for child := range fanout {
		if e := n.at(child); e.fullest > most {
			best, most = child, e.fullest
		}
	}
	return best
}

// smallest is the child with the smallest sub-channel, the last of equals; -1 for none.
func (n node) smallest() int {
	best, fewest := -1, 0
	for child := range fanout {
		if e := n.at(child); e.smallest > 0 && (best < 0 || e.smallest <= fewest) {
			best, fewest = child, e.smallest
		}
	}
	return best
}

// extremes are those below the node.
func (n node) extremes() (e extremes) {
	if child := n.fullest(); child >= 0 {
		e.fullest = n.at(child).fullest
	}
	if child := n.smallest(); child >= 0 {
		e.smallest = n.at(child).smallest
	}
	return e
}
