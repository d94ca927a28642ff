package wsconn

import (
	"context"
	"math/rand/v2"
	"time"
)

// Shutdown closes all connections with the code and reason, spread over CloseSpread, and waits
// until they have ended. When ctx is done first it cuts the rest off and returns ctx's error. From
// now on requests get 503.
func (s *Server) Shutdown(ctx context.Context, code int, reason string) error {
	e := ending{causeShutdown, code, reason}

	// No connection is accepted after this, so that empty is reached.
	s.mu.Lock()
	s.ending = &e
	if s.empty == nil {
		s.empty = make(chan struct{})
		if s.live == 0 {
			s.ended()
		}
	}
	s.mu.Unlock()

	s.stop()
	s.closeAll(ctx, e)

	select {
	case <-s.empty:
		return nil
	case <-ctx.Done():
	}

	for _, c := range s.wheel.all() {
		c.giveUp(causeShutdown)
	}
	return ctx.Err()
}

// closeAll closes the connections in an order of chance, evenly over CloseSpread, each at some moment
// of its share. It ends early with ctx, or when none is left.
func (s *Server) closeAll(ctx context.Context, e ending) {
	all := s.wheel.all()
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	share := float64(s.opts.CloseSpread) / float64(max(len(all), 1))
	begin := time.Now()

	for i, c := range all {
		at := time.Duration((float64(i) + rand.Float64()) * share)
		if wait := at - time.Since(begin); wait > 0 {
			select {
			case <-time.After(wait):
			case <-s.empty:
				return
			case <-ctx.Done():
				return
			}
		}
		c.shut(e)
	}
}
