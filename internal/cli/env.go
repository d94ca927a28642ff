package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carillon-chat/carillon/client"
)

// What carillon dev makes in its app instance.
var (
	devUsers   = []string{"alice", "bob"}
	devChannel = "general"
)

// wantedEnv is the input of env.
type wantedEnv struct {
	at                          whereabouts
	appInstance, shell, profile string
	unset, namesOnly            bool
}

func (p Program) env() *cobra.Command {
	c := &cobra.Command{
		Use: "env", Short: "Print the variables that point a shell and the AWS CLI and SDKs at a running server", Args: noArguments,
		Long: `Print lines for a shell that point the AWS CLI and SDKs at a running server, and that name its app
instance (APP), the users of carillon dev (ALICE, BOB) and their channel (CHANNEL). The lines hold the
secret key.

The variables take the place of your own AWS account in that shell. --unset takes them back; --names
prints only APP, ALICE, BOB and CHANNEL; and --profile prints a section for ~/.aws/config instead,
which is used where it is named and nowhere else.

The server and the keys are those of the settings (CARILLON_..., --config) or of carillon dev.`,
		Example: `  eval "$(carillon env)"
  eval "$(carillon env --unset)"
  carillon env --shell fish | source
  carillon env --profile carillon >> ~/.aws/config && aws --profile carillon chime-sdk-identity list-app-instances`,
	}

	var w wantedEnv
	f := c.Flags()
	f.StringVar(&w.shell, "shell", "posix", "Whose syntax to print: "+strings.Join(slices.Sorted(maps.Keys(shells)), ", ")+".")
	f.BoolVar(&w.unset, "unset", false, "Print what takes the variables back. No server is asked.")
	f.BoolVar(&w.namesOnly, "names", false, "Print only the names of the app instance, its users and its channel.")
	f.StringVar(&w.profile, "profile", "", "Print a profile of this name for the AWS CLI's configuration file.")
	f.StringVar(&w.appInstance, "app-instance", "", "ARN, id or name of the app instance, when the server has several.")
	f.StringVar(&w.at.endpoint, "endpoint", "", "URL of the server, http or https. Default: http and the address of the setting listen.")
	f.StringVar(&w.at.caCert, "ca-cert", "", "PEM file with the authority of an https server.")
	f.StringVar(&w.at.file, "config", "", "Path of a YAML file with settings.")
	f.BoolVar(&w.at.dev, "dev", false, "Take the server and the keys of carillon dev, whatever else is set.")

	c.RunE = func(c *cobra.Command, _ []string) error {
		shell, known := shells[w.shell]
		if !known {
			return usageError{fmt.Errorf("invalid --shell %q: must be one of %s", w.shell, strings.Join(slices.Sorted(maps.Keys(shells)), ", "))}
		}

		// To take variables back needs no server: their names are enough.
		write := shell.set
		var list []variable
		var err error
		switch {
		case w.unset:
			write, list = shell.unset, w.all(layer{}, names("x", devUsers, "x"))
			list = append(list, variable{name: "NODE_EXTRA_CA_CERTS"})
		default:
			list, err = p.ask(c.Context(), w)
		}
		if err != nil || list == nil {
			return err
		}

		if !w.unset && !w.namesOnly { // of another key, it would make this one invalid
			if _, err := fmt.Fprintln(p.Stdout, shell.unset(variable{name: "AWS_SESSION_TOKEN"})); err != nil {
				return err
			}
		}

		for _, v := range list {
			if _, err := fmt.Fprintln(p.Stdout, write(v)); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

func (w wantedEnv) all(s layer, named []variable) []variable {
	if w.namesOnly {
		return named
	}
	return append(awsVariables(s), named...)
}

// ask fetches from the server what there is to name. It prints a profile itself.
func (p Program) ask(ctx context.Context, w wantedEnv) ([]variable, error) {
	// The environment must not answer: it may hold the variables of another account, or older ones.
	quiet := p
	quiet.Environ = slices.DeleteFunc(slices.Clone(p.Environ), func(v string) bool { return strings.HasPrefix(v, "AWS_") })
	s, err := quiet.find(w.at)
	if err != nil {
		return nil, err
	}

	c, err := s.client("")
	if err != nil {
		return nil, err
	}
	defer c.CloseIdleConnections()

	at, err := c.GetMessagingSessionEndpoint(ctx, nil)
	if err != nil {
		return nil, s.explain(err)
	}
	if at.Endpoint != nil && at.Endpoint.URL != "" { // what clients sign
		scheme, _, _ := strings.Cut(s.endpoint, ":")
		s.endpoint = scheme + "://" + at.Endpoint.URL
	}

	authority := s.authority()
	if w.profile != "" {
		s.caCert = authority
		_, err := io.WriteString(p.Stdout, profileOf(w.profile, s.layer))
		return nil, err
	}

	named, err := s.named(ctx, c, w.appInstance)
	if err != nil {
		return nil, err
	}

	list := w.all(s.layer, named)
	if authority != "" && !w.namesOnly {
		list = append(list, variable{"NODE_EXTRA_CA_CERTS", authority})
	}
	return list, nil
}

// authority is the file of the server's own authority, when that is found.
func (s server) authority() string {
	file := s.caCert
	if file == "" {
		file = filepath.Join(s.settings.Data, "tls", "ca.pem")
	}
	if _, err := os.Stat(file); err != nil || s.settings.TLSCert != "" {
		return ""
	}
	if absolute, err := filepath.Abs(file); err == nil {
		return absolute
	}
	return file
}

// named returns the names of the app instance, and of those users and the channel of carillon dev
// that it has. A server without any app instance has none.
func (s server) named(ctx context.Context, c *client.Client, wanted string) ([]variable, error) {
	app, err := s.appInstance(ctx, c, wanted)
	if errors.Is(err, errNoAppInstance) {
		return []variable{}, nil
	} else if err != nil {
		return nil, err
	}

	// Only what carillon dev has made, and still has, gets a name.
	var users []string
	for _, id := range devUsers {
		user := app + "/user/" + id
		_, err := c.DescribeAppInstanceUser(ctx, &client.DescribeAppInstanceUserRequest{AppInstanceUserARN: user})
		if there, err := exists(err); err != nil {
			return nil, s.explain(err)
		} else if there {
			users = append(users, user)
		}
	}

	if len(users) == 0 {
		return names(app, nil, ""), nil
	}

	channel := app + "/channel/" + devChannel
	_, err = c.DescribeChannel(ctx, &client.DescribeChannelRequest{ChannelARN: channel, ChimeBearer: users[0]})
	there, err := exists(err)
	if !there {
		channel = ""
	}
	return names(app, users, channel), err
}

// exists distinguishes a refusal because something does not exist from other errors.
func exists(err error) (bool, error) {
	var refused *client.Error
	if errors.As(err, &refused) && (refused.Code == "NotFoundException" || refused.Code == "ForbiddenException") {
		return false, nil
	}
	return err == nil, err
}
