package logfile

import (
	"compress/gzip"
	"errors"
	"io"
	"os"
)

// unpacker reads a compressed part. It reads on where it was, so that going forward costs what is read.
type unpacker struct {
	part  string
	file  *os.File
	zip   *gzip.Reader
	at    int64  // bytes that zip has given
	first []byte // the first of them, firstBytes at most
}

// unpack returns the unpacker of a part, which goes on where it was. The caller holds the file's mu.
func (t *Tail) unpack(part string) (*unpacker, error) {
	if t.packed != nil && t.packed.part == part {
		return t.packed, nil
	}
	if err := t.forget(); err != nil {
		return nil, err
	}
	u := &unpacker{part: part}
	if err := u.begin(); err != nil {
		return nil, err
	}
	t.packed = u
	return u, nil
}

// forget closes the compressed part that was read last. The caller holds the file's mu.
func (t *Tail) forget() error {
	if t.packed == nil {
		return nil
	}
	err := t.packed.file.Close()
	t.packed = nil
	return err
}

// begin goes to the beginning of the part.
func (u *unpacker) begin() (err error) {
	if u.file != nil {
		if err := u.file.Close(); err != nil {
			return err
		}
	}
	if u.file, err = os.Open(u.part); err != nil {
		return err
	}
	if u.zip, err = gzip.NewReader(u.file); err != nil {
		return errors.Join(err, u.file.Close())
	}
	u.first = make([]byte, firstBytes)
	n, err := io.ReadFull(u.zip, u.first)
	u.first, u.at = u.first[:n], int64(n)
	return ended(err)
}

// ReadAt implements io.ReaderAt.
func (u *unpacker) ReadAt(b []byte, offset int64) (n int, err error) {
	if offset < int64(len(u.first)) {
		n = copy(b, u.first[offset:])
		if n == len(b) {
			return n, nil
		}
		offset += int64(n)
	}
	if offset < u.at {
		if err := u.begin(); err != nil {
			return n, err
		}
	}
	skipped, err := io.CopyN(io.Discard, u.zip, offset-u.at)
	if u.at += skipped; err != nil {
		return n, err
	}

	more, err := io.ReadFull(u.zip, b[n:])
	u.at += int64(more)
	if err = ended(err); err == nil && n+more < len(b) {
		err = io.EOF
	}
	return n + more, err
}

// ended leaves out that there is no more to read.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}
