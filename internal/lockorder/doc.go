// Package lockorder has mutexes that know their rank: the place of their kind in the one order in
// which a goroutine may take locks. Two goroutines that keep to one order cannot wait for each other.
//
// What it promises:
//
//   - Without the build tag lockcheck a Mutex is a sync.Mutex: as large and as fast.
//   - With the tag, Lock panics in a goroutine that holds a lock of the same or of a later rank, and
//     names both. So any test that takes the two in the wrong order shows it, whether or not another
//     goroutine is there to make it a deadlock.
//
// docs/ARCHITECTURE.md has the order as a table.
package lockorder
