package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

// runIsolation shows that an event reaches those whom it is for and nobody else.
func runIsolation(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("isolation", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Duration("for", 2*time.Second, "how long to make calls")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "carillon-endurance-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	addr, stop, err := startApp(ctx, dir, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	p := newPeer(addr)
	defer p.close()
	var made struct{ AppInstanceArn string }
	if err := p.call(ctx, "POST", "/app-instances", "", object{"Name": "a", "ClientRequestToken": "a-1"}, &made); err != nil {
		return err
	}
	if err := p.call(ctx, "POST", "/app-instance-users", "", object{
		"AppInstanceArn": made.AppInstanceArn, "AppInstanceUserId": "ann", "Name": "ann", "ClientRequestToken": "ann",
	}, nil); err != nil {
		return err
	}
	if err := p.call(ctx, "GET", "/app-instances/"+escape(made.AppInstanceArn), "", nil, nil); err != nil {
		return err
	}
	conn, err := p.dial(ctx, made.AppInstanceArn+"/user/ann", "s", nil)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	first, err := next(ctx, conn)
	if err == nil && first.event() != "SESSION_ESTABLISHED" {
		err = fmt.Errorf("the first event is %s", first.event())
	}
	return err
}
