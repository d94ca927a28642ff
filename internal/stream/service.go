package stream

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Options of a Service. Store, Site, Now and Log are required.
type Options struct {
	Store store.Store
	Site  chime.Site
	Now   func() time.Time
	Log   *slog.Logger
	// Routes say which sinks streams go to.
	Routes []Route
}

// Service answers the operations on streaming configurations and exports what they ask for. It is safe
// for concurrent use.
type Service struct {
	store  store.Store
	site   chime.Site
	clock  func() time.Time
	log    *slog.Logger
	routes []Route
}

// New makes a Service.
func New(o Options) *Service {
	return &Service{store: o.Store, site: o.Site, clock: o.Now, log: o.Log, routes: o.Routes}
}

// PutMessagingStreamingConfigurations replaces all settings of the app instance. A missing app
// instance is a NotFoundException, because the operation declares one.
func (s *Service) PutMessagingStreamingConfigurations(ctx context.Context, req *messaging.PutMessagingStreamingConfigurationsRequest) (*messaging.PutMessagingStreamingConfigurationsResponse, error) {
	at, err := s.parse(req.AppInstanceARN)
	if err != nil {
		return nil, err
	}
	streams, err := s.streams(req.StreamingConfigurations)
	if err != nil {
		return nil, err
	}
	shown := show(streams)
	err = s.store.Update(ctx, at.App, func(tx store.Tx) error {
		if err := require(tx, at, api.NotFoundException); err != nil {
			return err
		}
		return s.replace(tx, at, slices.Clone(streams))
	})
	if err != nil {
		return nil, err
	}
	for _, stream := range streams {
		s.warnUnrouted(at.App, stream.ARN)
	}
	return &messaging.PutMessagingStreamingConfigurationsResponse{StreamingConfigurations: shown}, nil
}

// GetMessagingStreamingConfigurations answers the settings, or NotFoundException when there are
// none.
func (s *Service) GetMessagingStreamingConfigurations(ctx context.Context, req *messaging.GetMessagingStreamingConfigurationsRequest) (*messaging.GetMessagingStreamingConfigurationsResponse, error) {
	at, err := s.parse(req.AppInstanceARN)
	if err != nil {
		return nil, err
	}
	var streams []chime.Stream
	err = s.store.View(ctx, at.App, func(r store.Reader) (err error) {
		if err := require(r, at, api.NotFoundException); err != nil {
			return err
		}
		if streams, err = current(r, at.App); err == nil && len(streams) == 0 {
			err = api.NotFound("the app instance has no streaming configurations")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &messaging.GetMessagingStreamingConfigurationsResponse{StreamingConfigurations: show(streams)}, nil
}

// DeleteMessagingStreamingConfigurations removes all settings. When there are none it is done
// already.
func (s *Service) DeleteMessagingStreamingConfigurations(ctx context.Context, req *messaging.DeleteMessagingStreamingConfigurationsRequest) (*messaging.DeleteMessagingStreamingConfigurationsResponse, error) {
	at, err := s.parse(req.AppInstanceARN)
	if err != nil {
		return nil, err
	}
	return nil, s.store.Update(ctx, at.App, func(tx store.Tx) error {
		if err := require(tx, at, api.ForbiddenException); err != nil {
			return err
		}
		streams, err := current(tx, at.App)
		if err != nil || len(streams) == 0 {
			return err
		}
		return s.replace(tx, at, nil)
	})
}

func (s *Service) parse(arn string) (chime.Resource, error) {
	return s.site.ParseKind("AppInstanceArn", arn, chime.KindAppInstance)
}

// require refuses an app instance that does not exist with the exception that the operation
// declares.
func require(r store.Reader, at chime.Resource, with api.Exception) error {
	found, err := store.AppInstances.Has(r, store.K(at.App))
	if err == nil && !found {
		return with.Errorf("AppInstanceArn: the app instance does not exist")
	}
	return err
}

// current are the streams that an app instance has now.
func current(r store.Reader, app string) ([]chime.Stream, error) {
	streams, _, err := store.Streams.Get(r, store.K(app))
	return slices.DeleteFunc(streams, func(s chime.Stream) bool { return s.Until != 0 }), err
}

// maxEnded bounds how many streams are remembered after an app instance gave them up.
const maxEnded = 64

// replace notes that the streams are those of the app instance from now on. One that stays goes on; one
// that ends is kept while the log has events of its time, so that a sink that lags gets them.
func (s *Service) replace(tx store.Tx, at chime.Resource, streams []chime.Stream) error {
	before, _, err := store.Streams.Get(tx, store.K(at.App))
	if err != nil {
		return err
	}
	trimmed, err := store.LogStart(tx, at.App)
	if err != nil {
		return err
	}
	now, err := tx.Append(chime.Event{Time: chime.At(s.clock()), Type: chime.EventPutStreams, Topic: chime.Topic{App: at.App}, Object: at.App})
	if err != nil {
		return err
	}

	// What is new begins here, and what is left out ends here.
	for i := range streams {
		streams[i].Since = now
	}
	var ended []chime.Stream
	for _, b := range before {
		i := slices.IndexFunc(streams, func(s chime.Stream) bool { return s.DataType == b.DataType && s.ARN == b.ARN })
		switch {
		case b.Until == 0 && i >= 0:
			streams[i].Since = b.Since
			continue
		case b.Until == 0:
			b.Until = now
		}
		if b.Until > trimmed {
			ended = append(ended, b)
		}
	}
	streams = append(streams, ended[max(0, len(ended)-maxEnded):]...)
	if len(streams) == 0 {
		return store.Streams.Delete(tx, store.K(at.App))
	}
	return store.Streams.Put(tx, store.K(at.App), streams)
}

// stream is what Kinesis calls the streams that messaging may write to.
var stream = regexp.MustCompile(`^stream/chime-messaging-[a-zA-Z0-9_.-]{1,112}$`)

// streams are the settings of a request: at most one of each type, each a Kinesis data stream
// of this region and account whose name begins with chime-messaging-.
func (s *Service) streams(given []messaging.StreamingConfiguration) ([]chime.Stream, error) {
	list := make([]chime.Stream, len(given))
	taken := map[messaging.MessagingDataType]bool{}
	for i, c := range given {
		member := fmt.Sprintf("StreamingConfigurations[%d]", i)
		if taken[c.DataType] {
			return nil, api.BadRequest(member+".DataType", "is given twice")
		}
		taken[c.DataType] = true
		resource, err := s.site.ParseOther(member+".ResourceArn", "kinesis", c.ResourceARN)
		if err != nil {
			return nil, err
		}
		if !stream.MatchString(resource) {
			return nil, api.BadRequest(member+".ResourceArn", "must name a data stream whose name begins with chime-messaging-")
		}
		list[i] = chime.Stream{DataType: c.DataType, ARN: c.ResourceARN}
	}
	return list, nil
}

func show(streams []chime.Stream) []messaging.StreamingConfiguration {
	shown := make([]messaging.StreamingConfiguration, len(streams))
	for i, s := range streams {
		shown[i] = messaging.StreamingConfiguration{DataType: s.DataType, ResourceARN: s.ARN}
	}
	return shown
}
