package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
)

// welcome tells a person, once the node is ready, how to use it.
func welcome(w io.Writer, cfg config.Config, node *app.App) error {
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
	_, err := io.WriteString(w, b.String())
	return err
}

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
	b.WriteString("\nFor the AWS CLI and SDKs (some read the one name of the region, some the other):\n\n")
	for _, service := range []string{"CHIME_SDK_MESSAGING", "CHIME_SDK_IDENTITY", "STS", "IAM", "COGNITO_IDENTITY"} {
		fmt.Fprintf(b, "  export AWS_ENDPOINT_URL_%s=%s\n", service, base)
	}
	fmt.Fprintf(b, "  export AWS_REGION=%[1]s AWS_DEFAULT_REGION=%[1]s\n", cfg.Region)
	id, secret := node.DevKeys()
	if id == "" {
		fmt.Fprintf(b, "  export AWS_ACCESS_KEY_ID=%s\n  export AWS_SECRET_ACCESS_KEY=...   # the secret that you set\n", cfg.RootAccessKeyID)
		return
	}
	fmt.Fprintf(b, "  export AWS_ACCESS_KEY_ID=%s\n  export AWS_SECRET_ACCESS_KEY=%s\n", id, secret)
	if cfg.HasDevKeys() {
		b.WriteString("\nThese are the published default keys of carillon dev: never use them for anything else.\n")
	} else {
		b.WriteString("\nThese keys were made for this data folder, which holds them in root-keys.json.\n")
	}
}

// describeTrust says how programs learn to trust the local CA. Browsers do not need it for the
// chat page over http.
func describeTrust(b *strings.Builder, file string) {
	if absolute, err := filepath.Abs(file); err == nil {
		file = absolute
	}
	file = quote(file)
	fmt.Fprintf(b, `
For https and wss, programs have to trust the local CA:

  export NODE_EXTRA_CA_CERTS=%[1]s
  export AWS_CA_BUNDLE=%[1]s

or put it into the system's store: on Debian copy it to /usr/local/share/ca-certificates/carillon.crt
and run update-ca-certificates; on macOS use security add-trusted-cert; on Windows certutil -addstore Root.
`, file)
}

// quote writes a path as one word of a shell.
func quote(path string) string {
	if !strings.ContainsAny(path, " \t'\"\\$`&;()<>|*?[]#~!{}") {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
