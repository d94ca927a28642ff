package channel

import (
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// SetFlow gives the channel the flow of that id, or none when the id is empty. Sockets are not
// notified (spec 4.4).
func (v *Visit) SetFlow(tx store.Tx, id string, now chime.Millis) error {
	e := v.event(chime.EventAssociateFlow, now, id, nil)
	if id == "" {
		e = v.event(chime.EventDisassociateFlow, now, v.Channel.Flow, nil)
	}
	if _, err := tx.Append(e); err != nil {
		return err
	}

	if err := v.unlinkFlow(tx); err != nil {
		return err
	}
	v.Channel.Flow = id
	if id != "" {
		if err := store.FlowChannels.Put(tx, v.flowKey(), v.entry()); err != nil {
			return err
		}
	}
	return v.save(tx)
}

// unlinkFlow takes the channel off the list of its flow, if it has one.
func (v *Visit) unlinkFlow(tx store.Tx) error {
	if v.Channel.Flow == "" {
		return nil
	}
	return store.FlowChannels.Delete(tx, v.flowKey())
}

// flowKey is the channel's key in the list of its flow, in order of the channels' creation.
func (v *Visit) flowKey() store.Key {
	return store.K(v.Actor.App, v.Channel.Flow).Num(v.Channel.Order).Str(v.Channel.UID)
}
