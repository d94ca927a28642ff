package webhook

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/carillon-chat/carillon/internal/outbound"
)

// Call is JSON that is posted to a URL.
type Call struct {
	URL   string
	ID    string    // that Signer.Sign takes
	At    time.Time // of this attempt
	Body  []byte
	Limit int64 // bytes of the answer's body
}

// Client makes calls; *outbound.Client is one.
type Client interface {
	Do(ctx context.Context, request *http.Request, limit int64) (*outbound.Answer, error)
}

// Post makes a signed call and returns its answer, whatever the status. An error has the host alone of the
// URL, of which the rest may be a secret.
func (s *Signer) Post(ctx context.Context, client Client, c Call) (*outbound.Answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(c.Body))
	if err != nil {
		return nil, errors.New("the URL cannot be read")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", outbound.Agent)
	s.Sign(request.Header, c.ID, c.At, c.Body)
	return client.Do(ctx, request, c.Limit)
}
