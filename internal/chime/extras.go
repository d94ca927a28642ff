package chime

// Extras is a set of kinds of events that AWS does not have. A session gets the events of an extra
// when its app instance has the extra and the client asked for it.
type Extras uint8

// The extras that there are.
const (
	ExtraPresence Extras = 1 << iota // which members of a channel are online
	ExtraTyping                      // which members are typing
	ExtraUnread                      // exact counts of unread messages

	AllExtras = ExtraPresence | ExtraTyping | ExtraUnread
)

// ExtrasTag is the key of the tag of an app instance whose value names its extras, separated by
// spaces.
const ExtrasTag = "carillon:extras"

// extraNames are the names of the extras by the number of their bit, in alphabetical order.
var extraNames = [...]string{"presence", "typing", "unread"}

// ParseExtras is the set of the extras with these names. Other names are ignored.
func ParseExtras(names []string) (e Extras) {
	for _, name := range names {
		for bit, known := range extraNames {
			if name == known {
				e |= 1 << bit
			}
		}
	}
	return e
}

// Names are the names of the extras in alphabetical order. It is not nil.
func (e Extras) Names() []string {
	names := make([]string, 0, len(extraNames))
	for bit, name := range extraNames {
		if e&(1<<bit) != 0 {
			names = append(names, name)
		}
	}
	return names
}
