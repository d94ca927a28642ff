package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
)

var (
	regionPattern    = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
	accountPattern   = regexp.MustCompile(`^[0-9]{12}$`)
	hostPattern      = regexp.MustCompile(`^([a-z0-9_][a-z0-9._-]*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$`)
	nodePattern      = regexp.MustCompile(`^[A-Za-z0-9._-]{1,63}$`)
	accessKeyPattern = regexp.MustCompile(`^\w{16,128}$`)
)

const minSecretLen = 16

// check calls fault for each setting, with an error where its value is not valid.
func (c *Config) check(fault func(key string, err error)) {
	// The ports, and the names by which clients reach them.
	fault("listen", checkAddress(c.Listen))
	if c.OpsListen != "" {
		fault("ops-listen", checkAddress(c.OpsListen))
		if c.OpsListen == c.Listen && !strings.HasSuffix(c.Listen, ":0") {
			fault("ops-listen", errors.New("must differ from listen"))
		}
	}
	fault("public-host", checkPublicHost(c.PublicHost))
	if isOpen(c.Listen) {
		fault("public-host", when(c.PublicHost == "",
			"must be set while listen is open to other machines: they would be told to connect to localhost, which is they themselves"))
		fault("public-host", when(c.Mode == Serve && isLoopback(withPort(c.PublicHost)),
			"must not be loopback while listen is open to other machines: they would be told to connect to themselves"))
	}

	// The identity of the account: its folder, names and keys.
	fault("data", when(c.Data == "", "must name a folder"))
	fault("database-url", c.checkDatabase())
	fault("region", when(!regionPattern.MatchString(c.Region), "must be lower-case letters, digits and hyphens, such as us-east-1"))
	fault("account", when(!accountPattern.MatchString(c.Account), "must be 12 digits"))
	c.checkKeys(fault)

	if c.NodeID != "" {
		fault("node-id", when(!nodePattern.MatchString(c.NodeID), "must be 1 to 63 letters, digits, dots, hyphens or underscores"))
	}
	fault("node-lease", within(c.NodeLease, time.Second, 5*time.Minute))

	// TLS, and which pages, proxies and issuers are believed.
	fault("tls-key", when(c.TLSCert != "" && c.TLSKey == "", "must be set when tls-cert is"))
	fault("tls-cert", when(c.TLSCert == "" && c.TLSKey != "", "must be set when tls-key is"))
	fault("allowed-origins", checkOrigins(c.AllowedOrigins))
	_, err := c.ProxyNetworks()
	fault("trusted-proxies", err)
	fault("proxy-header", oneOf(c.ProxyHeader, "x-forwarded-for", "forwarded"))
	fault("proxy-protocol", when(c.ProxyProtocol && len(c.TrustedProxies) == 0, "needs trusted-proxies: the header of others is never believed"))
	_, err = c.OIDCNetworks()
	fault("oidc-allowed-networks", err)
	c.checkOutbound(fault)
	_, err = c.StreamRoutes()
	fault("streams", err)
	fault("webhook-retry", within(c.WebhookRetry, time.Minute, 720*time.Hour))
	fault("webhook-keep", within(c.WebhookKeep, time.Minute, 8760*time.Hour))
	c.checkFunctions(fault)
	c.checkBots(fault)
	_, err = c.PushApplications()
	fault("push", err)
	fault("push-ttl", within(c.PushTTL, time.Minute, 28*24*time.Hour))
	fault("cognito-guests-per-second", within(c.CognitoGuestsPerSecond, 0, 100_000))

	// Bounds on memory, disk and time.
	fault("request-bytes", within(c.RequestBytes, 4<<20, 16<<30))
	fault("disk-reserve", within(c.DiskReserve, 0, 1<<40))
	fault("store-log-size", checkLogSize(c.StoreLogSize))
	fault("store-cache", within(c.StoreCache, 4<<20, 256<<30))
	fault("presign-grace", within(c.PresignGrace, 0, 15*time.Minute))
	fault("token-window", within(c.TokenWindow, time.Minute, 24*time.Hour))
	fault("clock-trust", within(c.ClockTrust, 0, 10*365*24*time.Hour))
	fault("erase-within", within(c.EraseWithin, time.Minute, 10*365*24*time.Hour))
	fault("event-retention", within(c.EventRetention, time.Minute, 10*365*24*time.Hour))
	fault("follower-retention", within(c.FollowerRetention, time.Minute, 10*365*24*time.Hour))
	fault("max-connections", within(c.MaxConnections, 0, 10_000_000))
	fault("shutdown-delay", within(c.ShutdownDelay, 0, 10*time.Minute))
	fault("drain-timeout", within(c.DrainTimeout, 100*time.Millisecond, 10*time.Minute))

	// The socket, and how much each of its clients may use.
	fault("ws-engine", checkEngine(c.WSEngine))
	for _, extra := range c.Extras {
		fault("extras", oneOf(extra, chime.AllExtras.Names()...))
	}
	fault("ws-ping-interval", within(c.WSPingInterval, time.Second, 10*time.Minute))
	fault("ws-queue-bytes", within(c.WSQueueBytes, 64<<10, 64<<20))
	fault("ws-connections-per-user", within(c.WSConnectionsPerUser, 1, 1000))
	fault("ws-pending", within(c.WSPending, 16, 1_000_000))
	fault("ws-pending-per-address", within(c.WSPendingPerAddress, 1, 1_000_000))
	fault("ws-refused", within(c.WSRefused, 1, 1_000_000))
	fault("ws-client-frames", within(c.WSClientFrames, 1, 1_000_000))
	fault("ws-client-bytes", within(c.WSClientBytes, 1<<10, 1<<30))

	c.checkLimits(fault)
	c.checkCluster(fault)
	fault("log-level", oneOf(c.LogLevel, "debug", "info", "warn", "error"))
	fault("log-format", oneOf(c.LogFormat, "text", "json"))
	c.checkLogFiles(fault)
}

