package record

// itemHead is the beginning of a CBOR item: its type, and its value or length.
type itemHead struct {
	major byte
	n     uint64
}

func (h itemHead) isNull() bool { return h.major == majorSimple && h.n == simpleNull }

// readHead reads the beginning of an item. An item without a length, which no Writer writes, is refused.
func readHead[B ~string | ~[]byte](b B) (head itemHead, rest B, ok bool) {
	if len(b) == 0 {
		return head, rest, false
	}
	head.major, head.n = b[0]>>5, uint64(b[0]&0x1F)
	if head.n <= maxShort {
		return head, b[1:], true
	}

	size := 1 << (head.n - 24) // 1, 2, 4 or 8 bytes follow
	if head.n > 27 || len(b) <= size {
		return head, rest, false
	}
	if head.major == majorSimple {
		if head.major = majorFloat; size == 1 { // which is no float
			return head, rest, false
		}
	}
	head.n = 0
	for i := 1; i <= size; i++ {
		head.n = head.n<<8 | uint64(b[i])
	}
	return head, b[1+size:], true
}

// skipItem is what follows the item that b begins with.
func skipItem[B ~string | ~[]byte](b B, depth int) (rest B, ok bool) {
	head, rest, ok := readHead(b)
	if !ok || depth > maxDepth {
		return rest, false
	}

	// How much follows depends on the kind; items within it are skipped one by one.
	items := uint64(0)
	switch head.major {
	case majorBytes, majorText:
		if head.n > uint64(len(rest)) {
			return rest, false
		}
		return rest[head.n:], true
	case majorArray:
		items = head.n
	case majorMap:
		if head.n > uint64(len(rest)) { // also keeps the product in range
			return rest, false
		}
		items = 2 * head.n
	case majorTag:
		items = 1
	}

	for ; items > 0; items-- {
		if rest, ok = skipItem(rest, depth+1); !ok {
			return rest, false
		}
	}
	return rest, true
}

// Cut cuts a text behind the first record in it.
func Cut(text string) (first, rest string, ok bool) {
	if rest, ok = skipItem(text, 0); !ok {
		return "", text, false
	}
	return text[:len(text)-len(rest)], rest, true
}

// Field is a member of a record: its text, its number when that is not negative, and whether it is true.
// What the member is not is the zero value.
type Field struct {
	Text   []byte // only valid during the call
	Number uint64
	True   bool
}

// Fields calls f for the members of a record, by their keys, without decoding it. It is for readers that
// need little of many records. Its error is ErrMalformed.
func Fields(record []byte, f func(key uint64, member Field)) error {
	head, rest, ok := readHead(record)
	if !ok || head.major != majorMap {
		return ErrMalformed
	}

	// A value is only read where its kind is one that callers look at; all others are skipped.
	for range head.n {
		var key, value itemHead
		var text []byte
		if key, rest, ok = readHead(rest); !ok || key.major != majorUint {
			return ErrMalformed
		}
		if value, text, ok = readHead(rest); !ok {
			return ErrMalformed
		}
		if rest, ok = skipItem(rest, 0); !ok {
			return ErrMalformed
		}

		var member Field
		switch value.major {
		case majorText:
			member.Text = text[:value.n]
		case majorUint:
			member.Number = value.n
		case majorSimple:
			member.True = value.n == simpleTrue
		}
		f(key.n, member)
	}
	return nil
}
