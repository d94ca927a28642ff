package wsconn

// Engine names the way in which the bytes of sockets move.
type Engine string

// The engines.
const (
	// EngineAuto is EngineEpoll where there is one, else EngineGoroutine.
	EngineAuto Engine = "auto"
	// EngineEpoll waits for all sockets with a few goroutines; Linux alone has it.
	EngineEpoll Engine = "epoll"
	// EngineGoroutine has a goroutine for each socket.
	EngineGoroutine Engine = "goroutine"
)
