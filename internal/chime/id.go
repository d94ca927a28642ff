package chime

import (
	"encoding/binary"
	"encoding/hex"
	"io"

	"github.com/google/uuid"
)

// maxMoment is the latest time that six bytes hold.
const maxMoment Millis = 1<<48 - 1

// MessageIDLen is the length of a message id: 64 lower-case hexadecimal digits.
const MessageIDLen = 64

// NewUUID makes a lower-case version 4 UUID from the given source of randomness.
func NewUUID(random io.Reader) (string, error) {
	id, err := uuid.NewRandomFromReader(random)
	return id.String(), err
}

// NewMessageID makes the id of the message that takes the given position in its channel.
// Ids of a channel sort by time and then by position, so the id is also the message's place
// in the history. The last 18 bytes are random: ids cannot be guessed.
func NewMessageID(random io.Reader, created Millis, position uint64) (string, error) {
	var raw [MessageIDLen / 2]byte
	binary.BigEndian.PutUint64(raw[:8], uint64(created)<<16) // six bytes of time
	binary.BigEndian.PutUint64(raw[6:14], position)
	if _, err := io.ReadFull(random, raw[14:]); err != nil {
		return "", err
	}
	return hex.EncodeToString(raw[:]), nil
}

// MessagePosition is the position in its channel of the message of an id that NewMessageID made, zero for
// other texts.
func MessagePosition(id string) uint64 {
	var raw [8]byte
	if len(id) != MessageIDLen {
		return 0
	}
	if _, err := hex.Decode(raw[:], []byte(id[12:28])); err != nil {
		return 0
	}
	return binary.BigEndian.Uint64(raw[:])
}

// MessageIDFrom sorts before the ids of the position and of all after it, when they have the time
// created or a later one.
func MessageIDFrom(created Millis, position uint64) string {
	var raw [14]byte
	binary.BigEndian.PutUint64(raw[:8], uint64(created)<<16)
	binary.BigEndian.PutUint64(raw[6:], position)
	return hex.EncodeToString(raw[:])
}

// FirstMessageID sorts before every message created at or after the moment.
func FirstMessageID(moment Millis) string {
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], uint64(min(max(moment, 0), maxMoment))<<16)
	return hex.EncodeToString(raw[:6])
}

// MessageTime is the time that a message id begins with, zero when it is none.
func MessageTime(id string) Millis {
	var raw [8]byte
	if len(id) != MessageIDLen {
		return 0
	}
	if _, err := hex.Decode(raw[2:], []byte(id[:12])); err != nil {
		return 0
	}
	return Millis(binary.BigEndian.Uint64(raw[:]))
}
