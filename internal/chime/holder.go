package chime

// Holder is one of the successive users, or the bot, of an id: the id of a deleted user is free for
// the next. The zero Holder holds nothing.
type Holder struct {
	Ref     Ref
	Since   uint64 // position of the log of its creation
	Created Millis
}

// Held reports whether the holder had its id already when a record was written that names the id:
// after a position of the log or, where the record has none, at a time. A record names a user by the
// id alone, so that its Ref means a caller only where this is true.
func (h Holder) Held(after uint64, at Millis) bool {
	switch {
	case h.Since == 0:
		return false
	case after == 0:
		return at >= h.Created
	}
	return after >= h.Since
}

// Sent reports whether the holder sent the message, and not a former holder of its id.
func (h Holder) Sent(m *Message) bool { return m.Sender == h.Ref && h.Held(m.After, m.Created) }

// Addressed reports whether the message is targeted to the holder, and not to a former holder of
// its id.
func (h Holder) Addressed(m *Message) bool { return m.Target == h.Ref && h.Held(m.After, m.Created) }
