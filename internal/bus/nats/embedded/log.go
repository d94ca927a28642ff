package embedded

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/carillon-chat/carillon/internal/ops"
)

// serverLog writes the lines of the library. What it reports of routes is no failure of the node, and strangers at
// the port write no more than a line a second.
type serverLog struct {
	to     *slog.Logger
	lines  *ops.Sampler
	secret string
	fatal  chan string // the first line that a program of its own would end with
}

func (l *serverLog) text(format string, values []any) string {
	text := fmt.Sprintf(format, values...)
	if l.secret != "" {
		text = strings.ReplaceAll(text, l.secret, "(secret)")
	}
	return text
}

func (l *serverLog) warn(format string, values []any) {
	if omitted, ok := l.lines.Sample(); ok {
		l.to.Warn("NATS server", "line", l.text(format, values), "omitted", omitted)
	}
}

func (l *serverLog) Warnf(format string, v ...any)  { l.warn(format, v) }
func (l *serverLog) Errorf(format string, v ...any) { l.warn(format, v) }
func (l *serverLog) Noticef(format string, v ...any) {
	l.to.Debug("NATS server", "line", l.text(format, v))
}
func (l *serverLog) Debugf(string, ...any) {}
func (l *serverLog) Tracef(string, ...any) {}

func (l *serverLog) Fatalf(format string, v ...any) {
	text := l.text(format, v)
	l.to.Error("NATS server", "line", text)
	select {
	case l.fatal <- text:
	default:
	}
}
