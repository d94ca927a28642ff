// Package search reads what SearchChannels asks for.
package search

import (
	"fmt"
	"strings"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
)

// Wanted are the members that a channel is to have.
type Wanted struct {
	Members map[chime.Ref]bool // must all be members
	Exactly []int              // sizes that sets of all the members must have: one for each EQUALS
	First   chime.Ref
	Scope   string // distinguishes searches
}

// Read reads the fields of a search. find finds the user or bot that a value names, a member of the request.
func Read(fields []messaging.SearchField, find func(member, arn string) (chime.Ref, error)) (Wanted, error) {
	wanted := Wanted{Members: make(map[chime.Ref]bool)}
	var scope strings.Builder

	for i, field := range fields {
		fmt.Fprintf(&scope, "%s %s", field.Key, field.Operator)
		set := make(map[chime.Ref]bool, len(field.Values))
		for j, arn := range field.Values {
			ref, err := find(fmt.Sprintf("Fields[%d].Values[%d]", i, j), arn)
			if err != nil {
				return Wanted{}, err
			}

			if wanted.First == "" {
				wanted.First = ref
			}
			fmt.Fprintf(&scope, " %q", ref)
			set[ref], wanted.Members[ref] = true, true
		}

		if field.Operator == messaging.SearchFieldOperatorEquals {
			wanted.Exactly = append(wanted.Exactly, len(set))
		}
	}

	if wanted.First == "" {
		return Wanted{}, api.BadRequest("Fields", "must name at least one member")
	}
	wanted.Scope = scope.String()
	return wanted, nil
}
