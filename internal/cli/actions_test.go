package cli

import (
	"bufio"
	"os"
	"strings"
	"testing"
)

// What calls need permission for is listed beside the package that asks.
func TestEveryActionThatIsAskedForIsKnown(t *testing.T) {
	list, err := os.Open("../access/testdata/needs.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	count := 0
	for lines := bufio.NewScanner(list); lines.Scan(); {
		line := strings.TrimPrefix(strings.TrimSpace(lines.Text()), "+ ")
		action, _, found := strings.Cut(line, " on ")
		if strings.HasPrefix(line, "#") || !found || !strings.Contains(action, ":") {
			continue
		}
		count++
		if err := unknownActions([]string{strings.TrimSpace(action)}); err != nil {
			t.Error(err)
		}
	}
	if count < 100 {
		t.Errorf("the list has %d actions only", count)
	}
}
