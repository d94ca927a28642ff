package app

import (
	"testing"

	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/flow"
	"github.com/carillon-chat/carillon/internal/identity"
)

// TestDefaultLimitsAreThoseOfTheServices: tests of services run with the numbers that a node has.
func TestDefaultLimitsAreThoseOfTheServices(t *testing.T) {
	cfg, err := config.Load(config.Dev, config.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := identityLimits(cfg.Limits), identity.DefaultLimits(); got != want {
		t.Errorf("identity: %+v, want %+v", got, want)
	}
	if got, want := channelLimits(cfg.Limits), channel.DefaultLimits(); got != want {
		t.Errorf("channel: %+v, want %+v", got, want)
	}
	if got, want := flowLimits(cfg.Limits), flow.DefaultLimits(); got != want {
		t.Errorf("flow: %+v, want %+v", got, want)
	}
}
