// Command echobot answers each message of its channels with the same text. It shows how a program
// goes on after it was stopped: what was written meanwhile is answered then.
//
//	go run github.com/carillon-chat/carillon/client/examples/echobot -endpoint http://localhost:24463 -user ARN -state echobot.state
//
// It takes its keys from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"time"

	"github.com/carillon-chat/carillon/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	endpoint := flag.String("endpoint", "http://localhost:24463", "URL of the server")
	user := flag.String("user", "", "ARN of the user that answers")
	state := flag.String("state", "echobot.state", "file that remembers what was answered")
	flag.Parse()

	keys := client.Credentials{
		AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: os.Getenv("AWS_SESSION_TOKEN"),
	}

	c, err := client.New(client.Config{Endpoint: *endpoint, Bearer: *user, Credentials: client.StaticCredentials(keys)})
	if err == nil {
		err = echo(ctx, c, *user, *state)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "echobot:", err)
		os.Exit(1)
	}
}

// echo answers messages until ctx ends, and notes after each which one it was.
func echo(ctx context.Context, c *client.Client, user, state string) error {
	from, err := os.ReadFile(state)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	session, err := c.Connect(ctx, client.SessionConfig{
		UserARN: user, ResumeFrom: string(from),
		Reconnect: &client.Reconnect{First: time.Second, Longest: 30 * time.Second}, // for ever
	})
	if err != nil {
		return err
	}
	defer session.Close()

	fmt.Println("listening")
	for event, err := range session.Events(ctx) {
		if err != nil {
			return err
		}
		if err := answer(ctx, c, user, event); err != nil {
			return err
		}
		if event.ResumeFrom != "" { // handled: a later run begins after it
			if err := os.WriteFile(state, []byte(event.ResumeFrom), 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// answer is called again for the same event when the program was stopped before it noted the event.
// The token, which is the same for the same message, lets the server answer once.
func answer(ctx context.Context, c *client.Client, user string, event client.Event) error {
	message := event.Message()
	if event.Type != client.EventCreateChannelMessage || message == nil || message.Sender.ARN == user {
		return nil
	}
	_, err := c.SendChannelMessage(ctx, &client.SendChannelMessageRequest{
		ChannelARN: message.ChannelARN, Content: message.Content, ClientRequestToken: message.MessageID,
		Type: client.ChannelMessageTypeStandard, Persistence: client.ChannelMessagePersistenceTypePersistent,
	})
	var refused *client.Error
	if errors.As(err, &refused) && refused.Status == 403 {
		return nil // no longer a member
	}
	return err
}
