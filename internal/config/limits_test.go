package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/internal/config"
)

// TestLimitsOfAWS has the numbers of spec 11.1 to 11.3, for us-east-1.
func TestLimitsOfAWS(t *testing.T) {
	cfg, err := config.Load(config.Dev, config.Sources{Environ: []string{"CARILLON_LIMITS=aws"}})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Limits{
		AppInstances: 100, Users: 100_000, Admins: 100, Endpoints: 10, Channels: 10_000_000, Members: 10_000,
		Memberships: 20_000, Moderators: 1000, Elastic: 1, SubChannels: 100, SubMembers: 1000, Flows: 100, Processors: 1,
	}
	if diff := cmp.Diff(want, cfg.Limits); diff != "" {
		t.Error(diff)
	}
	if cfg.WSConnectionsPerUser != 10 {
		t.Errorf("%d connections for one user", cfg.WSConnectionsPerUser)
	}
	rates := map[string]int{
		"rate-change-app-instances": 5, "rate-change-users": 10, "rate-describe-app-instance": 20, "rate-describe-user": 20,
		"rate-list-app-instances": 10, "rate-list-users": 10, "rate-identity": 50,
		"rate-change-channels": 15, "rate-list-channels": 10, "rate-describe-channel": 20,
		"rate-change-members": 15, "rate-change-members-elastic": 30, "rate-list-members": 15,
		"rate-send-message": 30, "rate-list-messages": 30, "rate-get-message": 30,
		"rate-list-channels-of-user": 15, "rate-list-sub-channels": 15, "rate-batch": 1, "rate-bearer": 10, "rate-connect": 1,
	}
	if diff := cmp.Diff(rates, cfg.RatesByName()); diff != "" {
		t.Error(diff)
	}
}

// TestOneNumberOverrulesItsProfile: whichever source sets it, and wherever the profile is set.
func TestOneNumberOverrulesItsProfile(t *testing.T) {
	cfg, err := config.Load(config.Dev, config.Sources{
		File:    writeFile(t, "limit-members-per-channel: 5\nlimits: relaxed\nrate-bearer: 0\n"),
		Environ: []string{"CARILLON_RATE_SEND_MESSAGE=7"},
		Flags:   map[string]string{"limits": "aws", "ws-connections-per-user": "3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Limits.Members != 5 || cfg.Limits.Moderators != 1000 || cfg.WSConnectionsPerUser != 3 {
		t.Errorf("limits %+v", cfg.Limits)
	}
	if cfg.Rates.Bearer != 0 || cfg.Rates.SendMessage != 7 || cfg.Rates.Batch != 1 {
		t.Errorf("rates %+v", cfg.Rates)
	}
}
