package stream

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Service answers the operations on streaming configurations. It is safe for concurrent use.
type Service struct {
	store store.Store
	site  chime.Site
	clock func() time.Time
}

// New makes a Service.
func New(s store.Store, site chime.Site, now func() time.Time) *Service {
	return &Service{store: s, site: site, clock: now}
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
	err = s.store.Update(ctx, at.App, func(tx store.Tx) error {
		if err := require(tx, at, api.NotFoundException); err != nil {
			return err
		}
		if err := store.Streams.Put(tx, store.K(at.App), streams); err != nil {
			return err
		}
		return s.note(tx, at)
	})
	if err != nil {
		return nil, err
	}
	return &messaging.PutMessagingStreamingConfigurationsResponse{StreamingConfigurations: show(streams)}, nil
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
		found := false
		if streams, found, err = store.Streams.Get(r, store.K(at.App)); err == nil && !found {
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
		found, err := store.Streams.Has(tx, store.K(at.App))
		if err != nil || !found {
			return err
		}
		if err := store.Streams.Delete(tx, store.K(at.App)); err != nil {
			return err
		}
		return s.note(tx, at)
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

// note appends that the settings changed.
func (s *Service) note(tx store.Tx, at chime.Resource) error {
	_, err := tx.Append(chime.Event{Time: chime.At(s.clock()), Type: chime.EventPutStreams, Topic: chime.Topic{App: at.App}, Object: at.App})
	return err
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
