package channel

import (
	"context"
	"errors"

	"github.com/carillon-chat/carillon/internal/channel/occupancy"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// An elastic channel that was made before occupancy was kept apart has the numbers of members in the
// records of its sub-channels, of which there may be thousands. The first call that changes the channel
// adopts them, a piece in each transaction. No other call changes the channel meanwhile: it goes on with
// the adoption first.

// errAdopt ends a transaction of a service that acts by itself on a channel that is to be adopted first.
var errAdopt = errors.New("channel: the sub-channels are to be adopted first")

// adopt does the next piece. done is false when more are left.
func (s *Service) adopt(tx store.Tx, v *Visit) (done bool, err error) {
	if v.Channel.Elastic == nil || v.Channel.Elastic.Adopted {
		return true, nil
	}
	seats, err := v.seats(tx)
	if err != nil {
		return false, err
	}
	if done, err = seats.Adopt(tx, s.most()); err != nil || !done {
		return false, err
	}
	v.Channel.Elastic.Adopted = true
	return true, v.save(tx)
}

// adoptWhole adopts all sub-channels of a channel.
func (s *Service) adoptWhole(ctx context.Context, app string, at chime.ChannelEntry) error {
	for done := false; !done; {
		err := s.turns.Update(ctx, app, func(tx store.Tx) (err error) {
			v := s.visitOf(app, "", at)
			var found bool
			if v.Channel, found, err = channelAt(tx, app, at); err != nil || !found {
				done = true
				return err
			}
			done, err = s.adopt(tx, v)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// seats are the numbers of members of the sub-channels.
func (v *Visit) seats(r store.Reader) (*occupancy.Occupancy, error) {
	return occupancy.Of(r, v.Prefix(), v.Channel.Elastic.TargetMemberships)
}
