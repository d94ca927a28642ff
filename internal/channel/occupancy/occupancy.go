// Package occupancy keeps how many members each sub-channel of an elastic channel has, so that a
// member costs a few reads and writes, however many sub-channels there are.
//
// The counts are the leaves of a tree, whose nodes are records. A node knows of each of its children
// the most members of a sub-channel with room and the fewest of any: so the fullest and the smallest
// are found from the root down, and a change writes one node of each level. Nodes are read by key
// alone: they are written with each member, and a scan would step over all their former versions.
//
// Sub-channels have numbers in the order of their creation, from 1. None is given twice.
package occupancy

import (
	"github.com/carillon-chat/carillon/internal/store"
)

// Occupancy is that of one channel, within one transaction or moment.
type Occupancy struct {
	channel store.Key
	target  int
	numbers uint64 // given so far
}

// Of is the occupancy of the channel with the prefix, whose sub-channels have room for target members
// each.
func Of(r store.Reader, channel store.Key, target int) (*Occupancy, error) {
	o := &Occupancy{channel: channel, target: target}
	var err error
	o.numbers, _, err = store.Counts.Get(r, o.given())
	return o, err
}

// given is the key of how many numbers were given.
func (o *Occupancy) given() store.Key { return o.prefix().Str("numbers of sub-channels") }

// prefix is the key of the channel, to be extended.
func (o *Occupancy) prefix() store.Key {
	return append(make(store.Key, 0, len(o.channel)+32), o.channel...)
}

// Sub is a sub-channel. The number is zero when there is none of the kind that was looked for.
type Sub struct {
	Number uint64
	ID     string
}

// Sub is the sub-channel with a number.
func (o *Occupancy) Sub(r store.Reader, number uint64) (Sub, error) {
	if number == 0 {
		return Sub{}, nil
	}
	id, _, err := store.SubChannelNumbers.Get(r, o.prefix().Num(number))
	return Sub{number, id}, err
}

// After is the oldest sub-channel of those with higher numbers.
func (o *Occupancy) After(r store.Reader, number uint64) (next Sub, err error) {
	list := store.Prefix(o.channel)
	list.From = o.prefix().Num(number + 1)
	err = store.SubChannelNumbers.Each(r, list, func(key store.Key, id string) (bool, error) {
		number, err := key.LastNumber()
		next = Sub{number, id}
		return false, err
	})
	return next, err
}

// Add gives a number to a new sub-channel, which has no members.
func (o *Occupancy) Add(tx store.Tx, id string) (number uint64, err error) {
	top := levels(o.numbers)
	o.numbers++
	if err := store.Counts.Put(tx, o.given(), o.numbers); err != nil {
		return 0, err
	}
	if err := store.SubChannelNumbers.Put(tx, o.prefix().Num(o.numbers), id); err != nil {
		return 0, err
	}

	// A root that is full becomes the first child of a new one.
	if levels(o.numbers) > top {
		root, err := o.node(tx, top-1, 0)
		if err != nil {
			return 0, err
		}
		above := make(node, nodeSize)
		above.set(0, root.extremes())
		if err := o.put(tx, top, 0, above); err != nil {
			return 0, err
		}
	}
	return o.numbers, o.set(tx, o.numbers, o.leaf(0))
}

// Change adds to the number of members of a sub-channel.
func (o *Occupancy) Change(tx store.Tx, number uint64, delta int) error {
	members, err := o.Members(tx, number)
	if err != nil {
		return err
	}
	return o.set(tx, number, o.leaf(members+delta))
}

// Remove forgets a sub-channel.
func (o *Occupancy) Remove(tx store.Tx, number uint64) error {
	if err := store.SubChannelNumbers.Delete(tx, o.prefix().Num(number)); err != nil {
		return err
	}
	return o.set(tx, number, extremes{})
}

// Members is the number of members of a sub-channel.
func (o *Occupancy) Members(r store.Reader, number uint64) (int, error) {
	index, child := place(number)
	n, err := o.node(r, 0, index)
	return max(n.at(child).smallest, 1) - 1, err
}

// Fullest finds the sub-channel with the most members of those with room for one more, the oldest of
// equals, and for how many more it has room.
func (o *Occupancy) Fullest(r store.Reader) (sub Sub, room int, err error) {
	number, found, err := o.descend(r, node.fullest)
	if err == nil {
		sub, err = o.Sub(r, number)
	}
	return sub, o.target - (found.fullest - 1), err
}

