// Command chat is a chat in a terminal: what is typed is sent to a channel, and what other members
// write is printed.
//
//	go run github.com/carillon-chat/carillon/client/examples/chat -endpoint http://localhost:24463 -user ARN -channel ARN
//
// It takes its keys from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/carillon-chat/carillon/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	endpoint := flag.String("endpoint", "http://localhost:24463", "URL of the server")
	user := flag.String("user", "", "ARN of the user to chat as")
	channel := flag.String("channel", "", "ARN of the channel")
	flag.Parse()

	keys := client.Credentials{
		AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: os.Getenv("AWS_SESSION_TOKEN"),
	}

	c, err := client.New(client.Config{Endpoint: *endpoint, Bearer: *user, Credentials: client.StaticCredentials(keys)})
	if err == nil {
		err = chat(ctx, c, *user, *channel, os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chat:", err)
		os.Exit(1)
	}
}

// chat goes on until the input or ctx ends.
func chat(ctx context.Context, c *client.Client, user, channel string, in io.Reader, out io.Writer) error {
	session, err := c.Connect(ctx, client.SessionConfig{
		UserARN:      user,
		Reconnect:    &client.Reconnect{First: time.Second, Longest: 30 * time.Second}, // for ever
		OnDisconnect: func(err error, wait time.Duration) { fmt.Fprintf(out, "* %v; trying again\n", err) },
	})
	if err != nil {
		return err
	}

	printed := make(chan error, 1)
	go func() { printed <- show(session, channel, out) }()

	lines := bufio.NewScanner(in)
	for ctx.Err() == nil && lines.Scan() {
		_, err := c.SendChannelMessage(ctx, &client.SendChannelMessageRequest{
			ChannelARN: channel, Content: lines.Text(),
			Type: client.ChannelMessageTypeStandard, Persistence: client.ChannelMessagePersistenceTypePersistent,
		})
		if err != nil {
			fmt.Fprintln(out, "*", err)
		}
	}

	_ = session.Close() // never fails
	if err := <-printed; !errors.Is(err, client.ErrClosed) {
		return err
	}
	return lines.Err()
}

// show prints the channel's messages, also those that were missed while the socket was away.
func show(session *client.Session, channel string, out io.Writer) error {
	for event, err := range session.Events(context.Background()) {
		if err != nil {
			return err
		}
		switch message := event.Message(); {
		case event.Type == client.EventSessionNotResumed:
			fmt.Fprintln(out, "* messages may be missing here")
		case event.Type == client.EventCreateChannelMessage && message != nil && message.ChannelARN == channel:
			fmt.Fprintf(out, "%s: %s\n", client.Printable(message.Sender.Name), client.Printable(message.Content))
		}
	}
	return nil
}
