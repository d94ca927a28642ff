package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/carillon-chat/carillon/client"
	"github.com/carillon-chat/carillon/internal/app/datadir"
	"github.com/carillon-chat/carillon/internal/config"
)

// foundServer is how commands that call a server find it; it is part of their help.
const foundServer = `The server and the keys are those of the first of these that names them: the flags --endpoint,
--profile and --ca-cert; the settings of the server (CARILLON_..., --config), where they are not the
defaults; AWS_ENDPOINT_URL_CHIME_SDK_MESSAGING, AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID with
AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, AWS_REGION, AWS_CA_BUNDLE; the profile AWS_PROFILE; and
those of carillon dev. --dev takes those of carillon dev at once.`

// whereabouts are the flags of commands that call a running server.
type whereabouts struct {
	endpoint, profile, caCert, file string
	dev                             bool
}

func (w *whereabouts) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&w.endpoint, "endpoint", "", "URL of the server, http or https.")
	f.StringVar(&w.profile, "profile", "", "Profile of the AWS CLI that has the keys, and may have the server.")
	f.StringVar(&w.caCert, "ca-cert", "", "PEM file with the authority of an https server, such as tls/ca.pem under its data folder.")
	f.StringVar(&w.file, "config", "", "Path of a YAML file with settings.")
	f.BoolVar(&w.dev, "dev", false, "Take the server and the keys of carillon dev, whatever else is set.")
}

// layer is what one source has about the server to call, and about the keys. What it does not have
// is empty.
type layer struct {
	endpoint, region, caCert string
	keys                     client.Credentials
	source                   string // of the keys, for messages
}

// over completes the layer with the layer below it.
func (l layer) over(below layer) layer {
	if l.keys.AccessKeyID == "" {
		l.keys, l.source = below.keys, below.source
	}
	l.endpoint = cmp.Or(l.endpoint, below.endpoint)
	l.region = cmp.Or(l.region, below.region)
	l.caCert = cmp.Or(l.caCert, below.caCert)
	return l
}

// server is the server that a command calls, and the keys that it calls with.
type server struct {
	layer    // complete; its endpoint is a URL without a path
	settings config.Config
	tls      *tls.Config // nil stands for the authorities of the machine
}

// find finds the server.
func (p Program) find(w whereabouts) (server, error) {
	settings, err := p.settingsOfServer(w.file, w.dev)
	if err != nil {
		return server{}, err
	}

	// Each layer only fills in what those above it lack.
	s := server{layer: layer{endpoint: w.endpoint, caCert: w.caCert}, settings: settings}
	if w.profile != "" {
		named, err := p.awsProfile(w.profile)
		if err != nil {
			return server{}, err
		}
		s.layer = s.over(named)
	}

	own, fallback, err := layersOf(settings)
	if err != nil && s.endpoint == "" {
		return server{}, err
	}
	s.layer = s.over(own)
	if !w.dev {
		if s.layer, err = p.overAWS(s.layer); err != nil {
			return server{}, err
		}
	}

	s.layer = s.over(fallback)
	return s, s.complete()
}

// settingsOfServer reads the settings that the server was started with. Without root keys in them
// they are those of dev mode.
func (p Program) settingsOfServer(file string, dev bool) (config.Config, error) {
	if dev {
		return config.Load(config.Dev, config.Sources{})
	}
	return config.Load(config.Dev, config.Sources{File: file, Environ: p.Environ})
}

// layersOf splits settings into those that the user has set, and what dev mode has for the rest.
func layersOf(cfg config.Config) (own, fallback layer, err error) {
	usual, err := config.Load(config.Dev, config.Sources{})
	if err != nil {
		return own, fallback, err
	}

	keys := func(c config.Config) client.Credentials {
		return client.Credentials{AccessKeyID: c.RootAccessKeyID, SecretAccessKey: c.RootSecretAccessKey.Reveal()}
	}

	// With --random-keys the data folder has keys of its own.
	fallback = layer{region: usual.Region, keys: keys(usual), source: devKeys}
	made, err := datadir.ReadRootKeys(cfg.Data)
	switch {
	case err == nil: // by --random-keys
		fallback.keys = client.Credentials{AccessKeyID: made.AccessKeyID, SecretAccessKey: made.SecretAccessKey}
	case !errors.Is(err, datadir.ErrNoRootKeys):
		return own, fallback, err
	}

	if fallback.endpoint, err = listening(usual.Listen); err != nil {
		return own, fallback, err
	}

	// What differs from dev mode was set by the user.
	if !cfg.HasDevKeys() && !cfg.RandomKeys {
		own.keys, own.source = keys(cfg), "the root key of the settings"
	}
	if cfg.Region != usual.Region {
		own.region = cfg.Region
	}
	if cfg.Listen != usual.Listen {
		own.endpoint, err = listening(cfg.Listen)
	}
	return own, fallback, err
}

