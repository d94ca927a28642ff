package store

import "github.com/carillon-chat/carillon/internal/chime"

// Body makes the payload of an event that carries what the sender of a message wrote, from the message
// as it is in the moment of the Reader: the log keeps none, and what was in memory may have been
// withdrawn. See chime.Event.
type Body func(Reader, *chime.Event) ([]byte, error)

// Complete puts events with payloads in the place of those that lack theirs, or with anew set, of all
// that carry content. Events are shared, so it changes the list and none of them.
func (b Body) Complete(r Reader, events []*chime.Event, anew bool) error {
	for i, e := range events {
		if !e.LacksContent() && !(anew && e.TellsContent()) {
			continue
		}
		complete := *e
		var err error
		if complete.Payload, err = b(r, e); err != nil {
			return err
		}
		events[i] = &complete
	}
	return nil
}
