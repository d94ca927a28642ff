package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/audit"
	"github.com/carillon-chat/carillon/internal/awshttp"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/notice"
	"github.com/carillon-chat/carillon/internal/ops"
	"github.com/carillon-chat/carillon/internal/ops/logfile"
	"github.com/carillon-chat/carillon/internal/outbound/webhook"
	"github.com/carillon-chat/carillon/internal/wsconn"
)

// logs are what the node writes for its operator to keep: the audit log and notices.
type logs struct {
	audit      *audit.Log     // nil when there is none
	shipper    *audit.Shipper // the same
	noticeOut  logfile.Writer // the same
	noticeSign *webhook.Signer
	files      []*logfile.File
	auditFile  *logfile.File // of the audit log; nil when that is none
}

// openLogs opens the audit log and the notices, before anything that is to be in them.
func (a *App) openLogs(context.Context) (err error) {
	if a.cfg.NoticeURL != "" {
		if a.logs.noticeSign, err = webhook.NewSigner(a.cfg.NoticeSecret.Reveal()); err != nil {
			return fmt.Errorf("notice-secret: %w", err)
		}
	}
	if a.cfg.NoticeLog != "" {
		if a.logs.noticeOut, err = a.openLog("notice-log", a.cfg.NoticeLog, 0); err != nil {
			return err
		}
	}
	if a.cfg.AuditLog == "" {
		return nil
	}

	var backlog int64
	if a.cfg.AuditSink != "" {
		backlog = int64(a.cfg.AuditSinkBacklog)
	}
	out, err := a.openLog("audit-log", a.cfg.AuditLog, backlog)
	if err != nil {
		return err
	}
	a.logs.auditFile, _ = out.(*logfile.File)
	a.logs.audit = audit.New(audit.Options{
		Site: chime.Site{Region: a.cfg.Region, Account: a.cfg.Account}, Out: out, QueueBytes: int(a.cfg.AuditQueueBytes),
		Wait: a.cfg.AuditWait, Now: a.deps.Now, Random: a.deps.Random, Log: a.deps.Log,
	})

	// It stops after all that it has lines of, and what sends them after it. That is made when there are sinks.
	if a.cfg.AuditSink != "" {
		a.actors = append(a.actors, actor{name: "audit sink", run: func(ctx context.Context) error { return a.logs.shipper.Run(ctx) }, patience: stopPatience})
	}
	a.actors = append(a.actors, actor{name: "audit log", run: a.logs.audit.Run, patience: stopPatience})
	a.registry.MustRegister(sampler(a.sampleAudit))
	a.readiness.Add("audit log", func(context.Context) error {
		if err := a.logs.audit.Err(); err != nil {
			return fmt.Errorf("%w: lines cannot be written: %w", ops.ErrDegraded, err)
		}
		return nil
	})
	return nil
}

// openLog opens the file of a setting, or standard output. A backlog is for files that are sent to a sink.
func (a *App) openLog(setting, path string, backlog int64) (logfile.Writer, error) {
	if path == config.Stdout {
		return &a.stdout, nil
	}
	file, err := logfile.Open(logfile.Options{
		Path: path, MaxBytes: int64(a.cfg.LogFileSize), MaxAge: a.cfg.LogFileAge, Keep: a.cfg.LogFileKeep, Backlog: backlog, Log: a.deps.Log, Now: a.deps.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	a.opened(file.Close)
	a.logs.files = append(a.logs.files, file)
	return file, nil
}

// ReopenLogs begins the files of the audit log and of notices again, which another program may have
// renamed.
func (a *App) ReopenLogs() error {
	var errs []error
	for _, file := range a.logs.files {
		errs = append(errs, file.Reopen())
	}
	return errors.Join(errs...)
}

// followers are those that write the logs.
func (l *logs) followers(a *App) (list []follow.Follower) {
	site := chime.Site{Region: a.cfg.Region, Account: a.cfg.Account}
	if l.audit != nil {
		list = append(list, l.audit.Follower())
	}
	if l.noticeOut != nil {
		list = append(list, notice.Follower("notice-log", site, notice.Lines{Out: l.noticeOut}))
	}
	if l.noticeSign != nil {
		list = append(list, notice.Follower("notice-url", site, notice.Webhook{
			Client: a.services.outbound, URL: a.cfg.NoticeURL, Signer: l.noticeSign, Now: a.deps.Now,
		}))
	}
	return list
}

// standardOutput is written by one caller at a time. The zero value discards.
type standardOutput struct {
	mu sync.Mutex
	w  io.Writer
}

func (o *standardOutput) Write(lines []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.w == nil {
		return len(lines), nil
	}
	return o.w.Write(lines)
}

// Sync does nothing: what reads standard output keeps it.
func (o *standardOutput) Sync() error { return nil }

// auditor hands the calls of both transports to the audit log.
type auditor struct{ log *audit.Log }

// callAuditor returns the auditor of calls, nil when there is no audit log.
func (l *logs) callAuditor() awshttp.Auditor {
	if l.audit == nil {
		return nil
	}
	return auditor{l.audit}
}

// connectAuditor returns the auditor of connect requests, nil when there is no audit log.
func (l *logs) connectAuditor() wsconn.Auditor {
	if l.audit == nil {
		return nil
	}
	return auditor{l.audit}
}

// AuditCall implements awshttp.Auditor.
func (a auditor) AuditCall(c *awshttp.Call) {
	a.log.Record(&audit.Call{
		Time: c.Start, RequestID: c.RequestID, Service: c.Operation.SigningName, Name: c.Operation.Name, ReadOnly: c.Operation.ReadOnly,
		Source: c.Source, Principal: c.Principal, AccessKeyID: c.AccessKeyID, Request: c.Request, Response: c.Response, Status: c.Status,
		ErrorCode: c.ErrorType, ErrorMessage: c.ErrorMessage, Refusal: c.Refusal,
	})
}

// AuditConnect implements wsconn.Auditor. A connect request has no id but that of its line.
func (a auditor) AuditConnect(c *wsconn.Connect) {
	a.log.Record(&audit.Call{
		Time: c.Start, Service: "chime", Name: "Connect", ReadOnly: true,
		Source: c.Source, Principal: c.Principal, AccessKeyID: c.AccessKeyID, Request: connectIDs{c},
		ErrorCode: c.ErrorType, ErrorMessage: c.ErrorMessage, Refusal: c.Refusal,
	})
}

// connectIDs are the ARNs and ids of a connect request.
type connectIDs struct{ *wsconn.Connect }

// AppendIDs implements api.Identified.
func (c connectIDs) AppendIDs(b []byte) []byte {
	if c.UserARN == "" {
		return append(b, "null"...)
	}
	b = api.AppendString(append(b, `{"userArn":`...), c.UserARN)
	return append(api.AppendString(append(b, `,"sessionId":`...), c.SessionID), '}')
}

func (a *App) sampleAudit(gauge, counter sample) {
	s := a.logs.audit.Stats()
	gauge("carillon_audit_queue_bytes", "Bytes of lines of the audit log that wait for the disk. Near audit-queue-bytes, calls wait.", float64(s.QueuedBytes))
	counter("carillon_audit_written_total", "Lines of the audit log that were written.", float64(s.Written))
	counter("carillon_audit_lost_total", "Lines of the audit log that were lost because its queue was full. A line named LoseEvents is at their place.", float64(s.Lost))
	counter("carillon_audit_waited_total", "Lines of the audit log for which a call waited, because the queue was full.", float64(s.Waited))
	counter("carillon_audit_failures_total", "Failed writes of the audit log. Each is tried again.", float64(s.Failures))
}
