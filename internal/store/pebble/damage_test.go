package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/wal"

	"github.com/carillon-chat/carillon/internal/store"
)

const acknowledgedRecords = 2400

// killed is a folder as the death of a process leaves it: tables, a manifest with several
// edits, and a log that was not flushed. Every record is acknowledged.
func killed(t *testing.T) *vfs.MemFS {
	t.Helper()
	d := newTestDisk()
	s := d.open(t)
	defer closed(t, s)
	writeMany(t, s, 1, acknowledgedRecords-400)
	if err := s.db.Flush(); err != nil {
		t.Fatal(err)
	}
	writeMany(t, s, acknowledgedRecords-399, acknowledgedRecords)
	return d.killed()
}

func copyOf(t *testing.T, disk vfs.FS) *vfs.MemFS {
	t.Helper()
	to := vfs.NewMem()
	if _, err := vfs.Clone(disk, to, "data", "data"); err != nil {
		t.Fatal(err)
	}
	return to
}

func readFile(t *testing.T, disk vfs.FS, name string) []byte {
	t.Helper()
	f, err := disk.Open(disk.PathJoin("data", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func writeFile(t *testing.T, disk vfs.FS, name string, content []byte) {
	t.Helper()
	f, err := disk.Create(disk.PathJoin("data", name), vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(slices.Clone(content)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, disk vfs.FS) []string {
	t.Helper()
	names, err := disk.List("data")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// newest is the last file of the folder whose name has the part.
func newest(t *testing.T, disk vfs.FS, part string) string {
	t.Helper()
	names := slices.DeleteFunc(list(t, disk), func(name string) bool {
		return !strings.Contains(name, part) || strings.HasPrefix(name, "marker")
	})
	if len(names) == 0 {
		t.Fatalf("there is no %s", part)
	}
	return names[len(names)-1]
}

// openAndRead opens the folder, reads everything and writes something: nil means that all is
// there.
func openAndRead(disk vfs.FS) error {
	s, err := Open("data", Options{fs: disk, memTableSize: 256 << 10})
	if err != nil {
		return err
	}
	err = readAll(s, acknowledgedRecords)
	if err == nil {
		err = write(s, acknowledgedRecords+1)
	}
	return errors.Join(err, s.Close())
}

// refusedUntouched shows that opening fails with ErrCorrupt, names the folder, and changes nothing.
func refusedUntouched(t *testing.T, disk vfs.FS) error {
	t.Helper()
	before := list(t, disk)
	contents := map[string][]byte{}
	for _, name := range before {
		contents[name] = readFile(t, disk, name)
	}
	s, err := Open("data", Options{fs: disk})
	if err == nil {
		t.Error("the folder was opened, and ", readAll(s, acknowledgedRecords))
		closed(t, s)
		return nil
	}
	if !errors.Is(err, store.ErrCorrupt) || !strings.HasPrefix(err.Error(), "open data: the data folder is damaged: ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("refused with %v", err)
	}
	after := slices.DeleteFunc(list(t, disk), func(name string) bool { return name == "LOCK" })
	if before = slices.DeleteFunc(before, func(name string) bool { return name == "LOCK" }); !slices.Equal(before, after) {
		t.Errorf("files before %q, after %q", before, after)
	}
	for _, name := range after {
		if !bytes.Equal(contents[name], readFile(t, disk, name)) {
			t.Errorf("%s was changed", name)
		}
	}
	return err
}

func TestKilledFolderIsWhole(t *testing.T) {
	disk := killed(t)
	for _, part := range []string{".sst", ".log", "MANIFEST"} {
		t.Log(newest(t, disk, part), len(readFile(t, disk, newest(t, disk, part))))
	}
	if err := openAndRead(disk); err != nil {
		t.Error(err)
	}
}

// startOfLastRecord is an offset in the newest log; what comes after its end is of no meaning.
func startOfLastRecord(t *testing.T, disk vfs.FS) (offset int) {
	t.Helper()
	logs, err := wal.Scan(wal.Dir{FS: disk, Dirname: "data"})
	if err != nil {
		t.Fatal(err)
	}
	r := logs[len(logs)-1].OpenForRead()
	defer r.Close()
	for {
		_, at, err := r.NextRecord()
		if err != nil {
			return offset
		}
		offset = int(at.Physical)
	}
}

// A wrong byte anywhere in the log, where every record is acknowledged, is found before anything
// is changed; so is a log that was cut or removed.
func TestDamagedLog(t *testing.T) {
	whole := killed(t)
	name := newest(t, whole, ".log")
	content := readFile(t, whole, name)
	used := startOfLastRecord(t, whole)
	for i := range 41 {
		disk := copyOf(t, whole)
		broken := slices.Clone(content)
		broken[i*used/40] ^= 0x10
		writeFile(t, disk, name, broken)
		if err := refusedUntouched(t, disk); t.Failed() {
			t.Fatalf("byte %d of %d: %v", i*used/40, used, err)
		}
	}
	for _, length := range []int{0, 1, used / 2, used, used + 5} {
		disk := copyOf(t, whole)
		writeFile(t, disk, name, content[:length])
		_ = refusedUntouched(t, disk)
	}
	disk := copyOf(t, whole)
	if err := disk.Remove("data/" + name); err != nil {
		t.Fatal(err)
	}
	_ = refusedUntouched(t, disk)
}

// A missing file is noticed, unless it was left over.
func TestMissingFiles(t *testing.T) {
	whole := killed(t)
	for _, name := range list(t, whole) {
		if name == "LOCK" || name == ackMarkName || strings.HasPrefix(name, "OPTIONS") {
			continue // these hold no data
		}
		disk := copyOf(t, whole)
		if err := disk.Remove("data/" + name); err != nil {
			t.Fatal(err)
		}
		if openAndRead(copyOf(t, disk)) != nil {
			_ = refusedUntouched(t, disk)
		}
	}
	disk := copyOf(t, whole) // no manifest known at all
	for _, name := range list(t, disk) {
		if strings.HasPrefix(name, "marker") || strings.HasPrefix(name, "MANIFEST") || name == ackMarkName {
			if err := disk.Remove("data/" + name); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = refusedUntouched(t, disk)
}

// A manifest that was cut leads to an older state of the store: never taken for the present one.
func TestCutManifest(t *testing.T) {
	whole := killed(t)
	name := newest(t, whole, "MANIFEST")
	content := readFile(t, whole, name)
	for _, length := range []int{0, 10, len(content) / 3, len(content) / 2, len(content) - 3} {
		disk := copyOf(t, whole)
		writeFile(t, disk, name, content[:length])
		if err := openAndRead(disk); err != nil && !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("cut to %d of %d: %v", length, len(content), err)
		}
	}
	disk := copyOf(t, whole)
	broken := slices.Clone(content)
	broken[len(content)/2] ^= 1
	writeFile(t, disk, name, broken)
	if openAndRead(copyOf(t, disk)) != nil { // the byte may lie in an edit that only forgets old files
		_ = refusedUntouched(t, disk)
	}
}

func TestDamagedTable(t *testing.T) {
	whole := killed(t)
	for _, name := range list(t, whole) {
		if !strings.HasSuffix(name, ".sst") {
			continue
		}
		disk := copyOf(t, whole)
		content := readFile(t, whole, name)
		for i := 100; i < len(content); i += 1000 {
			content[i] ^= 0xFF
		}
		writeFile(t, disk, name, content)
		err := openAndRead(disk)
		if without := copyOf(t, whole); without.Remove("data/"+name) == nil && openAndRead(without) == nil {
			continue // it was left over
		}
		if !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), name) {
			t.Errorf("reading with %s damaged: %v", name, err)
		}
	}
}

func TestDamagedMark(t *testing.T) {
	whole := killed(t)
	content := readFile(t, whole, ackMarkName)
	content[3]++
	disk := copyOf(t, whole)
	writeFile(t, disk, ackMarkName, content)
	if err := refusedUntouched(t, disk); err != nil && !strings.Contains(err.Error(), ackMarkName) {
		t.Errorf("the file is not named: %v", err)
	}
}

// Whatever byte of whatever file is wrong: an error that says so, or everything is there. Never a
// panic, never a silent loss.
func TestRandomDamage(t *testing.T) {
	whole := killed(t)
	names := slices.DeleteFunc(list(t, whole), func(name string) bool { return len(readFile(t, whole, name)) == 0 })
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	outcomes := map[string]int{}
	for range 100 {
		disk := copyOf(t, whole)
		name := names[random.IntN(len(names))]
		content := readFile(t, whole, name)
		what := "cut"
		if at := random.IntN(len(content)); random.IntN(4) == 0 {
			content = content[:at]
		} else {
			what = fmt.Sprintf("bit flipped at %d of %d", at, len(content))
			content[at] ^= 1 << random.IntN(8)
		}
		writeFile(t, disk, name, content)
		err := openAndRead(disk)
		switch {
		case err == nil:
			outcomes["all there"]++
		case errors.Is(err, store.ErrCorrupt), errors.Is(err, store.ErrNewer):
			outcomes["refused"]++
		default:
			t.Errorf("seed %d: %s, %s: %v", seed, name, what, err)
		}
	}
	t.Log(outcomes)
}

// Damage that a compaction meets refuses changes; what is whole can still be read.
func TestCompactionMeetsDamage(t *testing.T) {
	d := newTestDisk()
	s := d.open(t)
	defer closed(t, s)
	var last uint64
	eventually(t, func() error {
		for _, name := range list(t, d.mem) {
			if strings.HasSuffix(name, ".sst") {
				damageInPlace(d.mem, name)
			}
		}
		for range 2000 { // make more to compact
			if err := write(s, last+1); err != nil {
				return nil
			}
			last++
		}
		return errors.New("no compaction has met the damage")
	})
	err := write(s, last+1)
	if !errors.Is(err, store.ErrCorrupt) || !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), ".sst") {
		t.Errorf("refused with %v", err)
	}
	if s.Stats().Damaged == 0 {
		t.Error("the damage is not counted")
	}
	err = s.View(context.Background(), "", func(r store.Reader) error { // the latest are not in a table
		_, err := r.Get(table, store.K("n").Num(last))
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// damageInPlace makes bytes of a file wrong, unless it is gone already.
func damageInPlace(disk vfs.FS, name string) {
	info, err := disk.Stat("data/" + name)
	if err != nil {
		return
	}
	f, err := disk.OpenReadWrite("data/"+name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return
	}
	defer f.Close()
	for at := int64(10); at < info.Size()/2; at += 500 {
		_, _ = f.WriteAt([]byte{0xA5, 0x5A, 0xA5}, at)
	}
}
