package descriptors

// Limit is zero: handles of Windows have no limit worth the name, and are not the lowest numbers.
func Limit() int { return 0 }
