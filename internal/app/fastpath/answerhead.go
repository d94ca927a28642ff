package fastpath

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// framing is how an answer's body and connection end: which of the handler's fields are sent, and
// what is added to them.
type framing struct {
	noLength, noType, noEncoding, noConnection bool // fields of the handler that are left out

	length                            int64 // -1 adds none
	contentType, connection, encoding string
	date                              bool
}

// sendHead puts the head of the answer together when its first piece is sent. It depends on that
// piece, and on what is left of the request's body.
func (w *response) sendHead(piece []byte) {
	if w.headSent {
		return
	}
	w.headSent = true
	f := w.frame(piece)

	w.out = append(w.out, "HTTP/1.1 "...)
	w.out = strconv.AppendInt(w.out, int64(w.status), 10)
	w.out = append(w.out, ' ')
	if text := http.StatusText(w.status); text != "" {
		w.out = append(w.out, text...)
	} else {
		w.out = append(w.out, "status code "...)
		w.out = strconv.AppendInt(w.out, int64(w.status), 10)
	}
	w.out = append(w.out, "\r\n"...)

	// The handler's fields, in the order of their names.
	for _, l := range w.snapshot {
		switch {
		case f.noLength && l.key == "Content-Length", f.noType && l.key == "Content-Type",
			f.noEncoding && l.key == "Transfer-Encoding", f.noConnection && l.key == "Connection":
		case !l.empty && l.key != "" && isToken([]byte(l.key)):
			w.line(l.key, oneLine(l.value))
		}
	}

	// The server's.
	if f.date {
		w.out = append(w.out, "Date: "...)
		w.out = time.Now().UTC().AppendFormat(w.out, http.TimeFormat)
		w.out = append(w.out, "\r\n"...)
	}
	if f.length >= 0 {
		w.out = append(w.out, "Content-Length: "...)
		w.out = strconv.AppendInt(w.out, f.length, 10)
		w.out = append(w.out, "\r\n"...)
	}
	for _, l := range [...]line{
		{key: "Content-Type", value: f.contentType}, {key: "Connection", value: f.connection}, {key: "Transfer-Encoding", value: f.encoding},
	} {
		if l.value != "" {
			w.line(l.key, l.value)
		}
	}
	w.out = append(w.out, "\r\n"...)
}

func (w *response) line(key, value string) {
	w.out = append(w.out, key...)
	w.out = append(w.out, ": "...)
	w.out = append(w.out, value...)
	w.out = append(w.out, "\r\n"...)
}

// frame decides as net/http does.
func (w *response) frame(piece []byte) framing {
	f := framing{length: -1}
	encoding := w.value("Transfer-Encoding")
	body := hasBody(w.status)

	// An answer that is whole in its first piece gets a length.
	if w.done && encoding == "" && body && !w.has("Content-Length") {
		w.length = int64(len(piece))
		f.length = w.length
	}
	known := w.length != -1

	// What is left of the request's body must not be taken for a request.
	stopping := w.conn.listener.stopping.Load()
	if w.value("Connection") == "close" || stopping {
		w.closing = true
	}
	if w.exchange.request.ContentLength != 0 && !w.closing {
		w.dropBody()
		if w.refusedBody {
			f.noConnection = true
			f.connection = "close"
		}
	}

	if !body {
		f.noLength, f.noEncoding = true, true
		f.noType = w.status == http.StatusNotModified
	} else if encoding == "" && len(piece) > 0 && !w.has("Content-Type") && w.value("Content-Encoding") == "" {
		f.contentType = http.DetectContentType(piece)
	}
	f.date = !w.has("Date")

	if known && encoding != "" && encoding != "identity" {
		w.conn.listener.logf("http: WriteHeader called with both Transfer-Encoding of %q and a Content-Length of %d", encoding, w.length)
		f.noLength, known = true, false
	}
	switch {
	case !body || known:
		f.noEncoding = true
	case encoding == "identity":
		w.closing = true
		f.noEncoding = true
	default:
		w.chunked = true
		f.noLength = true
		f.noEncoding = encoding == "chunked"
		f.encoding = "chunked"
	}

	if w.closing && (stopping || !hasToken(w.value("Connection"), "close")) {
		f.noConnection = true
		f.connection = "close"
	}
	return f
}

// dropBody drops what the handler left of the request's body before it is answered: clients that send
// all before they read would wait for ever.
func (w *response) dropBody() {
	switch b := &w.exchange.body; {
	case b.closed:
		w.closing = w.closing || !b.ended
	case b.left >= mostDropped:
		w.closing, w.refusedBody = true, true
	default:
		if b.drop() != nil {
			w.closing = true
		} else {
			b.closed = true
		}
	}
}

// value is the first value of a field of the answer, or empty.
func (w *response) value(key string) string {
	for _, l := range w.snapshot {
		if l.key == key {
			return l.value
		}
	}
	return ""
}

func (w *response) has(key string) bool {
	for _, l := range w.snapshot {
		if l.key == key {
			return true
		}
	}
	return false
}

var breaks = strings.NewReplacer("\n", " ", "\r", " ")

// oneLine is a value as it is sent.
func oneLine(value string) string {
	if strings.IndexByte(value, '\n') >= 0 || strings.IndexByte(value, '\r') >= 0 {
		value = breaks.Replace(value)
	}
	return strings.Trim(value, " \t")
}

// hasToken reports whether one of the words of a field's value is token, in any case.
func hasToken(value, token string) bool {
	words := strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' })
	for _, word := range words {
		if strings.EqualFold(word, token) {
			return true
		}
	}
	return false
}
