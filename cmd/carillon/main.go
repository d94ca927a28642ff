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

func main() { os.Exit(run(cli.FromOS(version))) }

// run ends at the first SIGINT or SIGTERM, in good order; a second one ends the process at once.
func run(p cli.Program) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return cli.Run(ctx, p)
}
