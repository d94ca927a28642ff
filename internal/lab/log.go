package lab

import (
	"bytes"
	"context"
	"sync"
)

// Log keeps text that is read while it is written. It is safe for concurrent use, and its zero value is empty.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed at the next write; nil when nothing waits for one
}

// Write appends to the log. It never fails.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
	return l.text.Write(p)
}

// String is all that was written until now.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Await waits until the log holds the text. When ctx ends before, it returns ctx's error.
func (l *Log) Await(ctx context.Context, text string) error {
	for {
		// What was written before ctx ended counts, however late it is looked at.
		err := ctx.Err()
		found, more := l.look(text)
		if found {
			return nil
		}
		if err != nil {
			return err
		}

		select {
		case <-more:
		case <-ctx.Done():
		}
	}
}

// look reports whether the log holds the text; more is closed at the next write.
func (l *Log) look(text string) (found bool, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.more == nil {
		l.more = make(chan struct{})
	}
	return bytes.Contains(l.text.Bytes(), []byte(text)), l.more
}
