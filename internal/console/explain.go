package console

import (
	"context"
	"crypto/sha256"
	"net/http"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

const explainPath = JSONPath + "explain/connect"

// Explainer explains connect requests. access.Service is one.
type Explainer interface {
	// ExplainConnect's error is a failure of the server.
	ExplainConnect(ctx context.Context, r *sigv4.Request, from access.Source) (access.Explanation, error)
}

// explanation answers GET /_carillon/explain/connect with the query of a presigned URL: what
// GET /connect with that query would be answered, and why. A close reason has space for 123 bytes;
// this has more words, and no more secrets: its caller could open the socket as well, so it exists
// outside dev mode too. The Host is the one that was signed, so any is answered.
type explanation struct{ Options }

func (e explanation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	reply, err := e.answer(r)
	e.respond(w, reply, err)
}

func (e explanation) answer(r *http.Request) (access.Explanation, error) {
	if r.Method != http.MethodGet {
		return access.Explanation{}, api.NotFound("a connect request is explained with GET")
	}
	signed := sigv4.FromHTTP(r, sha256.Sum256(nil))
	signed.Target = access.ConnectTarget + "?" + r.URL.RawQuery
	from := access.Source{Remote: r.RemoteAddr, Secure: e.Secure(r), UserAgent: r.UserAgent()}
	signed.Secure = from.Secure
	return e.Explainer.ExplainConnect(r.Context(), &signed, from)
}
