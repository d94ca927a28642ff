package cluster

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// startsKey is where the starts of nodes are counted.
var startsKey = store.K("", "starts of nodes")

// forgetAfter is how many of its leases the row of a node that is gone is kept, for operators to see.
const forgetAfter = 240

// nameOf is the name of a node since a start of it.
func nameOf(id string, start uint64) string { return fmt.Sprintf("%s/%d", id, start) }

// startOf is the start in a name, zero in one that is not of this package.
func startOf(name string) uint64 {
	start, _ := strconv.ParseUint(name[strings.LastIndexByte(name, '/')+1:], 10, 64)
	return start
}

// view is the rows of all nodes at one moment.
type view struct {
	rows   map[string]chime.Node // by id
	newest uint64                // start of any node
}

// look reads the rows.
func look(r store.Reader) (v view, err error) {
	v.rows = map[string]chime.Node{}
	if v.newest, _, err = store.Counts.Get(r, startsKey); err != nil {
		return v, err
	}
	err = store.Nodes.Each(r, store.Range{}, func(key store.Key, row chime.Node) (bool, error) {
		id, err := key.App() // its only column
		v.rows[id] = row
		return true, err
	})
	return v, err
}

// peers are the nodes as this one has seen them.
type peers struct {
	seen    map[string]*peer // by name
	newest  uint64           // start that was seen
	looked  time.Time        // when the latest look ended
	changed chan struct{}    // closed when a node is gone
}

// peer is a node as it was seen.
type peer struct {
	id    string
	row   chime.Node
	since time.Time // when the row was first seen as it is, or when looking at it began anew
	gone  bool
	sent  uint64 // clients that were offered the node since its load was seen
}

func (p *peer) lease() time.Duration { return time.Duration(p.row.Lease) * time.Millisecond }

// see notes the rows that a look found which began at a time, and returns the names of nodes that are gone
// since.
func (p *peers) see(began time.Time, v view) (gone []string) {
	now := time.Now()
	before := p.seen
	p.seen, p.newest = make(map[string]*peer, len(v.rows)), max(p.newest, v.newest)
	fewer := false
	for id, row := range v.rows {
		name := nameOf(id, row.Start)
		was := before[name]
		if was == nil || was.row != row {
			p.seen[name] = &peer{id: id, row: row, since: now}
			continue
		}
		p.seen[name] = was

		// Only what was looked at regularly is known to have been silent.
		if began.Sub(p.looked) > was.lease()*2/3 {
			was.since = now
		}
		if !was.gone && began.Sub(was.since) >= was.lease() {
			was.gone, fewer = true, true
			gone = append(gone, name)
		}
	}
	for name, was := range before {
		fewer = fewer || p.seen[name] == nil && !was.gone
	}

	p.looked = now
	if fewer {
		close(p.changed)
		p.changed = make(chan struct{})
	}
	slices.Sort(gone)
	return gone
}

// untilExpiry is how long it takes at least until a node is gone that stays as silent as it is.
func (p *peers) untilExpiry(now time.Time) time.Duration {
	first := time.Duration(1<<63 - 1)
	for _, one := range p.seen {
		if !one.gone {
			first = min(first, max(0, one.since.Add(one.lease()).Sub(now)))
		}
	}
	return first
}

// others counts the nodes that are not gone, but for one.
func (p *peers) others(name string) (n int) {
	for other, one := range p.seen {
		if other != name && !one.gone {
			n++
		}
	}
	return n
}

// forgettable lists the ids of nodes that are gone for long, whose rows are as they were seen.
func (n *Node) forgettable(v view) (ids []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, one := range n.peers.seen {
		if one.gone && v.rows[one.id] == one.row && time.Since(one.since) > forgetAfter*one.lease() {
			ids = append(ids, one.id)
			delete(v.rows, one.id)
		}
	}
	return ids
}

// Gone reports whether the node with the name holds nothing any more in the moment of the reader: it has left,
// was started again, or was silent for as long as its lease. One that comes back is not gone from its next
// renewal on, as its row says.
func (n *Node) Gone(r store.Reader, name string) (bool, error) {
	n.mu.Lock()
	one, newest := peer{}, n.peers.newest
	known := n.peers.seen[name] != nil
	if known {
		one = *n.peers.seen[name]
	}
	n.mu.Unlock()

	switch {
	case name == n.name || known && !one.gone:
		return false, nil
	case !known:
		return startOf(name) <= newest, nil // else it has joined since the latest look
	}
	now, _, err := store.Nodes.Get(r, store.K(one.id))
	return err == nil && (now == one.row || now.Start != one.row.Start), err
}

// Changed returns a channel that is closed when Gone may report a node that it has not reported before.
func (n *Node) Changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.peers.changed
}

// Peer is a node, for operators.
type Peer struct {
	Node chime.Node
	ID   string
	Self bool
	Gone bool // silent for longer than its lease
}

// Others counts the other nodes that are not gone.
func (n *Node) Others() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.peers.others(n.name)
}

// Peers lists the nodes that were seen, by id.
func (n *Node) Peers() (list []Peer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for name, one := range n.peers.seen {
		list = append(list, Peer{Node: one.row, ID: one.id, Self: name == n.name, Gone: one.gone})
	}
	slices.SortFunc(list, func(a, b Peer) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// Offer returns the public host of the node that the next client is to connect to: the one with the least
// load of those that are neither gone nor draining, and this one when there is none. Loads are as of the
// latest look, with the clients that this node has offered since.
func (n *Node) Offer() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var least *peer
	for name, one := range n.peers.seen {
		if one.gone || one.row.Draining || name == n.name && n.draining {
			continue
		}
		if least == nil || one.before(least) {
			least = one
		}
	}
	if least == nil {
		return n.o.PublicHost
	}
	least.sent++
	return least.row.PublicHost
}

// Prefers reports whether the work is best done on this node, so that works are spread over those that are neither
// gone nor draining: all nodes that see the same ones agree, and one more or less moves its share alone.
func (n *Node) Prefers(work string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	best, most := "", [sha256.Size]byte{}
	for _, one := range n.peers.seen {
		if one.gone || one.row.Draining {
			continue
		}
		if sum := sha256.Sum256([]byte(one.id + "/" + work)); best == "" || bytes.Compare(sum[:], most[:]) > 0 {
			best, most = one.id, sum
		}
	}
	return best == n.o.ID
}

// before reports whether a client is better sent to p than to other.
func (p *peer) before(other *peer) bool {
	if mine, theirs := p.row.Load+p.sent, other.row.Load+other.sent; mine != theirs {
		return mine < theirs
	}
	return p.id < other.id
}
