package ends

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/carillon-chat/carillon/internal/flow"
	"github.com/carillon-chat/carillon/internal/outbound/webhook"
)

// HTTP is an endpoint that events are posted to, signed as Standard Webhooks says.
type HTTP struct {
	Caller
	URL    *url.URL
	Signer *webhook.Signer
}

// Invoke implements flow.Invoker. The processor has taken the event when it answers 2xx: with a decision
// in the body of a 200, or to call back later.
func (h *HTTP) Invoke(ctx context.Context, call flow.Invocation) (answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL.String(), bytes.NewReader(call.Event))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", h.Agent)
	h.Signer.Sign(req.Header, call.Callback, h.Now(), call.Event)

	got, err := h.Client.Do(ctx, req, maxAnswer)
	if err != nil {
		return nil, err
	}
	switch {
	case got.Status == http.StatusOK:
		return verdict(got.Body), nil
	case got.Status/100 == 2:
		return nil, nil
	}
	return nil, fmt.Errorf("the processor answered %d", got.Status)
}
