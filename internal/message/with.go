package message

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/store"
)

// With takes part in the transaction of a send or an edit, after it, with the id of the message: what it
// writes is committed together with the message, and its error undoes both. It may be called more than
// once, as the function of store.Update.
type With func(tx store.Tx, id string) error

// SendWith sends a persistent message as SendChannelMessage does, together with what the caller writes.
// Since the caller knows from its own records whether it has sent, the client request token is not
// looked at.
func (s *Service) SendWith(ctx context.Context, req *messaging.SendChannelMessageRequest, with With) (id string, err error) {
	if err := checkSend(req); err != nil {
		return "", err
	}

	var entered *entry
	err = s.updateBy(ctx, sender, "SendChannelMessage", req.ChimeBearer, req.ChannelARN, req.SubChannelID, func(tx store.Tx, v *channel.Visit) (err error) {
		entered = nil
		if err := requireSender(v, req); err != nil {
			return err
		}
		if id, entered, err = s.write(tx, v, req); err != nil {
			return err
		}
		return with(tx, id)
	})
	if err != nil {
		return "", err
	}
	s.entered(ctx, req.ChannelARN, entered)
	return id, nil
}
