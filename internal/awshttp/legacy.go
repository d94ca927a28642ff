package awshttp

import (
	"bytes"

	"github.com/carillon-chat/carillon/internal/api"
)

// The client of the API before it was split in two, "chime", has the paths and members of today's,
// but for the members of one operation. Their values are names of an enumeration and ARNs, so the
// quoted names stand for members alone.
const legacyOperation = "PutMessagingStreamingConfigurations"

var legacyNames = [...]struct{ former, present []byte }{
	{[]byte(`"AppInstanceStreamingConfigurations"`), []byte(`"StreamingConfigurations"`)},
	{[]byte(`"AppInstanceDataType"`), []byte(`"DataType"`)},
}

// isLegacy reports whether a body is that of the former client.
func isLegacy(op *api.Operation, body []byte) bool {
	return op.Name == legacyOperation && bytes.Contains(body, legacyNames[0].former)
}

// present spells the members of a body of the former client as today's.
func present(body []byte) []byte {
	for _, name := range legacyNames {
		body = bytes.ReplaceAll(body, name.former, name.present)
	}
	return body
}

// former spells the members of an answer as the former client reads them.
func former(body []byte) []byte {
	for _, name := range legacyNames {
		body = bytes.ReplaceAll(body, name.present, name.former)
	}
	return body
}
