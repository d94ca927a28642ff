package console

import (
	"html/template"
	"net/http"
	"strings"
)

// IsVisit reports whether the request is that of a browser in which the server's address was
// opened.
func IsVisit(r *http.Request) bool {
	return r.URL.Path == "/" && r.URL.RawQuery == "" && (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		r.Header.Get("Authorization") == "" && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// front answers visits: it redirects to the chat page where that works, and elsewhere describes the
// server.
type front struct{ Options }

func (f front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	secure(h)
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept")
	if f.Dev != nil {
		http.Redirect(w, r, PagePath, http.StatusFound)
		return
	}
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Content-Type", types[".html"])
	if err := frontPage.Execute(w, f.Options); err != nil {
		f.Log.Debug("the front page was not read whole", "error", err)
	}
}

var frontPage = template.Must(template.New("front").Parse(`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Carillon</title></head>
<body>
<h1>Carillon</h1>
<p>This server speaks the Amazon Chime SDK messaging API at <code>{{.PublicHost}}</code>. Version {{.Version}}.</p>
<ul>
<li><a href="https://github.com/carillon-chat/carillon#readme">What it is and how clients are pointed at it</a></li>
<li><a href="https://github.com/carillon-chat/carillon/blob/main/docs/COMPATIBILITY.md">Which operations it answers</a></li>
<li><a href="https://github.com/carillon-chat/carillon/blob/main/docs/OPERATIONS.md">How it is operated</a></li>
</ul>
<p>A chat page to try it with is part of <code>carillon dev</code>.</p>
</body>
</html>
`))
