package store

import (
	"fmt"
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
)

// Expiring is an entry of the list of what expires, in order of time: a channel or user with expiration
// settings. The service that has the channel or user writes it together with the settings. An entry may be
// early, since a message does not move it, and never late.
type Expiring struct {
	App string
	Due chime.Millis // Expiration.Due of the record
	Ref chime.Ref    // of the user, or that of ExpiringChannel
	ID  string       // of the channel or user
}

// channelRef begins the Ref of a channel.
const channelRef = "channel/"

// ExpiringChannel is the entry of a channel.
func ExpiringChannel(app string, c *chime.Channel) Expiring {
	return Expiring{App: app, Due: c.Expiration.Due, Ref: chime.Ref(channelRef + c.UID), ID: c.ID}
}

// ExpiringUser is the entry of a user.
func ExpiringUser(app string, u *chime.User) Expiring {
	return Expiring{App: app, Due: u.Expiration.Due, Ref: chime.UserRef(u.ID), ID: u.ID}
}

// Channel is the channel of the entry; it is false when the entry is of a user.
func (e Expiring) Channel() (entry chime.ChannelEntry, is bool) {
	if len(e.Ref) < len(channelRef) || e.Ref[:len(channelRef)] != channelRef {
		return entry, false
	}
	return chime.ChannelEntry{ChannelID: e.ID, UID: string(e.Ref[len(channelRef):])}, true
}

// Row is the entry as one of the rows of its channel or user.
func (e Expiring) Row() Row {
	return Expirations.Row(K(e.App).Num(uint64(max(e.Due, 0))).Str(string(e.Ref)), e.ID)
}

// Due lists up to limit entries of all app instances whose time is not after date, from a key on, in order
// of app instance and time. next is the key to go on from, nil when none is left. It reads one entry more of
// each app instance, however many are not due.
func Due(r Reader, date chime.Millis, from Key, limit int) (due []Expiring, next Key, err error) {
	for more := true; more && len(due) < limit; {
		more = false
		err := Expirations.Each(r, Range{From: from}, func(key Key, id string) (bool, error) {
			more = true
			e, err := expiringAt(key, id)
			switch {
			case err != nil:
				return false, err
			case e.Due > date:
				from = K(e.App).successor()
				return false, nil
			}
			due, from = append(due, e), slices.Clone(key).after()
			return len(due) < limit, nil
		})
		if err != nil || !more {
			return due, nil, err
		}
	}
	return due, from, nil
}

func expiringAt(key Key, id string) (e Expiring, err error) {
	columns, err := key.Columns()
	if err != nil {
		return e, err
	}
	if len(columns) == 3 {
		app, isText := columns[0].(string)
		at, isNumber := columns[1].(uint64)
		ref, isRef := columns[2].(string)
		if isText && isNumber && isRef {
			return Expiring{App: app, Due: chime.Millis(at), Ref: chime.Ref(ref), ID: id}, nil
		}
	}
	return e, fmt.Errorf("%w: a key of %s", ErrCorrupt, Expirations.Name)
}
