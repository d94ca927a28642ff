package lab

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
)

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log Log
		ctx, end := context.WithCancel(t.Context())
		found := make(chan error)
		await := func(text string) { found <- log.Await(ctx, text) }

		go await("two three")
		for _, part := range []string{"one two", " thr", "ee"} {
			synctest.Wait()
			select {
			case <-found:
				t.Fatalf("found before it was written, in %q", &log)
			default:
			}
			_, _ = io.WriteString(&log, part)
		}
		if err := <-found; err != nil {
			t.Error(err)
		}

		go await("four")
		synctest.Wait()
		end()
		if err := <-found; err == nil {
			t.Error("found what is not there")
		}
		go await("one")
		if err := <-found; err != nil {
			t.Errorf("what was written before the end: %v", err)
		}
	})
}
