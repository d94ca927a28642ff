// Package idempotency makes calls that carry a client request token safe to repeat.
//
// It promises: a call repeated within the window, by the same caller, with the same token and
// the same parameters, is answered as the first was and changes nothing; the same token with
// other parameters is a conflict. The answer is remembered in the transaction that made the
// change, so there is never one without the other. Two calls at the same moment are put in
// order by the store's transactions.
//
// The window is measured in store time, and where an answer is kept does not depend on the time of
// day: a clock that is set, back or forward, neither hides an answer nor keeps one.
//
// A token belongs to what the names of its call mean at the time: the next channel of an id, and
// the next user, do not share it. Whether it outlives what its call made is up to the operation: a
// resource that was deleted is made anew, since the answer would name one that is not there; a
// message that an admin deleted is not sent again.
package idempotency

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// DefaultWindow is how long an answer is remembered unless set otherwise.
const DefaultWindow = 10 * time.Minute

// Tokens remembers answers for a window of store time. The zero value has the default window and
// forgets nothing, because its clock stands still.
type Tokens struct {
	Window time.Duration // in whole milliseconds; zero means DefaultWindow
	Clock  *store.Clock
}

// Scope is what a token belongs to. The same text in another scope is another token.
type Scope struct {
	Operation string
	App       string    // id of the app instance; empty for operations above them
	Parent    string    // what the call adds to, for example the UID of a channel
	Bearer    chime.Ref // empty for operations without one
	Token     string    // empty: the call is not remembered
}

// Call is one request with its token. It is prepared before the transaction, so that no hashing is
// done under a writer's lock, and may be used by every run of it, one after another.
type Call struct {
	tokens   Tokens
	token    bool
	replyKey [keyLen]byte // a key of store.Replies; the bucket is set when it is used
	request  [hashLen]byte
	within   within

	earlier [keyLen]byte    // the key in the bucket before
	lookups [2]store.Lookup // of both
	read    []store.Lookup  // those that Read was given, for the next Recall
}

// within is what names in the scope of a call stand for.
type within struct {
	uid   string
	since uint64
}

const (
	hashLen   = 16 // of SHA-256: tokens are not secrets, and 128 bits never collide by chance
	columnLen = 9  // of a number in a key
	keyLen    = 3 * columnLen
)

var deterministic, _ = cbor.EncOptions{Sort: cbor.SortCoreDeterministic, Time: cbor.TimeRFC3339Nano}.UserBufferEncMode()

// buffers are for parameters, which have some ten kilobytes at most.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Call prepares a request. params is all that shapes its effect: the decoded request, any other
// structure with exported fields, or bytes.
func (t Tokens) Call(scope Scope, params any) (Call, error) {
	if scope.Token == "" {
		return Call{}, nil
	}
	encoded := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(encoded)
	encoded.Reset()
	if err := deterministic.MarshalToBuffer(params, encoded); err != nil {
		return Call{}, fmt.Errorf("hash the parameters of %s: %w", scope.Operation, err)
	}
	sum := sha256.Sum256(encoded.Bytes())
	c := Call{tokens: t, token: true, request: [hashLen]byte(sum[:])}
	hash := scope.hash()
	store.Key(c.replyKey[:0]).Num(0).Num(binary.BigEndian.Uint64(hash[:8])).Num(binary.BigEndian.Uint64(hash[8:]))
	return c, nil
}

// key is where the answer is when it was remembered in the bucket. It is valid until the next call
// of key.
func (c *Call) key(bucket int64) store.Key {
	_ = store.Key(c.replyKey[:0]).Num(uint64(bucket))
	return c.replyKey[:]
}

// Lookups is where the answer of an earlier call may be, for a caller that reads it along with other
// things and hands it to Read. They are valid until the next call of a method other than Within.
func (c *Call) Lookups() []store.Lookup {
	if !c.token {
		return nil
	}

	// The window spans two buckets: that of now and the one before.
	bucket := c.tokens.bucket(c.tokens.now())
	c.lookups = [2]store.Lookup{store.Replies.Lookup(c.key(bucket))}
	before := bucket - c.tokens.window()
	if before < 0 {
		return c.lookups[:1]
	}
	c.earlier = c.replyKey
	_ = store.Key(c.earlier[:0]).Num(uint64(before))
	c.lookups[1] = store.Replies.Lookup(c.earlier[:])
	return c.lookups[:]
}

