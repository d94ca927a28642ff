package store

// AddCount changes the number kept under the key by delta and returns it. A number that was
// never written is zero; none goes below zero, and one that is zero again leaves no record.
func AddCount(tx Tx, key Key, delta int) (uint64, error) {
	n, _, err := Counts.Get(tx, key)
	if err != nil {
		return 0, err
	}
	sum := max(int64(n)+int64(delta), 0)
	if sum == 0 {
		return 0, Counts.Delete(tx, key)
	}
	return uint64(sum), Counts.Put(tx, key, uint64(sum))
}
