package chime

// Topic is where an event takes place and where its audience is found: an app instance, a channel
// of it, or a sub-channel of an elastic channel. The zero Topic is the account.
type Topic struct {
	// App is the id of the app instance; empty for events of the account, and in records of the log,
	// whose keys begin with it.
	App string `cbor:"3,keyasint,omitempty"`
	// Channel is the UID of the channel; empty for events of a user or an app instance.
	Channel string `cbor:"4,keyasint,omitempty"`
	// Sub is the id of the sub-channel; empty for the whole channel.
	Sub string `cbor:"5,keyasint,omitempty"`
}

// Whole is the topic of the channel that a sub-channel belongs to. Other topics are whole themselves.
func (t Topic) Whole() Topic { return Topic{App: t.App, Channel: t.Channel} }
