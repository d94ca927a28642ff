// Package idempotency makes calls that carry a client request token safe to repeat.
//
// It promises: a call repeated within the window, by the same caller, with the same token and
// the same parameters, is answered as the first was and changes nothing; the same token with
// other parameters is a conflict. The answer is remembered in the transaction that made the
// change, so there is never one without the other. Two calls at the same moment are put in
// order by the store's transactions.
//
// A repeated call gets the answer of the first even when what the first made is gone by then:
// a late retry never brings back what somebody deleted.
package idempotency

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// DefaultWindow is how long an answer is remembered unless set otherwise.
const DefaultWindow = 10 * time.Minute

// Tokens remembers answers for a window of time. The zero value has the default window.
type Tokens struct {
	Window time.Duration // in whole milliseconds; zero means DefaultWindow
}

// Scope says whose token a token is. The same text in another scope is another token.
type Scope struct {
	Operation string
	App       string    // id of the app instance; empty for operations above them
	Parent    string    // what the call adds to, for example the UID of a channel
	Bearer    chime.Ref // empty for operations without one
	Token     string    // empty: the call is not remembered
}

// Call is one request with its token at one moment. It is prepared before the transaction, so
// that no hashing is done under a writer's lock, and may be used by every run of it.
type Call struct {
	token             bool
	now, expires      chime.Millis
	current, previous store.Key
	request           [requestHashLen]byte
}

const (
	requestHashLen = 16
	bucketLen      = 9 // the first column of a key
)

var deterministic, _ = cbor.EncOptions{Sort: cbor.SortCoreDeterministic, Time: cbor.TimeRFC3339Nano}.EncMode()

// Call prepares a request. params is all that shapes its effect: the decoded request, any other
// structure with exported fields, or bytes.
func (t Tokens) Call(now chime.Millis, scope Scope, params any) (Call, error) {
	if scope.Token == "" {
		return Call{}, nil
	}
	encoded, err := deterministic.Marshal(params)
	if err != nil {
		return Call{}, fmt.Errorf("hash the parameters of %s: %w", scope.Operation, err)
	}
	sum := sha256.Sum256(encoded)
	bucket := t.bucket(now)
	return Call{
		token:    true,
		now:      now,
		expires:  now + t.window(),
		current:  scope.key(bucket),
		previous: scope.key(bucket - t.window()),
		request:  [requestHashLen]byte(sum[:]),
	}, nil
}

// Do answers as the first call with the token did, or makes the change and remembers its
// answer: what the operation needs to answer again, such as an id.
func (c *Call) Do(tx store.Tx, change func() (value string, err error)) (string, error) {
	value, found, err := c.Recall(tx)
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
func (c *Call) Recall(r store.Reader) (value string, found bool, err error) {
	if !c.token {
		return "", false, nil
	}
	for _, key := range [...]store.Key{c.current, c.previous} {
		reply, found, err := store.Replies.Get(r, key)
		if err != nil {
			return "", false, err
		}
		if !found || reply.Expires <= c.now {
			continue
		}
		if !bytes.Equal(reply.Request, c.request[:]) {
			return "", false, api.Conflict("ClientRequestToken was used before with other parameters")
		}
		return reply.Value, true, nil
	}
	return "", false, nil
}

// Remember keeps the answer for the window.
func (c *Call) Remember(tx store.Tx, value string) error {
	if !c.token {
		return nil
	}
	return store.Replies.Put(tx, c.current, chime.Reply{Request: c.request[:], Value: value, Expires: c.expires})
}

// Forget removes the answers whose window has passed, as one range. Call it now and then;
// between calls, answers past their window take room but are never given.
func (t Tokens) Forget(tx store.Tx, now chime.Millis) error {
	oldest := t.bucket(now) - t.window()
	if oldest <= 0 {
		return nil
	}
	return tx.DeleteRange(store.Replies.ID, store.Range{To: store.Key(nil).Num(uint64(oldest))})
}

func (t Tokens) window() chime.Millis {
	if ms := t.Window.Milliseconds(); ms > 0 {
		return chime.Millis(ms)
	}
	return chime.Millis(DefaultWindow.Milliseconds())
}

// bucket is the beginning of the window-long stretch of time that holds the moment. An answer
// within its window is in the bucket of now or in the one before.
func (t Tokens) bucket(now chime.Millis) chime.Millis { return now - now%t.window() }

// key has the bucket first, so that old buckets go as one range.
func (s Scope) key(bucket chime.Millis) store.Key {
	const perColumn, columns = 3, 5
	n := len(s.Operation) + len(s.App) + len(s.Parent) + len(s.Bearer) + len(s.Token) + columns*perColumn + bucketLen
	return make(store.Key, 0, n).Num(uint64(max(bucket, 0))).
		Str(s.Operation).Str(s.App).Str(s.Parent).Str(string(s.Bearer)).Str(s.Token)
}