// Read has the next Recall or Do take the Lookups from those, after Reader.GetMany in the same
// transaction.
func (c *Call) Read(lookups []store.Lookup) { c.read = lookups }

// Within binds the call to what the names in its scope stand for, which only the transaction knows:
// the UID of a channel and the position of the log at which the bearer was made. The token of a
// call within another channel of the same id, or of a former holder of the bearer's id, is another
// token.
func (c *Call) Within(uid string, since uint64) { c.within = within{uid, since} }

// Do answers as the first call with the token did, or makes the change and remembers its
// answer: what the operation needs to answer again, such as an id. exists reports whether
// what an answer names still exists; nil stands for answers that are given in any case.
func (c *Call) Do(tx store.Tx, exists func(value string) (bool, error), change func() (value string, err error)) (string, error) {
	value, found, err := c.Recall(tx, exists)
	if err != nil || found {
		return value, err
	}
	if value, err = change(); err != nil {
		return "", err
	}
	return value, c.Remember(tx, value)
}

// Recall looks for the answer of an earlier call with the token. Other parameters than that
// call had are a ConflictException.
func (c *Call) Recall(r store.Reader, exists func(value string) (bool, error)) (value string, found bool, err error) {
	if !c.token {
		return "", false, nil
	}

	lookups := c.read
	if c.read = nil; lookups == nil {
		lookups = c.Lookups()
		if err := r.GetMany(lookups); err != nil {
			return "", false, err
		}
	}
	now := c.tokens.now()
	for _, l := range lookups {
		reply, found, err := store.Replies.Found(l)
		if err != nil {
			return "", false, err
		}
		if !found || reply.Expires <= now || c.within != (within{reply.UID, reply.Since}) {
			continue
		}

		// An answer that names what was deleted since does not count, whatever its parameters.
		if exists != nil {
			if found, err = exists(reply.Value); err != nil {
				return "", false, err
			} else if !found {
				continue
			}
		}

		if !bytes.Equal(reply.Request, c.request[:]) {
			return "", false, errOtherParameters
		}
		return reply.Value, true, nil
	}
	return "", false, nil
}

var errOtherParameters error = api.Conflict("ClientRequestToken was used before with other parameters")

// Remember keeps the answer for the window.
func (c *Call) Remember(tx store.Tx, value string) error {
	if !c.token {
		return nil
	}
	now := c.tokens.now()
	reply := chime.Reply{
		Request: c.request[:], Value: value, Expires: now + c.tokens.window(), UID: c.within.uid, Since: c.within.since,
	}
	return store.Replies.Put(tx, c.key(c.tokens.bucket(now)), reply)
}

// Forget removes the answers whose window has passed, as one range. Call it periodically;
// between calls, answers past their window take space but are never given.
func (t Tokens) Forget(tx store.Tx) error {
	oldest := t.bucket(t.now()) - t.window()
	if oldest <= 0 {
		return nil
	}
	return tx.DeleteRange(store.Replies.ID, store.Range{To: store.Key(nil).Num(uint64(oldest))})
}

// now is store time in milliseconds.
func (t Tokens) now() int64 { return t.Clock.Now().Milliseconds() }

func (t Tokens) window() int64 {
	if ms := t.Window.Milliseconds(); ms > 0 {
		return ms
	}
	return DefaultWindow.Milliseconds()
}

// bucket is the beginning of the window-long stretch of store time that holds the moment. An answer
// within its window is in the bucket of now or in the one before, and old buckets go as one range.
func (t Tokens) bucket(now int64) int64 { return now - now%t.window() }

// hash distinguishes scopes: the columns keep their ends.
func (s Scope) hash() [hashLen]byte {
	const most = 512 // bytes that most scopes fit in
	columns := store.Key(make([]byte, 0, most)).
		Str(s.Operation).Str(s.App).Str(s.Parent).Str(string(s.Bearer)).Str(s.Token)
	sum := sha256.Sum256(columns)
	return [hashLen]byte(sum[:])
}
