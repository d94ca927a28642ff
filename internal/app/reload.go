package app

import (
	"slices"

	"github.com/carillon-chat/carillon/internal/config"
)

// reloadable are the settings that Reload puts in force, and log-level, which is the logger's.
var reloadable = []string{"tls-cert", "tls-key", "allowed-origins", "log-level"}

// Reload puts those of the settings in force that can change while the node runs, and reads the
// certificate's files again. It names the settings that changed and need a restart. When there is
// an error nothing has changed. It must not be called concurrently.
func (a *App) Reload(cfg config.Config) (restart []string, err error) {
	restart = slices.DeleteFunc(config.Changed(&a.loaded, &cfg), func(key string) bool { return slices.Contains(reloadable, key) })

	switch own := a.ownCertificate != nil; {
	case own && cfg.TLSCert != "":
		if err := a.ownCertificate.Reload(cfg.TLSCert, cfg.TLSKey); err != nil {
			return nil, err
		}
		a.checkCertificate()
	case own != (cfg.TLSCert != ""):
		restart = append(restart, "tls-cert") // between a certificate of one's own and the local CA
	}

	a.pages.Allow(cfg.AllowedOrigins)
	return restart, nil
}
