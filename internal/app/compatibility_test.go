package app

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/apitest"
	"github.com/carillon-chat/carillon/internal/config"
)

// TestCompatibilityPage: docs/COMPATIBILITY.md has a row for every operation, and it says "not
// yet" of exactly those that answer 503.
func TestCompatibilityPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/COMPATIBILITY.md")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Dev, config.Sources{Flags: map[string]string{
		"listen": "127.0.0.1:0", "ops-listen": "", "data": t.TempDir(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	node, err := New(context.Background(), cfg, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	sections := strings.Split(string(page), "\n## ")
	for _, op := range node.services.operations() {
		var section string
		for _, s := range sections {
			if title := map[string]string{"chime-sdk-messaging": "Messaging", "chime-sdk-identity": "Identity"}[op.Service]; title != "" && strings.HasPrefix(s, title) {
				section = s
			}
		}
		if section == "" {
			continue // STS, IAM and Cognito share one row
		}
		row := regexp.MustCompile(`(?m)^\| ` + op.Name + ` \| ([a-z ]+) \|`).FindStringSubmatch(section)
		if row == nil {
			t.Errorf("%s of %s has no row", op.Name, op.Service)
			continue
		}
		if built := isBuilt(t, op); built == (row[1] == "not yet") {
			t.Errorf("the row of %s says %q; built: %v", op.Name, row[1], built)
		}
	}
}

func isBuilt(t *testing.T, op api.Operation) bool {
	t.Helper()
	model, err := apitest.Load(op.Service)
	if err != nil {
		t.Fatal(err)
	}
	minimal, err := model.Minimal(op.Name)
	if err != nil {
		t.Fatal(err)
	}
	req, err := op.Decode(minimal.Input())
	if err != nil {
		t.Fatalf("%s: %v", op.Name, err)
	}
	_, err = op.Call(context.Background(), req)
	var answer *api.Error
	return !errors.As(err, &answer) || answer.Type != api.ServiceUnavailableException.Type
}
