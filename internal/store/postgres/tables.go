package postgres

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/carillon-chat/carillon/internal/store"
)

// names are the SQL names of the store's tables, but for the events. The migrations make them.
var names = map[store.TableID]string{
	store.TableTraces:            "traces",
	store.TableLogs:              "log_starts",
	store.AppInstances.ID:        "app_instances",
	store.Users.ID:               "users",
	store.Admins.ID:              "admins",
	store.UsersInOrder.ID:        "users_in_order",
	store.AdminsInOrder.ID:       "admins_in_order",
	store.FormerNames.ID:         "former_names",
	store.Channels.ID:            "channels",
	store.ChannelsInOrder.ID:     "channels_in_order",
	store.Activities.ID:          "channel_activity",
	store.Memberships.ID:         "memberships",
	store.MembersInOrder.ID:      "members_in_order",
	store.MembershipsOf.ID:       "memberships_of_a_user",
	store.Moderators.ID:          "moderators",
	store.ModeratorsInOrder.ID:   "moderators_in_order",
	store.ModeratedBy.ID:         "channels_moderated_by_a_user",
	store.Messages.ID:            "messages",
	store.Tags.ID:                "tags",
	store.Tasks.ID:               "background_tasks",
	store.Counts.ID:              "counts",
	store.Bots.ID:                "bots",
	store.BotsInOrder.ID:         "bots_in_order",
	store.Endpoints.ID:           "device_endpoints",
	store.EndpointsInOrder.ID:    "device_endpoints_in_order",
	store.EndpointOf.ID:          "endpoint_of_device",
	store.Bans.ID:                "bans",
	store.BansInOrder.ID:         "bans_in_order",
	store.BansOf.ID:              "bans_of_somebody",
	store.SubChannels.ID:         "sub_channels",
	store.SubChannelsInOrder.ID:  "sub_channels_in_order",
	store.SubChannelNumbers.ID:   "numbers_of_sub_channels",
	store.Occupancies.ID:         "occupancy_of_sub_channels",
	store.Rebalancings.ID:        "rebalancing_of_sub_channels",
	store.MemberSubChannels.ID:   "sub_channels_of_members",
	store.Flows.ID:               "channel_flows",
	store.FlowsInOrder.ID:        "channel_flows_in_order",
	store.FlowChannels.ID:        "channels_with_a_flow",
	store.Streams.ID:             "streaming_settings",
	store.Expirations.ID:         "expirations",
	store.Processings.ID:         "messages_in_channel_flows",
	store.Callbacks.ID:           "callbacks_of_channel_flows",
	store.BotTurns.ID:            "turns_of_bots",
	store.BotSessions.ID:         "conversations_of_bots",
	store.Pushings.ID:            "progress_of_push_notifications",
	store.Followings.ID:          "positions_of_followers",
	store.DeadLetters.ID:         "dead_letters",
	store.Erasures.ID:            "erasures",
	store.ErasuresOf.ID:          "erasures_of_users",
	store.Webhooks.ID:            "webhooks",
	store.WebhookDeliveries.ID:   "webhook_deliveries",
	store.WebhookStates.ID:       "webhook_deliveries_by_status",
	store.Removals.ID:            "removals_to_erase",
	store.LogMarks.ID:            "marks_of_the_log",
	store.Moves.ID:               "moves",
	store.Replies.ID:             "client_request_tokens",
	store.AppInstancesInOrder.ID: "app_instances_in_order",
	store.AccountUsers.ID:        "account_users",
	store.AccessKeys.ID:          "access_keys",
	store.AccessKeysOf.ID:        "access_keys_of_a_user",
	store.Roles.ID:               "roles",
	store.InlinePolicies.ID:      "inline_policies",
	store.Policies.ID:            "managed_policies",
	store.Attachments.ID:         "attached_policies",
	store.AttachmentsOf.ID:       "entities_of_a_policy",
	store.OIDCProviders.ID:       "oidc_providers",
	store.Keyring.ID:             "keyring",
	store.PoolIdentities.ID:      "pool_identities",
	store.Nodes.ID:               "nodes",
	store.Leases.ID:              "leases_of_what_is_done_once",
	store.PoolIdentityFor.ID:     "pool_identity_of_a_login",
}

// relation is the SQL table of a store table.
type relation struct {
	id         store.TableID
	name       string
	key, value string // columns
	keyType    string
	ofApps     bool // app is the first column of the store's key, else it is empty
}

// relationOf is the SQL table of a store table. One that no migration made has no name, and nothing in it.
func relationOf(id store.TableID) relation {
	if id == store.TableEvents {
		return relation{id, "events", "position", "record", "bigint", true}
	}
	return relation{id, names[id], "key", "value", "bytea", id.OfAppInstances()}
}

// place is where a row lies in the order of a relation.
type place struct{ app, key []byte }

// The bytes of a string column around its text: see store.Key.
const (
	textTag   = 0x02
	escape    = 0x00
	textEnd   = 0x01
	escaped   = 0xFF
	numberTag = 0x03
)

// locate is the first place of the relation that is not before the key, whatever its bytes. It is the key's own
// when it is one; beyond says that every row is before it.
func (r *relation) locate(key store.Key) (at place, beyond bool) {
	switch {
	case !r.ofApps:
		return place{[]byte{}, key}, false
	case len(key) == 0 || key[0] < textTag:
		return place{[]byte{}, []byte{}}, false
	case key[0] > textTag:
		return place{}, true
	}

	at.app = make([]byte, 0, len(key))
	for rest := key[1:]; ; {
		i := bytes.IndexByte(rest, escape)
		if i < 0 {
			return place{append(at.app, rest...), []byte{}}, false
		}
		at.app = append(at.app, rest[:i]...)
		if rest = rest[i:]; len(rest) < 2 || rest[1] != escaped {
			at.key = rest
			return at, false
		}
		at.app, rest = append(at.app, 0), rest[2:]
	}
}

// storeKey is the store's key of a row.
func (r *relation) storeKey(at place) store.Key {
	if !r.ofApps || len(at.key) == 0 {
		return store.Key(at.key)
	}
	key := store.K(string(at.app))
	return append(key[:len(key)-2], at.key...)
}

// argument is the key of a place as the column has it.
func (r *relation) argument(key []byte) any {
	if r.id == store.TableEvents {
		return positionAt(key)
	}
	return notNil(key)
}

// arguments are several.
func (r *relation) arguments(keys [][]byte) any {
	if r.id != store.TableEvents {
		return keys
	}
	positions := make([]int64, len(keys))
	for i, key := range keys {
		positions[i] = positionAt(key)
	}
	return positions
}

// eventHead is what the key of an event has before its position: the end of the app instance's column and the tag of a
// number.
var eventHead = []byte{escape, textEnd, numberTag}

// positionAt is the first position whose event is not before the key.
func positionAt(key []byte) int64 {
	number, isEvent := bytes.CutPrefix(key, eventHead)
	switch {
	case !isEvent && bytes.Compare(key, eventHead) < 0:
		return 0
	case !isEvent:
		return math.MaxInt64
	}
	var n [8]byte
	copy(n[:], number)
	position := binary.BigEndian.Uint64(n[:])
	if len(number) > len(n) && position < math.MaxInt64 {
		position++
	}
	return int64(min(position, math.MaxInt64))
}

// eventKey is the key of an event in its place.
func eventKey(position int64) []byte {
	return binary.BigEndian.AppendUint64(bytes.Clone(eventHead), uint64(position))
}

// notNil keeps an empty key from being NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
