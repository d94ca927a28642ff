package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carillon-chat/carillon/client"
)

// asUser are the flags of commands that act as a user of a running server, and what they find.
type asUser struct {
	endpoint, file string
	dev            bool
	user           string // ARN or id
}

func (a *asUser) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&a.user, "user", "", "ARN of the app instance user, or its id when there is one app instance.")
	f.StringVar(&a.endpoint, "endpoint", "", "URL of the server. Default: http and the address of the setting listen.")
	f.StringVar(&a.file, "config", "", "Path of a YAML file with settings.")
	f.BoolVar(&a.dev, "dev", false, "Take the settings of carillon dev, whatever else is set.")
}

// foundServer is how commands that call a server find it; it is part of their help.
const foundServer = `The server is found and calls are signed with the settings of the server (its listen address and
root keys), or with those of carillon dev where they are not set.`

// open finds the server and the user. The client's calls are made as the user.
func (p Program) open(ctx context.Context, a *asUser) (c *client.Client, err error) {
	if a.user == "" {
		return nil, usageError{errors.New("--user is missing")}
	}
	cfg, err := p.settingsOfServer(a.file, a.dev)
	if err != nil {
		return nil, err
	}
	config := client.Config{Region: cfg.Region, Credentials: client.StaticCredentials(client.Credentials{
		AccessKeyID: cfg.RootAccessKeyID, SecretAccessKey: cfg.RootSecretAccessKey.Reveal(),
	})}
	if config.Endpoint, err = endpointOfServer(cfg, a.endpoint); err != nil {
		return nil, err
	}
	if c, err = client.New(config); err != nil {
		return nil, err
	}
	defer c.CloseIdleConnections()
	if a.user, err = userARN(ctx, c, a.user); err != nil {
		return nil, err
	}
	config.Bearer = a.user
	return client.New(config)
}

// userARN completes an id, which names a user only while there is one app instance.
func userARN(ctx context.Context, c *client.Client, user string) (string, error) {
	if strings.HasPrefix(user, "arn:") {
		return user, nil
	}
	page, err := c.ListAppInstances(ctx, nil)
	switch {
	case err != nil:
		return "", err
	case len(page.AppInstances) == 0:
		return "", errors.New("the server has no app instance, so it has no users")
	case len(page.AppInstances) > 1:
		return "", usageError{fmt.Errorf("--user %q: the server has several app instances: give the user's ARN", user)}
	}
	return page.AppInstances[0].AppInstanceARN + "/user/" + user, nil
}

// channelARN completes an id with the app instance of the user.
func channelARN(user, channel string) string {
	if strings.HasPrefix(channel, "arn:") {
		return channel
	}
	app, _, _ := strings.Cut(user, "/user/")
	return app + "/channel/" + channel
}