// checkLogFiles checks the audit log and the notices.
func (c *Config) checkLogFiles(fault func(key string, err error)) {
	fault("audit-queue-bytes", within(c.AuditQueueBytes, 64<<10, 1<<30))
	fault("audit-wait", within(c.AuditWait, 0, time.Minute))
	fault("audit-sink-backlog", within(c.AuditSinkBacklog, 1<<20, 1<<40))
	if c.AuditSink != "" {
		_, err := c.AuditSinkTarget()
		fault("audit-sink", err)
		fault("audit-sink", when(c.AuditLog == "" || c.AuditLog == Stdout, "needs audit-log to be a file, whose lines are sent"))
	}
	fault("notice-log", when(c.NoticeLog != "" && c.NoticeLog != Stdout && c.NoticeLog == c.AuditLog, "must differ from audit-log"))
	if c.NoticeURL != "" {
		u, err := url.Parse(c.NoticeURL)
		fault("notice-url", when(err != nil || !isWeb(u), "must be a URL with https or http"))
		fault("notice-url", when(err == nil && u.User != nil, "must not have a password: calls are signed with notice-secret"))
	}
	fault("notice-secret", when((c.NoticeURL == "") != c.NoticeSecret.IsZero(), "must be set when notice-url is, and only then"))

	if c.LogFileSize != 0 {
		fault("log-file-size", within(c.LogFileSize, 64<<10, 1<<40))
	}
	if c.LogFileAge != 0 {
		fault("log-file-age", within(c.LogFileAge, time.Minute, 365*24*time.Hour))
	}
	fault("log-file-keep", within(c.LogFileKeep, 0, 100_000))
}

// checkKeys refuses published keys wherever others than the machine's own user could use them.
func (c *Config) checkKeys(fault func(key string, err error)) {
	const id, secret = "root-access-key-id", "root-secret-access-key"
	if c.RootAccessKeyID == "" {
		fault(id, fmt.Errorf("must be set, for example in %s; only `carillon dev` has a default", EnvName(id)))
	} else if !accessKeyPattern.MatchString(c.RootAccessKeyID) {
		fault(id, errors.New("must be 16 to 128 letters, digits or underscores"))
	}
	if c.RootSecretAccessKey.IsZero() {
		fault(secret, fmt.Errorf("must be set, for example in %s; only `carillon dev` has a default", EnvName(secret)))
	} else if len(c.RootSecretAccessKey.Reveal()) < minSecretLen {
		fault(secret, fmt.Errorf("must have at least %d characters", minSecretLen))
	}

	// The rest is about the published keys of dev mode.
	if c.RandomKeys && (c.RootAccessKeyID != DevAccessKeyID || c.RootSecretAccessKey.Reveal() != DevSecretAccessKey) {
		fault("random-keys", fmt.Errorf("must not be set beside %s and %s", id, secret))
	}
	if !c.HasDevKeys() {
		return
	}
	if slices.Contains(c.AllowedOrigins, "*") && c.Mode == Dev {
		fault("allowed-origins", errors.New("must not be * while the published default keys are in use, because every web page would have them: "+
			"name the origins, or set random-keys"))
	}
	if c.Mode == Serve {
		fault(id, errors.New("is one of the published keys of `carillon dev`, which everybody knows: set keys of your own"))
	} else if isOpen(c.Listen) {
		fault("listen", fmt.Errorf("is open to other machines while the published default keys are in use: set %s and %s as well", EnvName(id), EnvName(secret)))
	}
}

