package fastpath

import (
	"context"
	"sync/atomic"
)

// mostIdle is how many workers wait for a connection, each with its stack.
const mostIdle = 32

// workers are the goroutines that serve connections. One whose connection has ended or has left, such as a
// WebSocket's, serves another: its stack has grown to what a request takes, and to grow one is a tenth of a
// connection that has a single request.
type workers struct {
	next chan job // to those that wait
	idle *atomic.Int32
}

// job is a connection with the context of its requests.
type job struct {
	conn *conn
	ctx  context.Context
}

func newWorkers() workers { return workers{make(chan job), new(atomic.Int32)} }

// serve has the connection served, by a worker that waits or by a new one, which ends with closed at the
// latest when it has none. It does not wait.
func (w workers) serve(j job, closed <-chan struct{}) {
	select {
	case w.next <- j:
	default:
		go w.work(j, closed)
	}
}

// work is a worker.
func (w workers) work(j job, closed <-chan struct{}) {
	for {
		j.conn.serve(j.ctx)
		j = job{} // the connection is kept no longer

		if w.idle.Add(1) > mostIdle {
			w.idle.Add(-1)
			return
		}
		select {
		case j = <-w.next:
			w.idle.Add(-1)
		case <-closed:
			return
		}
	}
}
