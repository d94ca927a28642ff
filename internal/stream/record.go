package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
)

// Record is what a stream says of one event.
type Record struct {
	// Key names the record: it is the same each time the record is written to a sink, and no other
	// has it. It consists of letters, digits, hyphens and slashes.
	Key string
	// Stream is the ARN of the stream.
	Stream string
	// Channel is the ARN of the channel. Records of one channel are in order, so it is the partition key.
	Channel string
	// EventType is the name of the event as Data has it.
	EventType string
	// Data is a JSON object without line breaks: EventType and Payload as AWS streams them, and Key.
	Data []byte
}

// Sink is where records go. It is safe for concurrent use: several app instances write at once.
type Sink interface {
	// Write writes records and returns when they are safe at the other end. Records of one channel are
	// written in their order, and one that fails keeps the later ones of its channel from being written.
	// With an error, written are the keys of those that are safe nevertheless, as far as the sink knows;
	// the others are written again later.
	Write(ctx context.Context, records []Record) (written []string, err error)
	// Close ends the sink's work. There is no call of Write during or after it.
	Close() error
}

// ByChannel divides records into those of each channel, in their order: sinks write the channels at once, and
// the records of one channel one after another.
func ByChannel(records []Record) [][]Record {
	var lines [][]Record
	line := map[string]int{} // of a channel
	for _, r := range records {
		i, found := line[r.Channel]
		if !found {
			i, lines = len(lines), append(lines, nil)
			line[r.Channel] = i
		}
		lines[i] = append(lines[i], r)
	}
	return lines
}

// Records are those of an event for a stream: several of a batch of members, one of any other. The key is
// that of the event.
func Records(site chime.Site, stream string, e *chime.Event, key string) ([]Record, error) {
	channel := site.ChannelARN(e.App, e.ChannelID)
	as := e.Kind().StreamedAs
	if as == "" {
		return []Record{{Key: key, Stream: stream, Channel: channel, EventType: e.Type, Data: data(e.Type, e.Payload, key)}}, nil
	}

	// A batch becomes what each of its members would have been alone.
	members, err := memberships(e)
	if err != nil {
		return nil, fmt.Errorf("the payload of %s: %w", e.Type, err)
	}
	list := make([]Record, len(members))
	for i, payload := range members {
		own := key + "/" + strconv.Itoa(i)
		list[i] = Record{Key: own, Stream: stream, Channel: channel, EventType: as, Data: data(as, payload, own)}
	}
	return list, nil
}

func data(name string, payload []byte, key string) []byte {
	b := make([]byte, 0, len(payload)+len(name)+len(key)+40)
	b = append(append(b, `{"EventType":"`...), name...)
	b = append(append(b, `","Payload":`...), payload...)
	b = append(append(b, `,"Key":"`...), key...)
	return append(b, `"}`...)
}

// memberships are the payloads of the members of a batch.
func memberships(e *chime.Event) ([][]byte, error) {
	type identity struct{ Arn, Name string }
	var batch struct {
		ChannelArn, SubChannelId, Type string
		InvitedBy                      *identity
		Members                        []identity
	}
	if err := json.Unmarshal(e.Payload, &batch); err != nil {
		return nil, err
	}
	at := e.Time.Time()
	list := make([][]byte, len(batch.Members))
	for i, member := range batch.Members {
		shown := messaging.ChannelMembership{
			ChannelARN: batch.ChannelArn, SubChannelID: batch.SubChannelId, Type: messaging.ChannelMembershipType(batch.Type),
			Member:           &messaging.Identity{ARN: member.Arn, Name: member.Name},
			CreatedTimestamp: &at, LastUpdatedTimestamp: &at,
		}
		if by := batch.InvitedBy; by != nil {
			shown.InvitedBy = &messaging.Identity{ARN: by.Arn, Name: by.Name}
		}
		list[i] = shown.AppendJSON(nil, api.ISO)
	}
	return list, nil
}
