package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
)

// natsPrefix is what subjects of NATS may begin with.
var natsPrefix = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}(\.[A-Za-z0-9_-]{1,32}){0,3}$`)

// Clustered reports whether the node is connected with others.
func (c *Config) Clustered() bool { return len(c.NATSURL) > 0 || c.ClusterListen != "" }

// checkCluster checks what connects nodes: NATS, or the servers that they have within themselves.
func (c *Config) checkCluster(fault func(key string, err error)) {
	const alone = "needs database-url: nodes that have a data folder each share nothing that they could tell each other"
	fault("nats-url", when(len(c.NATSURL) > 0 && c.DatabaseURL.IsZero(), alone))
	fault("cluster-listen", when(c.ClusterListen != "" && c.DatabaseURL.IsZero(), alone))
	fault("cluster-listen", when(c.ClusterListen != "" && len(c.NATSURL) > 0, "must not be set beside nats-url: a node uses a NATS of its own or that one"))
	fault("nats-prefix", when(!natsPrefix.MatchString(c.NATSPrefix), "must be words of letters, digits, hyphens and underscores with dots between them, such as carillon.test"))
	c.checkNATS(fault)
	c.checkRoutes(fault)
}

// checkNATS checks how a NATS is reached.
func (c *Config) checkNATS(fault func(key string, err error)) {
	for _, text := range c.NATSURL {
		fault("nats-url", checkNATSURL(text))
	}

	// One way of authentication, and only with a server.
	var given []string
	for _, s := range []struct {
		key string
		set bool
	}{
		{"nats-credentials-file", c.NATSCredentialsFile != ""}, {"nats-nkey-file", c.NATSNkeyFile != ""},
		{"nats-user", c.NATSUser != ""}, {"nats-token", !c.NATSToken.IsZero()},
	} {
		if s.set {
			given = append(given, s.key)
			fault(s.key, when(len(c.NATSURL) == 0, "is for nats-url"))
		}
	}
	if len(given) > 1 {
		fault(given[1], fmt.Errorf("must not be set beside %s", given[0]))
	}
	fault("nats-password", when((c.NATSUser == "") != c.NATSPassword.IsZero(), "must be set when nats-user is, and only then"))

	fault("nats-tls-ca", when(c.NATSTLSCA != "" && len(c.NATSURL) == 0, "is for nats-url"))
	fault("nats-tls-key", when((c.NATSTLSCert == "") != (c.NATSTLSKey == ""), "must be set when nats-tls-cert is, and only then"))
	fault("nats-tls-cert", when(c.NATSTLSCert != "" && len(c.NATSURL) == 0, "is for nats-url"))
}

// checkNATSURL refuses passwords, which would be shown wherever settings are.
func checkNATSURL(text string) error {
	u, err := url.Parse(text)
	if err != nil { // it may hold a secret
		return errors.New("has a URL that cannot be read")
	}
	if u.User != nil {
		return errors.New("must not have a password: use nats-user and nats-password, nats-token, nats-nkey-file or nats-credentials-file")
	}
	if u.Scheme != "nats" && u.Scheme != "tls" || u.Hostname() == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("must hold URLs such as nats://nats.internal:4222 or tls://nats.internal:4222, not %q", text)
	}
	return nil
}

// checkRoutes checks the servers that nodes have within themselves.
func (c *Config) checkRoutes(fault func(key string, err error)) {
	if c.ClusterListen == "" {
		fault("cluster-routes", when(len(c.ClusterRoutes) > 0, "needs cluster-listen, the address for the other nodes"))
		fault("cluster-secret", when(!c.ClusterSecret.IsZero(), "is for cluster-listen"))
		fault("cluster-tls-cert", when(c.ClusterTLSCert != "", "is for cluster-listen"))
		return
	}
	fault("cluster-listen", checkAddress(c.ClusterListen))
	fault("cluster-listen", when(c.ClusterListen == c.Listen || c.ClusterListen == c.OpsListen, "must differ from listen and ops-listen"))
	for _, route := range c.ClusterRoutes {
		fault("cluster-routes", checkAddress(route))
	}

	// Every program that joins can show users what it likes.
	secure := !c.ClusterSecret.IsZero() || c.ClusterTLSCert != ""
	fault("cluster-secret", when(isOpen(c.ClusterListen) && !secure, "must be set, or cluster-tls-cert, while cluster-listen is open to other machines"))
	fault("cluster-secret", when(!c.ClusterSecret.IsZero() && len(c.ClusterSecret.Reveal()) < minSecretLen, fmt.Sprintf("must have at least %d characters", minSecretLen)))
	all := c.ClusterTLSCert != "" && c.ClusterTLSKey != "" && c.ClusterTLSCA != ""
	none := c.ClusterTLSCert == "" && c.ClusterTLSKey == "" && c.ClusterTLSCA == ""
	fault("cluster-tls-cert", when(!all && !none, "must be set with cluster-tls-key and cluster-tls-ca: nodes show certificates to each other"))
}
