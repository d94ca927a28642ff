package archtest

// layer is a storey of the house. A package belongs to the layer of the longest of the paths that
// it equals or lies below.
type layer struct {
	name  string
	paths []string
	// below are the layers whose packages it may import, besides its own.
	below []string
	why   string
}

var layers = []layer{
	{"pure", []string{"internal/api", "internal/chime", "internal/config", "internal/lockorder", "internal/ops", "internal/record", "internal/sigv4", "internal/policy"},
		nil,
		"pure packages are the language of all others, and can be tested and reasoned about alone"},
	{"contract", []string{"internal/store", "internal/bus"},
		[]string{"pure"},
		"a contract that knows an engine or a service is no contract"},
	{"contract suite", []string{"internal/store/storetest", "internal/store/disktest", "internal/store/pgtest", "internal/bus/bustest"},
		[]string{"pure", "contract"},
		"the suite must fit every engine"},
	{"engine", []string{"internal/store/memstore", "internal/store/pebble", "internal/store/postgres", "internal/bus/inproc", "internal/bus/nats"},
		[]string{"pure", "contract"},
		"engines can be exchanged only while they know nothing but their contract"},
	{"decorator", []string{"internal/store/observed", "internal/store/faulty"},
		[]string{"pure", "contract"},
		"a decorator fits every engine while it knows nothing but the contract"},
	{"kit", []string{"internal/cluster", "internal/follow", "internal/notice", "internal/outbound", "internal/store/move"},
		[]string{"pure", "contract"},
		"kits carry the work of services and know none of it"},
	{"service", []string{"internal/idempotency", "internal/keyring", "internal/iam", "internal/access", "internal/oidc", "internal/sts", "internal/cognito",
		"internal/identity", "internal/channel", "internal/message", "internal/person",
		"internal/flow", "internal/retention", "internal/dispatch", "internal/realtime", "internal/prefetch", "internal/presence", "internal/typing", "internal/unread", "internal/throttle"},
		[]string{"pure", "contract", "kit"},
		"services hold the rules of the product; they run on any engine and behind any transport"},
	{"processor", []string{"internal/audit", "internal/bot", "internal/push", "internal/stream"},
		[]string{"pure", "contract", "kit", "service"},
		"processors work off the log and call out; what they do to others goes through the log and the one service whose state they change, and nothing but app knows them"},
	{"transport", []string{"internal/awshttp", "internal/wsconn", "internal/console"},
		[]string{"pure", "contract", "service"},
		"transports turn bytes into calls; which engine answers is not theirs to know"},
	{"service tests", []string{"internal/servicetest"},
		[]string{"pure", "contract", "contract suite", "engine", "decorator", "kit", "service", "processor"},
		"what the tests of several services share"},
	{"app", []string{"internal/app"},
		[]string{"pure", "contract", "kit", "engine", "decorator", "service", "processor", "transport"},
		"app is the one place that sees all and joins them"},
	{"lab", []string{"internal/lab"},
		[]string{"pure", "app", "contract suite"},
		"tests of the whole share how a node is started and talked to; the lab looks from outside, and nothing of the binary imports it"},
	{"cli", []string{"internal/cli"},
		[]string{"pure", "contract", "kit", "service", "app", "client"},
		"commands start the program; they do not take part in it"},
	{"main", []string{"cmd"},
		[]string{"cli"},
		"main is a page, so that everything else can be started in a test"},
	{"client", []string{"client"},
		nil,
		"the public SDK is a module of its own for programs of others, which must not carry the server with them"},
	{"black-box tests", []string{"conformance", "e2e", "endurance", "internal/archtest"},
		[]string{"pure", "contract", "kit", "service", "transport", "app", "cli", "client", "lab"},
		"tests of the whole may look at anything but engines"},
	{"measurements", []string{"bench"},
		[]string{"pure", "contract", "contract suite", "kit", "engine", "service", "transport", "app", "cli", "client", "lab"},
		"measurements compare the whole with its parts; nothing imports them"},
}

// tools are programs for developers that live beside what they work on; they are no part of the
// binary, so what is forbidden to code that serves is not forbidden to them.
var tools = []string{"internal/api/gen", "internal/api/apitest"}

// siblings are the imports allowed inside a layer where not every package may know every other.
var siblings = map[string]struct {
	allowed map[string][]string
	why     string
}{
	"service": {
		map[string][]string{
			"internal/iam":       {"internal/keyring"},
			"internal/access":    {"internal/iam/grants", "internal/keyring"},
			"internal/sts":       {"internal/access", "internal/iam/grants", "internal/oidc"},
			"internal/cognito":   {"internal/sts", "internal/iam/grants", "internal/oidc"},
			"internal/identity":  {"internal/idempotency"},
			"internal/channel":   {"internal/identity", "internal/idempotency"},
			"internal/message":   {"internal/channel", "internal/identity", "internal/idempotency"},
			"internal/flow":      {"internal/channel", "internal/message", "internal/identity", "internal/idempotency"},
			"internal/person":    {"internal/message", "internal/identity"},
			"internal/unread":    {"internal/channel", "internal/message", "internal/realtime"},
			"internal/presence":  {"internal/realtime"},
			"internal/typing":    {"internal/channel", "internal/realtime"},
			"internal/prefetch":  {"internal/channel", "internal/message", "internal/unread"},
			"internal/retention": {"internal/idempotency"},
		},
		"services meet through the log, or through an interface that the consumer declares; channels have identities as members, messages live in channels, flows belong to channels and give messages their outcome, a person is a user with the messages of it, what is unread follows from both, prefetch shows all three, and presence, typing and unread counts follow the hub, which knows none of them",
	},
	"processor": {nil, "a processor, and each of its sinks and senders, can be understood and replaced alone"},
	"transport": {nil, "transports share nothing but the services behind them"},
	"engine":    {nil, "an engine that leans on another cannot replace it"},
}

