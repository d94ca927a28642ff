package logfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
)

// Position is a place between two lines of a log, which stays valid while parts are finished and compressed,
// and over restarts.
type Position struct {
	// After names the finished part before the one that the position is in; empty: there is none.
	After string
	// Offset counts the bytes of that part's lines, uncompressed.
	Offset int64
	// First distinguishes the part from another one that came to its place. It is empty at an Offset of zero.
	First string
}

// Bounds of what is read of a part.
const (
	firstBytes = 4 << 10  // of the first line, which distinguishes a part from others
	maxLine    = 16 << 20 // a longer line, which is none of a Writer, is read in pieces
)

// ErrGone reports that the part of a position is not there any more: another program renamed, emptied or removed it.
var ErrGone = errors.New("the part was taken away before it was read to its end")

// Tail reads the lines of a File, part after part, while they are written. It reads no line that a failed write
// may take back. It is for one caller at a time.
type Tail struct {
	f      *File
	packed *unpacker // of the compressed part that was read last; nil when there is none
}

// Tail returns the Tail of a file that was opened with Options.Backlog. It fails when that is no regular file.
func (f *File) Tail() (*Tail, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pipe {
		return nil, fmt.Errorf("%s is no regular file, and cannot be read", f.o.Path)
	}
	return &Tail{f: f}, nil
}

// Start is the beginning of the current part.
func (t *Tail) Start() (Position, error) {
	t.f.mu.Lock()
	defer t.f.mu.Unlock()
	parts, err := t.f.parts()
	if err != nil || len(parts) == 0 {
		return Position{}, err
	}
	return Position{After: t.f.stampOf(parts[len(parts)-1])}, nil
}

// Keep says that what is before the position need not stay. Until it is called all stays.
func (t *Tail) Keep(p Position) {
	t.f.mu.Lock()
	defer t.f.mu.Unlock()
	if p.After > t.f.read || !t.f.keeping {
		t.f.read, t.f.keeping = max(p.After, t.f.read), true
		t.f.tidy()
	}
}

// GivenUp counts the parts that were removed before they were read, because there were too many.
func (t *Tail) GivenUp() uint64 {
	t.f.mu.Lock()
	defer t.f.mu.Unlock()
	return t.f.givenUp
}

// Read reads lines of one part from p into b, as many as there are and fit, and at least one, however long it is. It
// returns them with their line feeds, none when nothing was written since, and the position after them. With
// ErrGone, next is the beginning of what is there instead.
func (t *Tail) Read(p Position, b []byte) (lines []byte, next Position, err error) {
	t.f.mu.Lock()
	defer t.f.mu.Unlock()
	for {
		if p.After < t.f.floor { // what is before was given up
			p = Position{After: t.f.floor}
		}
		part, err := t.following(p.After)
		if err != nil {
			return nil, p, err
		}
		lines, next, err = t.readPart(part, p, b)
		if len(lines) > 0 || part == "" || err != nil {
			return lines, next, err
		}
		p = Position{After: t.f.stampOf(part)} // this one is read to its end
	}
}

// Behind counts the bytes after p. Those of compressed parts are counted as they are.
func (t *Tail) Behind(p Position) (bytes int64, err error) {
	t.f.mu.Lock()
	defer t.f.mu.Unlock()
	after := max(p.After, t.f.floor)
	parts, err := t.f.parts()
	if err != nil {
		return 0, err
	}
	bytes = t.f.size
	for _, part := range parts {
		if t.f.stampOf(part) <= after {
			continue
		}
		if info, err := os.Stat(part); err == nil { // otherwise it was removed meanwhile
			bytes += info.Size()
		}
	}
	if after == p.After {
		bytes -= p.Offset
	}
	return max(0, bytes), nil
}

// Close ends reading.
func (t *Tail) Close() error {
	t.f.mu.Lock()
	defer t.f.mu.Unlock()
	return t.forget()
}

// following is the finished part that follows another, empty when that is the current one. The caller holds the
// file's mu.
func (t *Tail) following(after string) (string, error) {
	parts, err := t.f.parts()
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(parts, func(part string) bool { return t.f.stampOf(part) > after })
	if i < 0 {
		return "", nil
	}
	return parts[i], nil
}

// readPart reads from one part; no name stands for the current one. The caller holds the file's mu.
func (t *Tail) readPart(part string, p Position, b []byte) (lines []byte, next Position, err error) {
	from, end, err := t.open(part)
	if from == nil || err != nil {
		return nil, p, err
	}
	if closer, ok := from.(io.Closer); ok && part != "" {
		defer func() { err = errors.Join(err, closer.Close()) }()
	}
	first, err := firstOf(from, end)
	if err != nil {
		return nil, p, err
	}
	if p.Offset > 0 && (first != p.First || p.Offset > end) {
		return nil, Position{After: p.After}, ErrGone
	}

	// Whole lines, of which the first may need more room.
	for {
		n, err := from.ReadAt(b[:min(int64(len(b)), end-p.Offset)], p.Offset)
		if err != nil && err != io.EOF {
			return nil, p, err
		}
		lines = b[:bytes.LastIndexByte(b[:n], '\n')+1]
		last := n < len(b) || p.Offset+int64(n) == end
		if len(lines) == 0 && (last && part != "" || len(b) >= maxLine) {
			lines = b[:n] // a finished part gets no more
		}
		if len(lines) > 0 || last {
			return lines, Position{After: p.After, Offset: p.Offset + int64(len(lines)), First: first}, nil
		}
		b = make([]byte, 2*len(b))
	}
}

// open returns what a part is read from, and how many bytes it has. There is none of a current part that cannot be
// opened. The caller holds the file's mu.
func (t *Tail) open(part string) (from io.ReaderAt, end int64, err error) {
	switch {
	case part == "" && t.f.file == nil:
		return nil, 0, nil
	case part == "":
		return t.f.file, t.f.size, nil
	case strings.HasSuffix(part, Packed):
		from, err = t.unpack(part)
		return from, math.MaxInt64, err // it ends where it ends
	}
	file, err := os.Open(part)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

// firstOf is what distinguishes a part from others: the sum of its first line, empty without one.
func firstOf(from io.ReaderAt, end int64) (string, error) {
	b := make([]byte, min(firstBytes, end))
	n, err := from.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return "", err
	}
	line := b[:n]
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i+1]
	} else if n < firstBytes {
		return "", nil
	}
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:16]), nil
}
