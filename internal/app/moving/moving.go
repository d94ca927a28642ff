// Package moving opens the places between which `carillon migrate` moves what a node keeps, data folders and databases, and
// refuses one that a node has open. Nothing that it returns has the password of a database.
package moving

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/carillon-chat/carillon/internal/app/datadir"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/move"
	"github.com/carillon-chat/carillon/internal/store/pebble"
	"github.com/carillon-chat/carillon/internal/store/postgres"
)

// Place is where a node keeps its data: a folder, or a database when the URL is set.
type Place struct {
	Folder string
	URL    config.Secret
}

func (p Place) isDatabase() bool { return !p.URL.IsZero() }

// Options of Run.
type Options struct {
	From, To Place
	Log      *slog.Logger
	Progress func(stage move.Stage, done, total uint64)
}

// ErrNodes reports that a node uses the database.
var ErrNodes = errors.New("a node uses the database; stop all that have it, or wait until a node that died is gone")

// Run moves the data. The places are closed when it returns.
func Run(ctx context.Context, o Options) (report move.Report, err error) {
	from, done, err := o.open(ctx, o.From, true)
	if err != nil {
		return report, fmt.Errorf("source: %w", err)
	}
	defer func() { err = errors.Join(err, done()) }()
	if o.From.isDatabase() {
		if err := unused(ctx, from); err != nil {
			return report, fmt.Errorf("source: %w", err)
		}
	}
	to, done2, err := o.open(ctx, o.To, false)
	if err != nil {
		return report, fmt.Errorf("target: %w", err)
	}
	defer func() { err = errors.Join(err, done2()) }()
	return move.Run(ctx, move.Options{From: from, To: to, Shared: o.From.isDatabase(), Progress: o.Progress})
}

// open opens a place; a source has to be there.
func (o Options) open(ctx context.Context, p Place, source bool) (store.Engine, func() error, error) {
	if p.isDatabase() {
		engine, err := postgres.Open(ctx, p.URL.Reveal(), postgres.Options{Logger: o.Log})
		if err != nil {
			return nil, nil, err
		}
		return engine, engine.Close, nil
	}

	if source {
		if _, err := os.Stat(filepath.Join(p.Folder, "store")); err != nil {
			return nil, nil, fmt.Errorf("the data folder has no store: %w", err)
		}
	}
	folder, err := datadir.Open(p.Folder, false)
	if err != nil {
		return nil, nil, err
	}
	engine, err := pebble.Open(folder.Store(), pebble.Options{Logger: o.Log})
	if err != nil {
		return nil, nil, errors.Join(err, folder.Close())
	}
	return engine, func() error { return errors.Join(engine.Close(), folder.Close()) }, nil
}

// unused returns ErrNodes when a node renews its row, for which it waits as long as the lease of one that may have died.
func unused(ctx context.Context, st store.Store) error {
	before, lease, err := rows(ctx, st)
	if err != nil || len(before) == 0 {
		return err
	}
	for end := time.Now().Add(lease + lease/3); time.Now().Before(end) && len(before) > 0; {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
		now, _, err := rows(ctx, st)
		if err != nil {
			return err
		}
		for id, row := range now {
			if before[id] != row {
				return fmt.Errorf("%w: %s", ErrNodes, id)
			}
		}
		before = now
	}
	return nil
}

// renewal is what a living node changes in its row.
type renewal struct{ start, renewals uint64 }

// rows are those of nodes, and the longest of their leases.
func rows(ctx context.Context, st store.Store) (all map[string]renewal, lease time.Duration, err error) {
	all = make(map[string]renewal)
	err = st.View(ctx, "", func(r store.Reader) error {
		return store.Nodes.Each(r, store.Range{}, func(key store.Key, n chime.Node) (bool, error) {
			columns, err := key.Columns()
			if err != nil {
				return false, err
			}
			all[fmt.Sprint(columns...)] = renewal{n.Start, n.Renewals}
			lease = max(lease, time.Duration(n.Lease)*time.Millisecond)
			return true, nil
		})
	})
	return all, lease, err
}
