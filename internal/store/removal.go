package store

// MarkRemoved notes, in the transaction that removes them, that messages of a channel lost their
// content or are gone; an empty uid stands for all channels of the app instance. What an engine still
// has of them on disk is erased later, under the mark: see package retention.
func MarkRemoved(tx Tx, app, uid string) error {
	position, err := tx.Position()
	if err != nil {
		return err
	}
	key := K(app)
	if uid != "" {
		key = key.Str(uid)
	}
	return Removals.Put(tx, key, position)
}
