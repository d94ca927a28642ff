//go:build !linux

package wsconn

import (
	"net"
	"net/netip"
	"time"
)

// poller exists on Linux alone.
type poller struct{}

func newPoller() *poller { return nil }

func (*poller) adopt(*Server, net.Conn, netip.AddrPort) *conn { return nil }

func (*poller) catchUp() {}

func (*poller) stop() {}

// limitSilence has no equal here: pings find out.
func limitSilence(*net.TCPConn, time.Duration) {}
