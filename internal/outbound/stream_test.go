package outbound_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/outbound"
)

func stream(t *testing.T, ctx context.Context, c *outbound.Client, url string, limit int64, read func(*outbound.Answer, io.Reader) error) error {
	t.Helper()
	t.Cleanup(c.Close)
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Stream(ctx, request, limit, read)
}

// TestStreamsAreReadWhileTheyCome, for longer than other calls may take.
func TestStreamsAreReadWhileTheyCome(t *testing.T) {
	more := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "first\n")
		w.(http.Flusher).Flush()
		<-more
		_, _ = io.WriteString(w, "second\n")
	})
	const short = 200 * time.Millisecond // of calls that are not streams
	c := outbound.New(outbound.Options{Networks: loopback, Timeout: short})
	err := stream(t, t.Context(), c, url, 100, func(a *outbound.Answer, body io.Reader) error {
		lines := bufio.NewScanner(body)
		if !a.Succeeded() || !lines.Scan() || lines.Text() != "first" {
			return fmt.Errorf("%+v, %q", a, lines.Text())
		}
		time.AfterFunc(2*short, func() { close(more) })
		if !lines.Scan() || lines.Text() != "second" {
			return fmt.Errorf("then %q, %w", lines.Text(), lines.Err())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestStreamsAreBounded in bytes and by their context, and go where other calls may go.
func TestStreamsAreBounded(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, strings.Repeat("x", 1000))
		}
	})
	n := 0
	readAll := func(_ *outbound.Answer, body io.Reader) error {
		text, err := io.ReadAll(body)
		n = len(text)
		return err
	}
	err := stream(t, t.Context(), outbound.New(outbound.Options{Networks: loopback}), url, 2500, readAll)
	if !errors.Is(err, outbound.ErrTooLarge) || n != 2500 {
		t.Errorf("%d bytes, %v", n, err)
	}
	err = stream(t, t.Context(), outbound.New(outbound.Options{}), url, 2500, readAll)
	if !errors.Is(err, outbound.ErrRefused) {
		t.Error(err)
	}

	silent := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	err = stream(t, ctx, outbound.New(outbound.Options{Networks: loopback}), silent, 10, func(_ *outbound.Answer, body io.Reader) error {
		cancel()
		return readAll(nil, body)
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
