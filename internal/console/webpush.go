package console

import (
	"net/http"

	"github.com/carillon-chat/carillon/internal/api"
)

const webPushPath = JSONPath + "webpush"

// webPush names the applications that browsers can subscribe to, with their public keys.
type webPush struct{ Options }

func (p webPush) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		p.refuse(w, api.NotFound("there is nothing here for this method and path"))
		return
	}
	p.respond(w, struct{ Applications []WebPush }{append([]WebPush{}, p.WebPush...)}, nil)
}
