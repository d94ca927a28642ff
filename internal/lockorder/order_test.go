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

// TestArchitectureHasTheOrder compares the table of the page with the order.
func TestArchitectureHasTheOrder(t *testing.T) {
	page, err := os.ReadFile("../../docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, row := range regexp.MustCompile("(?m)^\\| [0-9]+ \\| `([a-zA-Z.]+)`").FindAllSubmatch(page, -1) {
		named = append(named, string(row[1]))
	}
	var want []string
	for _, o := range order {
		want = append(want, o.name)
	}
	if !slices.Equal(named, want) {
		t.Errorf("the table of locks in docs/ARCHITECTURE.md has\n%s\nwant\n%s", strings.Join(named, "\n"), strings.Join(want, "\n"))
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
