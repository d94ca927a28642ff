package record

// Rewrite appends to b a record, with each text and byte
// string in it, those of maps and lists included, as f returns it. It is for changes of records whatever
// their type. f may change nothing: what it is given is a part of the record. Its error is ErrMalformed.
func Rewrite(b, record []byte, f func(text []byte) []byte) ([]byte, error) {
	b, rest, ok := rewriteItem(b, record, f, 0)
	if !ok || len(rest) > 0 {
		return nil, ErrMalformed
	}
	return b, nil
}

func rewriteItem(b, from []byte, f func([]byte) []byte, depth int) (to, rest []byte, ok bool) {
	head, rest, ok := readHead(from)
	if !ok || depth > maxDepth {
		return nil, nil, false
	}

	// What has texts in it is written again, all else is copied.
	items := uint64(0)
	switch head.major {
	case majorBytes, majorText:
		if head.n > uint64(len(rest)) {
			return nil, nil, false
		}
		text := f(rest[:head.n])
		return append(appendHead(b, head.major, uint64(len(text))), text...), rest[head.n:], true
	case majorArray:
		items = head.n
	case majorMap:
		if items = 2 * head.n; head.n > uint64(len(rest)) {
			return nil, nil, false
		}
	case majorTag:
		items = 1
	}
	b = append(b, from[:len(from)-len(rest)]...)
	for ; items > 0; items-- {
		if b, rest, ok = rewriteItem(b, rest, f, depth+1); !ok {
			return nil, nil, false
		}
	}
	return b, rest, true
}
