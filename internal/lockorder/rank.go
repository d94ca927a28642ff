package lockorder

// Rank is a kind of lock.
type Rank interface {
	Hub | Roster | Outbox | Readers | Watcher | Closures | Server | Conn | Secured | Wheel | Poller | Shard | Leaf
}

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

// order lists the ranks in their order, with the names of the locks in the code.
var order = [...]struct {
	rank any
	name string
}{
	{Hub{}, "realtime.Hub"}, {Roster{}, "realtime.roster"}, {Outbox{}, "outbox.Queue"}, {Readers{}, "outbox.Readers"},
	{Watcher{}, "realtime.Watcher"}, {Closures{}, "realtime.closures"}, {Server{}, "wsconn.Server"}, {Conn{}, "wsconn.conn"},
	{Secured{}, "wsconn.secured"}, {Wheel{}, "wsconn.wheel"}, {Poller{}, "wsconn.poller"}, {Shard{}, "wsconn.shard"}, {Leaf{}, "leaf"},
}
