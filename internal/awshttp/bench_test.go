package awshttp_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/awshttp"
)

// BenchmarkSend is one SendChannelMessage of 1 KB through the whole transport,
// with a gate and a service that do nothing.
func BenchmarkSend(b *testing.B) { benchmarkSend(b, letIn{}) }

func benchmarkSend(b *testing.B, g awshttp.Gate) {
	resp := &messaging.SendChannelMessageResponse{ChannelARN: channelARN, MessageID: strings.Repeat("0", 64),
		Status: &messaging.ChannelMessageStatusStructure{Value: "SENT"}}
	operations := unbuilt()
	for i := range operations {
		operations[i].Call = func(context.Context, api.Request) (api.Response, error) { return resp, nil }
	}
	h, err := awshttp.New(awshttp.Options{Gate: g, Operations: operations})
	if err != nil {
		b.Fatal(err)
	}
	r := send(strings.Repeat("x", 1024))
	text, _ := io.ReadAll(r.Body)
	body := strings.NewReader(string(text))
	r.Body = io.NopCloser(body)
	w := &discard{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(string(text))
		clear(w.header)
		h.ServeHTTP(w, r)
	}
	if w.status != 201 {
		b.Fatalf("status %d", w.status)
	}
}

// discard is a ResponseWriter that keeps the status only.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }
