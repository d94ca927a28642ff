package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carillon-chat/carillon/client"
)

// asUser are the flags of commands that act as a user of a running server, and what they find.
type asUser struct {
	at          whereabouts
	appInstance string // ARN, id or name
	user        string // ARN or id
}

func (a *asUser) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&a.user, "user", "", "ARN of the app instance user, or its id.")
	f.StringVar(&a.appInstance, "app-instance", "", "ARN, id or name of the app instance, when the server has several.")
	a.at.flags(c)
}

// open finds the server and the user. The client's calls are made as the user.
func (p Program) open(ctx context.Context, a *asUser) (server, *client.Client, error) {
	if a.user == "" {
		return server{}, nil, usageError{errors.New("--user is required")}
	}
	s, err := p.find(a.at)
	if err != nil {
		return s, nil, err
	}

	// An id alone is completed by the app instance.
	if !strings.HasPrefix(a.user, "arn:") {
		c, err := s.client("")
		if err != nil {
			return s, nil, err
		}
		defer c.CloseIdleConnections()
		app, err := s.appInstance(ctx, c, a.appInstance)
		if err != nil {
			return s, nil, err
		}
		a.user = app + "/user/" + a.user
	}

	c, err := s.client(a.user)
	return s, c, err
}

// channelARN completes an id with the app instance of the user.
func channelARN(user, channel string) string {
	if strings.HasPrefix(channel, "arn:") {
		return channel
	}
	app, _, _ := strings.Cut(user, "/user/")
	return app + "/channel/" + channel
}
