package app

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/carillon-chat/carillon/internal/api"
	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/identity"
)

// A removal is answered after nothing hands out any more what it removed; other calls wait for nothing,
// nor does a refusal.
func TestRemovalsAreAnsweredWhenTheyHold(t *testing.T) {
	var steps []string
	call := func(_ context.Context, _ api.Request) (api.Response, error) {
		steps = append(steps, "call")
		return nil, nil
	}
	refused := errors.New("refused")
	ops := settling([]api.Operation{
		{Name: "RedactChannelMessage", Call: call},
		{Name: "SendChannelMessage", Call: call},
		{Name: "DeleteChannel", Call: func(context.Context, api.Request) (api.Response, error) { return nil, refused }},
	}, chime.Site{}, func(context.Context, string) error {
		steps = append(steps, "settle")
		return context.Canceled
	})
	for i, want := range []error{nil, nil, refused} {
		if _, err := ops[i].Call(t.Context(), new(messaging.RedactChannelMessageRequest)); err != want {
			t.Errorf("%s: %v", ops[i].Name, err)
		}
	}
	if want := []string{"call", "settle", "call"}; !slices.Equal(steps, want) {
		t.Errorf("got %v, want %v", steps, want)
	}
}

func TestRemovingOperationsExist(t *testing.T) {
	all := slices.Concat(messaging.Operations(messagingAPI{}), identityapi.Operations(new(identity.Service)))
	for _, name := range removing {
		if !slices.ContainsFunc(all, func(op api.Operation) bool { return op.Name == name }) {
			t.Errorf("there is no operation %s", name)
		}
	}
}
