package notice

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/carillon-chat/carillon/internal/ops/logfile"
	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/outbound/webhook"
)

// Lines is a sink that writes a JSON line for each notice.
type Lines struct{ Out logfile.Writer }

// Send writes the notices. They are on the disk when it returns nil.
func (l Lines) Send(_ context.Context, notices []Notice) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, n := range notices {
		if err := e.Encode(n); err != nil {
			return err
		}
	}
	if _, err := l.Out.Write(b.Bytes()); err != nil {
		return err
	}
	return l.Out.Sync()
}

// Webhook is a sink that posts each notice to a URL by itself, signed as Standard Webhooks says. The id
// that it signs is the one of the notice.
type Webhook struct {
	Client *outbound.Client
	URL    string
	Signer *webhook.Signer
	Now    func() time.Time
}

// maxAnswer bounds the answer to a notice, of which only the status counts, in bytes.
const maxAnswer = 64 << 10

// Send posts the notices one after another until one is not answered with a status of 2xx.
func (w Webhook) Send(ctx context.Context, notices []Notice) error {
	for _, n := range notices {
		body, err := json.Marshal(n)
		if err != nil {
			return err
		}
		answer, err := w.Signer.Post(ctx, w.Client, webhook.Call{URL: w.URL, ID: n.ID, At: w.Now(), Body: body, Limit: maxAnswer})
		if err != nil {
			return err
		}
		if !answer.Succeeded() {
			return fmt.Errorf("the notice was answered with the status %d", answer.Status)
		}
	}
	return nil
}
