package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/carillon-chat/carillon/endurance/faultnet"
)

// isolated makes the run in a network of its own. ran is false when the system does not let it,
// and err says why.
func isolated(ctx context.Context, c *cuts) (ran bool, err error) {
	self, err := os.Executable()
	if err != nil {
		return false, err
	}
	command := exec.CommandContext(ctx, self, "cuts", "-inside",
		"-for", c.length.String(), "-sessions", strconv.Itoa(c.sessions), "-channels", strconv.Itoa(c.channels),
		"-rate", fmt.Sprint(c.rate), "-seed", fmt.Sprint(c.seed), "-program", c.program, "-liveness", c.liveness.String(),
		"-freeze-least", c.freeze[0].String(), "-freeze-most", c.freeze[1].String(), "-pause", c.pause.String(), "-keep="+strconv.FormatBool(c.keep))
	command.Env = append(os.Environ(), asCommand+"=1")
	command.Stdout, command.Stderr = c.out, c.out
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 30 * time.Second
	faultnet.Isolated(command)
	if err := command.Start(); err != nil {
		return false, err
	}
	return true, command.Wait()
}
