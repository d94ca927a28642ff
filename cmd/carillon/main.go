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

func main() {
	useTwoProcessors()
	useRoomForGarbage(memory(os.DirFS("/")))
	program := cli.FromOS(version)
	program.Hangups = hangups
	os.Exit(run(program))
}

// run ends at the first SIGINT or SIGTERM, in good order; a second one ends the process at once.
func run(p cli.Program) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	collectsWhenQuiet(ctx)
	return cli.Run(ctx, p)
}

// hangups catches SIGHUP, which then ends the process no more. Windows sends none.
func hangups() (<-chan os.Signal, func()) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	return caught, func() { signal.Stop(caught) }
}
