package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/carillon-chat/carillon/internal/chime"
)

// StreamRoute is one entry of the setting streams.
type StreamRoute struct {
	Sink
	Pattern chime.Pattern // over ARNs of streams
}

// Sink is where records go.
type Sink struct {
	Name string
	// Target is where the sink writes to; its scheme says what kind of sink it is.
	Target *url.URL
	// Options are those of the kind of sink, as texts that were not checked.
	Options map[string]string
}

// sinkKinds are the kinds of sinks, by the scheme of their target, with the options of each.
type sinkKinds map[string][]string

// streamOptions are those of the setting streams.
var streamOptions = sinkKinds{
	"file":      {"size"},
	"http":      {"secret-file"},
	"https":     {"secret-file"},
	"kafka":     {"credentials-file", "sasl"},
	"kafka+tls": {"ca-file", "credentials-file", "sasl"},
	"kinesis":   {"credentials-file", "region"},
	"nats":      {"credentials-file"},
	"tls":       {"credentials-file"},
}

// auditOptions are those of the setting audit-sink: there is no ARN that names a stream, and a file is there anyway.
var auditOptions = func() sinkKinds {
	kinds := maps.Clone(streamOptions)
	delete(kinds, "file")
	kinds["kinesis"] = append([]string{"stream"}, kinds["kinesis"]...)
	return kinds
}()

// kinesisStream is the name of a stream of Kinesis.
var kinesisStream = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)

// kafkaTopic is the path of a target that names a topic.
var kafkaTopic = regexp.MustCompile(`^/[A-Za-z0-9._-]{1,249}$`)

// natsSubject is the path of a target that names a prefix of subjects.
var natsSubject = regexp.MustCompile(`^/[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

var streamName = regexp.MustCompile(`^[a-z0-9-]{1,24}$`)

// StreamRoutes reads the setting streams.
func (c *Config) StreamRoutes() ([]StreamRoute, error) {
	var list []StreamRoute
	for _, text := range c.Streams {
		route, err := parseStreamRoute(text)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(list, func(r StreamRoute) bool { return r.Name == route.Name }) {
			return nil, fmt.Errorf("must not have two sinks %q", route.Name)
		}
		list = append(list, route)
	}
	return list, nil
}

func parseStreamRoute(text string) (r StreamRoute, err error) {
	fields := strings.Fields(text)
	if len(fields) < 3 {
		return r, errors.New("must hold entries such as \"audit arn:aws:kinesis:*:stream/chime-messaging-* file:/var/lib/carillon/audit\": a name, a pattern of ARNs, a target")
	}
	if !streamName.MatchString(fields[0]) {
		return r, fmt.Errorf("must name sinks by 1 to 24 lower-case letters, digits and hyphens, not %q", fields[0])
	}
	r.Pattern = chime.Pattern(fields[1])
	r.Sink, err = streamOptions.parse(fields[0], fields[2:])
	return r, err
}

// AuditSinkTarget reads the setting audit-sink. Its name is audit.
func (c *Config) AuditSinkTarget() (Sink, error) {
	fields := strings.Fields(c.AuditSink)
	if len(fields) == 0 {
		return Sink{}, errors.New("must be a target such as https://siem.example.com/audit, and its options")
	}
	r, err := auditOptions.parse("audit", fields)
	if err == nil && r.Target.Scheme == "kinesis" && !kinesisStream.MatchString(r.Options["stream"]) {
		err = errors.New("sink audit: Kinesis needs the option stream, the name of the stream")
	}
	return r, err
}

// parse reads a target and the options that follow it.
func (k sinkKinds) parse(name string, fields []string) (r Sink, err error) {
	r = Sink{Name: name, Options: map[string]string{}}
	if r.Target, err = url.Parse(fields[0]); err != nil {
		return r, fmt.Errorf("sink %s: the target cannot be read", name) // it may hold a secret
	}

	// The kind of sink says which options there are.
	known, found := k[r.Target.Scheme]
	if !found {
		return r, fmt.Errorf("sink %s: the target must begin with one of %s", name, strings.Join(slices.Sorted(maps.Keys(k)), ":, ")+":")
	}
	for _, field := range fields[1:] {
		key, value, ok := strings.Cut(field, "=")
		if !ok || !slices.Contains(known, key) {
			return r, fmt.Errorf("sink %s: the options of %s: are %s, not %q", name, r.Target.Scheme, strings.Join(known, ", "), key)
		}
		r.Options[key] = value
	}
	return r, r.check()
}

// check checks what the kind of sink needs.
func (r Sink) check() error {
	switch r.Target.Scheme {
	case "file":
		if r.Target.Path+r.Target.Opaque == "" {
			return fmt.Errorf("sink %s: the target must name a folder, such as file:/var/lib/carillon/streams", r.Name)
		}
	case "http", "https":
		if !isWeb(r.Target) || r.Target.User != nil || r.Options["secret-file"] == "" {
			return fmt.Errorf("sink %s: a webhook needs a URL with a host and without a password, and the option secret-file", r.Name)
		}
	case "kinesis":
		endpoint, err := url.Parse(r.Target.Opaque)
		if err != nil || !isWeb(endpoint) || endpoint.User != nil || r.Options["credentials-file"] == "" {
			return fmt.Errorf("sink %s: Kinesis needs an endpoint, such as kinesis:https://kinesis.us-east-1.amazonaws.com, and the option credentials-file", r.Name)
		}
	case "kafka", "kafka+tls":
		if r.Target.Port() == "" || r.Target.User != nil || !kafkaTopic.MatchString(r.Target.Path) {
			return fmt.Errorf("sink %s: Kafka needs a broker with a port and a topic, such as kafka://kafka.internal:9092/chime", r.Name)
		}
		if sasl := r.Options["sasl"]; sasl != "" && !slices.Contains([]string{"plain", "scram-sha-256", "scram-sha-512"}, sasl) {
			return fmt.Errorf("sink %s: sasl must be plain, scram-sha-256 or scram-sha-512, not %q", r.Name, sasl)
		}
	case "nats", "tls":
		if r.Target.Host == "" || r.Target.User != nil || !natsSubject.MatchString(r.Target.Path) {
			return fmt.Errorf("sink %s: NATS needs a server without a password and a subject, such as nats://nats.internal:4222/chime", r.Name)
		}
	}

	// The values of options.
	if size, given := r.Options["size"]; given {
		if _, err := r.size(size); err != nil {
			return err
		}
	}
	return nil
}

// Size is the option size in bytes, zero without one.
func (r Sink) Size() int64 {
	size, err := r.size(r.Options["size"])
	if err != nil { // it is not given, or the check has refused it
		return 0
	}
	return int64(size)
}

func (r Sink) size(text string) (Size, error) {
	size, err := parseSize(text)
	if err == nil {
		err = within(size, 1<<20, 1<<40)
	}
	if err != nil {
		return 0, fmt.Errorf("sink %s: size %w", r.Name, err)
	}
	return size, nil
}
