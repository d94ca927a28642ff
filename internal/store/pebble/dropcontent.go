package pebble

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	crdb "github.com/cockroachdb/pebble/v2"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// dropContent takes from the events of messages what their senders wrote, and has them refer to the
// messages instead, as store.PutEvent does. The log can be long, so it goes in commits of its own
// before that of the migration; what a crash interrupts is done again. Then it erases what the log
// held, and marks all messages, of which some were removed before removals were marked.
func dropContent(db *crdb.DB, last *crdb.Batch) error {
	some, err := referAll(db)
	if err != nil {
		return err
	}
	if some { // an empty log holds nothing to erase
		if err := db.Flush(); err != nil {
			return err
		}
		if err := db.Compact(context.Background(), path(store.TableEvents, nil), path(store.TableEvents+1, nil), false); err != nil {
			return err
		}
	}
	mark, err := store.EncodeRecord(uint64(0))
	if err != nil {
		return err
	}
	return last.Set(path(store.Removals.ID, nil), mark, nil)
}

// migrationBatch is about how many bytes a commit of a long migration has.
const migrationBatch = 4 << 20

// referAll reports whether there were events.
func referAll(db *crdb.DB) (some bool, err error) {
	it, err := db.NewIter(&crdb.IterOptions{LowerBound: path(store.TableEvents, nil), UpperBound: path(store.TableEvents+1, nil)})
	if err != nil {
		return some, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()

	// Commits of bounded size, the last of which is synced: a migration that is cut short begins again.
	b := db.NewBatch()
	defer func() { _ = b.Close() }() // frees memory and knows no error

	for ok := it.First(); ok; ok = it.Next() {
		some = true
		value, changed, err := refer(it.Value())
		if err != nil {
			return some, fmt.Errorf("event %x: %w", it.Key()[1:], err)
		}
		if !changed {
			continue
		}
		if err := b.Set(it.Key(), value, nil); err != nil {
			return some, err
		}
		if b.Len() > migrationBatch {
			if err := b.Commit(crdb.NoSync); err != nil {
				return some, err
			}
			b.Reset()
		}
	}
	if err := it.Error(); err != nil {
		return some, err
	}
	return some, b.Commit(crdb.Sync)
}

// refer changes the record of an event about a message.
func refer(record []byte) (value []byte, changed bool, err error) {
	var e chime.Event
	if err := store.DecodeRecord(record, &e); err != nil {
		return nil, false, err
	}
	if e.Object != "" || !strings.HasSuffix(e.Type, "_CHANNEL_MESSAGE") {
		return nil, false, nil
	}
	var about struct {
		ChannelArn, MessageId string
		Target                []struct{ MemberArn string }
	}
	if err := json.Unmarshal(e.Payload, &about); err != nil || about.MessageId == "" {
		return nil, false, fmt.Errorf("%w: the payload of %s names no message", store.ErrCorrupt, e.Type)
	}
	_, e.ChannelID, _ = strings.Cut(about.ChannelArn, "/channel/")
	e.Object = about.MessageId
	for _, target := range about.Target {
		_, ref, _ := strings.Cut(target.MemberArn, ":app-instance/"+e.App+"/")
		e.Target = chime.Ref(ref)
	}
	if e.TellsContent() {
		e.Payload = nil
	}
	value, err = store.EncodeRecord(e)
	return value, true, err
}
