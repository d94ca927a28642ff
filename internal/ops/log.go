package ops

import (
	"fmt"
	"io"
	"log/slog"
)

// ParseLevel reads a level: debug, info, warn or error.
func ParseLevel(text string) (slog.Level, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(text)); err != nil {
		return 0, fmt.Errorf("log level: %w", err)
	}
	return level, nil
}

// NewLogger makes a logger that writes to w what has the level at least, which may change meanwhile.
// The format is text or json.
func NewLogger(w io.Writer, level slog.Leveler, format string) (*slog.Logger, error) {
	options := &slog.HandlerOptions{Level: level}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fmt.Errorf("log format: must be text or json, not %q", format)
}
