package audit_test

import (
	"context"
	"crypto/rand"
	"testing"

	"github.com/carillon-chat/carillon/internal/audit"
)

// BenchmarkRecord is what a call pays for its line.
func BenchmarkRecord(b *testing.B) {
	l := audit.New(audit.Options{Site: site, Out: nowhere{}, Random: rand.Reader})
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() { ended <- l.Run(ctx) }()
	c := call("7af6b941-c9a7-487f-a9aa-a514344088a2")
	b.ReportAllocs()
	for b.Loop() {
		l.Record(c)
	}
	stop()
	if err := <-ended; err != nil {
		b.Error(err)
	}
}

// nowhere is an Out that keeps nothing.
type nowhere struct{}

func (nowhere) Write(lines []byte) (int, error) { return len(lines), nil }
func (nowhere) Sync() error                     { return nil }
