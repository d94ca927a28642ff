package nats

import "sync"

// What waits for the connection is bounded by this much.
const (
	maxParcels = 8192
	maxBytes   = 32 << 20
)

// outgoing is what waits for the connection: nothing that puts something in waits for the network.
type outgoing struct {
	wake chan struct{} // has an element when there may be something

	mu       sync.Mutex
	parcels  []parcel
	bytes    int
	interest map[string]bool // subjects that are, or are no longer, of interest
	closed   bool
}

func newOutgoing() *outgoing {
	return &outgoing{wake: make(chan struct{}, 1), interest: make(map[string]bool)}
}

// add puts a parcel in. It returns how many of the oldest it threw away to make room.
func (o *outgoing) add(p parcel) (lost int) {
	size := p.size()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return 1
	}
	o.parcels = append(o.parcels, p)
	o.bytes += size
	for len(o.parcels) > maxParcels || o.bytes > maxBytes && len(o.parcels) > 1 {
		o.bytes -= o.parcels[0].size()
		o.parcels[0] = parcel{}
		o.parcels = o.parcels[1:]
		lost++
	}
	o.signal()
	return lost
}

// want says whether a subject is of interest from now on.
func (o *outgoing) want(subject string, on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.interest[subject] = on
	o.signal()
}

func (o *outgoing) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take takes everything. spare is memory for what comes next.
func (o *outgoing) take(spare []parcel) (parcels []parcel, interest map[string]bool, closed bool) {
	clear(spare)
	o.mu.Lock()
	defer o.mu.Unlock()
	parcels, o.parcels, o.bytes = o.parcels, spare[:0], 0
	if len(o.interest) > 0 {
		interest, o.interest = o.interest, make(map[string]bool)
	}
	return parcels, interest, o.closed
}

// depth is how much waits.
func (o *outgoing) depth() (parcels, bytes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.parcels), o.bytes
}

// close lets nothing more in.
func (o *outgoing) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.signal()
}
