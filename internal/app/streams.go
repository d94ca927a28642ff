package app

import (
	"context"
	"fmt"

	"github.com/carillon-chat/carillon/internal/app/sinks"
	"github.com/carillon-chat/carillon/internal/person"
	"github.com/carillon-chat/carillon/internal/stream"
)

// buildStreams opens the sinks of the settings, and what streams to them.
func (s *services) buildStreams(ctx context.Context, a *App) error {
	routes, err := a.cfg.StreamRoutes()
	if err != nil {
		return err
	}
	o := stream.Options{Store: a.store, Site: s.site, Now: a.deps.Now, Log: a.deps.Log}
	for _, route := range routes {
		sink, err := sinks.Open(route.Sink, s.sinkOptions(a))
		if err != nil {
			return fmt.Errorf("the sink %s of the setting streams: %w", route.Name, err)
		}
		a.opened(sink.Close)
		if written, ok := sink.(person.Sink); ok {
			s.written = append(s.written, written)
		}
		o.Routes = append(o.Routes, stream.Route{Name: route.Name, Pattern: route.Pattern, Sink: sink})
	}
	s.exports = stream.New(o)
	a.registry.MustRegister(sampler(a.sampleStreams))
	return s.exports.WarnUnrouted(ctx)
}

// sinkOptions are what sinks get of the node.
func (s *services) sinkOptions(a *App) sinks.Options {
	return sinks.Options{Client: s.outbound, Region: s.site.Region, Now: a.deps.Now}
}

func (a *App) sampleStreams(gauge, _ sample) {
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	if n, err := a.services.exports.Unrouted(ctx); err == nil {
		gauge("carillon_streams_without_sink", "Streams of app instances that no sink of the setting streams is for. They export nothing.", float64(n))
	}
}
