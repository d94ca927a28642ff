package lockorder

// Rank is a kind of lock. The ranks are the types below.
type Rank interface{ place() int }

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

func (Hub) place() int      { return 0 }
func (Roster) place() int   { return 1 }
func (Outbox) place() int   { return 2 }
func (Readers) place() int  { return 3 }
func (Watcher) place() int  { return 4 }
func (Closures) place() int { return 5 }
func (Server) place() int   { return 6 }
func (Conn) place() int     { return 7 }
func (Secured) place() int  { return 8 }
func (Wheel) place() int    { return 9 }
func (Poller) place() int   { return 10 }
func (Shard) place() int    { return 11 }
func (Leaf) place() int     { return 12 }

// Order are the locks by their places, as the code names them.
var Order = [...]string{
	"realtime.Hub", "realtime.roster", "outbox.Queue", "outbox.Readers", "realtime.Watcher", "realtime.closures",
	"wsconn.Server", "wsconn.conn", "wsconn.secured", "wsconn.wheel", "wsconn.poller", "wsconn.shard", "leaf",
}
