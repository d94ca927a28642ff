//go:build race

package sigv4_test

// raceEnabled tells that sync.Pool drops items at random, so that allocations
// cannot be counted.
const raceEnabled = true
