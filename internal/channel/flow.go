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

	if err := store.Remove(tx, v.flowRows()...); err != nil {
		return err
	}
	v.Channel.Flow = id
	if err := store.Insert(tx, v.flowRows()...); err != nil {
		return err
	}
	return v.save(tx)
}
