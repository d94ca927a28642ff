package goclient_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/client"
	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
)

// exampleNode is what the examples talk to: `carillon dev`, in this process.
func exampleNode() (n *node, done func()) {
	data, err := os.MkdirTemp("", "carillon-example-")
	if err != nil {
		panic(err)
	}
	cfg, err := lab.Load(config.Dev, map[string]string{"data": data})
	if err != nil {
		panic(err)
	}
	running, err := lab.Run(context.Background(), cfg, app.Deps{})
	if err != nil {
		panic(err)
	}
	return nodeOf(running), func() {
		if err := running.Stop(); err != nil {
			panic(err)
		}
		_ = os.RemoveAll(data)
	}
}

// Calls and a session: send a message, and see it arrive.
func Example() {
	server, done := exampleNode()
	defer done()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	c, err := client.New(client.Config{Endpoint: server.endpoint, Credentials: server.keys, Bearer: server.alice})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseIdleConnections()
	session, err := c.Connect(ctx, client.SessionConfig{UserARN: server.bob})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.Close()

	_, err = c.SendChannelMessage(ctx, &client.SendChannelMessageRequest{
		ChannelARN: server.common, Content: "Hello, Bob.",
		Type:        client.ChannelMessageTypeStandard,
		Persistence: client.ChannelMessagePersistenceTypePersistent,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for event, err := range session.Events(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		switch data := event.Data.(type) {
		case *client.NotResumed:
			fmt.Println("something may be missing: fetch it")
		case *client.ChannelMessage:
			fmt.Printf("%s: %s\n", data.Sender.Name, data.Content)
			return
		}
	}
	// Output: Alice: Hello, Bob.
}

// Credentials that end are asked for again a minute before.
func ExampleCredentialsProvider() {
	signIn := func(ctx context.Context) (client.Credentials, error) {
		// Ask your own back end, STS or a Cognito identity pool.
		return client.Credentials{AccessKeyID: "AKIA...", SecretAccessKey: "...", SessionToken: "...", Expires: time.Now().Add(time.Hour)}, nil
	}
	_, err := client.New(client.Config{Endpoint: "https://chat.example.org", Credentials: signIn})
	fmt.Println(err)
	// Output: <nil>
}

// program builds an example and gives a command that runs it against the node.
func program(t *testing.T, n *node, name string, args ...string) *exec.Cmd {
	t.Helper()
	binary := filepath.Join(t.TempDir(), name)
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/carillon-chat/carillon/client/examples/"+name).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	keys, err := n.keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), binary, append([]string{"-endpoint", n.endpoint}, args...)...)
	command.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+keys.SecretAccessKey, "AWS_SESSION_TOKEN=")
	command.Stderr = os.Stderr
	return command
}

func TestExampleChat(t *testing.T) {
	n := startNode(t)
	chat := program(t, n, "chat", "-user", n.alice, "-channel", n.common)
	in, err := chat.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	chat.Stdout = &out
	s := n.session(t, n.client(t, n.bob), client.SessionConfig{UserARN: n.bob})
	if err := chat.Start(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(in, "hello")
	if m := until(t, s, client.EventCreateChannelMessage).Message(); m.Content != "hello" || m.Sender.Name != "Alice" {
		t.Errorf("got %+v", m)
	}
	_ = in.Close()
	if err := chat.Wait(); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
}

func TestExampleEchobot(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: there are no signals to stop the bot with")
	}
	n := startNode(t)
	s := n.session(t, n.client(t, n.alice), client.SessionConfig{UserARN: n.alice})
	bot := program(t, n, "echobot", "-user", n.bob, "-state", filepath.Join(t.TempDir(), "state"))
	heard := func(want ...string) {
		t.Helper()
		for _, w := range want {
			if m := until(t, s, client.EventCreateChannelMessage).Message(); m.Sender.Name+": "+m.Content != w {
				t.Errorf("got %s: %s, want %s", m.Sender.Name, m.Content, w)
			}
		}
	}
	for _, text := range []string{"one", "two"} { // the second is written while the bot is away
		if text == "two" {
			send(t, n.client(t, n.alice), n.common, text)
			heard("Alice: two")
		}
		run := *bot
		out, err := run.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := run.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 20)); err != nil { // "listening"
			t.Fatal(err)
		}
		if text == "one" {
			send(t, n.client(t, n.alice), n.common, text)
			heard("Alice: one")
		}
		heard("Bob: " + text)
		_ = run.Process.Signal(os.Interrupt)
		if err := run.Wait(); err != nil {
			t.Error(err)
		}
	}
}
