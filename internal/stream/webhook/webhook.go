// Package webhook is a sink of streams that posts each record to a URL, signed as Standard Webhooks says. The
// id of a call is the record's key, the body its JSON. A status of 2xx takes the record; after anything else
// it is posted again later.
//
// Records of one channel are posted one after another, those of several channels at once.
package webhook

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/outbound/webhook"
	"github.com/carillon-chat/carillon/internal/stream"
)

const (
	atOnce    = 8       // channels whose records are posted at once, by one call of Write
	maxAnswer = 1 << 20 // bytes; what is in an answer is ignored
)

// Options of a Sink. All are required.
type Options struct {
	URL    string
	Client *outbound.Client
	// Signer returns what signs now. It is called for each call of Write, so that secrets can be replaced.
	Signer func() (*webhook.Signer, error)
	Now    func() time.Time
}

// Sink posts records.
type Sink struct{ o Options }

var _ stream.Sink = Sink{}

// New makes a Sink.
func New(o Options) Sink { return Sink{o} }

// Close does nothing: the client is shared.
func (Sink) Close() error { return nil }

// Write posts records until the first of each channel that is not taken.
func (s Sink) Write(ctx context.Context, records []stream.Record) (written []string, err error) {
	signer, err := s.o.Signer()
	if err != nil {
		return nil, err
	}

	// A few workers take one channel after another.
	lines := stream.ByChannel(records)
	var (
		mu      sync.Mutex
		workers sync.WaitGroup
	)
	waiting := make(chan []stream.Record, len(lines))
	for _, l := range lines {
		waiting <- l
	}
	close(waiting)
	for range min(atOnce, len(lines)) {
		workers.Go(func() {
			for l := range waiting {
				taken, failed := s.post(ctx, signer, l)
				mu.Lock()
				written = append(written, taken...)
				if err == nil {
					err = failed
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return written, err
}

// post posts records one after another, and returns the keys of those that were taken.
func (s Sink) post(ctx context.Context, signer *webhook.Signer, records []stream.Record) (taken []string, err error) {
	for _, r := range records {
		answer, err := signer.Post(ctx, s.o.Client, webhook.Call{URL: s.o.URL, ID: r.Key, At: s.o.Now(), Body: r.Data, Limit: maxAnswer})
		if err != nil {
			return taken, err
		}
		if !answer.Succeeded() {
			return taken, fmt.Errorf("%s answered %d %s", answer.Host, answer.Status, http.StatusText(answer.Status))
		}
		taken = append(taken, r.Key)
	}
	return taken, nil
}
