package prefetch

import (
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/message"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/unread"
)

// Limits of spec 4.7.
const (
	maxChannels = 50
	maxMessages = 20
	maxMembers  = 30
)

// keptBytes is enough for the excerpts of some thousands of channels.
const keptBytes = 32 << 20

// Service reads what is sent to clients when they connect. It is safe for concurrent use.
type Service struct {
	store    store.Store
	channels *channel.Service
	messages *message.Service
	unread   *unread.Counter
	kept     excerpts
}

// New makes a Service over the store of the others.
func New(st store.Store, channels *channel.Service, messages *message.Service, counter *unread.Counter) *Service {
	return &Service{store: st, channels: channels, messages: messages, unread: counter, kept: newExcerpts(keptBytes)}
}

// Forget drops what is kept of an app instance whose events are not delivered any more.
func (s *Service) Forget(app string) { s.kept.forgetApp(app) }

// Deliver takes events in the order of the log, and forgets what is kept of removed content.
func (s *Service) Deliver(events []*chime.Event) {
	for _, e := range events {
		if e.Removes() {
			s.kept.forget(e)
		}
	}
}
