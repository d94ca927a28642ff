package api

// Identified is a request or an answer with members that name things. Those without any have no such
// method.
type Identified interface {
	// AppendIDs appends a JSON object of the ARNs and ids alone, with names as CloudTrail writes them,
	// such as channelArn. It has nothing that a caller wrote for others to read, and no credentials but
	// access key ids.
	AppendIDs(b []byte) []byte
}

// AppendIDsOf appends a member, whose name is written as `,"name":`, with the ARNs and ids of v;
// nothing when it has none.
func AppendIDsOf(b []byte, name string, v Identified) []byte {
	start := len(b)
	b = append(b, name...)
	open := len(b)
	if b = v.AppendIDs(b); len(b) == open+len("{}") {
		return b[:start]
	}
	return b
}

// AppendIDsOfAll does the same with a list. Elements without any are left out.
func AppendIDsOfAll[T any](b []byte, name string, list []T, appendIDs func(v *T, b []byte) []byte) []byte {
	start := len(b)
	b = append(b, name...)
	open := len(b)
	for i := range list {
		before := len(b)
		b = append(b, ',')
		if b = appendIDs(&list[i], b); len(b) == before+len(",{}") {
			b = b[:before]
		}
	}

	if len(b) == open {
		return b[:start]
	}
	return CloseArray(b, open)
}
