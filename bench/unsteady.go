//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
)

// unsteady are the members of a load that lose their sockets and open them again.
type unsteady struct {
	*load
	left     chan int // ids of those that lost their socket
	returned int
	failed   error
}

// leave notes a lost socket. A member is in left once at most, so there is room.
func (u *unsteady) leave(id int) {
	select {
	case u.left <- id:
	default:
	}
}

// begin lets members come back, and cuts them off when there is to be churn. stop ends that and
// returns how often one came back.
func (u *unsteady) begin(ctx context.Context) (stop func() (int, error)) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { u.welcome(ctx) })
	if u.Churn > 0 && u.Unsteady > 0 {
		group.Go(func() { u.cut(ctx) })
	}
	return func() (int, error) {
		cancel()
		group.Wait()
		return u.returned, u.failed
	}
}

func (u *unsteady) welcome(ctx context.Context) {
	for {
		select {
		case id := <-u.left:
			s, err := rig.Door{Addr: u.Addr}.Connect(u.Members[id])
			if err == nil {
				err = u.audience.Admit(id, s, u.Stopped)
			}
			if err != nil {
				u.failed = fmt.Errorf("a member cannot come back: %w", err)
				return
			}
			u.returned++
		case <-ctx.Done():
			return
		}
	}
}

// cut resets one socket after the other.
func (u *unsteady) cut(ctx context.Context) {
	tick := time.NewTicker(time.Duration(float64(time.Second) / u.Churn))
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-tick.C:
			id := u.audience.steady + i%u.Unsteady
			u.audience.Expel(id)
			u.leave(id)
		case <-ctx.Done():
			return
		}
	}
}