// Smallest finds the sub-channel with the fewest members, the youngest of equals.
func (o *Occupancy) Smallest(r store.Reader) (sub Sub, members int, err error) {
	number, found, err := o.descend(r, node.smallest)
	if err == nil {
		sub, err = o.Sub(r, number)
	}
	return sub, found.smallest - 1, err
}

// descend follows the child that choose names from the root down, until it names none or a sub-channel.
func (o *Occupancy) descend(r store.Reader, choose func(node) int) (number uint64, found extremes, err error) {
	var index uint64
	for level := levels(o.numbers) - 1; level >= 0; level-- {
		n, err := o.node(r, level, index)
		if err != nil {
			return 0, extremes{}, err
		}
		child := choose(n)
		if child < 0 {
			return 0, extremes{}, nil
		}
		index, found = index*fanout+uint64(child), n.at(child)
	}
	return index + 1, found, nil
}

// FullestFor is Fullest among those with room for so many more, but for the sub-channel with the number
// except. It may look at all of them: it is asked when two are merged, which most members do not cause.
func (o *Occupancy) FullestFor(r store.Reader, more int, except uint64) (Sub, error) {
	s := search{Occupancy: o, most: o.target - more, except: except}
	if err := s.below(r, levels(o.numbers)-1, 0); err != nil {
		return Sub{}, err
	}
	return o.Sub(r, s.number)
}

// search looks for the fullest sub-channel with no more than most members.
type search struct {
	*Occupancy
	most   int
	except uint64

	number  uint64 // of the best so far, zero for none
	members int
}

func (s *search) below(r store.Reader, level int, index uint64) error {
	n, err := s.node(r, level, index)
	for child := 0; child < fanout && err == nil; child++ {
		e, at := n.at(child), index*fanout+uint64(child)
		if e.smallest == 0 || e.smallest-1 > s.most {
			continue
		}
		// What is no better than the best so far is younger, and does not win. Extremes say nothing
		// of full ones, which count when no room is asked for.
		best := s.most
		switch {
		case level == 0:
			best = e.smallest - 1
		case s.most < s.target:
			best = min(best, max(e.fullest, e.smallest)-1)
		}
		if s.number > 0 && best <= s.members {
			continue
		}

		switch {
		case level > 0:
			err = s.below(r, level-1, at)
		case at+1 != s.except:
			s.number, s.members = at+1, e.smallest-1
		}
	}
	return err
}

// set writes what is known of a sub-channel, and what follows from that in the nodes above.
func (o *Occupancy) set(tx store.Tx, number uint64, e extremes) error {
	index, child := place(number)
	for level := range levels(o.numbers) {
		n, err := o.node(tx, level, index)
		if err != nil {
			return err
		}
		before := n.extremes()
		n.set(child, e)
		if e = n.extremes(); e == (extremes{}) {
			err = store.Occupancies.Delete(tx, o.key(level, index))
		} else {
			err = o.put(tx, level, index, n)
		}
		if err != nil || e == before {
			return err
		}
		child, index = int(index%fanout), index/fanout
	}
	return nil
}

// leaf is what is known of a sub-channel with so many members.
func (o *Occupancy) leaf(members int) extremes {
	e := extremes{smallest: members + 1}
	if members < o.target {
		e.fullest = members + 1
	}
	return e
}

// node reads a node, an empty one when there is none.
func (o *Occupancy) node(r store.Reader, level int, index uint64) (node, error) {
	n, found, err := store.Occupancies.Get(r, o.key(level, index))
	if err != nil || !found || len(n) != nodeSize {
		return make(node, nodeSize), err
	}
	return n, nil
}

func (o *Occupancy) put(tx store.Tx, level int, index uint64, n node) error {
	return store.Occupancies.Put(tx, o.key(level, index), n)
}

func (o *Occupancy) key(level int, index uint64) store.Key {
	return o.prefix().Num(uint64(level)).Num(index)
}

// levels is how many levels the tree has for so many numbers.
func levels(numbers uint64) (n int) {
	for n = 1; numbers > fanout; n++ {
		numbers = (numbers + fanout - 1) / fanout
	}
	return n
}

// place is the lowest node that has a number, and the child that it is there.
func place(number uint64) (index uint64, child int) {
	return (number - 1) / fanout, int((number - 1) % fanout)
}
