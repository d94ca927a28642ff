package awshttp

import (
	"errors"
	"log/slog"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/ops"
	"github.com/carillon-chat/carillon/internal/store"
)

// logInterval lies between two log lines of a kind whose number the callers decide, with or without
// keys.
const logInterval = time.Second

// stepPolicy is the step of a refusal by IAM, after those of sigv4.
const stepPolicy = "policy"

// samplers bound the lines above debug, each kind by itself so that none hides another.
type samplers struct{ refused, unavailable, failed *ops.Sampler }

func newSamplers(now func() time.Time) samplers {
	return samplers{ops.NewSampler(logInterval, now), ops.NewSampler(logInterval, now), ops.NewSampler(logInterval, now)}
}

// observe logs an answer and counts it. Faults of the server are logged at error and refusals at
// info, both once a second with the number of those left out; all other answers at debug, or at
// info with an access log.
func (t *transport) observe(x *exchange, status int) {
	op, took := x.operation().Name, t.options.Now().Sub(x.start)
	if t.options.Observe != nil {
		t.options.Observe(op, status, took)
	}
	if x.step != "" && t.options.Refused != nil {
		t.options.Refused(x.step, x.errorType)
	}
	if t.options.Audit != nil {
		t.audit(x, status)
	}

	level, omitted := t.level(x)
	ctx := x.r.Context()
	if !t.options.Log.Enabled(ctx, level) {
		return
	}

	// Attributes depend on the kind of answer: what led to a refusal, what the access log adds,
	// a cause.
	attrs := append(make([]slog.Attr, 0, 18), x.attrs()...)
	attrs = append(attrs, slog.Int("status", status), slog.Float64("took_seconds", took.Round(time.Microsecond).Seconds()))
	if x.errorType != "" {
		attrs = append(attrs, slog.String("error", x.errorType))
	}
	if x.step != "" {
		attrs = append(attrs, slog.String("step", x.step), slog.String("host", cut(x.r.Host)))
	}
	if x.step != "" || t.options.AccessLog {
		attrs = append(attrs, slog.String("remote", x.r.RemoteAddr))
	}
	if t.options.AccessLog {
		attrs = append(attrs, x.accessAttrs()...)
	}
	if omitted > 0 {
		attrs = append(attrs, slog.Uint64("omitted", omitted))
	}
	if x.failure != nil {
		attrs = append(attrs, slog.Any("cause", x.failure))
	}

	if p, ok := x.failure.(*panicError); ok {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}

	t.options.Log.LogAttrs(ctx, level, "request", attrs...)
}

// level returns the level of an answer's line, and how many of its kind were left out before it.
func (t *transport) level(x *exchange) (level slog.Level, omitted uint64) {
	level = slog.LevelDebug
	if t.options.AccessLog {
		level = slog.LevelInfo
	}

	sampler, loud := t.samplers.refused, slog.LevelInfo
	switch {
	case x.failure != nil && isUnavailable(x.failure):
		sampler, loud = t.samplers.unavailable, slog.LevelError
	case x.failure != nil:
		sampler, loud = t.samplers.failed, slog.LevelError
	case x.step == "" || t.options.AccessLog:
		return level, 0
	}

	if omitted, ok := sampler.Sample(); ok {
		return loud, omitted
	}
	return level, 0
}

// isUnavailable reports whether the store cannot be reached for the moment, which fails every call
// while it lasts.
func isUnavailable(err error) bool {
	return errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrUnavailable)
}

// attrs name a request in the log.
func (x *exchange) attrs() []slog.Attr {
	attrs := []slog.Attr{
		slog.String("request", x.id), slog.String("method", x.r.Method), slog.String("operation", x.operation().Name),
	}
	if x.principal != nil {
		attrs = append(attrs, slog.String("key", x.principal.AccessKeyID))
	}
	return attrs
}

// accessAttrs are the further attributes of an access log. A bearer counts once the request is
// verified.
func (x *exchange) accessAttrs() []slog.Attr {
	attrs := []slog.Attr{slog.Int("bytes", x.bytes), slog.String("user_agent", cut(x.r.UserAgent()))}
	if x.principal != nil {
		attrs = append(attrs, slog.String("principal", x.principal.ARN), slog.String("bearer", cut(x.r.Header.Get("X-Amz-Chime-Bearer"))))
	}
	return attrs
}

// cut shortens a client's own text for the log.
func cut(s string) string {
	const most = 256
	return s[:min(len(s), most)]
}

// refusedBy is the step of an error of IAM; empty for any other.
func refusedBy(err error) string {
	if _, denied := errors.AsType[*access.DeniedError](err); denied {
		return stepPolicy
	}
	return ""
}
