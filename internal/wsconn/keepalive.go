package wsconn

import (
	"time"

	"github.com/gobwas/ws"
)

// pongBudget is how many pings are answered at once between two visits of the sweeper. Past it
// only the newest is answered, at the next visit (RFC 6455 section 5.5.3 allows that).
const pongBudget = 64

// Signs of life: the peer sent something since the last ping, and since the last probe.
const (
	sincePing uint32 = 1 << iota
	sinceProbe
	sinceBoth = sincePing | sinceProbe
)

// Probe implements realtime.Transport. Probes are rare, so each has a timer.
func (c *conn) Probe() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == open {
		c.heard.And(^sinceProbe)
		c.say(ws.OpPing, nil)
		time.AfterFunc(c.srv.opts.ProbeTimeout, c.probed)
	}
}

func (c *conn) probed() {
	c.mu.Lock()
	session, gone := c.session, c.phase != open
	c.mu.Unlock()
	switch {
	case gone:
	case session == nil: // it is not read from before the hub is done with it
		time.AfterFunc(c.srv.opts.ProbeTimeout, c.probed)
	default:
		session.Probed(c.heard.Load()&sinceProbe != 0)
	}
}

// pinged answers a ping.
func (c *conn) pinged(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != open {
		return
	}
	if c.pongs >= pongBudget {
		if c.latePong == nil {
			c.latePong = new([]byte)
		}
		*c.latePong = appendFrame((*c.latePong)[:0], ws.OpPong, payload)
		return
	}
	c.pongs++
	c.say(ws.OpPong, payload)
}

// visit is called by the sweeper: it ends what has expired or is late and, when due, pings a
// session. It returns when the credentials expire.
func (c *conn) visit(now time.Time, due, late bool) (expires time.Time) {
	if late {
		c.late()
	}

	c.mu.Lock()
	if c.expires != 0 {
		expires = c.srv.wheel.began.Add(time.Duration(c.expires) * time.Microsecond)
	}
	if c.control != nil { // the answer to its upgrade, while it is not let in yet
		c.wake()
	}
	dead := false
	var beats Session
	if due && c.phase == open && c.session != nil {
		dead, beats = !c.ping(), c.session
	}
	c.mu.Unlock()

	if beats != nil && !dead {
		beats.Beat() // not under mu: it may call Ready
	}

	switch {
	case dead:
		c.giveUp(causePingTimeout)
	case !expires.IsZero() && !now.Before(expires):
		c.shut(ending{causeExpired, codeGoingAway, "credentials expired"})
	}
	return expires
}

// ping sends a ping and an overdue pong. It reports false when too many pings stayed without
// any sign of life. Anything that the peer sends is one, not only a pong.
func (c *conn) ping() bool {
	if c.heard.And(^sincePing)&sincePing != 0 {
		c.missed = 0
	}
	if int(c.missed) >= c.srv.opts.MissedPings {
		return false
	}
	c.missed++
	c.pongs = 0
	c.say(ws.OpPing, nil)
	if c.latePong != nil {
		*c.control = append(*c.control, *c.latePong...)
		c.latePong = nil
	}
	return true
}
