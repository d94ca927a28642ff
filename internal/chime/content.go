package chime

import (
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
)

// Limits of what a message holds, in bytes of UTF-8 (spec 5.1).
const (
	MaxContent    = 4096
	MaxControl    = 30 // content of a CONTROL message
	MaxAttributes = 1024
)

// CheckContent refuses, naming the member, the content of a message that is too long for its
// type.
func CheckContent(member string, kind messaging.ChannelMessageType, content string) error {
	limit := MaxContent
	if kind == messaging.ChannelMessageTypeControl {
		limit = MaxControl
	}
	if len(content) > limit {
		return api.BadRequest(member, "has %d bytes; the size limit of %s channel messages is %d", len(content), kind, limit)
	}
	return nil
}

// CheckAttributes refuses, naming the member, message attributes whose keys and values are too
// long together.
func CheckAttributes(member string, attributes map[string]messaging.MessageAttributeValue) error {
	size := 0
	for name, value := range attributes {
		size += len(name)
		for _, v := range value.StringValues {
			size += len(v)
		}
	}
	if size > MaxAttributes {
		return api.BadRequest(member, "keys and values have %d bytes together; the limit is %d", size, MaxAttributes)
	}
	return nil
}
