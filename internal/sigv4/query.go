package sigv4

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// Names of the parameters of a presigned URL.
const (
	paramAlgorithm     = "X-Amz-Algorithm"
	paramCredential    = "X-Amz-Credential"
	paramDate          = "X-Amz-Date"
	paramExpires       = "X-Amz-Expires"
	paramSignedHeaders = "X-Amz-SignedHeaders"
	paramSignature     = "X-Amz-Signature"
	paramToken         = "X-Amz-Security-Token"
	paramBodyHash      = "X-Amz-Content-Sha256"
	paramUser          = "userArn"
)

// query is the query of a target, in both spellings that a client may have
// signed: strictly escaped, and as sent. Its buffers are reused.
type query struct {
	pairs []pair
	text  []byte // strict spellings, one after the other, without "=" and "&"
}

// pair is one parameter. Offsets rather than slices, because text grows.
type pair struct {
	rawKey, rawValue string // as sent
	bare             bool   // sent without "="
	key, value, end  int    // text[key:value] and text[value:end]
}

func (q *query) key(p *pair) []byte   { return q.text[p.key:p.value] }
func (q *query) value(p *pair) []byte { return q.text[p.value:p.end] }

// reset forgets the request so that the pool does not hold on to it.
func (q *query) reset() {
	clear(q.pairs)
	q.pairs, q.text = q.pairs[:0], q.text[:0]
}

// parse reads a query as sent. An empty piece between two "&" counts as a
// parameter without name, so that adding one changes the signature.
func (q *query) parse(raw string) error {
	for more := raw != ""; more; {
		var piece string
		piece, raw, more = strings.Cut(raw, "&")
		if len(q.pairs) == maxParams {
			return incomplete(StepForm, "the query has more than %d parameters", maxParams)
		}

		var p pair
		var ok1, ok2, equals bool
		p.rawKey, p.rawValue, equals = strings.Cut(piece, "=")
		p.bare = !equals
		p.key = len(q.text)
		q.text, ok1 = appendStrict(q.text, p.rawKey)
		p.value = len(q.text)
		q.text, ok2 = appendStrict(q.text, p.rawValue)
		p.end = len(q.text)

		if !ok1 || !ok2 {
			return incomplete(StepForm, "the query parameter %s has a percent sign that begins no escape", quote(p.rawKey))
		}
		q.pairs = append(q.pairs, p)
	}

	if len(q.pairs) > 1 {
		q.sort()
	}
	return q.refuseDoubled()
}

// sort orders by escaped name, then by escaped value.
func (q *query) sort() {
	slices.SortFunc(q.pairs, func(a, b pair) int {
		if c := bytes.Compare(q.key(&a), q.key(&b)); c != 0 {
			return c
		}
		return bytes.Compare(q.value(&a), q.value(&b))
	})
}

// refuseDoubled refuses a second value for a parameter that decides the
// caller's identity: another reader might pick the other value.
func (q *query) refuseDoubled() error {
	for i := 1; i < len(q.pairs); i++ {
		name := q.key(&q.pairs[i])
		if bytes.Equal(name, q.key(&q.pairs[i-1])) && (hasAmzPrefix(name) || string(name) == paramUser) {
			return incomplete(StepForm, "the query parameter %s is given twice", quote(string(name)))
		}
	}
	return nil
}

// get returns the decoded value of a parameter whose name needs no escapes, and
// whether it is there.
func (q *query) get(name string) (string, bool) {
	for i := range q.pairs {
		if string(q.key(&q.pairs[i])) == name {
			return unescape(q.pairs[i].rawValue), true
		}
	}
	return "", false
}

// signed reports whether the query carries any part of a signature.
func (q *query) signed() bool {
	for i := range q.pairs {
		switch string(q.key(&q.pairs[i])) {
		case paramSignature, paramAlgorithm, paramCredential:
			return true
		}
	}
	return false
}

// appendStrict appends the canonical query without the signature and without
// the parameter omit, empty for none.
func (q *query) appendStrict(b []byte, omit string) []byte {
	first := true
	for i := range q.pairs {
		p := &q.pairs[i]
		if name := q.key(p); string(name) == paramSignature || (omit != "" && string(name) == omit) {
			continue
		}

		if !first {
			b = append(b, '&')
		}
		first = false

		b = append(b, q.key(p)...)
		b = append(b, '=')
		b = append(b, q.value(p)...)
	}
	return b
}

// appendSent appends the query in the client's own spelling, sorted by it,
// without the signature: what a hand-written presigner signs that escapes
// otherwise than SigV4 wants, such as Java's URLEncoder ("+" for a space,
// "%7E") or JavaScript's encodeURIComponent (bare "!'()*").
func (q *query) appendSent(b []byte) []byte {
	slices.SortFunc(q.pairs, func(x, y pair) int {
		return cmp.Or(strings.Compare(x.rawKey, y.rawKey), strings.Compare(x.rawValue, y.rawValue))
	})

	first := true
	for i := range q.pairs {
		p := &q.pairs[i]
		if string(q.key(p)) == paramSignature {
			continue
		}

		if !first {
			b = append(b, '&')
		}
		first = false

		b = append(b, p.rawKey...)
		if !p.bare {
			b = append(b, '=')
		}
		b = append(b, p.rawValue...)
	}
	return b
}