// listening is the URL of a server that listens on the address.
func listening(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "0" {
		return "", errors.New("the setting listen names no port: give the server's URL with --endpoint")
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// complete checks the URL and reads the authority.
func (s *server) complete() error {
	at, err := url.Parse(s.endpoint)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return usageError{fmt.Errorf("invalid --endpoint %q: must be an http or https URL", s.endpoint)}
	}
	s.endpoint = at.Scheme + "://" + at.Host

	if s.caCert == "" || at.Scheme == "http" {
		return nil
	}

	pem, err := os.ReadFile(s.caCert)
	if err != nil {
		return fmt.Errorf("--ca-cert: %w", err)
	}
	s.tls = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	if !s.tls.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("--ca-cert %s: no PEM certificate", s.caCert)
	}
	return nil
}

// client calls the server on behalf of the bearer, if there is one.
func (s server) client(bearer string) (*client.Client, error) {
	return client.New(client.Config{
		Endpoint: s.endpoint, Region: s.region, Credentials: client.StaticCredentials(s.keys), Bearer: bearer, TLS: s.tls,
	})
}

// explain completes an error of a call with what its reader can do about it.
func (s server) explain(err error) error {
	var untrusted x509.UnknownAuthorityError
	var refused *client.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("cannot connect to %s: is `carillon dev` running? --endpoint names another (%w)", s.endpoint, err)
	case errors.As(err, &untrusted):
		file := filepath.Join(s.settings.Data, "tls", "ca.pem")
		return fmt.Errorf("%w: name the CA of %s with --ca-cert; that of carillon dev is %s, and http needs none", err, s.endpoint, file)
	case errors.As(err, &refused) && refusesKeys(refused.Code):
		return fmt.Errorf("%w; signed with %s at %s, --dev takes the keys of carillon dev", err, s.source, s.endpoint)
	}
	return err
}

// refusesKeys reports whether an error is about the key that signed.
func refusesKeys(code string) bool {
	switch code {
	case "InvalidClientTokenId", "UnrecognizedClientException", "InvalidSignatureException", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException":
		return true
	}
	return false
}

// appInstance finds an app instance by its ARN, id or name. Without one it is the only one, or the
// one that carillon dev has made, as long as its keys are in use.
func (s server) appInstance(ctx context.Context, c *client.Client, wanted string) (string, error) {
	if strings.HasPrefix(wanted, "arn:") {
		return wanted, nil
	}

	// All of them are listed, since a name may fit several.
	var all []client.AppInstanceSummary
	for request := new(client.ListAppInstancesRequest); ; {
		page, err := c.ListAppInstances(ctx, request)
		if err != nil {
			return "", s.explain(err)
		}
		all = append(all, page.AppInstances...)
		if request.NextToken = page.NextToken; request.NextToken == "" {
			break
		}
	}

	var found, names []string
	for _, app := range all {
		names = append(names, app.Name+" ("+last(app.AppInstanceARN)+")")
		ofDev := wanted == "" && app.Name == devAppInstance && s.source == devKeys
		if last(app.AppInstanceARN) == wanted || app.Name == wanted || ofDev || wanted == "" && len(all) == 1 {
			found = append(found, app.AppInstanceARN)
		}
	}

	// The error lists what could have been chosen.
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(all) == 0:
		return "", errNoAppInstance
	case wanted == "":
		return "", usageError{fmt.Errorf("the server has several app instances: choose one with --app-instance: %s", strings.Join(names, ", "))}
	case len(found) == 0:
		return "", usageError{fmt.Errorf("unknown --app-instance %q: the server has %s", wanted, strings.Join(names, ", "))}
	}
	return "", usageError{fmt.Errorf("--app-instance %q names several: give its id or ARN", wanted)}
}

var errNoAppInstance = errors.New("the server has no app instance, so it has no users")

// devKeys is the source of the published keys, or of those that dev mode has made for its folder.
const devKeys = "the keys of carillon dev"

// devAppInstance is the name of the app instance that carillon dev makes.
const devAppInstance = "dev"
