package config

import (
	"time"
)

// Config is every setting. The tags of a field are:
//
//	key      the setting's name
//	default  its default, as it would be written in the environment
//	dev      its default in dev mode, where that differs
//	aws      its default with the limits of AWS, where that differs
//	mode     "dev" for a setting that only dev mode knows
//	flag     "-" for a setting without a flag
//	doc      what it does, with units and limits
//
// A structure without a key is more settings.
type Config struct {
	Mode Mode

	Listen     string `key:"listen" default:"127.0.0.1:24463" doc:"Address of the public port: REST, WebSocket and chat page, TLS and plaintext. Port 0 takes a free one."`
	OpsListen  string `key:"ops-listen" default:"127.0.0.1:24464" doc:"Address of the operations port: /healthz, /readyz, /metrics, /debug/pprof, /nodes, /followers and /dead-letters, without authentication. Empty switches it off."`
	PublicHost string `key:"public-host" doc:"Host and port that clients reach the public port by: the answer of GetMessagingSessionEndpoint. Default localhost and the port of listen."`
	Data       string `key:"data" default:"./carillon-data" doc:"Folder of everything that is kept. It is made when absent; one process uses it at a time."`
	Fresh      bool   `key:"fresh" default:"false" mode:"dev" doc:"Forget the stored data before starting. The local CA stays, so programs that trust it go on working."`

	DatabaseURL Secret `key:"database-url" flag:"-" doc:"URL of the PostgreSQL database that keeps everything, in the place of the store in the data folder: postgres://user:password@host:5432/database?sslmode=verify-full, with the parameters of libpq, and pool_max_conns, most connections (16). It has no flag, because it has a password. Empty keeps everything in the data folder."`

	NodeID    string        `key:"node-id" doc:"Name of this node among those that share a database: 1 to 63 letters, digits, dots, hyphens or underscores. Each that runs has its own. Empty stands for the name of the machine. Without a shared database it has no meaning."`
	NodeLease time.Duration `key:"node-lease" default:"15s" doc:"How long a node that shares a database may be silent until others take over what it does. Longer than a pause of the machine or the database takes. 1s to 5m."`

	Region  string `key:"region" default:"us-east-1" doc:"Region of every ARN and of the signatures that are accepted."`
	Account string `key:"account" default:"000000000000" doc:"Account of every ARN: 12 digits."`

	RootAccessKeyID     string `key:"root-access-key-id" dev:"CARILLONDEV000000000" doc:"Access key id that may do everything: 16 to 128 letters, digits or underscores."`
	RootSecretAccessKey Secret `key:"root-secret-access-key" dev:"carillon-dev-secret-do-not-use-in-production" flag:"-" doc:"Secret of the root access key, at least 16 characters. It has no flag, because other users of a machine can read those."`

	RandomKeys bool `key:"random-keys" default:"false" mode:"dev" doc:"Use a root access key that is made for the data folder and kept in it, instead of the published one."`

	RootSecretAccessKeyPrevious Secret `key:"root-secret-access-key-previous" flag:"-" doc:"Former secret of the root access key, for the first start after it was changed: the stored keys are sealed under it. It signs nothing, and may be removed afterwards."`

	OIDCAllowHTTP          bool     `key:"oidc-allow-http" default:"false" doc:"Accept web identity tokens of issuers on this machine that speak plain HTTP (http://localhost, http://127.0.0.1, http://[::1]), for tests. IAM knows such a provider by the same URL with https://."`
	OIDCAllowedNetworks    []string `key:"oidc-allowed-networks" doc:"Networks in which issuers of web identity tokens may be reached although they are not public: a list such as 10.1.0.0/16,fd00::/8. Others are never connected to, whatever their names resolve to."`
	CognitoGuestsPerSecond int      `key:"cognito-guests-per-second" default:"50" doc:"Identities that GetId makes in a second for callers without a login, of all pools together. 0 makes none; at most 100000."`

	OutboundAllow     []string      `key:"outbound-allow" dev:"127.0.0.0/8,::1/128" doc:"Networks and host names that calls to other services (processors, sinks of streams, webhooks) may reach although they are not public, also by plain HTTP: a list such as 10.1.0.0/16,flows.internal. A name stands for whatever it resolves to. Others are never connected to unless they are public and speak TLS."`
	OutboundProxy     string        `key:"outbound-proxy" doc:"HTTP proxy, such as http://proxy.internal:3128 or https://proxy.internal, through which calls to other services reach public addresses (CONNECT). The node resolves names and asks the proxy for the address that it checked; hosts that outbound-allow names are asked for by name. Private addresses that outbound-allow allows are reached directly. Empty uses none, whatever HTTPS_PROXY says."`
	OutboundProxyAuth Secret        `key:"outbound-proxy-auth" flag:"-" doc:"User name and password for outbound-proxy, as user:password (Basic)."`
	OutboundTimeout   time.Duration `key:"outbound-timeout" default:"10s" doc:"How long a call to another service may take, from the look-up of its name to the last byte of its answer. 100ms to 5m."`

	Streams []string `key:"streams" doc:"Sinks of the streams that app instances have (PutMessagingStreamingConfigurations): a list of entries of a name, a pattern of ARNs in which * is any text, a target, and options as key=value, with spaces between them. Every sink whose pattern stands for a stream's ARN gets its events. Targets: file:FOLDER (option size, default 64MiB) writes lines of JSON, rotated and compressed; https://... (option secret-file: a file of secrets, each whsec_ and base64 in a line of its own) posts each event, signed as Standard Webhooks says; nats://HOST:4222/SUBJECT or tls://... (option credentials-file) publishes to JetStream; kafka://HOST:9092/TOPIC or kafka+tls://... (options credentials-file, sasl and, with TLS, ca-file) produces to Kafka; kinesis:https://ENDPOINT (options credentials-file, an access key in AWS's form, and region) puts records into the streams of the same names."`

	WebhookRetry time.Duration `key:"webhook-retry" default:"72h" doc:"How long a delivery to a webhook that an app instance subscribes is tried before it fails, in hours of service. A webhook of which nothing is taken for as long is disabled. What waits is read from the log, so follower-retention bounds it too. 1m to 720h."`
	WebhookKeep  time.Duration `key:"webhook-keep" default:"168h" doc:"How long a delivery to a webhook is listed after it was made or failed, in hours of service. 1m to 8760h."`

	Functions                []string `key:"functions" dev:"arn:aws:lambda:*:function:carillon-demo demo" doc:"Processors of channel flows: a list of entries of a pattern of Lambda ARNs, in which * is any text, and an endpoint, with a space between them; the first that matches counts. Endpoints: https://... is posted the event and may answer it at once; lambda is AWS Lambda in the region, lambda+https://... another server that speaks its Invoke; demo is built in: it denies messages with the word spam and masks the word darn. A processor without an endpoint counts as one that cannot be invoked."`
	FunctionsSecret          Secret   `key:"functions-secret" flag:"-" dev:"whsec_Y2FyaWxsb24tZGV2LXdlYmhvb2stc2VjcmV0" doc:"Secrets, separated by commas, that sign what is posted to HTTP endpoints of functions, as Standard Webhooks says: whsec_ and 24 to 64 bytes of base64. With two, receivers may know either."`
	FunctionsAccessKeyID     string   `key:"functions-access-key-id" doc:"Access key that signs calls to Lambda endpoints of functions."`
	FunctionsSecretAccessKey Secret   `key:"functions-secret-access-key" flag:"-" doc:"Secret of functions-access-key-id."`

	Bots                []string      `key:"bots" dev:"arn:aws:lex:*:bot-alias/ECHOBOT000/* echo" doc:"Where bots are asked: a list of entries of a pattern of ARNs of Lex bot aliases, in which * is any text, an endpoint, and options as key=value, with spaces between them; the first that matches counts. Endpoints: https://... is posted Lex's operations; lex is AWS Lex in the region of the alias, lex+https://... another server that speaks its runtime; openai, or openai+https://HOST/v1, is a server that speaks OpenAI's chat completions (options model, key-file, prompt-file: what is said to the model first, history: messages that go with a question, default 20, max-tokens, timeout: of a whole answer, default 2m); echo is built in: it says what is said to it. A bot without an endpoint is silent."`
	BotsSecret          Secret        `key:"bots-secret" flag:"-" dev:"whsec_Y2FyaWxsb24tZGV2LXdlYmhvb2stc2VjcmV0" doc:"Secrets, separated by commas, that sign what is posted to HTTP endpoints of bots, as Standard Webhooks says: whsec_ and 24 to 64 bytes of base64. With two, receivers may know either."`
	BotsAccessKeyID     string        `key:"bots-access-key-id" doc:"Access key that signs calls to Lex endpoints of bots."`
	BotsSecretAccessKey Secret        `key:"bots-secret-access-key" flag:"-" doc:"Secret of bots-access-key-id."`
	BotsOpenAIKey       Secret        `key:"bots-openai-key" flag:"-" doc:"API key for openai endpoints of bots that have no key-file. Empty sends none."`
	BotsEditEvery       time.Duration `key:"bots-edit-every" default:"500ms" doc:"Least time between two edits of a message in which a bot writes an answer piece by piece. 100ms to 1m."`

	Push      []string      `key:"push" dev:"web arn:aws:mobiletargeting:*:apps/carillon-web webpush" doc:"What the Pinpoint applications stand for that devices are registered with (RegisterAppInstanceUserEndpoint): a list of entries of a name, a pattern of ARNs in which * is any text, a push service, and options as key=value, with spaces between them; of those that fit a device's ARN and type the first counts. Push services: apns:BUNDLE-ID (options key-file, key-id and team-id, or certificate-file: a certificate and its key in PEM); fcm (options credentials-file, the JSON of a service account, and notification=on, which has devices show notifications by themselves); webpush (browsers; options key-file, a key on P-256 in PEM instead of the one that the node makes and keeps, contact, a URL of mailto or https, and services, hosts of push services beside those of the vendors, with semicolons between them). Apple's and Google's have the option endpoint, another address of the push service, and all have badge=off, which counts no unread messages. Without any, no notification is pushed."`
	PushTTL   time.Duration `key:"push-ttl" default:"24h" doc:"How long a push notification is of use: so long it is tried again while a push service is away, and so long push services keep it for devices that are. A call is of use for a minute. 1m to 672h."`
	PushQuiet bool          `key:"push-quiet" default:"false" doc:"Push no notifications to users that have a WebSocket open, who see the message there. AWS pushes to all."`

	TLSCert string `key:"tls-cert" doc:"PEM file with the certificate chain of the public port. Default: a certificate of the local CA under the data folder."`
	TLSKey  string `key:"tls-key" doc:"PEM file with the private key of tls-cert."`

	AllowedOrigins    []string      `key:"allowed-origins" default:"*" dev:"loopback" doc:"Origins of web pages that may call the REST API and open WebSockets: a list (separated by commas in the environment), or * for all. loopback stands for all pages of this machine: localhost, 127.0.0.1 and [::1] with any port. The server's own pages always may. * is refused with the published keys of dev."`
	TrustedProxies    []string      `key:"trusted-proxies" doc:"Networks of the proxies in front of the public port: a list such as 10.1.0.0/16,127.0.0.1/32. What they say of the client's address and of TLS counts in policies, rates and logs; what others say is ignored."`
	ProxyHeader       string        `key:"proxy-header" default:"x-forwarded-for" doc:"Header in which trusted-proxies tell the client: x-forwarded-for (with x-forwarded-proto) or forwarded (RFC 7239). The other one is ignored. Each proxy must set it, or pass on what a trusted one in front of it set."`
	ProxyProtocol     bool          `key:"proxy-protocol" default:"false" doc:"Connections of trusted-proxies to the public port begin with a PROXY protocol header, version 1 or 2; without it they are closed."`
	RequestBytes      Size          `key:"request-bytes" default:"64MiB" doc:"Bytes that the bodies of all requests may have in memory together, an eighth of them those of requests without a good signature; more is answered 503. 4MiB to 16GiB."`
	HTTPFastPath      bool          `key:"http-fast-path" default:"true" doc:"Answer plain HTTP/1.1 requests with less CPU time than Go's net/http takes, and leave it all others. Clients see no difference; false leaves net/http all of them."`
	DiskReserve       Size          `key:"disk-reserve" default:"0B" doc:"Bytes of the data folder's disk that are left free: with less, changes are answered 503 and everything else goes on. 0 stands for an eighth of the disk, 256MiB at most. At most 1TiB."`
	StoreLogSize      Size          `key:"store-log-size" default:"0B" doc:"Size of a file of the store's write-ahead log, of which up to five are there at a time, and of what is kept in memory before it is written to tables. 0 stands for a 32nd of the disk, 4MiB to 64MiB. At most 256MiB."`
	StoreCache        Size          `key:"store-cache" default:"128MiB" doc:"Bytes of the store's tables that are kept in memory for reading. Small records that are read again and again take half as much in addition at most. 4MiB to 256GiB."`
	PresignedREST     bool          `key:"presigned-rest" default:"false" doc:"Accept presigned URLs for the REST API as well. Without it they open /connect alone. A presigned URL opens for 15m at most."`
	PresignGrace      time.Duration `key:"presign-grace" default:"60s" doc:"How much longer than it says, or than 15m, a presigned URL is accepted, for clients with a wrong clock. At most 15m."`
	TokenWindow       time.Duration `key:"token-window" default:"10m" doc:"How long a ClientRequestToken is remembered, in hours of service: a stopped node forgets nothing. 1m to 24h."`
	EventRetention    time.Duration `key:"event-retention" default:"24h" doc:"How long the event log reaches back, in hours of service: the log of a stopped node does not age. At least 1m."`
	FollowerRetention time.Duration `key:"follower-retention" default:"72h" doc:"How long an event is kept in the log for followers that have not handled it, in hours of service, when that is longer than event-retention: how long what a follower sends to may be away without losing events. At least 1m."`
	ClockTrust        time.Duration `key:"clock-trust" default:"24h" doc:"For how many hours of service the machine's clock has to be as it is before channels, users and messages are removed by their dates, so that a clock that was set wrong for a while removes none of them early. 0 relies on it at once."`
	EraseWithin       time.Duration `key:"erase-within" default:"24h" doc:"How long the content of a message that was redacted or deleted, also with its channel or app instance, may stay in files of the data folder, in hours of service. Nobody is shown it meanwhile. Each time rewrites the files of the channels concerned. At least 1m."`

	NATSURL             []string `key:"nats-url" doc:"NATS servers of one cluster, by which nodes that share a database-url send events to each other: a list of URLs such as nats://nats.internal:4222, or tls://... to demand TLS. A node that cannot reach them serves, and reads events of other nodes from the database, up to a second late."`
	NATSPrefix          string   `key:"nats-prefix" default:"carillon" doc:"First words of the subjects that nodes use on NATS (PREFIX.log.APP, PREFIX.live.APP), and the name of the cluster of cluster-listen. Installations that share a NATS have different ones."`
	NATSCredentialsFile string   `key:"nats-credentials-file" doc:"File of NATS credentials (a JWT and its seed) for nats-url."`
	NATSNkeyFile        string   `key:"nats-nkey-file" doc:"File with the seed of an nkey for nats-url, in the place of nats-credentials-file."`
	NATSUser            string   `key:"nats-user" doc:"User name for nats-url, in the place of nats-credentials-file."`
	NATSPassword        Secret   `key:"nats-password" flag:"-" doc:"Password of nats-user."`
	NATSToken           Secret   `key:"nats-token" flag:"-" doc:"Token for nats-url, in the place of nats-credentials-file."`
	NATSTLSCA           string   `key:"nats-tls-ca" doc:"PEM file with the certificates of the CAs that sign those of nats-url. Default: the system's. With it TLS is demanded."`
	NATSTLSCert         string   `key:"nats-tls-cert" doc:"PEM file with the certificate that the node shows to nats-url."`
	NATSTLSKey          string   `key:"nats-tls-key" doc:"PEM file with the private key of nats-tls-cert."`

	ClusterListen  string   `key:"cluster-listen" doc:"Address for other nodes that share the database-url, such as 10.1.0.5:24465: each node has a NATS server within itself, in the place of nats-url, and these find each other. Port 0 takes a free one."`
	ClusterRoutes  []string `key:"cluster-routes" doc:"The cluster-listen of other nodes, as host:port: a list. One that is reached suffices, since nodes name each other; the first node needs none."`
	ClusterSecret  Secret   `key:"cluster-secret" flag:"-" doc:"Secret that nodes show to each other, at least 16 characters, the same for all. It and the events are not encrypted without cluster-tls-cert. It or that must be set when cluster-listen is open to other machines."`
	ClusterTLSCert string   `key:"cluster-tls-cert" doc:"PEM file with the certificate that the node shows to others, on both ends of a connection: for servers and clients, with the host of its cluster-routes."`
	ClusterTLSKey  string   `key:"cluster-tls-key" doc:"PEM file with the private key of cluster-tls-cert."`
	ClusterTLSCA   string   `key:"cluster-tls-ca" doc:"PEM file with the certificates of the CAs that sign those of the other nodes. A node whose certificate none of them signed is refused."`

	MaxConnections int `key:"max-connections" default:"0" doc:"Connections of the public port, WebSockets included. One more closes the one on which nothing has been asked for the longest time, or is answered 503 when there is none. 0 is what the process's limit of open files has room for beside the store; at most 10000000."`

	WSQueueBytes         Size          `key:"ws-queue-bytes" default:"256KiB" doc:"Bytes that may wait for one slow WebSocket before it is closed. 64KiB to 64MiB."`
	WSPingInterval       time.Duration `key:"ws-ping-interval" default:"30s" doc:"Time between pings to a WebSocket; two missed answers close it. 1s to 10m."`
	WSEngine             string        `key:"ws-engine" default:"auto" doc:"What moves the bytes of WebSockets: epoll (Linux; no goroutine for each), goroutine, or auto: epoll where there is one."`
	WSCompression        bool          `key:"ws-compression" default:"false" doc:"Compress events for clients that offer permessage-deflate: about half the bytes, for CPU time on both sides."`
	Extras               []string      `key:"extras" doc:"Events beyond AWS's that every app instance has, for clients that ask: presence, typing, unread. Others have those that their tag carillon:extras names."`
	WSConnectionsPerUser int           `key:"ws-connections-per-user" default:"100" aws:"10" doc:"WebSockets that one user may have open. 1 to 1000."`

	WSPending           int `key:"ws-pending" default:"1024" doc:"WebSockets that may be on their way in without being authenticated; one more is answered with 503. 16 to 1000000."`
	WSPendingPerAddress int `key:"ws-pending-per-address" default:"512" doc:"The same for one address, or one /64 of IPv6; one more is answered with 429. Clients behind one NAT share it. 1 to 1000000."`
	WSRefused           int `key:"ws-refused" default:"256" doc:"Refused WebSockets that may wait for their client to close; for one more the oldest is cut off. 1 to 1000000."`

	WSClientFrames int  `key:"ws-client-frames" default:"100" doc:"Frames that a WebSocket's client may send a second on average over ten seconds, pings and pieces of messages included; one that sends faster is closed with 1008. 1 to 1000000."`
	WSClientBytes  Size `key:"ws-client-bytes" default:"64KiB" doc:"The same in bytes; half of the frames leave half of the bytes. 1KiB to 1GiB."`

	Profile string `key:"limits" default:"relaxed" doc:"Numbers that the limits and rates below have unless set one by one: relaxed (ten times AWS's resources, no rates) or aws (AWS's own)."`
	Limits  Limits
	Rates   Rates

	EmptyContent bool `key:"empty-content" default:"false" doc:"Show redacted and deleted messages with an empty Content, for clients that cannot decode a message without one. Otherwise they have none."`

	ShutdownDelay time.Duration `key:"shutdown-delay" default:"0s" doc:"How long a stop goes on serving while /readyz answers 503 already, so that load balancers notice and send new clients elsewhere. At most 10m."`
	DrainTimeout  time.Duration `key:"drain-timeout" default:"10s" doc:"How long a stop, after shutdown-delay, waits for requests that are under way. With a shutdown-delay WebSockets are closed spread over as long as that, but half of this at most. 100ms to 10m."`
	LogLevel      string        `key:"log-level" default:"info" doc:"Least level that is logged: debug, info, warn or error."`
	AccessLog     bool          `key:"access-log" default:"false" doc:"Log a line for every REST request at the level info: method, operation, status, bytes, took_seconds, bearer, key, principal, remote, user agent and request id. Without it refusals and failures alone are logged, one a second of each kind."`
	LogFormat     string        `key:"log-format" default:"text" doc:"Form of the log on standard error: text or json."`

	AuditLog        string        `key:"audit-log" doc:"File of the audit log, or stdout: a JSON line in the form of CloudTrail for every call and connect request, allowed or refused, and for every expiry. It has ARNs and ids, no content and no secrets. Empty keeps none."`
	AuditQueueBytes Size          `key:"audit-queue-bytes" default:"8MiB" doc:"Bytes of lines of the audit log that may wait in memory for a slow disk. 64KiB to 1GiB."`
	AuditWait       time.Duration `key:"audit-wait" default:"1s" doc:"How long a call waits when that queue is full, before its line is lost. When one waited in vain, later ones do not wait until lines are written again. Lost lines are counted, and a line says how many. 0 never waits; at most 1m."`

	AuditSink        string `key:"audit-sink" doc:"Where the lines of audit-log, which must be a file then, are sent as well, in order and at least once: a target and its options as in streams, such as https://siem.example.com/audit secret-file=/etc/carillon/siem.secret. Kinds are http, https, kafka, kafka+tls, nats, tls, and kinesis with the option stream. Empty sends them nowhere."`
	AuditSinkBacklog Size   `key:"audit-sink-backlog" default:"10GiB" doc:"Bytes of finished parts of audit-log that stay beyond log-file-keep while they wait for audit-sink. When there are more, the oldest are given up. 1MiB to 1TiB."`

	NoticeLog    string `key:"notice-log" doc:"File of notices, or stdout: a JSON line in the form of EventBridge for every failure of a channel flow's processor, a bot or a push notification. Empty keeps none."`
	NoticeURL    string `key:"notice-url" doc:"URL that each notice is posted to as well, signed with notice-secret. It is tried again until it is answered with 2xx, for about four minutes each; outbound-allow says where it may be."`
	NoticeSecret Secret `key:"notice-secret" flag:"-" doc:"Secret that signs what is posted to notice-url as Standard Webhooks says: whsec_ and 24 to 64 bytes of base64."`

	LogFileSize Size          `key:"log-file-size" default:"100MiB" doc:"Size at which a part of audit-log and of notice-log is finished: it is renamed and compressed with gzip. 0 is no bound; otherwise 64KiB to 1TiB."`
	LogFileAge  time.Duration `key:"log-file-age" default:"24h" doc:"Time that a part of these files covers at most, in UTC: 24h is a day. 0 is no bound; otherwise 1m to 8760h."`
	LogFileKeep int           `key:"log-file-keep" default:"0" doc:"Finished parts of each of these files that are kept; the oldest beyond are removed. 0 keeps all; at most 100000."`
}

// Mode is what the program is started as.
type Mode uint8

// The modes.
const (
	// Serve is for use by other machines: there are no default keys.
	Serve Mode = iota
	// Dev is for trying and testing on one's own machine: published default keys, seeded data
	// and credentials for the chat page.
	Dev
)

// The root keys of dev mode are published, so every client that reaches the port may do everything.
const (
	DevAccessKeyID     = "CARILLONDEV000000000"
	DevSecretAccessKey = "carillon-dev-secret-do-not-use-in-production"
)

// LoopbackOrigins stands for all origins of this machine in the setting allowed-origins.
const LoopbackOrigins = "loopback"

// Stdout stands for standard output in the settings audit-log and notice-log.
const Stdout = "stdout"

// HasDevKeys reports whether a published default key is in use.
func (c *Config) HasDevKeys() bool {
	return !c.RandomKeys && c.hasPublished()
}

func (c *Config) hasPublished() bool {
	return c.RootAccessKeyID == DevAccessKeyID || c.RootSecretAccessKey.Reveal() == DevSecretAccessKey
}

// OnLoopback reports whether only this machine can reach the public port.
func (c *Config) OnLoopback() bool { return isLoopback(c.Listen) }
