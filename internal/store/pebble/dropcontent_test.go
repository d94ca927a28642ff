package pebble

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// unpack makes a folder of an archive under testdata.
func unpack(t *testing.T, name string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	file, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	for archive := tar.NewReader(plain); ; {
		entry, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		if entry.Typeflag != tar.TypeReg {
			continue
		}
		content, err := io.ReadAll(archive)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(entry.Name)), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestMigratesContentOutOfTheLog opens a folder that a version wrote whose log held what senders
// wrote: the log refers to the messages then, and what was removed is erased with what the log held.
func TestMigratesContentOutOfTheLog(t *testing.T) {
	dir := unpack(t, "format1/folder.tar.gz")
	removed := []string{"Q1hVn8KpUeMc5GxT", "dW4yAj2SoRz6NvEi", "Hk7mBf0TgPl9CuXa", "Yc6nGz4RiWa0JoBe"}
	for _, text := range removed {
		if len(holding(t, dir, text)) == 0 {
			t.Fatalf("the folder never held %s", text)
		}
	}
	for range 2 { // the second finds the present format
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = s.View(context.Background(), "", func(r store.Reader) error {
			events, err := allEvents(r)
			if err != nil {
				return err
			}
			var told []string
			for _, e := range events {
				if !strings.HasSuffix(e.Type, "_CHANNEL_MESSAGE") {
					continue
				}
				if (e.Payload == nil) != e.TellsContent() {
					t.Errorf("%s has the payload %s", e.Type, e.Payload)
				}
				m, found, err := store.Messages.Get(r, store.K(e.App, e.Channel, e.Object))
				if err != nil {
					return err
				}
				text := "none"
				if found {
					text = fmt.Sprintf("%q by %s", m.Content, m.Sender)
				}
				told = append(told, strings.TrimSpace(fmt.Sprint(e.Type, " in ", e.ChannelID, " ", e.Target, ": ", text)))
			}
			same(t, "events", told, []string{
				`CREATE_CHANNEL_MESSAGE in c : "kept 9Zs0fDqXw3LbYtR7" by user/bob`,
				`CREATE_CHANNEL_MESSAGE in c : "" by user/bob`,
				`REDACT_CHANNEL_MESSAGE in c : "" by user/bob`,
				`CREATE_CHANNEL_MESSAGE in c : none`,
				`DELETE_CHANNEL_MESSAGE in c : none`,
				`CREATE_CHANNEL_MESSAGE in c : "kept Jr3wIy8ZbNs1OdVq" by user/bob`,
				`UPDATE_CHANNEL_MESSAGE in c : "kept Jr3wIy8ZbNs1OdVq" by user/bob`,
				`CREATE_CHANNEL_MESSAGE in c user/ann: "kept Le5xSu2KhFv7QpMt" by user/bob`,
				`CREATE_CHANNEL_MESSAGE in gone : none`,
			})
			var ranges []store.Range
			err = store.Removals.Each(r, store.Range{}, func(key store.Key, _ uint64) (bool, error) {
				ranges = append(ranges, store.Prefix(key))
				return true, nil
			})
			if len(ranges) != 1 {
				t.Errorf("%d ranges are to be erased", len(ranges))
			}
			return errors.Join(err, s.Erase(context.Background(), store.Messages.ID, ranges...))
		})
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
		for _, text := range removed {
			if names := holding(t, dir, text); len(names) > 0 {
				t.Errorf("%s is in %v", text, names)
			}
		}
	}
	if len(holding(t, dir, "9Zs0fDqXw3LbYtR7")) == 0 {
		t.Error("what was kept is not found either: the search proves little")
	}
}

// allEvents lists the events of all logs, one log after another.
func allEvents(r store.Reader) (all []*chime.Event, err error) {
	err = store.EachLog(r, func(app string) (bool, error) {
		events, err := store.ReadEvents(r, app, 0, 1000)
		all = append(all, events...)
		return true, err
	})
	return all, err
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s:\n  %s\nwant\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestReferLeavesOtherEventsAlone(t *testing.T) {
	for _, e := range []chime.Event{
		{Type: chime.EventCreateMembership, Payload: []byte("{}")}, {Type: chime.EventCreateChannel},
		{Type: chime.EventCreateMessage, Object: "m", ChannelID: "c"}, // done before a crash
	} {
		record, err := store.EncodeRecord(e)
		if err != nil {
			t.Fatal(err)
		}
		if _, changed, err := refer(record); changed || err != nil {
			t.Errorf("%s: changed %v, %v", e.Type, changed, err)
		}
	}
	record, err := store.EncodeRecord(chime.Event{Type: chime.EventCreateMessage, Payload: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := refer(record); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("a payload that is no JSON: %v", err)
	}
}
