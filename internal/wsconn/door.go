package wsconn

import (
	"net/netip"
	"slices"

	"github.com/carillon-chat/carillon/internal/realtime"
)

// door counts the sockets that are not authenticated, or never will be. Pending upgrades and
// sockets are bounded, in all and for each network. Refused sockets have a queue of their own, so
// that their wait for the peer's close frame takes no pending socket's place. Server.mu guards it.
type door struct {
	pending  int
	waiting  int                  // authenticated ones, for a turn of their user
	networks map[netip.Prefix]int // of the pending ones; without those that have none
	refused  []*conn              // the oldest first; few, so a search is cheap
}

// network is what one client has to itself: an address, or a /64 of IPv6. It is not valid when the
// address is not known; then it is not counted.
func network(from netip.AddrPort) netip.Prefix {
	address := from.Addr().Unmap().WithZone("")
	bits := address.BitLen()
	if address.Is6() {
		bits = 64
	}
	prefix, _ := address.Prefix(bits)
	return prefix
}

// enter counts an upgrade in.
func (s *Server) enter(from netip.AddrPort) *httpError {
	n := network(from)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ending != nil:
		return errStopping
	case s.door.pending >= s.opts.MaxPending:
		return errBusy
	case n.IsValid() && s.door.networks[n] >= s.opts.MaxPendingPerAddress:
		return errBusyAddress
	}
	s.live++
	s.door.pending++
	if n.IsValid() {
		s.door.networks[n]++
	}
	return nil
}

// left counts an upgrade out that came to nothing.
func (s *Server) left(from netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.door.leave(from)
	s.leave()
}

// admitted follows the authentication of a connection.
func (s *Server) admitted(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.door.leavePending(c)
}

// mayWait reports whether one more may wait for a turn of its user. Some more at the same moment do no
// harm.
func (s *Server) mayWait() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.door.waiting < s.opts.MaxWaiting
}

func (s *Server) waits(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.door.leavePending(c)
	s.door.waiting++
}

func (s *Server) waited() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.door.waiting--
}

// refuse closes a connection that becomes no session. It leaves the pending and waits for its
// peer's close frame among the refused, of which the oldest is cut off when they are too many. When
// the server stops, that is the reason.
func (s *Server) refuse(c *conn, e *realtime.CloseError) {
	s.mu.Lock()
	end := ending{causeRefused, e.Code, e.Reason}
	if s.ending != nil {
		end = *s.ending
	}
	s.mu.Unlock()
	c.shut(end)

	// The refused are bounded: one more cuts off the one that has waited longest.
	s.mu.Lock()
	s.door.leavePending(c)
	var oldest *conn
	if len(s.door.refused) >= s.opts.MaxRefused {
		oldest = s.door.refused[0]
		s.door.forget(oldest)
		s.counts.CutOff++
	}
	s.door.refused = append(s.door.refused, c)
	s.mu.Unlock()
	if oldest != nil {
		oldest.giveUp(causeRefused)
	}
}

// leavePending ends the time of a connection among the pending.
func (d *door) leavePending(c *conn) {
	if !c.notPending {
		c.notPending = true
		d.leave(c.from)
	}
}

func (d *door) leave(from netip.AddrPort) {
	d.pending--
	n := network(from)
	if !n.IsValid() {
		return
	}
	if d.networks[n]--; d.networks[n] == 0 {
		delete(d.networks, n)
	}
}

// forget takes a connection out of the refused.
func (d *door) forget(c *conn) {
	if i := slices.Index(d.refused, c); i >= 0 {
		d.refused = slices.Delete(d.refused, i, i+1)
	}
}