// pure names the packages without I/O and clock, with what they may not use.
var pure = struct {
	packages, imports []string
	why               string
}{
	[]string{"internal/api", "internal/chime", "internal/record", "internal/sigv4", "internal/policy"},
	[]string{"os", "net", "os/exec", "syscall", "database/sql", "log", "log/slog"},
	"what is pure gives the same answer every time, so tables and fuzzing can show that it is right",
}

// thirdParty names who alone may import a library.
var thirdParty = []struct {
	library string
	only    []string
	why     string
}{
	{"github.com/cockroachdb/pebble", []string{"internal/store/pebble"}, "the engine is behind its contract"},
	{"github.com/jackc/pgx", []string{"internal/store/postgres", "internal/store/pgtest", "bench"}, "the engine is behind its contract; pgtest makes its databases, and a raw program is measured beside it"},
	{"github.com/pressly/goose", []string{"internal/store/postgres"}, "the engine is behind its contract"},
	{"github.com/nats-io", []string{"internal/bus/nats", "internal/stream/jetstream", "endurance"}, "the bus and the sink are behind their contracts; endurance has the other end of the sink"},
	{"github.com/twmb/franz-go", []string{"internal/stream/kafka", "endurance"}, "the sink is behind its contract; endurance has the other end"},
	{"github.com/gobwas/ws", []string{"internal/wsconn"}, "only the socket's transport speaks its protocol"},
	{"github.com/pires/go-proxyproto", []string{"internal/app/trustedproxy"}, "what proxies say is believed in one place"},
	{"github.com/spf13", []string{"internal/cli"}, "flags are read in one place"},
	{"github.com/schollz", []string{"internal/cli"}, "progress is shown on the terminal of a command alone"},
	{"github.com/prometheus", []string{"internal/ops", "internal/app", "internal/store/observed"}, "services and transports count; metrics are collected where the parts are joined"},
	{"github.com/coreos", []string{"internal/oidc"}, "tokens of others are believed in one place"},
	{"github.com/go-jose", []string{"internal/oidc", "internal/outbound/jws"}, "tokens of others are believed in one place, and own ones signed in one"},
	{"github.com/aws", nil, "AWS's own code is a peer in tests and no part of the server"},
}

// calls are what code may not use, outside of package main, tests, and packages for tests, whose
// names end in "test".
var calls = []struct {
	pkg    string
	names  []string // "*" is everything
	except []string // packages that may
	why    string
}{
	{"os", []string{"Exit"}, nil, "only main ends the process; everything else returns an error and is stopped in order"},
	{"os", []string{"Getenv", "LookupEnv", "Environ"}, []string{"internal/cli"}, "settings come through config, which documents and checks them"},
	{"log", []string{"*"}, nil, "loggers are values that are handed on: log/slog; log.Fatal skips every orderly end"},
	{"log/slog", []string{"Default", "SetDefault", "Debug", "Info", "Warn", "Error", "Log"}, nil, "loggers are values that are handed on; a global one mixes programs of one process"},
	{"time", []string{"Sleep"}, nil, "waiting for a time is not waiting for an event; sleep cannot be interrupted"},
	{"net/http", []string{"Handle", "HandleFunc", "DefaultServeMux", "DefaultClient", "Get", "Post", "ListenAndServe"}, nil, "no global state, and every server and client has limits"},
	{"net/http", []string{"Client"}, []string{"internal/oidc", "internal/cli", "internal/lab", "client", "bench"}, "what calls out does it through internal/outbound; a library that asks for a Client gets one over it"},
	{"net/http", []string{"Transport"}, []string{"internal/outbound", "internal/cli", "internal/lab", "client", "bench"}, "what calls out does it through internal/outbound, which refuses private networks and bounds time and size"},
	{"net", []string{"Dial", "DialTimeout", "Dialer"}, []string{"internal/outbound", "internal/lab", "client", "bench", "endurance/faultnet"}, "what calls out does it through internal/outbound, which refuses private networks and bounds time and size"},
	{"github.com/prometheus/client_golang/prometheus", []string{"MustRegister", "Register", "DefaultRegisterer", "DefaultGatherer"}, nil, "the registry is a value"},
	{"github.com/prometheus/client_golang/prometheus/promauto", []string{"*"}, nil, "the registry is a value"},
	{"math/rand", []string{"*"}, nil, "randomness that guards something comes from crypto/rand or an injected source"},
	{"unsafe", []string{"*"}, nil, "memory safety is worth more than the last nanosecond"},
}

// vagueNames say nothing about what a package promises.
var vagueNames = []string{"utils", "util", "common", "helpers", "helper", "misc", "shared", "base", "types", "interfaces"}
