package app

import (
	"context"
	"errors"

	"github.com/carillon-chat/carillon/internal/app/datadir"
	"github.com/carillon-chat/carillon/internal/config"
)

// chooseKeys replaces the published root keys by the data folder's own when the settings say so,
// and makes them at the first time.
func (a *App) chooseKeys(context.Context) error {
	if a.cfg.Mode != config.Dev {
		return nil
	}

	keys, err := a.data.RootKeys()
	switch {
	case a.cfg.HasDevKeys() && a.cfg.Fresh:
		return a.data.ForgetRootKeys()
	case a.cfg.HasDevKeys() && err == nil:
		return errors.New("the data folder was used with random keys: set --random-keys, or --fresh to forget the data")
	case !a.cfg.RandomKeys:
		return nil
	case errors.Is(err, datadir.ErrNoRootKeys):
		keys, err = a.data.MakeRootKeys(a.deps.Random)
	}

	if err != nil {
		return err
	}

	a.cfg.RootAccessKeyID, a.cfg.RootSecretAccessKey = keys.AccessKeyID, config.NewSecret(keys.SecretAccessKey)
	if a.cfg.RootSecretAccessKeyPrevious.IsZero() { // the folder may have been used with the published keys
		a.cfg.RootSecretAccessKeyPrevious = config.NewSecret(config.DevSecretAccessKey)
	}
	return nil
}

// DevKeys are the root keys of dev mode when they may be printed: the published ones, or those made
// for the data folder. They are empty when the keys are the operator's own.
func (a *App) DevKeys() (accessKeyID, secretAccessKey string) {
	if a.cfg.HasDevKeys() || a.cfg.RandomKeys {
		return a.cfg.RootAccessKeyID, a.cfg.RootSecretAccessKey.Reveal()
	}
	return "", ""
}
