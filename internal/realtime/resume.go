package realtime

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/carillon-chat/carillon/internal/chime"
)

// Signer vouches for bytes that clients bring back; keyring.Keyring is one.
type Signer interface {
	MAC(use string, data []byte) [32]byte
}

// Why a session could not be resumed: the Reason of SESSION_NOT_RESUMED.
const (
	notResumedExpired   = "EXPIRED"
	notResumedOtherUser = "OTHER_USER"
	notResumedInvalid   = "INVALID"
)

var notResumedMessages = map[string]string{
	notResumedExpired:   "the log no longer reaches back to the token: fetch what was missed",
	notResumedOtherUser: "the token belongs to another user: fetch what was missed",
	notResumedInvalid:   "the token or the position was not given by this service: fetch what was missed",
}

// A resume token is a version, a position of the log, whose it is, and what vouches for them. It
// is no secret and opens nothing: events are given to the user who signed the connect request,
// and to it alone.
const (
	tokenVersion byte = 1
	tokenOwner        = 8  // bytes
	tokenMAC          = 16 // bytes
	tokenBody         = 1 + 8 + tokenOwner
)

var tokenText = base64.RawURLEncoding.Strict()

func (env *environment) owner(user userKey) []byte {
	sum := env.Signer.MAC("resume owner", []byte(user.app+"\x00"+string(user.user)))
	return sum[:tokenOwner]
}

// sealToken makes the token of a user that says: it has everything up to the position.
func (env *environment) sealToken(user userKey, position uint64) string {
	body := binary.BigEndian.AppendUint64([]byte{tokenVersion}, position)
	body = append(body, env.owner(user)...)
	sum := env.Signer.MAC("resume", body)
	return tokenText.EncodeToString(append(body, sum[:tokenMAC]...))
}

// openToken reads what a client brings back: a token, and perhaps a dot and the position of the
// last event that it has. A refusal is one of notResumed.
func (env *environment) openToken(user userKey, text string) (position uint64, refusal string) {
	token, seen, more := strings.Cut(text, ".")
	raw, err := tokenText.DecodeString(token)
	if err != nil || len(raw) != tokenBody+tokenMAC || raw[0] != tokenVersion {
		return 0, notResumedInvalid
	}
	body, mac := raw[:tokenBody], raw[tokenBody:]
	if sum := env.Signer.MAC("resume", body); !hmac.Equal(mac, sum[:tokenMAC]) {
		return 0, notResumedInvalid
	}
	if !hmac.Equal(body[9:], env.owner(user)) {
		return 0, notResumedOtherUser
	}
	position = binary.BigEndian.Uint64(body[1:])
	if more {
		last, err := strconv.ParseUint(seen, 10, 64)
		if err != nil {
			return 0, notResumedInvalid
		}
		position = max(position, last)
	}
	return position, ""
}

// resume is what a session needs that asked for resume tokens.
func (env *environment) resume(user userKey, from string) *pull {
	if from == "" {
		return nil
	}
	position, refusal := env.openToken(user, from)
	return &pull{replay: &replay{user: user, from: position, refusal: refusal}}
}

// beginResuming makes SESSION_ESTABLISHED for a session that gets tokens, and prepares what
// follows it. The caller holds the session's mu.
func (s *Session) beginResuming(position uint64) *frame {
	if p := s.pull; p != nil && p.replay != nil {
		if refusal := p.replay.refusal; refusal != "" {
			p.replay = nil
			p.head = append(p.head, s.notResumed(refusal, position))
		} else {
			p.replay.at, p.replay.until, p.replay.live = p.replay.from, position, position
			p.holds = true
			s.after = max(position, p.replay.from)
			position = p.replay.from
		}
	}
	s.token = position
	payload := s.tokenAt(position)
	if s.wants {
		payload.Extras = s.extras.Names()
	}
	return s.note(chime.EventSessionEstablished, payload)
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
	return tokenPayload{ResumeToken: s.roster.env.sealToken(s.userKey(), position)}
}

// note makes a frame about resuming.
func (s *Session) note(kind string, payload any) *frame {
	text, _ := json.Marshal(payload) // cannot fail
	return s.system(kind, text)
}

// notResumed tells that what came before the position is not to be had.
func (s *Session) notResumed(reason string, position uint64) *frame {
	return s.note(chime.EventSessionNotResumed, struct{ Reason, Message, ResumeToken string }{
		reason, notResumedMessages[reason], s.tokenAt(position).ResumeToken,
	})
}

// renewToken gives the client a newer token when the log has gone on, so that its token does not
// grow older than the log while its channels are quiet.
func (s *Session) renewToken() {
	position := s.roster.settled.Load()
	s.mu.Lock()
	if s.closed || s.pull != nil || position <= s.token || position <= s.after {
		s.mu.Unlock()
		return
	}
	s.token = position
	s.mu.Unlock()
	frame := s.note(chime.EventResumeToken, s.tokenAt(position))
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.add(frame) // a full queue does without
}
