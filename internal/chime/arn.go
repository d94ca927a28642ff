package chime

import (
	"strings"

	"github.com/carillon-chat/carillon/internal/api"
)

// Site is the region and account that every ARN of a deployment carries.
type Site struct {
	Region  string // for example us-east-1
	Account string // 12 digits
}

// Kind is the kind of thing that an ARN names. Its numbers are part of stored keys.
type Kind uint8

// The kinds of resource that have an ARN (spec 1.1), and those that AWS does not have.
const (
	KindAppInstance Kind = iota + 1
	KindUser
	KindBot
	KindChannel
	KindChannelFlow
	KindWebhook
)

var kindSegments = [...]string{KindUser: "user", KindBot: "bot", KindChannel: "channel", KindChannelFlow: "channel-flow", KindWebhook: "webhook"}

var kindNames = [...]string{
	KindAppInstance: "app instance", KindUser: "app instance user", KindBot: "app instance bot",
	KindChannel: "channel", KindChannelFlow: "channel flow", KindWebhook: "webhook",
}

// String names the kind as error messages do.
func (k Kind) String() string { return kindNames[k] }

// Resource is what an ARN of this site names. ID is empty for an app instance.
type Resource struct {
	App  string
	Kind Kind
	ID   string
}

// Ref names a user or bot inside its app instance: "user/alice" or "bot/<id>".
type Ref string

// UserKey names a user or a bot across app instances.
type UserKey struct {
	App  string // id of the app instance
	User Ref
}

// UserRef is the Ref of a user id.
func UserRef(id string) Ref { return Ref("user/" + id) }

// BotRef is the Ref of a bot id.
func BotRef(id string) Ref { return Ref("bot/" + id) }

// IsUser reports whether the Ref names a user, as opposed to a bot.
func (r Ref) IsUser() bool { return strings.HasPrefix(string(r), "user/") }

// ID is the user's or bot's own id.
func (r Ref) ID() string { return string(r)[strings.IndexByte(string(r), '/')+1:] }

// Ref is the short form of a user or bot resource.
func (r Resource) Ref() Ref { return Ref(kindSegments[r.Kind] + "/" + r.ID) }

func (s Site) prefix() string {
	return "arn:aws:chime:" + s.Region + ":" + s.Account + ":app-instance/"
}

// AppInstanceARN is the ARN of an app instance.
func (s Site) AppInstanceARN(app string) string { return s.prefix() + app }

// ChannelARN is the ARN of a channel.
func (s Site) ChannelARN(app, channel string) string {
	return s.prefix() + app + "/channel/" + channel
}

// ChannelFlowARN is the ARN of a channel flow.
func (s Site) ChannelFlowARN(app, flow string) string {
	return s.prefix() + app + "/channel-flow/" + flow
}

// WebhookARN is the ARN of a webhook subscription.
func (s Site) WebhookARN(app, webhook string) string {
	return s.prefix() + app + "/webhook/" + webhook
}

// RefARN is the ARN of a user or bot.
func (s Site) RefARN(app string, ref Ref) string {
	return "arn:aws:chime:" + s.Region + ":" + s.Account + ":app-instance/" + app + "/" + string(ref) // in one step
}

// Parse reads the ARN given in the named member. A text that is no ARN of the service is
// refused with 400, a well-formed ARN of another region or account with 403 (spec 1.1).
func (s Site) Parse(member, arn string) (Resource, error) {
	path, ours, ok := s.split("chime", arn)
	if !ok {
		return Resource{}, api.BadRequest(member, "is not an ARN of the chime service")
	}
	res, ok := parsePath(path)
	if !ok {
		return Resource{}, api.BadRequest(member, "does not name an app instance or a resource of one")
	}
	if !ours {
		return Resource{}, foreign(member)
	}
	return res, nil
}

// AppOf is the id of the app instance that an ARN of this site names or lies in, empty when it is
// not such an ARN. It looks at no more of the ARN than that.
func (s Site) AppOf(arn string) string {
	for _, part := range [...]string{"arn:aws:chime:", s.Region, ":", s.Account, ":app-instance/"} {
		var ok bool
		if arn, ok = strings.CutPrefix(arn, part); !ok {
			return ""
		}
	}
	app, _, _ := strings.Cut(arn, "/")
	return app
}

// ParseOther reads the ARN of a resource of another AWS service, which has to be of this
// region and account, and answers the part behind the account. Errors are those of Parse.
func (s Site) ParseOther(member, service, arn string) (resource string, err error) {
	resource, ours, ok := s.split(service, arn)
	if !ok || resource == "" {
		return "", api.BadRequest(member, "is not an ARN of the %s service", service)
	}
	if !ours {
		return "", foreign(member)
	}
	return resource, nil
}

// split takes apart an ARN of the service. ours: it is of this region and account.
func (s Site) split(service, arn string) (path string, ours, ok bool) {
	var fields [5]string
	for i := range fields {
		if fields[i], arn, ok = strings.Cut(arn, ":"); !ok {
			return "", false, false
		}
	}
	if fields[0] != "arn" || fields[1] != "aws" || fields[2] != service {
		return "", false, false
	}
	return arn, fields[3] == s.Region && fields[4] == s.Account, true
}

func foreign(member string) error {
	return api.Forbidden("%s belongs to another region or account than this service", member)
}

func parsePath(path string) (Resource, bool) {
	rest, ok := strings.CutPrefix(path, "app-instance/")
	if !ok {
		return Resource{}, false
	}
	app, rest, nested := strings.Cut(rest, "/")
	if app == "" {
		return Resource{}, false
	}
	if !nested {
		return Resource{App: app, Kind: KindAppInstance}, true
	}
	segment, id, ok := strings.Cut(rest, "/")
	if !ok || id == "" || strings.ContainsRune(id, '/') {
		return Resource{}, false
	}
	for kind := KindUser; kind <= KindWebhook; kind++ {
		if segment == kindSegments[kind] {
			return Resource{App: app, Kind: kind, ID: id}, true
		}
	}
	return Resource{}, false
}

// ParseKind is Parse for a member that takes one of the given kinds of ARN; another kind is
// refused with 400.
func (s Site) ParseKind(member, arn string, kinds ...Kind) (Resource, error) {
	res, err := s.Parse(member, arn)
	if err != nil {
		return Resource{}, err
	}
	for _, kind := range kinds {
		if res.Kind == kind {
			return res, nil
		}
	}
	names := make([]string, len(kinds))
	for i, kind := range kinds {
		names[i] = kind.String()
	}
	return Resource{}, api.BadRequest(member, "must be the ARN of: %s", strings.Join(names, " or "))
}

// ParseIdentity is ParseKind for a member that takes a user or a bot.
func (s Site) ParseIdentity(member, arn string) (Resource, error) {
	return s.ParseKind(member, arn, KindUser, KindBot)
}
