package stream

import (
	"context"
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

func (s *Service) routed(arn string) bool {
	return slices.ContainsFunc(s.routes, func(r Route) bool { return r.Pattern.Matches(arn) })
}

func (s *Service) warnUnrouted(app, arn string) {
	if !s.routed(arn) {
		s.log.Warn("no sink of the setting streams is for this stream, so it exports nothing", "app_instance", app, "stream", arn)
	}
}

// Unrouted counts the streams of all app instances that no route is for.
func (s *Service) Unrouted(ctx context.Context) (n int, err error) {
	return n, s.eachStream(ctx, func(_, arn string) {
		if !s.routed(arn) {
			n++
		}
	})
}

// WarnUnrouted logs the streams that no route is for.
func (s *Service) WarnUnrouted(ctx context.Context) error { return s.eachStream(ctx, s.warnUnrouted) }

// eachStream calls visit for every stream of every app instance.
func (s *Service) eachStream(ctx context.Context, visit func(app, arn string)) error {
	var apps []string
	err := s.store.View(ctx, "", func(r store.Reader) error {
		apps = nil
		return store.AppInstancesInOrder.Each(r, store.Range{}, func(_ store.Key, app string) (bool, error) {
			apps = append(apps, app)
			return true, nil
		})
	})
	for _, app := range apps {
		if err != nil {
			break
		}
		var streams []chime.Stream
		err = s.store.View(ctx, app, func(r store.Reader) (err error) {
			streams, err = current(r, app)
			return err
		})
		for _, stream := range streams {
			visit(app, stream.ARN)
		}
	}
	return err
}
