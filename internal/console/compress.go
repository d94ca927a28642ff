package console

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
)

// compressed is the content in gzip, nil when that is not smaller.
func compressed(content []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level exists
	_, _ = w.Write(content)                               // a buffer takes everything
	if w.Close() != nil || b.Len() >= len(content) {
		return nil
	}
	return b.Bytes()
}

// acceptsGzip reports whether the client takes gzip: named, or meant by *, and not with a weight of
// zero.
func acceptsGzip(r *http.Request) bool {
	accepted := false
	for part := range strings.SplitSeq(strings.Join(r.Header["Accept-Encoding"], ","), ",") {
		coding, params, _ := strings.Cut(strings.ToLower(part), ";")
		coding = strings.TrimSpace(coding)
		if coding != "gzip" && coding != "*" {
			continue
		}
		weight, weighted := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		q, err := strconv.ParseFloat(weight, 64)
		accepted = !weighted || err == nil && q > 0
		if coding == "gzip" {
			return accepted
		}
	}
	return accepted
}
