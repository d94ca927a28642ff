package person

import (
	"bytes"

	"github.com/carillon-chat/carillon/internal/chime"
)

// alias replaces the id of a user, in whatever text it stands, by that of no user.
type alias struct {
	ref, as         []byte // user/ID
	arn, asARN      []byte
	app             string
	user, pseudonym chime.Ref
}

func newAlias(site chime.Site, app string, user, pseudonym chime.Ref) alias {
	return alias{
		ref: []byte(user), as: []byte(pseudonym), arn: []byte(site.RefARN(app, user)), asARN: []byte(site.RefARN(app, pseudonym)),
		app: app, user: user, pseudonym: pseudonym,
	}
}

// mayName reports whether a record or event may name the user: its text may also be part of a longer id.
func (a *alias) mayName(b []byte) bool { return bytes.Contains(b, a.ref) }

// isInKey reports whether the user is a column of a key.
func (a *alias) isInKey(key []byte) bool {
	for {
		at := bytes.Index(key, a.ref)
		if at < 0 {
			return false
		}
		if key = key[at+len(a.ref):]; bytes.HasPrefix(key, []byte{0x00, 0x01}) {
			return true
		}
	}
}

// rename returns a text that names the alias where it named the user, without the name that JSON has beside the
// ARN. A text without the user is returned as it is. left reports that it is a key of the store that still has
// the user.
func (a *alias) rename(text []byte) (renamed []byte, left bool) {
	if bytes.Equal(text, a.ref) {
		return a.as, false
	}
	if !a.mayName(text) {
		return text, false
	}
	renamed = replaceIDs(text, a.arn, a.asARN)
	renamed = dropNames(renamed, a.asARN)
	return renamed, a.isInKey(renamed)
}

// replaceIDs replaces each occurrence of a text that ends with an id.
func replaceIDs(text, old, by []byte) []byte {
	var renamed []byte
	for {
		at, found := cutID(text, old)
		if !found {
			break
		}
		renamed = append(append(renamed, text[:at]...), by...)
		text = text[at+len(old):]
	}
	if renamed == nil {
		return text
	}
	return append(renamed, text...)
}

// cutID finds a text that ends with an id where no longer id stands. Ids end with a letter or digit, and may
// have punctuation within.
func cutID(text, id []byte) (at int, found bool) {
	for from := 0; ; from = at + 1 {
		next := bytes.Index(text[from:], id)
		if next < 0 {
			return 0, false
		}
		at = from + next
		rest := bytes.TrimLeft(text[at+len(id):], ":-_.@")
		if len(rest) == 0 || !isAlphanumeric(rest[0]) {
			return at, true
		}
	}
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// dropNames removes the member Name behind an ARN from JSON that an encoder of package api wrote.
func dropNames(text, arn []byte) []byte {
	before := append(append([]byte{'"'}, arn...), `","Name":"`...)
	return dropStrings(text, before, 1+len(arn)+1)
}

// dropStrings removes each string of JSON that follows a text, and of that text all but its beginning.
func dropStrings(text, before []byte, keep int) []byte {
	var kept []byte
	for {
		at := bytes.Index(text, before)
		if at < 0 {
			break
		}
		kept = append(kept, text[:at+keep]...)
		text = behindString(text[at+len(before):])
	}
	if kept == nil {
		return text
	}
	return append(kept, text...)
}

// behindString is what follows the end of a string of JSON that a text begins in.
func behindString(text []byte) []byte {
	for end := 0; end < len(text); end++ {
		switch text[end] {
		case '\\':
			end++
		case '"':
			return text[end+1:]
		}
	}
	return nil
}
