package person

import (
	"slices"

	"github.com/carillon-chat/carillon/internal/store"
)

// What an erasure does about each table is decided here, for all tables: one that the schema gets has to be
// decided about as well.
//
// The tables under an app instance are swept, whatever their records: a key with the user is removed, and a text with
// its id is changed. The others are these.
var notSwept = map[store.TableID]string{
	store.Messages.ID:    "by channels, with events: eraseMessages",
	store.Processings.ID: "by channels, with the messages",
	store.ErasuresOf.ID:  "the erasure itself: eraseNames",

	store.TableEvents:     "eraseLog",
	store.TableTraces:     "eraseLog",
	store.TableLogs:       "positions alone",
	store.TableMeta:       "of the engine: names of migrations",
	store.Tasks.ID:        "the deletion of the user is done before; the erasure names itself",
	store.Removals.ID:     "UIDs of channels",
	store.LogMarks.ID:     "times and positions",
	store.Replies.ID:      "eraseNames",
	store.AppInstances.ID: "names and metadata of app instances are the operator's",

	store.AppInstancesInOrder.ID: "ids of app instances",
	store.AccountUsers.ID:        "who may call is the operator's to say",
	store.AccessKeys.ID:          "as account users",
	store.AccessKeysOf.ID:        "as account users",
	store.Roles.ID:               "as account users",
	store.InlinePolicies.ID:      "as account users",
	store.Policies.ID:            "as account users",
	store.Attachments.ID:         "as account users",
	store.AttachmentsOf.ID:       "as account users",
	store.OIDCProviders.ID:       "as account users",
	store.Keyring.ID:             "keys",
	store.PoolIdentities.ID:      "identities of Cognito are the account's, and belong to no app instance",
	store.PoolIdentityFor.ID:     "as pool identities",
	store.Nodes.ID:               "of the machines",
	store.Moves.ID:               "keys and counts, while a copy is made that no node has open",
	store.Leases.ID:              "names of nodes and works",
}

// sweptTables are the tables that are swept, in the order of their ids.
func sweptTables() (tables []store.TableID) {
	for _, table := range store.UnderAppInstance {
		if notSwept[table] == "" {
			tables = append(tables, table)
		}
	}
	slices.Sort(tables)
	return tables
}

// erasedTables are those that an erasure changes, but for those under marks of removed messages.
func erasedTables() []store.TableID {
	tables := append(sweptTables(), store.ErasuresOf.ID, store.TableEvents, store.TableTraces, store.Tasks.ID, store.Replies.ID)
	slices.Sort(tables)
	return tables
}

// rangeOf is what an app instance has in a table.
func rangeOf(table store.TableID, app string) store.Range {
	if table == store.Replies.ID { // of all app instances
		return store.Range{}
	}
	return store.Prefix(store.K(app))
}
