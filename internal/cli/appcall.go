package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/carillon-chat/carillon/client"
)

// appCaller are the flags of commands on an app instance, and what they find.
type appCaller struct {
	at          whereabouts
	appInstance string // ARN, id or name
}

func (a *appCaller) flags(c *cobra.Command) {
	c.Flags().StringVar(&a.appInstance, "app-instance", "", "ARN, id or name of the app instance, when the server has several.")
	a.at.flags(c)
}

// appCall is a call about an app instance.
type appCall struct {
	server server
	client *client.Client
	app    string // ARN
}

// do finds the server and the app instance, and calls f.
func (a *appCaller) do(ctx context.Context, p Program, f func(appCall) error) error {
	s, err := p.find(a.at)
	if err != nil {
		return err
	}
	c, err := s.client("")
	if err != nil {
		return err
	}
	defer c.CloseIdleConnections()
	app, err := s.appInstance(ctx, c, a.appInstance)
	if err != nil {
		return err
	}
	return s.explain(f(appCall{s, c, app}))
}
