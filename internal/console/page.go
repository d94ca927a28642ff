package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

//go:embed all:dist
var dist embed.FS

// Types of the built files, by extension: the machine's own tables differ.
var types = map[string]string{
	".css":   "text/css; charset=utf-8",
	".html":  "text/html; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".json":  "application/json",
	".md":    "text/markdown; charset=utf-8",
	".png":   "image/png",
	".svg":   "image/svg+xml",
	".wasm":  "application/wasm",
	".woff2": "font/woff2",
}

// Files under assets/ have a hash of their content in the name, so they never change.
const (
	forever    = "public, max-age=31536000, immutable"
	revalidate = "no-cache"
)

type page struct {
	files  map[string]file // by path below /chat/
	policy string
}

type file struct {
	content     []byte
	compressed  func() []byte // the content in gzip, made at its first use; nil when that is no gain
	contentType string
	cache       string
	etag        string // of the plain content, without its closing quote
}

func newPage(publicHost string) (*page, error) {
	p := &page{files: map[string]file{}, policy: contentPolicy(publicHost)}
	err := fs.WalkDir(dist, "dist", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := dist.ReadFile(name)
		if err != nil {
			return err
		}

		f := file{content: content, compressed: sync.OnceValue(func() []byte { return compressed(content) }),
			contentType: types[path.Ext(name)], cache: revalidate}
		if f.contentType == "" {
			return fmt.Errorf("%s has a kind of file that the console does not know", name)
		}

		// Names under assets/ change with the content, so browsers may keep them.
		sum := sha256.Sum256(content)
		f.etag = `"` + hex.EncodeToString(sum[:16])
		name = strings.TrimPrefix(name, "dist/")
		if strings.HasPrefix(name, "assets/") {
			f.cache = forever
		}
		p.files[name] = f
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("chat page: %w", err)
	}

	p.files[""] = p.files["index.html"]
	return p, nil
}

// contentPolicy lets the page talk to this server alone: to where it was loaded from, and to the
// WebSocket of the public host.
func contentPolicy(publicHost string) string {
	sockets := "ws://" + publicHost + " wss://" + publicHost
	if strings.HasPrefix(publicHost, "[") {
		sockets = "ws: wss:" // a policy cannot name an IPv6 address
	}
	return "default-src 'self'; connect-src 'self' " + sockets +
		"; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	secure(h)
	h.Set("Content-Security-Policy", p.policy)

	name, below := strings.CutPrefix(r.URL.Path, PagePath)
	f, found := p.files[name]
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "This page can only be read.", http.StatusMethodNotAllowed)
	case !below:
		http.Redirect(w, r, PagePath, http.StatusMovedPermanently)
	case !found || len(f.content) == 0:
		http.Error(w, "There is no such page.", http.StatusNotFound)
	default:
		h.Set("Content-Type", f.contentType)
		h.Set("Cache-Control", f.cache)
		h.Set("Vary", "Accept-Encoding")

		// The two forms are different representations, so their etags differ.
		content, etag := f.content, f.etag+`"`
		if acceptsGzip(r) {
			if small := f.compressed(); small != nil {
				content, etag = small, f.etag+`-gzip"`
				h.Set("Content-Encoding", "gzip")
			}
		}

		h.Set("ETag", etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
}
