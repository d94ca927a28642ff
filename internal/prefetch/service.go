package prefetch

import (
	"context"
	"errors"

	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/message"
	"github.com/carillon-chat/carillon/internal/store"
)

// Limits of spec 4.7.
const (
	maxChannels = 50
	maxMessages = 20
	maxMembers  = 30
)

// keptBytes is enough for the excerpts of some thousands of channels.
const keptBytes = 32 << 20

// Service reads what is told to clients when they connect. It is safe for concurrent use.
type Service struct {
	store    store.Store
	channels *channel.Service
	messages *message.Service
	kept     excerpts
}

// New makes a Service over the store of the two others.
func New(st store.Store, channels *channel.Service, messages *message.Service) *Service {
	return &Service{store: st, channels: channels, messages: messages, kept: newExcerpts(keptBytes)}
}

// Deliver takes events in the order of the log, and forgets what is kept of removed content.
func (s *Service) Deliver(events []*chime.Event) {
	for _, e := range events {
		if e.Removes() {
			s.kept.forget(e)
		}
	}
}

// ErrNoMember: the user is not a member of the channel, or the channel is gone.
var ErrNoMember = errors.New("the user is no member of the channel")

// Unread counts the unread messages of a member, exactly as of a position of the log: persistent
// STANDARD messages of others that the user sees, that are not redacted and that were created
// after the read marker, all when that is zero. It answers ErrNoMember when there is no such
// member.
func (s *Service) Unread(ctx context.Context, app string, user chime.Ref, at chime.Place) (count uint64, marker chime.Millis, position uint64, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		v, err := s.channels.VisitAt(r, app, user, at)
		if err != nil {
			return err
		}
		if v == nil {
			return ErrNoMember
		}
		marker = v.Membership.ReadMarker
		if position, err = r.Position(); err != nil {
			return err
		}
		count, err = s.messages.Unread(r, v)
		return err
	})
	return count, marker, position, err
}
