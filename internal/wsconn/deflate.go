package wsconn

import (
	"bytes"
	"compress/flate"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/carillon-chat/carillon/internal/realtime"
)

// Compression is permessage-deflate (RFC 7692) without context takeover in both directions: each
// message is compressed by itself, so that one form of an event serves all receivers and a
// connection keeps no state.

const (
	// minCompressed is the shortest text that is worth compressing, in bytes.
	minCompressed = 200
	// maxCompressors bounds the memory of compressors, each of which has about 1 MB.
	maxCompressors = 8
	// packedSlack is by how much the compressed form of a message may be longer than the limit of
	// the message itself.
	packedSlack = 64
)

const deflateExtension = "permessage-deflate"

// acceptDeflate answers the first offer of compression that can be kept to (RFC 7692, 5.1); empty
// when there is none.
func acceptDeflate(values []string) string {
	for _, value := range values {
		for offer := range strings.SplitSeq(value, ",") {
			name, parameters, _ := strings.Cut(offer, ";")
			if strings.TrimSpace(name) != deflateExtension {
				continue
			}
			if answer, ok := acceptParameters(parameters); ok {
				return answer
			}
		}
	}
	return ""
}

// acceptParameters declines what is unknown, comes twice or has no such value, and a window of
// the server's that is smaller than the compressor's. The client's window may be any.
func acceptParameters(list string) (answer string, ok bool) {
	answer = deflateExtension + "; server_no_context_takeover; client_no_context_takeover"
	var seen []string
	for parameter := range strings.SplitSeq(list, ";") {
		name, value, hasValue := strings.Cut(strings.TrimSpace(parameter), "=")
		name, value = strings.TrimSpace(name), strings.Trim(strings.TrimSpace(value), `"`)
		if name == "" && list == "" {
			break
		}

		if slices.Contains(seen, name) {
			return "", false
		}
		seen = append(seen, name)

		switch name {
		case "server_no_context_takeover", "client_no_context_takeover":
			ok = !hasValue
		case "client_max_window_bits":
			ok = !hasValue || isWindow(value)
		case "server_max_window_bits":
			ok = value == "15"
			answer += "; server_max_window_bits=15"
		default:
			ok = false
		}
		if !ok {
			return "", false
		}
	}

	return answer, true
}

// isWindow reports whether a value is 8 to 15, without leading zeros.
func isWindow(value string) bool {
	bits, err := strconv.ParseUint(value, 10, 8)
	return err == nil && bits >= 8 && bits <= 15 && value[0] != '0'
}

// deflater is a compressor and where it writes.
type deflater struct {
	flate *flate.Writer
	out   bytes.Buffer
}

var (
	deflaters   = sync.Pool{New: func() any { return new(deflater) }}
	compressing = make(chan struct{}, maxCompressors)
)

// compressedFrame is the frame of a text, nil when compression does not make it shorter.
func compressedFrame(text []byte) []byte {
	compressing <- struct{}{}
	defer func() { <-compressing }()
	d := deflaters.Get().(*deflater)
	defer deflaters.Put(d)
	d.out.Reset()

	if d.flate == nil {
		d.flate, _ = flate.NewWriter(&d.out, flate.BestSpeed) // the level is a valid one
	} else {
		d.flate.Reset(&d.out)
	}

	_, err := d.flate.Write(text)
	if err == nil {
		err = d.flate.Flush()
	}
	packed, whole := bytes.CutSuffix(d.out.Bytes(), flushed)
	if err != nil || !whole || len(packed) >= len(text) {
		return nil
	}

	frame := newFrame(packed)
	frame[0] |= rsv1Bit
	return frame
}

// flushed ends what a compressor flushes, and is not sent (RFC 7692, 7.2.1). finished makes an end
// of it for the inflater.
var (
	flushed  = []byte("\x00\x00\xff\xff")
	finished = []byte("\x00\x00\xff\xff\x01\x00\x00\xff\xff")
)

// inflater is lent to a connection while it inflates a message.
type inflater struct {
	flate io.ReadCloser
	in    bytes.Reader
	out   bytes.Buffer
}

var inflaters = sync.Pool{New: func() any { return new(inflater) }}

// appendInflated inflates a message of at most limit bytes. packed is overwritten and grows.
func appendInflated(dst, packed []byte, limit int) ([]byte, *realtime.CloseError) {
	i := inflaters.Get().(*inflater)
	defer inflaters.Put(i)
	i.in.Reset(append(packed, finished...))
	defer i.in.Reset(nil)

	if i.flate == nil {
		i.flate = flate.NewReader(&i.in)
	} else if err := i.flate.(flate.Resetter).Reset(&i.in, nil); err != nil {
		return dst, errInvalidPacked
	}

	// One byte more than the limit shows that the message is too long.
	i.out.Reset()
	switch n, err := io.Copy(&i.out, io.LimitReader(i.flate, int64(limit)+1)); {
	case err != nil:
		return dst, errInvalidPacked
	case n > int64(limit):
		return dst, errTooLong
	}
	return append(dst, i.out.Bytes()...), nil
}

var errInvalidPacked = &realtime.CloseError{Code: codeInvalidText, Reason: "compressed message is not valid"}
