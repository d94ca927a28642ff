package wsconn

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/carillon-chat/carillon/internal/throttle"
)

// logInterval lies between two lines of a kind whose number the callers decide.
const logInterval = time.Second

// Options of a Server. Hub and Authenticate are required; zero values of the rest mean the
// defaults.
type Options struct {
	Hub          Hub
	Authenticate AuthenticateFunc
	// Screen has requests that it refuses answered with 403; nil accepts all.
	Screen ScreenFunc
	// Secure reports whether a request came over TLS, for logs; nil looks at the request alone.
	Secure func(*http.Request) bool
	// Engine moves the bytes (default EngineAuto).
	Engine Engine
	// Now is the clock by which credentials expire (default time.Now).
	Now func() time.Time
	Log *slog.Logger // default: no logs
	// Limiter bounds the connections that one user opens in a second, successful ones alone;
	// nil does not.
	Limiter *throttle.Limiter

	// ConnectWait is how long a connection over the limiter's rate waits for its turn (default 5 s;
	// negative: not at all). Further ones are closed with 4005, and those beyond MaxWaiting in all
	// (default 1,024).
	ConnectWait time.Duration
	MaxWaiting  int

	// PingInterval lies between two pings of a connection (default 30 s). Credentials expire
	// with a thirtieth of it as precision.
	PingInterval time.Duration
	// MissedPings is how many pings may stay without any sign of life (default 2).
	MissedPings int
	// ProbeTimeout is how long the answer to a probe may take (default 3 s).
	ProbeTimeout time.Duration
	// WriteTimeout bounds one write, of at most 32 KiB or one frame, and each 32 KiB of a longer line of frames
	// (default 10 s).
	WriteTimeout time.Duration
	// CloseTimeout bounds the writing of a close frame, and then the wait for the peer's
	// (default 3 s each).
	CloseTimeout time.Duration
	// CloseSpread is the time over which Shutdown spreads the closing of sockets, so that their
	// clients do not come back all at once; zero closes all at one moment.
	CloseSpread time.Duration
	// AuthTimeout bounds authentication, attaching to the hub and the wait for their turn together
	// (default 5 s).
	AuthTimeout time.Duration
	// MaxPending bounds the upgrades and sockets that are not authenticated (default 1,024).
	// Beyond, upgrades get 503.
	MaxPending int
	// MaxPendingPerAddress bounds those of one address, or of one /64 of IPv6, among them
	// (default 512). Beyond, upgrades get 429.
	MaxPendingPerAddress int
	// MaxRefused bounds the refused sockets that wait for their peer's close frame (default 256).
	// The oldest is cut off for the next.
	MaxRefused int
	// ReadLimit bounds a message of a client, in bytes (default 4 KiB, spec 4.3).
	ReadLimit int
	// ClientFrames and ClientBytes are how many frames and bytes a client may send a second, on
	// average over ten seconds, frames of control and pieces of messages included (default 100 and
	// 64 KiB). Half of the one leaves half of the other. A client that sends faster is closed with
	// 1008.
	ClientFrames, ClientBytes int
	// Compression accepts permessage-deflate from clients that offer it.
	Compression bool
	// SendBuffer is what the kernel may hold for one peer, in bytes (default 128 KiB).
	SendBuffer int
}

func (o *Options) setDefaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Engine == "" {
		o.Engine = EngineAuto
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Secure == nil {
		o.Secure = func(r *http.Request) bool { return r.TLS != nil }
	}

	setDefault(&o.PingInterval, 30*time.Second)
	setDefault(&o.MissedPings, 2)
	setDefault(&o.ProbeTimeout, 3*time.Second)
	setDefault(&o.WriteTimeout, 10*time.Second)
	setDefault(&o.CloseTimeout, 3*time.Second)
	setDefault(&o.AuthTimeout, 5*time.Second)

	// Negative means no wait, and zero the default.
	if o.ConnectWait == 0 {
		o.ConnectWait = 5 * time.Second
	}
	o.ConnectWait = max(o.ConnectWait, 0)

	setDefault(&o.MaxWaiting, 1024)
	setDefault(&o.MaxPending, 1024)
	setDefault(&o.MaxPendingPerAddress, 512)
	setDefault(&o.MaxRefused, 256)
	setDefault(&o.ReadLimit, 4<<10)
	setDefault(&o.ClientFrames, 100)
	setDefault(&o.ClientBytes, 64<<10)
	setDefault(&o.SendBuffer, 128<<10)
}

func setDefault[T int | time.Duration](value *T, standard T) {
	if *value <= 0 {
		*value = standard
	}
}
