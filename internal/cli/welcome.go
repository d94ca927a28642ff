package cli

import (
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
)

// welcome prints, once the node is ready, how to use it. Where the log is JSON a program
// reads it, and one line of the log has the same contents.
func (p Program) welcome(cfg config.Config, node *app.App, log *slog.Logger) error {
	if cfg.LogFormat == "json" {
		logReady(cfg, node, log)
		return nil
	}
	base := "http://" + node.PublicHost()
	var b strings.Builder
	fmt.Fprintf(&b, "Carillon is ready on %s (http, https, ws and wss on one port).\n", node.PublicHost())
	if node.OpsAddr() != "" {
		fmt.Fprintf(&b, "Health and metrics: http://%s/healthz /readyz /metrics\n", node.OpsAddr())
	}
	if node.Seeded() != nil {
		describeDev(&b, cfg, base, node)
	}
	if file := node.CAFile(); file != "" {
		describeTrust(&b, file)
	}
	if cfg.Mode == config.Dev {
		b.WriteString("\nStop with Ctrl-C.\n")
	}
	_, err := io.WriteString(p.Stdout, b.String())
	return err
}

func logReady(cfg config.Config, node *app.App, log *slog.Logger) {
	facts := []any{"public_host", node.PublicHost(), "operations", node.OpsAddr(), "ca_file", node.CAFile()}
	if seeded := node.Seeded(); seeded != nil {
		facts = append(facts, "chat_page", "http://"+node.PublicHost()+"/chat/",
			"app_instance", seeded.AppInstanceARN, "users", seeded.UserARNs, "channel", seeded.ChannelARN, "processor", cfg.DemoProcessor(), "bot", cfg.EchoBot())
	}
	log.Info("ready", facts...)
}

// describeDev describes what dev mode has made, and the variables that lead to it.
func describeDev(b *strings.Builder, cfg config.Config, base string, node *app.App) {
	seeded := node.Seeded()
	fmt.Fprintf(b, "\nChat page:    %s/chat/\n", base)
	if !cfg.OnLoopback() {
		b.WriteString("Warning: whoever reaches the chat page can act as any of the users.\n")
	}

	fmt.Fprintf(b, "App instance: %s\n", seeded.AppInstanceARN)
	for i, arn := range seeded.UserARNs {
		label := ""
		if i == 0 {
			label = "Users:"
		}
		fmt.Fprintf(b, "%-13s %s\n", label, arn)
	}
	fmt.Fprintf(b, "Channel:      %s\n", seeded.ChannelARN)
	if arn := cfg.DemoProcessor(); arn != "" {
		fmt.Fprintf(b, "Processor:    %s (for channel flows: denies spam, masks darn)\n", arn)
	}
	if arn := cfg.EchoBot(); arn != "" {
		fmt.Fprintf(b, "Bot alias:    %s (for bots: says what is said to it)\n", arn)
	}

	// The same lines as those of env, so that they can be copied instead.
	b.WriteString(`
For a shell with the AWS CLI (2.13, 1.29 or newer) and SDKs, eval "$(carillon env)" does this:

`)
	s := layer{endpoint: base, region: cfg.Region}
	s.keys.AccessKeyID, s.keys.SecretAccessKey = node.DevKeys()
	own := s.keys.AccessKeyID == ""
	if own {
		s.keys.AccessKeyID = cfg.RootAccessKeyID
	}
	variables := append(awsVariables(s), names(seeded.AppInstanceARN, seeded.UserARNs, seeded.ChannelARN)...)

	for _, v := range variables {
		line := shells["posix"].set(v)
		if v.name == "AWS_SECRET_ACCESS_KEY" && own {
			line = "export AWS_SECRET_ACCESS_KEY=...   # the secret that you set"
		}
		b.WriteString("  " + line + "\n")
	}

	// A reader has to know which keys are safe to use elsewhere.
	switch {
	case cfg.HasDevKeys():
		b.WriteString("\nThese are the published default keys of carillon dev: never use them for anything else.\n")
	case !own:
		b.WriteString("\nThese keys were made for this data folder, which holds them in root-keys.json.\n")
	}
}

// describeTrust describes how programs learn to trust the local CA. Browsers do not need it for the
// chat page over http.
func describeTrust(b *strings.Builder, file string) {
	if absolute, err := filepath.Abs(file); err == nil {
		file = absolute
	}
	file = quote(file)
	fmt.Fprintf(b, `
For https and wss, programs have to trust the local CA (AWS_CA_BUNDLE takes the place of all others):

  export NODE_EXTRA_CA_CERTS=%[1]s
  export AWS_CA_BUNDLE=%[1]s

or put it into the system's store: on Debian copy it to /usr/local/share/ca-certificates/carillon.crt
and run update-ca-certificates; on macOS use security add-trusted-cert; on Windows certutil -addstore Root.
`, file)
}
