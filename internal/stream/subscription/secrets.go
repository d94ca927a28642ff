package subscription

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/carillon-chat/carillon/internal/api/carillon"
	"github.com/carillon-chat/carillon/internal/chime"
	signing "github.com/carillon-chat/carillon/internal/outbound/webhook"
	"github.com/carillon-chat/carillon/internal/store"
)

const (
	defaultOverlap = 24 // hours
	maxSecrets     = 3  // that sign at once
)

// RotateWebhookSecret gives a subscription a new secret and answers it. The former one signs as well for
// OverlapHours, 24 unless the request says otherwise, so that a receiver can change over meanwhile.
func (s *Service) RotateWebhookSecret(ctx context.Context, req *carillon.RotateWebhookSecretRequest) (*carillon.RotateWebhookSecretResponse, error) {
	w, err := s.parse(req.WebhookARN)
	if err != nil {
		return nil, err
	}
	secret, sealed, err := s.newSecret(w)
	if err != nil {
		return nil, err
	}
	overlap := defaultOverlap
	if req.OverlapHours != nil {
		overlap = *req.OverlapHours
	}
	now := s.now()
	until := now + chime.Millis(time.Duration(overlap)*time.Hour/time.Millisecond)

	err = s.change(ctx, w, func(_ store.Tx, hook *chime.Webhook) error {
		former := current(hook.Secrets, now)
		for i, f := range former {
			if f.Until == 0 || f.Until > until {
				former[i].Until = until
			}
		}
		all := append([]chime.WebhookSecret{sealed}, current(former, now)...)
		hook.Secrets, hook.Updated = all[:min(len(all), maxSecrets)], now.NotBefore(hook.Updated)
		return nil
	})
	if err != nil {
		return nil, err
	}
	resp := &carillon.RotateWebhookSecretResponse{WebhookARN: req.WebhookARN, Secret: secret}
	if overlap > 0 {
		resp.FormerSecretUntil = shown(until)
	}
	return resp, nil
}

func (w webhook) sealContext() []byte { return fmt.Appendf(nil, "webhook %s/%s", w.app, w.id) }

func (s *Service) newSecret(w webhook) (secret string, sealed chime.WebhookSecret, err error) {
	if secret, err = signing.NewSecret(s.o.Random); err != nil {
		return "", sealed, err
	}
	sealed.Sealed, err = s.o.Sealer.Seal([]byte(secret), w.sealContext())
	return secret, sealed, err
}

// current are the secrets that sign now.
func current(secrets []chime.WebhookSecret, now chime.Millis) []chime.WebhookSecret {
	return slices.DeleteFunc(slices.Clone(secrets), func(s chime.WebhookSecret) bool { return s.Until != 0 && s.Until <= now })
}

// signer is what signs for a subscription now.
func (s *Service) signer(w webhook, hook *chime.Webhook) (*signing.Signer, error) {
	var texts []string
	for _, secret := range current(hook.Secrets, s.now()) {
		text, err := s.o.Sealer.Unseal(secret.Sealed, w.sealContext())
		if err != nil {
			return nil, err
		}
		texts = append(texts, string(text))
	}
	return signing.NewSigner(texts...)
}