// checkDatabase checks the form of the URL, which no error may show. The engine knows the rest.
func (c *Config) checkDatabase() error {
	if c.DatabaseURL.IsZero() {
		return nil
	}
	if c.Fresh {
		return errors.New("must not be set beside fresh: a database is emptied by its own means")
	}
	_, rest, _ := strings.Cut(c.DatabaseURL.Reveal(), "://")
	host, database, _ := strings.Cut(rest, "/")
	database, _, _ = strings.Cut(database, "?")
	isPostgres := strings.HasPrefix(c.DatabaseURL.Reveal(), "postgres://") || strings.HasPrefix(c.DatabaseURL.Reveal(), "postgresql://")
	return when(!isPostgres || host == "" || database == "", "must be a URL such as postgres://user:password@host:5432/database")
}

func checkLogSize(size Size) error {
	if size == 0 {
		return nil
	}
	return within(size, 1<<20, 256<<20)
}

func checkEngine(engine string) error {
	if engine == "epoll" && runtime.GOOS != "linux" {
		return errors.New("epoll is available on Linux only: use goroutine or auto")
	}
	return oneOf(engine, "auto", "epoll", "goroutine")
}

func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	number := uint64(0)
	if err == nil {
		number, err = strconv.ParseUint(port, 10, 64)
	}
	if err != nil {
		return fmt.Errorf("must be host:port or :port, not %q", address)
	}
	return when(number > math.MaxUint16, "must have a port between 0 and 65535")
}

// isOpen reports whether other machines can reach the address.
func isOpen(address string) bool { return checkAddress(address) == nil && !isLoopback(address) }

// withPort adds a port to a host that has none.
func withPort(host string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), "443")
}

// isLoopback reports whether only this machine can reach the address.
func isLoopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// checkPublicHost refuses what clients cannot sign: they put the host into wss://{host}/connect as it is and sign it
// (spec 4.1), so anything but a bare host breaks them in ways that are hard to see.
func checkPublicHost(host string) error {
	if host == "" {
		return nil
	}
	switch {
	case !hostPattern.MatchString(strings.ToLower(host)):
		return fmt.Errorf("must be a bare host or host:port, without https:// and path, not %q", host)
	case host != strings.ToLower(host):
		return errors.New("must be lower case, because clients sign it so")
	case strings.HasSuffix(host, ":443"):
		return errors.New("must not end in :443: browsers leave that port out, and the signatures would not fit")
	}
	return nil
}

func checkOrigins(origins []string) error {
	if len(origins) == 0 {
		return errors.New("must be * or a list of origins")
	}
	for _, origin := range origins {
		u, err := url.Parse(origin)
		if origin == LoopbackOrigins {
			err = nil
		} else if origin == "*" {
			err = when(len(origins) > 1, "must not hold other origins beside *")
		} else if err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != origin {
			err = fmt.Errorf("must hold origins such as https://chat.example.com, not %q", origin)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// OIDCNetworks reads the setting oidc-allowed-networks.
func (c *Config) OIDCNetworks() ([]netip.Prefix, error) { return networks(c.OIDCAllowedNetworks) }

// ProxyNetworks reads the setting trusted-proxies.
func (c *Config) ProxyNetworks() ([]netip.Prefix, error) { return networks(c.TrustedProxies) }

func networks(texts []string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if err != nil || network != network.Masked() {
			return nil, fmt.Errorf("must hold networks such as 10.1.0.0/16, not %q", text)
		}
		list = append(list, network)
	}
	return list, nil
}

func within[T interface {
	~int | ~int64
}](value, least, most T) error {
	if value < least || value > most {
		return fmt.Errorf("must be between %s and %s", written(least), written(most))
	}
	return nil
}

func written(value any) string {
	if d, ok := value.(time.Duration); ok {
		return shortDuration(d)
	}
	return fmt.Sprint(value)
}

func oneOf(value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("must be %s, not %q", strings.Join(allowed, ", "), value)
}

func when(bad bool, message string) error {
	if bad {
		return errors.New(message)
	}
	return nil
}
