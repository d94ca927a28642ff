package lockorder

// Rank is a kind of lock. The ranks are the types below.
type Rank interface{ index() int }

// The ranks, in their order: a goroutine that holds one may take those that follow.
type (
	Hub      struct{}
	Roster   struct{}
	Outbox   struct{}
	Readers  struct{}
	Watcher  struct{}
	Closures struct{}
	Server   struct{}
	Conn     struct{}
	Secured  struct{}
	Wheel    struct{}
	Poller   struct{}
	Shard    struct{}
	Leaf     struct{} // of which a goroutine holds one alone
)

func (Hub) index() int      { return 0 }
func (Roster) index() int   { return 1 }
func (Outbox) index() int   { return 2 }
func (Readers) index() int  { return 3 }
func (Watcher) index() int  { return 4 }
func (Closures) index() int { return 5 }
func (Server) index() int   { return 6 }
func (Conn) index() int     { return 7 }
func (Secured) index() int  { return 8 }
func (Wheel) index() int    { return 9 }
func (Poller) index() int   { return 10 }
func (Shard) index() int    { return 11 }
func (Leaf) index() int     { return 12 }

// Order lists the locks, as the code names them.
var Order = [...]string{
	"realtime.Hub", "realtime.roster", "outbox.Queue", "outbox.Readers", "realtime.Watcher", "realtime.closures",
	"wsconn.Server", "wsconn.conn", "wsconn.secured", "wsconn.wheel", "wsconn.poller", "wsconn.shard", "leaf",
}
