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

// TestCompatibilityPage: docs/COMPATIBILITY.md has a row for every operation, which says "not yet"
// of exactly those that answer 503, and for every error that one of them declares.
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
	section := func(title string) string {
		_, after, _ := strings.Cut(string(page), "\n## "+title)
		text, _, _ := strings.Cut(after, "\n## ")
		return text
	}
	titles := map[string]string{"chime-sdk-messaging": "Messaging", "chime-sdk-identity": "Identity"}
	for _, op := range node.services.operations() {
		title, ofChime := titles[op.Service]
		if !ofChime {
			continue // STS, IAM and Cognito have a row each
		}
		row := regexp.MustCompile(`(?m)^\| ` + op.Name + ` \| ([a-z ]+) \|`).FindStringSubmatch(section(title))
		if row == nil {
			t.Errorf("%s of %s has no row", op.Name, op.Service)
			continue
		}
		for _, exception := range op.Errors {
			if !strings.Contains(section("Errors"), "| "+exception+" |") {
				t.Errorf("%s, which %s declares, has no row", exception, op.Name)
			}
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
