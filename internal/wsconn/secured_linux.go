package wsconn

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/lockorder"
)

// secured is what TLS has instead of its network connection once the handshake is done. It
// never waits: reads that find nothing fail temporarily, which TLS survives; what it writes is kept
// until the kernel takes it.
type secured struct {
	p   *polled
	tls *tls.Conn

	mu      lockorder.Mutex[lockorder.Secured]
	records *[]byte // lent by the pool while there are some
	taken   int     // bytes of them that the kernel has
	sending bool    // by our writer, which bounds what it sends
}

var _ net.Conn = (*secured)(nil)

// maxAnswers bounds what a client makes TLS answer without reading the answers, in bytes.
const maxAnswers = 4 << 10

// recordBuffers have capacity for the records of one batch.
var recordBuffers = sync.Pool{New: func() any {
	room := make([]byte, 0, batchBytes+batchBytes/8)
	return &room
}}

// errAgain is temporary to TLS, so that the connection stays usable.
var errAgain error = again{}

type again struct{}

func (again) Error() string   { return "nothing to read now" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

var errTooManyAnswers = errors.New("the client does not read what TLS answers")

// write encrypts and writes what the kernel takes of a part. The next piece is encrypted when the
// one before it is gone.
func (e *secured) write(w *part) (done bool, err error) {
	for {
		if done, err = e.drain(); !done || err != nil || len(w.out) == 0 {
			return done, err
		}
		e.setSending(true)
		n, err := e.tls.Write(w.out[:min(len(w.out), batchBytes)])
		e.setSending(false)
		if err != nil {
			return false, err
		}
		w.out = w.out[n:]
	}
}

func (e *secured) setSending(on bool) {
	e.mu.Lock()
	e.sending = on
	e.mu.Unlock()
}

// drain writes the records that are left. done reports that none are.
func (e *secured) drain() (done bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.records == nil {
		return true, nil
	}
	n, err := writeFD(e.p.fd, (*e.records)[e.taken:])
	if e.taken += n; err != nil || e.taken < len(*e.records) {
		return false, err
	}
	*e.records = (*e.records)[:0]
	recordBuffers.Put(e.records)
	e.records, e.taken = nil, 0
	return true, nil
}

// waiting reports whether there are records that no writer is about to write.
func (e *secured) waiting() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.records != nil && !e.sending
}

// answered sees to what TLS had to answer while it read.
func (e *secured) answered() {
	if !e.waiting() {
		return
	}
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	e.p.ready = true // a flush that is about to end goes on
	e.p.wake()
}

// goodbye sends TLS's end of data, if the kernel takes it.
func (e *secured) goodbye() {
	if e.tls.CloseWrite() == nil {
		_, _ = e.drain()
	}
}

func (e *secured) Read(b []byte) (int, error) { return readFD(e.p.fd, b) }

func (e *secured) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.records == nil {
		e.records = recordBuffers.Get().(*[]byte)
	}
	if !e.sending && len(*e.records)-e.taken > maxAnswers {
		return 0, errTooManyAnswers
	}
	*e.records = append(*e.records, b...)
	return len(b), nil
}

// Close does nothing: the link closes the socket.
func (e *secured) Close() error { return nil }

func (e *secured) LocalAddr() net.Addr  { return nil }
func (e *secured) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(e.p.from) }

func (e *secured) SetDeadline(time.Time) error      { return nil }
func (e *secured) SetReadDeadline(time.Time) error  { return nil }
func (e *secured) SetWriteDeadline(time.Time) error { return nil }
