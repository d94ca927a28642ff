package main

import (
	"slices"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
)

// TestTheRulesKnowTheKinds: the run causes every kind of event that members are sent, and no other.
func TestTheRulesKnowTheKinds(t *testing.T) {
	excused := map[string]string{
		chime.EventDeniedCreateMessage: "no processor is there to deny",
		chime.EventDeniedUpdateMessage: "no processor is there to deny",
	}
	var sent []string
	for _, k := range chime.EventKinds() {
		if k.To == chime.Members && !k.Extension {
			sent = append(sent, k.Name)
		}
	}
	for _, name := range sent {
		if caused := slices.Contains(everyKind, name); caused == (excused[name] != "") {
			t.Errorf("%s: caused %v, excused %q", name, caused, excused[name])
		}
	}
	for _, name := range everyKind {
		if name != "DELETE_CHANNEL_MEMBERSHIP "+reasonDeleted && !slices.Contains(sent, name) {
			t.Errorf("%s is not in the table in internal/chime/kinds.go", name)
		}
	}
}
