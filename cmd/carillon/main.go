// Command carillon is Amazon Chime SDK messaging that you run yourself.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/carillon-chat/carillon/internal/cli"
)

// version is set by the build of a release.
var version = "development"

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return cli.Run(ctx, cli.FromOS(version))
}
