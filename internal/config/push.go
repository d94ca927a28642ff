package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/carillon-chat/carillon/internal/chime"
)

// PushApplication is one entry of the setting push.
type PushApplication struct {
	Name    string
	Pattern chime.Pattern // over ARNs of Pinpoint applications
	Kind    string        // apns, fcm or webpush
	// Target is what the kind names: of apns the bundle id.
	Target string
	// Options are those of the kind.
	Options map[string]string
}

// pushOptions are the options of each kind of application.
var pushOptions = map[string][]string{
	"apns":    {"key-file", "key-id", "team-id", "certificate-file", "endpoint", "badge"},
	"fcm":     {"credentials-file", "notification", "endpoint", "badge"},
	"webpush": {"key-file", "contact", "services", "badge"},
}

var (
	bundlePattern = regexp.MustCompile(`^[A-Za-z0-9.-]{1,155}$`)
	applePattern  = regexp.MustCompile(`^[A-Z0-9]{10}$`) // of ids of keys and teams
)

// PushApplications reads the setting push. Of several that a device belongs to the first counts.
func (c *Config) PushApplications() ([]PushApplication, error) {
	var list []PushApplication
	for _, text := range c.Push {
		a, err := parsePushApplication(text)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(list, func(other PushApplication) bool { return other.Name == a.Name }) {
			return nil, fmt.Errorf("must not have two applications %q", a.Name)
		}
		list = append(list, a)
	}
	return list, nil
}

func parsePushApplication(text string) (a PushApplication, err error) {
	fields := strings.Fields(text)
	if len(fields) < 3 {
		return a, errors.New("must hold entries such as \"ios *:apps/chat apns:com.example.chat key-file=...\": a name, a pattern of ARNs, a push service, options")
	}
	a = PushApplication{Name: fields[0], Pattern: chime.Pattern(fields[1]), Options: map[string]string{}}
	if !streamName.MatchString(a.Name) {
		return a, fmt.Errorf("must name applications by 1 to 24 lower-case letters, digits and hyphens, not %q", a.Name)
	}

	// The kind says which options there are.
	a.Kind, a.Target, _ = strings.Cut(fields[2], ":")
	known, found := pushOptions[a.Kind]
	if !found {
		return a, fmt.Errorf("application %s: there is no push service %q", a.Name, a.Kind)
	}
	for _, field := range fields[3:] {
		key, value, ok := strings.Cut(field, "=")
		if !ok || value == "" || !slices.Contains(known, key) {
			return a, fmt.Errorf("application %s: the options of %s are %s, not %q", a.Name, a.Kind, strings.Join(known, ", "), key)
		}
		a.Options[key] = value
	}
	if err := a.check(); err != nil {
		return a, fmt.Errorf("application %s: %w", a.Name, err)
	}
	return a, nil
}

// check checks what the kind needs.
func (a PushApplication) check() error {
	if badge := a.Options["badge"]; badge != "" && badge != "off" {
		return fmt.Errorf("badge must be off or be left out, not %q", badge)
	}
	if endpoint := a.Options["endpoint"]; endpoint != "" {
		u, err := url.Parse(endpoint)
		if err != nil || !isWeb(u) || u.User != nil || u.Path != "" {
			return errors.New("endpoint must be an address of https or http without user and path")
		}
	}
	switch a.Kind {
	case "apns":
		return a.checkAPNs()
	case "fcm":
		return a.checkFCM()
	}
	return a.checkWebPush()
}

func (a PushApplication) checkAPNs() error {
	if !bundlePattern.MatchString(a.Target) {
		return errors.New("apns needs the bundle id, such as apns:com.example.chat")
	}
	key, certificate := a.Options["key-file"] != "", a.Options["certificate-file"] != ""
	if key == certificate {
		return errors.New("apns needs key-file with key-id and team-id, or certificate-file")
	}
	for _, id := range []string{"key-id", "team-id"} {
		if key != applePattern.MatchString(a.Options[id]) || !key && a.Options[id] != "" {
			return fmt.Errorf("%s must be 10 capital letters and digits beside key-file", id)
		}
	}
	return nil
}

func (a PushApplication) checkFCM() error {
	if a.Target != "" || a.Options["credentials-file"] == "" {
		return errors.New("fcm needs credentials-file, and names nothing behind itself")
	}
	if on := a.Options["notification"]; on != "" && on != "on" {
		return fmt.Errorf("notification must be on or be left out, not %q", on)
	}
	return nil
}

// maxWebName leaves room for the name of a push service behind that of the application.
const maxWebName = 16

// servicePattern is a host of a push service, or *. and a name for all hosts below it.
var servicePattern = regexp.MustCompile(`^(\*\.)?[A-Za-z0-9.:-]+$`)

func (a PushApplication) checkWebPush() error {
	if a.Target != "" || len(a.Name) > maxWebName {
		return fmt.Errorf("webpush names nothing behind itself, and its application has a name of at most %d characters", maxWebName)
	}
	if contact := a.Options["contact"]; contact != "" && !strings.HasPrefix(contact, "mailto:") && !strings.HasPrefix(contact, "https://") {
		return errors.New("contact must be a URL of mailto or https")
	}
	for _, host := range a.Services() {
		if !servicePattern.MatchString(host) {
			return fmt.Errorf("services must be hosts with semicolons between them, such as push.example.com;*.push.example.org, not %q", host)
		}
	}
	return nil
}

// Services are the hosts of the option services.
func (a PushApplication) Services() []string {
	return strings.FieldsFunc(a.Options["services"], func(r rune) bool { return r == ';' })
}
