package app

import (
	"context"
	"fmt"

	"github.com/carillon-chat/carillon/internal/app/sinks"
	"github.com/carillon-chat/carillon/internal/audit"
	"github.com/carillon-chat/carillon/internal/ops"
	"github.com/carillon-chat/carillon/internal/stream"
)

// sentSuffix ends the name of the file beside the audit log that says what of it was sent.
const sentSuffix = ".sent"

// buildAuditSink makes what sends the audit log to the sink of the setting audit-sink. openLogs has its actor.
func (s *services) buildAuditSink(a *App) error {
	if a.cfg.AuditSink == "" {
		return nil
	}
	target, err := a.cfg.AuditSinkTarget()
	if err != nil {
		return fmt.Errorf("audit-sink: %w", err)
	}
	sink, err := sinks.Open(target, s.sinkOptions(a))
	if err != nil {
		return fmt.Errorf("audit-sink: %w", err)
	}
	a.opened(sink.Close)
	a.logs.shipper, err = audit.NewShipper(audit.ShipperOptions{
		File: a.logs.auditFile, State: a.cfg.AuditLog + sentSuffix, Sink: auditSink{sink, target.Options["stream"]},
		Random: a.deps.Random, Log: a.deps.Log, Now: a.deps.Now,
	})
	if err != nil {
		return fmt.Errorf("audit-sink: %w", err)
	}

	a.registry.MustRegister(sampler(a.sampleAuditSink))
	a.readiness.Add("audit sink", func(context.Context) error {
		if err := a.logs.shipper.Err(); err != nil {
			return fmt.Errorf("%w: lines cannot be sent: %w", ops.ErrDegraded, err)
		}
		return nil
	})
	return nil
}

// auditSink sends batches of the audit log through a sink of streams. The log is their partition key.
type auditSink struct {
	stream.Sink
	name string // of the stream of Kinesis; other kinds have none
}

// Send implements audit.Sink.
func (s auditSink) Send(ctx context.Context, b audit.Batch) error {
	_, err := s.Write(ctx, []stream.Record{{Key: b.Key, Stream: ":stream/" + s.name, Channel: b.Log, EventType: "AUDIT", Data: b.Data}})
	return err
}

func (a *App) sampleAuditSink(gauge, counter sample) {
	s := a.logs.shipper.Stats()
	gauge("carillon_audit_sink_lag_bytes", "Bytes of lines of the audit log that were not sent to audit-sink yet. It grows while the sink is away.", float64(s.Behind))
	counter("carillon_audit_sink_sent_total", "Lines of the audit log that audit-sink has taken.", float64(s.Sent))
	counter("carillon_audit_sink_failures_total", "Failed attempts to send lines of the audit log to audit-sink. Each is made again.", float64(s.Failures))
	counter("carillon_audit_sink_skipped_total", "Lines of the audit log that were cut off by a crash, and are not sent to audit-sink.", float64(s.Skipped))
	counter("carillon_audit_sink_given_up_total", "Parts of the audit log that were removed or taken away before they were sent to audit-sink whole.", float64(s.GivenUp))
}
