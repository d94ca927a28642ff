package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/carillon-chat/carillon/internal/app/certfile"
	"github.com/carillon-chat/carillon/internal/app/datadir"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/outbound/webhook"
	"github.com/carillon-chat/carillon/internal/store/postgres"
)

// Check reports what would keep New from building a node with the settings: ports that are taken, a
// data folder that cannot be used, a certificate that cannot be read. warnings are what would not.
// It takes nothing and changes nothing. Whether the root secret opens the stored keys only a start
// shows.
func Check(ctx context.Context, cfg config.Config, now time.Time) (faults []error, warnings []string) {
	// Each check goes on after a fault, so that all are reported together.
	probe := &App{cfg: cfg, deps: Deps{Log: slog.New(slog.DiscardHandler)}}
	for _, port := range [][2]string{{"listen", cfg.Listen}, {"ops-listen", cfg.OpsListen}, {"cluster-listen", cfg.ClusterListen}} {
		if port[1] == "" {
			continue
		}
		if _, err := probe.listen(ctx, port[0], port[1]); err != nil {
			faults = append(faults, err)
		}
	}
	if err := probe.Close(); err != nil {
		faults = append(faults, err)
	}

	if err := datadir.Check(cfg.Data); err != nil {
		faults = append(faults, err)
	} else if err := datadir.CheckSite(cfg.Data, datadir.Site{Region: cfg.Region, Account: cfg.Account}); err != nil && !cfg.Fresh {
		faults = append(faults, err)
	}

	faults = append(faults, checkLogs(cfg)...)
	if err := checkDatabase(cfg); err != nil {
		faults = append(faults, err)
	}
	if cfg.TLSCert == "" {
		return faults, warnings
	}
	own, err := certfile.Open(cfg.TLSCert, cfg.TLSKey, probe.deps.Log)
	if err != nil {
		return append(faults, err), warnings
	}

	// A certificate that clients refuse keeps no node from starting.
	var pair *tls.Certificate
	if pair, err = own.GetCertificate(nil); err != nil {
		return append(faults, err), warnings
	}
	for _, warning := range certificateWarnings(pair, cmp.Or(cfg.PublicHost, "localhost"), now) {
		warnings = append(warnings, fmt.Sprintf("clients may refuse the certificate %s: %s", cfg.TLSCert, warning))
	}
	return faults, warnings
}

// checkLogs reports what would keep the audit log and the notices from being written.
func checkLogs(cfg config.Config) (faults []error) {
	for setting, path := range map[string]string{"audit-log": cfg.AuditLog, "notice-log": cfg.NoticeLog} {
		if info, err := os.Stat(path); path != config.Stdout && err == nil && info.IsDir() {
			faults = append(faults, fmt.Errorf("%s: %s is a folder; name a file in it", setting, path))
		}
	}
	if cfg.NoticeURL != "" {
		if _, err := webhook.NewSigner(cfg.NoticeSecret.Reveal()); err != nil {
			faults = append(faults, fmt.Errorf("notice-secret: %w", err))
		}
	}
	return faults
}

// checkDatabase reports what is wrong with the URL of the database. Whether it answers only a start shows.
func checkDatabase(cfg config.Config) error {
	if cfg.DatabaseURL.IsZero() {
		return nil
	}
	if err := postgres.CheckURL(cfg.DatabaseURL.Reveal()); err != nil {
		return fmt.Errorf("database-url: %w", err)
	}
	return nil
}

// keepSite refuses data of another region or account. Data that has none recorded adopts the
// present ones.
func (a *App) keepSite(context.Context) error {
	site := datadir.Site{Region: a.cfg.Region, Account: a.cfg.Account}
	if !a.cfg.Fresh {
		if err := datadir.CheckSite(a.cfg.Data, site); err != nil {
			return err
		}
	}
	if err := a.data.KeepSite(site); err != nil { // a full disk is no reason not to start
		a.deps.Log.Warn("cannot write region and account to the data folder", "error", err)
	}
	return nil
}
