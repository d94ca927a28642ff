package main

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/carillon-chat/carillon/internal/lab"
)

// TestLastMessagesAreAllThatIsDue: a run waits for every message that the checker demands
// afterwards, those of other members of an elastic channel's sub-channel among them.
func TestLastMessagesAreAllThatIsDue(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program")
	}
	program, err := lab.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	node, err := lab.Launch(t.Context(), program, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := node.Stop(); err != nil {
			t.Error(err)
		}
	}()
	a := &workload{api: lab.Dev(node.Addr, 0)}
	defer a.api.Close()
	if err := a.makeUsers(t.Context(), 14); err != nil {
		t.Fatal(err)
	}
	if err := a.makeChannels(t.Context(), elasticPart, rand.New(rand.NewPCG(1, 0))); err != nil {
		t.Fatal(err)
	}
	last, err := (&traffic{workload: a}).flush(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}

	says, err := a.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	shared := 0
	for at, history := range says.history {
		for _, user := range says.members[at] {
			for _, m := range history {
				if !slices.Contains(last[user], m.id) {
					t.Errorf("%s is not waited for, which %s gets in %v", m.id, user, at)
				}
			}
		}
		if at.sub != "" && len(history) > 1 {
			shared++
		}
	}
	if shared == 0 {
		t.Error("no sub-channel has several authors: the test shows nothing")
	}
}
