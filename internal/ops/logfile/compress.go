package logfile

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Packed ends the name of a compressed file.
const Packed = ".gz"

// Compress replaces a file by its compressed form: at each moment one of both is there as a whole, also after
// a crash. When ctx ends meanwhile the file stays as it is.
func Compress(ctx context.Context, part string) (err error) {
	temporary := part + Packed + ".tmp"
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("compress %s: %w", part, err), removeIfThere(temporary))
		}
	}()
	from, err := os.Open(part)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}

	// It ends early when the file is closed.
	zip := gzip.NewWriter(to)
	_, err = io.Copy(zip, reader{ctx, from})
	if err = errors.Join(err, zip.Close(), to.Sync(), to.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, part+Packed); err != nil {
		return err
	}
	if err := SyncFolder(filepath.Dir(part)); err != nil {
		return err
	}
	return os.Remove(part)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// reader ends with ctx.
type reader struct {
	ctx  context.Context
	from io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(p)
}
