package realtime

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/realtime/outbox"
	"github.com/carillon-chat/carillon/internal/realtime/replay"
)

// Signer vouches for bytes that clients bring back; keyring.Keyring is one.
type Signer interface {
	MAC(use string, data []byte) [32]byte
}

// refusals say more about why a session could not be resumed, which is the Reason of
// SESSION_NOT_RESUMED.
var refusals = map[replay.Refusal]string{
	replay.Expired:   "the log no longer reaches back to the token: fetch what was missed",
	replay.OtherUser: "the token belongs to another user: fetch what was missed",
	replay.Invalid:   "the token or the position was not given by this service: fetch what was missed",
}

// A resume token is a version, a position of the log, a hash of its user, and a MAC of these. It
// is no secret and opens nothing: events are given to the user that signed the connect request
// and to no other.
const (
	tokenVersion byte = 1
	tokenOwner        = 8  // bytes
	tokenMAC          = 16 // bytes
	tokenBody         = 1 + 8 + tokenOwner
)

var tokenText = base64.RawURLEncoding.Strict()

// tokenOwnerOf is the hash of the user in a token.
func (env *environment) tokenOwnerOf(app string, user chime.Ref) []byte {
	sum := env.Signer.MAC("resume owner", []byte(app+"\x00"+string(user)))
	return sum[:tokenOwner]
}

// sealToken makes the token of a user that says: it has everything up to the position.
func (env *environment) sealToken(app string, user chime.Ref, position uint64) string {
	body := binary.BigEndian.AppendUint64([]byte{tokenVersion}, position)
	body = append(body, env.tokenOwnerOf(app, user)...)
	sum := env.Signer.MAC("resume", body)
	return tokenText.EncodeToString(append(body, sum[:tokenMAC]...))
}

// openToken reads what a client brings back: a token, and perhaps a dot and the position of the
// last event that it has. The refusal is empty when both are good.
func (env *environment) openToken(app string, user chime.Ref, text string) (position uint64, refusal replay.Refusal) {
	token, seen, more := strings.Cut(text, ".")
	raw, err := tokenText.DecodeString(token)
	if err != nil || len(raw) != tokenBody+tokenMAC || raw[0] != tokenVersion {
		return 0, replay.Invalid
	}
	body, mac := raw[:tokenBody], raw[tokenBody:]
	if sum := env.Signer.MAC("resume", body); !hmac.Equal(mac, sum[:tokenMAC]) {
		return 0, replay.Invalid
	}
	if !hmac.Equal(body[9:], env.tokenOwnerOf(app, user)) {
		return 0, replay.OtherUser
	}
	position = binary.BigEndian.Uint64(body[1:])
	if more {
		last, err := strconv.ParseUint(seen, 10, 64)
		if err != nil {
			return 0, replay.Invalid
		}
		position = max(position, last)
	}
	return position, ""
}

// beginResuming opens the queue of a session that gets tokens: with SESSION_ESTABLISHED, whose token
// vouches for what the client has, and then what it missed up to the position, or why it does not get
// that. The caller holds the roster's mu.
func (s *Session) beginResuming(position uint64) {
	after, has, held := position, position, false
	var first []*outbox.Frame
	if r := s.reading; r != nil && r.resumes {
		if r.refusal != "" {
			first = append(first, s.notResumed(r.refusal, position))
		} else {
			// The client may have been on a node that was further on.
			after, has, held = max(position, r.from), r.from, true
			r.live = position
			r.replay = replay.New(s.user.roster.app, s.user.ref, r.from, after)
		}
	}
	s.token.Store(has)
	payload := s.tokenAt(has)
	if s.wants {
		payload.Extras = s.extras.Names()
	}
	s.open(after, append([]*outbox.Frame{s.note(chime.EventSessionEstablished, payload)}, first...), held)
}

// tokenPayload is the payload of RESUME_TOKEN, with Events of SESSION_RESUMED, and of
// SESSION_ESTABLISHED, which has Extras when the client asked for any.
type tokenPayload struct {
	Events      *int `json:",omitempty"`
	ResumeToken string
	Extras      []string `json:",omitzero"`
}

// tokenAt says that the client has everything up to the position.
func (s *Session) tokenAt(position uint64) tokenPayload {
	return tokenPayload{ResumeToken: s.env().sealToken(s.user.roster.app, s.user.ref, position)}
}

// note makes a frame about resuming.
func (s *Session) note(kind string, payload any) *outbox.Frame {
	text, _ := json.Marshal(payload) // cannot fail
	return s.system(kind, text)
}

// notResumed makes the frame that says that what came before the position is not to be had.
func (s *Session) notResumed(reason replay.Refusal, position uint64) *outbox.Frame {
	return s.note(chime.EventSessionNotResumed, struct{ Reason, Message, ResumeToken string }{
		string(reason), refusals[reason], s.tokenAt(position).ResumeToken,
	})
}

// renewToken gives the client a newer token when the log has gone on, so that its token does not
// grow older than the log while its channels are quiet. A full queue does without.
func (s *Session) renewToken() {
	position := s.user.roster.delivered.Load()
	if position <= s.token.Load() || !s.queue.IsPast(position) {
		return
	}
	s.token.Store(position)
	s.queue.Push(s.note(chime.EventResumeToken, s.tokenAt(position)), 0)
}
