//go:build !lockcheck

package lockorder

import "sync"

// Mutex is a mutual exclusion lock of a rank. The zero value is unlocked.
type Mutex[R Rank] struct{ sync.Mutex }
