package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/ops/logfile"
)

// maxSending bounds the bytes of a batch that a state may name.
const maxSending = 64 << 20

// state is what a Shipper keeps of its work.
type state struct {
	Log      string           // the name of the log in keys
	Number   uint64           // of the batch that begins at the position
	Position logfile.Position // up to which all was sent
	Sending  int              // bytes of lines of the batch under way; zero when there is none
}

// readState reads a state, or makes one of a log of which nothing was sent.
func readState(path string, random io.Reader, tail *logfile.Tail) (s state, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		s.Number = 1
		if s.Log, err = chime.NewUUID(random); err == nil {
			s.Position, err = tail.Start()
		}
		return s, err
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(text, &s); err != nil || s.Log == "" || s.Position.Offset < 0 || s.Sending < 0 || s.Sending > maxSending {
		return s, fmt.Errorf("%s is damaged; without it the current file is sent from its beginning", path)
	}
	return s, nil
}

// write writes the state, so that a crash leaves this one or the one before.
func (s state) write(path string) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	temporary := path + ".new"
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(append(text, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return logfile.SyncFolder(filepath.Dir(path))
}
