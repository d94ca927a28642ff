package goclient_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/client"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

var moduleFolder = filepath.Join("..", "..", "client")

// inModule runs the go command in the SDK's module, as programs of others see it.
func inModule(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.Command("go", args...)
	command.Dir = moduleFolder
	command.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -mod=readonly"))
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// A program that uses the SDK has nothing of the server among its modules.
func TestTheModuleNeedsLittle(t *testing.T) {
	got := strings.Fields(inModule(t, "list", "-m", "-f", "{{.Path}}", "all"))
	want := []string{"github.com/carillon-chat/carillon/client", "github.com/coder/websocket", "pgregory.net/rapid"}
	if !slices.Equal(got, want) {
		t.Errorf("its modules are %v, want %v", got, want)
	}
}

func TestTheModulesOwnTests(t *testing.T) {
	t.Log(inModule(t, "test", "./..."))
}

// keyring has one key.
type keyring client.Credentials

func (k keyring) SecretKey(_ context.Context, id, token string) (string, any, error) {
	if id != k.AccessKeyID || token != k.SessionToken {
		return "", nil, sigv4.ErrUnknownKey
	}
	return k.SecretAccessKey, nil, nil
}

// The SDK signs by itself: the server's verifier must come to the same signature, whatever is in
// paths, queries, headers and bodies.
func TestTheServerVerifiesWhatTheSDKSigns(t *testing.T) {
	verifier, err := sigv4.New(sigv4.Options{Scopes: sigv4.Scopes("eu-west-1", "chime"), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{
		"plain", "arn:aws:chime:eu-west-1:000000000000:app-instance/A/channel/c", "two words", "a+b", "a/b//c", "100%", "%2F", "~*'()!", "ä ✓ 日本",
		"=&?#;", ".", "..", "a\\b", "\x7f\x01", "$@:,[]", `"quoted"`,
	}
	for _, keys := range []client.Credentials{
		{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"},
		{AccessKeyID: "ASIDEXAMPLE", SecretAccessKey: "secret", SessionToken: "to+ken/with=signs=="},
	} {
		calls := 0
		c := answering(t, client.Config{Credentials: client.StaticCredentials(keys), Region: "eu-west-1"}, func(req *http.Request) (*http.Response, error) {
			calls++
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return nil, err
			}
			received := sigv4.Request{
				Method: req.Method, Target: req.URL.RequestURI(), Host: req.URL.Host, Header: req.Header,
				ContentLength: int64(len(body)), BodyHash: sha256.Sum256(body),
			}
			if _, err := verifier.Verify(req.Context(), &received, keyring(keys)); err != nil {
				t.Errorf("%s %s: %v", req.Method, req.URL, err)
			}
			return answer(200, "", "{}"), nil
		})
		for _, text := range texts {
			bearer := "plain"
			if text == "two words" || strings.HasPrefix(text, "arn:") {
				bearer = text + "  twice"
			}
			_, sent := c.SendChannelMessage(t.Context(), &client.SendChannelMessageRequest{ChannelARN: text, Content: text, ChimeBearer: bearer})
			_, listed := c.ListChannelMessages(t.Context(), &client.ListChannelMessagesRequest{ChannelARN: text, NextToken: text, SubChannelID: text, ChimeBearer: bearer})
			_, deleted := c.DeleteAppInstanceUser(t.Context(), &client.DeleteAppInstanceUserRequest{AppInstanceUserARN: text})
			if err := errors.Join(sent, listed, deleted); err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
		if calls != 3*len(texts) {
			t.Errorf("%d calls were made", calls)
		}
	}
	if _, err := answering(t, client.Config{Credentials: client.StaticCredentials(client.Credentials{AccessKeyID: "A"})}, nil).ListAppInstances(t.Context(), nil); err == nil {
		t.Error("a key without its secret signs")
	}
}
