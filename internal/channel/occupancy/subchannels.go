package occupancy

import (
	"cmp"
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Insert writes the rows of a new sub-channel, without members, and returns its number.
func (o *Occupancy) Insert(tx store.Tx, sub chime.SubChannel) (number uint64, err error) {
	if sub.Number, err = o.Add(tx, sub.ID); err != nil {
		return 0, err
	}
	return sub.Number, store.Insert(tx, o.rows(sub)...)
}

// Delete removes the rows of a sub-channel that Remove has forgotten.
func (o *Occupancy) Delete(tx store.Tx, sub chime.SubChannel) error {
	return store.Remove(tx, o.rows(sub)...)
}

// SubChannels is how many sub-channels the channel has.
func (o *Occupancy) SubChannels(r store.Reader) (int, error) {
	n, _, err := store.Counts.Get(r, o.counter().Key)
	return int(n), err
}

func (o *Occupancy) rows(sub chime.SubChannel) []store.Row {
	return []store.Row{
		store.SubChannels.Row(o.prefix().Str(sub.ID), sub),
		store.SubChannelsInOrder.Row(o.prefix().Num(sub.Order), sub.ID),
		o.counter(),
	}
}

func (o *Occupancy) counter() store.Counter {
	return store.Counter{Key: o.prefix().Str("sub-channels"), What: "sub-channels per channel"}
}

// Adopt takes the numbers of members of up to most sub-channels out of their records, where they were before
// there were numbers for sub-channels, the oldest first. done is false when more are left.
func (o *Occupancy) Adopt(tx store.Tx, most int) (done bool, err error) {
	var former []chime.SubChannel
	err = store.SubChannels.Each(tx, store.Prefix(o.channel), func(_ store.Key, sub chime.SubChannel) (bool, error) {
		if sub.Number == 0 {
			former = append(former, sub)
		}
		return true, nil
	})
	slices.SortFunc(former, func(a, b chime.SubChannel) int { return cmp.Compare(a.Order, b.Order) })

	for i := 0; i < min(len(former), most) && err == nil; i++ {
		members := former[i].Members
		former[i].Members = 0
		var number uint64
		if number, err = o.Insert(tx, former[i]); err == nil {
			err = o.Change(tx, number, members)
		}
	}
	return err == nil && len(former) <= most, err
}
