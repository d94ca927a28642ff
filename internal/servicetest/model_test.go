package servicetest_test

import (
	"maps"
	"slices"

	"github.com/carillon-chat/carillon/internal/api/messaging"
)

// model is the plain state behind the rules of spec 3.2: who holds which role where, and who
// wrote which message. It knows nothing of stores, keys or events.
type model struct {
	admins map[string]bool
	rooms  map[string]*room
}

// room is one standard channel.
type room struct {
	public, open bool // PUBLIC, UNRESTRICTED
	members      map[string]messaging.ChannelMembershipType
	moderators   map[string]bool
	bans         map[string]bool
	messages     []*note // oldest first
}

// note is one message.
type note struct {
	id, sender, target string
	redacted           bool
}

func newModel() *model { return &model{admins: map[string]bool{}, rooms: map[string]*room{}} }

func newRoom(creator string, public, open bool) *room {
	return &room{
		public: public, open: open, bans: map[string]bool{}, moderators: map[string]bool{creator: true},
		members: map[string]messaging.ChannelMembershipType{creator: messaging.ChannelMembershipTypeDefault},
	}
}

func (m *model) manages(r *room, who string) bool { return m.admins[who] || r.moderators[who] }

func (r *room) member(who string) bool {
	return r.members[who] == messaging.ChannelMembershipTypeDefault
}

func (r *room) hidden(who string) bool {
	return r.members[who] == messaging.ChannelMembershipTypeHidden
}

// reads: sees the messages and the members of a channel.
func (m *model) reads(r *room, who string) bool {
	return m.manages(r, who) || r.members[who] != "" || r.public && !r.bans[who]
}

// describes: knows the channel. One that a caller may not know is to it as one that does not exist.
func (m *model) describes(r *room, who string) bool { return m.reads(r, who) || r.public }

func (m *model) unknown(r *room, who string) bool { return r == nil || !m.describes(r, who) }

func (m *model) readsMembers(r *room, who string) bool {
	return m.reads(r, who) && (m.manages(r, who) || !r.hidden(who))
}

func (m *model) adds(r *room, by, who string, kind messaging.ChannelMembershipType) bool {
	switch {
	case m.manages(r, by):
		return true
	case kind == messaging.ChannelMembershipTypeHidden:
		return false
	case by == who:
		return r.members[by] != "" || r.public && !r.bans[by]
	}
	return r.open && r.member(by)
}

func (m *model) removes(r *room, by, who string) bool {
	switch {
	case m.manages(r, by):
		return true
	case by == who:
		return m.reads(r, by)
	}
	return r.open && r.member(by)
}

// secret: a hidden member that the caller may not know of.
func (m *model) secret(r *room, by, who string) bool {
	return r.hidden(who) && by != who && !m.manages(r, by)
}

// sees: a targeted message exists for its sender and its target alone.
func (n *note) sees(who string) bool { return n.target == "" || n.target == who || n.sender == who }

// outcome of an operation: the first refusal that applies, in the order of the arguments.
type refusal struct {
	applies bool
	name    string
}

func first(refusals ...refusal) string {
	for _, r := range refusals {
		if r.applies {
			return r.name
		}
	}
	return "ok"
}

func forbidden(applies bool) refusal  { return refusal{applies, "Forbidden"} }
func conflict(applies bool) refusal   { return refusal{applies, "Conflict"} }
func notFound(applies bool) refusal   { return refusal{applies, "NotFound"} }
func badRequest(applies bool) refusal { return refusal{applies, "BadRequest"} }

// names are the keys of a set in order.
func names[V any](set map[string]V) []string { return slices.Sorted(maps.Keys(set)) }
