package pebble

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// secret is a text that no compression of a block hides.
func secret(random *rand.Rand) string {
	raw := make([]byte, 48)
	for i := range raw {
		raw[i] = byte(random.Uint32())
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// holding names the files of a folder that hold a text.
func holding(t *testing.T, dir string, text string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) { // the engine has removed it meanwhile
			return nil
		}
		if bytes.Contains(content, []byte(text)) {
			names = append(names, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestErasedIsInNoFile removes messages one by one and a channel's as a whole, in a store whose files
// hold them in every level, and erases: no file of the folder holds them, and all hold the others.
func TestErasedIsInNoFile(t *testing.T) {
	dir, random := t.TempDir(), rand.New(rand.NewPCG(1, 2))
	s, err := Open(dir, Options{memTableSize: 128 << 10, fileSize: 1 << 10, erasePiece: 16 << 10})
	if err != nil {
		t.Fatal(err)
	}
	update := func(f func(store.Tx) error) {
		t.Helper()
		if err := s.Update(context.Background(), "app", f); err != nil {
			t.Fatal(err)
		}
	}
	const channels, each = 4, 400
	contents := make(map[string]string)
	send := func(channel, n int) {
		id := fmt.Sprintf("%d-%06d", channel, n)
		contents[id] = secret(random)
		update(func(tx store.Tx) error {
			m := chime.Message{ID: id, Content: contents[id], Metadata: secret(random) + secret(random)}
			if err := store.Messages.Put(tx, store.K("app", fmt.Sprint(channel), id), m); err != nil {
				return err
			}
			_, err := tx.Append(chime.Event{Type: chime.EventCreateMessage, Topic: chime.Topic{App: "app", Channel: fmt.Sprint(channel)}, Object: id, Payload: []byte(contents[id])})
			return err
		})
	}
	for n := range each {
		for channel := range channels {
			send(channel, n)
		}
		if n == each/2 { // half of them is in the last level
			if err := s.db.Compact(context.Background(), path(0, nil), path(255, nil), false); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Channel 0 loses every fifth message, by a redaction or a deletion, some while they are being read;
	// channel 1 is deleted. The last of them have not left the log yet.
	removed := make(map[string]bool)
	for n := 0; n < each; n += 5 {
		id := fmt.Sprintf("0-%06d", n)
		removed[id] = true
		err := s.View(context.Background(), "", func(store.Reader) error {
			update(func(tx store.Tx) error {
				key := store.K("app", "0", id)
				if n%2 == 0 {
					return store.Messages.Delete(tx, key)
				}
				return store.Messages.Put(tx, key, chime.Message{ID: id, Redacted: true})
			})
			if n%100 == 0 {
				return s.db.Flush()
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	update(func(tx store.Tx) error { return store.Messages.DeletePrefix(tx, store.K("app", "1")) })
	for n := range each {
		removed[fmt.Sprintf("1-%06d", n)] = true
	}

	ranges := []store.Range{store.Prefix(store.K("app", "1")), store.Prefix(store.K("app", "0"))}
	if pieces, err := s.pieces(store.Messages.ID, ranges); err != nil || len(pieces) < 3 {
		t.Fatalf("%d pieces (%v): nothing shows that pieces leave nothing between them", len(pieces), err)
	}
	if err := s.Erase(context.Background(), store.Messages.ID, ranges...); err != nil {
		t.Fatal(err)
	}
	for id, content := range contents {
		if removed[id] {
			continue
		}
		err := s.View(context.Background(), "", func(r store.Reader) error {
			m, found, err := store.Messages.Get(r, store.K("app", id[:1], id))
			if !found || m.Content != content {
				t.Errorf("%s was lost", id)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil { // waits for the deletion of files
		t.Fatal(err)
	}
	all := filesOf(t, dir)
	found, lost := 0, 0
	for id, content := range contents {
		switch held := strings.Contains(all, content); {
		case removed[id] && held:
			t.Fatalf("%s is in %v", id, holding(t, dir, content))
		case !removed[id] && held:
			found++
		case !removed[id]:
			lost++
		}
	}
	if found < 10*lost {
		t.Errorf("%d of %d others were found in files: the search proves little", found, found+lost)
	}
}

// A version that was being read when it was flushed is kept beside the one that replaces it, and goes
// down the levels with it when nothing else is in its way.
func TestErasedThoughItWasBeingRead(t *testing.T) {
	dir, text := t.TempDir(), secret(rand.New(rand.NewPCG(3, 4)))
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	put := func(content string) {
		err := s.Update(context.Background(), "app", func(tx store.Tx) error {
			return store.Messages.Put(tx, store.K("app", "c", "m"), chime.Message{ID: "m", Content: content})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	put(text)
	err = s.View(context.Background(), "", func(store.Reader) error {
		put("")
		return s.db.Flush()
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Erase(context.Background(), store.Messages.ID, store.Prefix(store.K("app", "c"))); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if names := holding(t, dir, text); len(names) > 0 {
		t.Errorf("it is in %v", names)
	}
}

// filesOf is the content of all files of a folder.
func filesOf(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all.Write(content)
	}
	return all.String()
}

// TestErasedKeyIsInNoFile: an id that was in the keys of tables, first and last ones of them included, is in no
// file after the erasure, though the store stays open.
func TestErasedKeyIsInNoFile(t *testing.T) {
	dir, id := t.TempDir(), secret(rand.New(rand.NewPCG(5, 6)))
	s, err := Open(dir, Options{memTableSize: 128 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	update := func(f func(store.Tx) error) {
		t.Helper()
		if err := s.Update(t.Context(), "app", f); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // files in which it is the only key of its table
		update(func(tx store.Tx) error {
			return store.Users.Put(tx, store.K("app", id), chime.User{ID: id, Name: "name of " + id})
		})
		if err := s.db.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if len(holding(t, dir, id)) == 0 {
		t.Fatal("it was found in no file: the search proves nothing")
	}
	update(func(tx store.Tx) error { return store.Users.Delete(tx, store.K("app", id)) })
	if err := s.Erase(t.Context(), store.Users.ID, store.Prefix(store.K("app"))); err != nil {
		t.Fatal(err)
	}
	if err := s.EraseKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // waits for the deletion of files, and writes no list
		t.Fatal(err)
	}
	if names := holding(t, dir, id); len(names) > 0 {
		t.Errorf("it is in %v", names)
	}
}
