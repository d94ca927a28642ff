package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// opsTimeout bounds a call of the operations port; a replay waits for what its follower calls.
const opsTimeout = 2 * time.Minute

// maxOpsAnswer bounds what is read of an answer, in bytes.
const maxOpsAnswer = 16 << 20

// foundOps is how commands find the operations port; it is part of their help.
const foundOps = `The node is asked through its operations port: that of --ops, or of the setting ops-listen.`

// opsPort is the operations port of a running node.
type opsPort struct {
	at, file string // flags
}

func (o *opsPort) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.at, "ops", "", "Address of the operations port, host:port or http URL.")
	c.Flags().StringVar(&o.file, "config", "", "Path of a YAML file with settings.")
}

// address returns the URL of the port.
func (o *opsPort) address(p Program) (string, error) {
	at := o.at
	if at == "" {
		settings, err := p.settingsOfServer(o.file, false)
		if err != nil {
			return "", err
		}
		if at = settings.OpsListen; at == "" {
			return "", errors.New("the setting ops-listen switches the operations port off")
		}
	}
	if strings.Contains(at, "://") {
		return strings.TrimSuffix(at, "/"), nil
	}
	host, port, err := net.SplitHostPort(at)
	if err != nil || port == "0" {
		return "", usageError{fmt.Errorf("the operations port %q is not host:port: give it with --ops", at)}
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = ""
	}
	return "http://" + net.JoinHostPort(cmp.Or(host, "localhost"), port), nil
}

// call makes a request and decodes the answer into result, unless that is nil.
func (o *opsPort) call(ctx context.Context, p Program, method, path string, result any) error {
	base, err := o.address(p)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, opsTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, base+path, nil)
	if err != nil {
		return usageError{err}
	}

	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("no node answers at %s: --ops names another operations port (%w)", base, err)
	}
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxOpsAnswer))
	if err != nil {
		return err
	}
	if answer.StatusCode >= 300 {
		return errors.New(cmp.Or(strings.TrimSpace(string(body)), answer.Status))
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(body, result); err != nil {
		return fmt.Errorf("%s is no operations port: %w", base, err)
	}
	return nil
}

// letterPath returns the path of a dead letter on the port.
func letterPath(app, follower, position string) string {
	return "/dead-letters/" + url.PathEscape(app) + "/" + url.PathEscape(follower) + "/" + url.PathEscape(position)
}
