package lockorder

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestRanksAreInOrder(t *testing.T) {
	ranks := []Rank{Hub{}, Roster{}, Outbox{}, Readers{}, Watcher{}, Closures{}, Server{}, Conn{}, Secured{}, Wheel{}, Poller{}, Shard{}, Leaf{}}
	if len(ranks) != len(Order) {
		t.Errorf("%d ranks, %d names", len(ranks), len(Order))
	}
	for i, r := range ranks {
		if r.index() != i {
			t.Errorf("%T is at %d, want %d", r, r.index(), i)
		}
	}
}

// TestArchitectureHasTheOrder compares the table of the page with Order.
func TestArchitectureHasTheOrder(t *testing.T) {
	page, err := os.ReadFile("../../docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, row := range regexp.MustCompile("(?m)^\\| [0-9]+ \\| `([a-zA-Z.]+)`").FindAllSubmatch(page, -1) {
		named = append(named, string(row[1]))
	}
	if !slices.Equal(named, Order[:]) {
		t.Errorf("the table of locks in docs/ARCHITECTURE.md has\n%s\nwant\n%s", strings.Join(named, "\n"), strings.Join(Order[:], "\n"))
	}
}

// TestEveryLockHasARank finds locks of the packages in the order that have none.
func TestEveryLockHasARank(t *testing.T) {
	for _, pattern := range []string{
		"realtime/*.go", "realtime/*/*.go", "wsconn/*.go", "dispatch/*.go", "prefetch/*.go", "presence/*.go", "typing/*.go", "unread/*.go",
	} {
		files, err := filepath.Glob("../" + pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(file, "_test.go") && (bytes.Contains(text, []byte("sync.Mutex")) || bytes.Contains(text, []byte("sync.RWMutex"))) {
				t.Errorf("%s has a lock without a rank: use lockorder.Mutex", file)
			}
		}
	}
}

func ExampleMutex() {
	var roster Mutex[Roster]
	var queue Mutex[Outbox]
	roster.Lock()
	defer roster.Unlock()
	queue.Lock() // the other way round panics with the build tag lockcheck
	defer queue.Unlock()
	fmt.Println("in order")
	// Output: in order
}
