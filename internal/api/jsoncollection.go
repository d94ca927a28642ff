package api

import "github.com/go-json-experiment/json/jsontext"

// Strings reads a list of strings; nil when null.
func (r *JSONReader) Strings() []string {
	return ReadList(r, func(s *string, r *JSONReader) { *s = r.String() })
}

// StringMap reads a map of strings; nil when null.
func (r *JSONReader) StringMap() map[string]string {
	return ReadMap(r, func(s *string, r *JSONReader) { *s = r.String() })
}

// ReadStruct reads a structure; nil when null.
func ReadStruct[T any](r *JSONReader, read func(*T, *JSONReader)) *T {
	if r.err != nil {
		return nil
	}
	if r.dec.PeekKind() == jsontext.KindNull && !r.inArray() {
		r.Skip()
		return nil
	}
	v := new(T)
	read(v, r)
	return v
}

// ReadList reads a list; nil when null, not nil when empty.
func ReadList[T any](r *JSONReader, read func(*T, *JSONReader)) []T {
	if !r.Array() {
		return nil
	}
	list := []T{}
	for r.Element() {
		var v T
		list = append(list, v)
		read(&list[len(list)-1], r)
	}
	return list
}

// ReadMap reads a map; nil when null, not nil when empty. Entries whose value
// is null are absent.
func ReadMap[T any](r *JSONReader, read func(*T, *JSONReader)) map[string]T {
	if !r.Object() {
		return nil
	}
	m := map[string]T{}
	for r.Member() {
		key := string(r.name)
		if r.dec.PeekKind() == jsontext.KindNull {
			r.Skip()
			delete(m, key)
			continue
		}
		var v T
		read(&v, r)
		m[key] = v
	}
	return m
}
