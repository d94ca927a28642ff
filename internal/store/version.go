package store

// Versioned is a Reader of an engine that knows of every write in the order of commits, so that what was
// made of many entries need not be made again. An engine that shares its data with other processes is none.
type Versioned interface {
	// Version is a number of what is under the prefix in the moment that is read. While it is the same,
	// so are the entries; it may change without them. The prefix has the columns that VersionColumns says.
	// Zero is unknown. Versions of two processes have nothing to do with each other.
	Version(table TableID, prefix Key) uint64
}

// VersionColumns is how many columns of the keys of a table a prefix has that has a version; zero when none
// has.
func VersionColumns(table TableID) int {
	switch table {
	case AppInstances.ID, Users.ID, Bots.ID, FormerNames.ID: // of an app instance
		return 1
	case Messages.ID, MembersInOrder.ID: // of a channel
		return 2
	}
	return 0
}

// Version is that of a Versioned reader, and unknown of others.
func Version(r Reader, table TableID, prefix Key) uint64 {
	if v, ok := r.(Versioned); ok {
		return v.Version(table, prefix)
	}
	return 0
}
