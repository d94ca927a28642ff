package console_test

import (
	"compress/gzip"
	"io"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/console"
)

func TestVisitorsAreLedToAPage(t *testing.T) {
	const browser = "text/html,application/xhtml+xml,*/*;q=0.8"
	dev := do(newConsole(t, nil), "GET", "/", "", map[string]string{"Accept": browser})
	if dev.Code != 302 || dev.Header().Get("Location") != "/chat/" {
		t.Errorf("dev: %d %v", dev.Code, dev.Header())
	}
	serve := do(newConsole(t, func(o *console.Options) { o.Dev, o.Version = nil, "v1.2.3" }), "GET", "/", "", map[string]string{"Accept": browser})
	if serve.Code != 200 || !strings.Contains(serve.Body.String(), "v1.2.3") || !strings.Contains(serve.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("serve: %d %v %s", serve.Code, serve.Header(), serve.Body)
	}
	for name, test := range map[string]struct {
		method, target string
		header         map[string]string
		want           bool
	}{
		"browser":             {"GET", "/", map[string]string{"Accept": browser}, true},
		"program":             {"GET", "/", map[string]string{"Accept": "*/*"}, false},
		"signed":              {"GET", "/", map[string]string{"Accept": browser, "Authorization": "AWS4-HMAC-SHA256"}, false},
		"query call":          {"GET", "/?Action=GetCallerIdentity", map[string]string{"Accept": browser}, false},
		"form":                {"POST", "/", map[string]string{"Accept": browser}, false},
		"something else":      {"GET", "/channels", map[string]string{"Accept": browser}, false},
		"a path that is none": {"GET", "//", map[string]string{"Accept": browser}, false},
	} {
		r := httptest.NewRequest(test.method, "http://localhost"+test.target, nil)
		for key, value := range test.header {
			r.Header.Set(key, value)
		}
		if got := console.IsVisit(r); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestFilesAreServedCompressed(t *testing.T) {
	h := newConsole(t, nil)
	path := "/chat/" + regexp.MustCompile(`assets/index-[^"]+\.js`).FindString(do(h, "GET", "/chat/", "", nil).Body.String())
	plain := do(h, "GET", path, "", nil)
	zipped := do(h, "GET", path, "", map[string]string{"Accept-Encoding": "br, gzip;q=0.5"})
	if zipped.Header().Get("Content-Encoding") != "gzip" || zipped.Body.Len() > plain.Body.Len()/2 {
		t.Fatalf("%v, %d bytes of %d", zipped.Header(), zipped.Body.Len(), plain.Body.Len())
	}
	reader, err := gzip.NewReader(zipped.Body)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(reader); err != nil || string(text) != plain.Body.String() {
		t.Errorf("another content: %v", err)
	}
	// Caches must keep the two apart.
	etag := zipped.Header().Get("ETag")
	if plain.Header().Get("Vary") != "Accept-Encoding" || zipped.Header().Get("Vary") != "Accept-Encoding" || etag == plain.Header().Get("ETag") {
		t.Errorf("plain %v, compressed %v", plain.Header(), zipped.Header())
	}
	if again := do(h, "GET", path, "", map[string]string{"Accept-Encoding": "gzip", "If-None-Match": etag}); again.Code != 304 {
		t.Errorf("again: %d", again.Code)
	}
	for encoding, want := range map[string]string{"": "", "identity": "", "gzip;q=0": "", "gzip; q=0.0, *": "", "*": "gzip", "*;q=0": "", "GZIP": "gzip", "br": ""} {
		if got := do(h, "GET", path, "", map[string]string{"Accept-Encoding": encoding}).Header().Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q: %q", encoding, got)
		}
	}
}
