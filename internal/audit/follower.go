package audit

import (
	"context"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/notice"
)

// Follower writes what the service did to resources by itself: the events of the log whose kind has a
// ServiceEvent. It is tried until the line is on the disk.
func (l *Log) Follower() follow.Follower {
	return follow.Follower{
		Name: "audit", Start: follow.End, MaxAttempts: -1,
		Wants: func(e *chime.Event) bool { return e.Kind().ServiceEvent != "" },
		Handle: func(_ context.Context, app string, events []*chime.Event) error {
			var b []byte
			for _, e := range events {
				b = append(b, l.eventLine(app, e)...)
			}
			if _, err := l.o.Out.Write(b); err != nil {
				return err
			}
			return l.o.Out.Sync()
		},
	}
}

// eventLine is the line of an event: the same each time.
func (l *Log) eventLine(app string, e *chime.Event) []byte {
	r := resource{AccountID: l.o.Site.Account}
	if e.ChannelID != "" {
		r.Type, r.ARN = "AWS::Chime::Channel", l.o.Site.ChannelARN(app, e.ChannelID)
	} else {
		r.Type, r.ARN = "AWS::Chime::AppInstanceUser", l.o.Site.RefARN(app, e.Subject)
	}
	return l.line(serviceEvent{
		EventName: e.Kind().ServiceEvent, EventTime: e.Time.Time().Format(time.RFC3339), EventID: notice.ID(app, e.Position),
		Resources: []resource{r},
	})
}
