package iam

import (
	"net/url"
	"strings"
	"unicode"

	iamapi "github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/policy"
)

// The most characters of documents, white space not counted, as AWS's quotas are.
const (
	maxTrust      = 2048
	maxUserInline = 2048  // all of one user together
	maxRoleInline = 10240 // all of one role together
	maxManaged    = 6144
)

// size is the length that quotas count.
func size(document string) (n int) {
	for _, r := range document {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}

// checkPolicy refuses a document that the engine does not understand entirely.
func checkPolicy(document string) error {
	_, err := policy.Parse([]byte(document))
	return malformed(err)
}

// checkTrust does so for the trust policy of a role, and bounds its size.
func checkTrust(document string) error {
	if size(document) > maxTrust {
		return quota("ACLSizePerRole", maxTrust)
	}
	_, err := policy.ParseTrust([]byte(document))
	return malformed(err)
}

func checkManaged(document string) error {
	if size(document) > maxManaged {
		return quota("PolicySize", maxManaged)
	}
	return checkPolicy(document)
}

func malformed(err error) error {
	if err == nil {
		return nil
	}
	return iamapi.MalformedPolicyDocumentException.Errorf("%s", fault(err))
}

const maxFault = 500 // bytes

// fault is what is wrong with a document, in a length that is good to read: the engine may quote
// long parts of it.
func fault(err error) string {
	text := err.Error()
	if len(text) > maxFault {
		text = strings.ToValidUTF8(text[:maxFault], "") + "..."
	}
	return text
}

// escaped returns a document as answers carry it: percent-encoded as in RFC 3986.
func escaped(document string) string {
	return strings.ReplaceAll(url.QueryEscape(document), "+", "%20")
}
