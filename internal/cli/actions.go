package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/carillon"
	"github.com/carillon-chat/carillon/internal/api/cognito"
	"github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/api/sts"
	"github.com/carillon-chat/carillon/internal/config"
)

// knownActions are the actions that a call of the server can need permission for: its operations,
// and those that are no operation.
func knownActions() []string {
	actions := []string{
		"chime:Connect", "kinesis:DescribeStream", "kinesis:PutRecord", "mobiletargeting:GetApp", "sts:TagSession",
	}
	for prefix, tables := range map[string][][]api.Operation{
		"chime:":            {messaging.Operations(messaging.Unbuilt{}), identity.Operations(identity.Unbuilt{})},
		"iam:":              {iam.Operations(iam.Unbuilt{})},
		"sts:":              {sts.Operations(sts.Unbuilt{})},
		"carillon:":         {carillon.Operations(carillon.Unbuilt{})},
		"cognito-identity:": {cognito.Operations(cognito.Unbuilt{})},
	} {
		for _, table := range tables {
			for _, operation := range table {
				actions = append(actions, prefix+operation.Name)
			}
		}
	}
	slices.Sort(actions)
	return slices.Compact(actions)
}

// unknownActions returns an error when the server knows none of the names of one of the actions.
func unknownActions(asked []string) error {
	known := knownActions()
	var faults []error
	for _, action := range asked {
		if !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, action) }) {
			faults = append(faults, fmt.Errorf("unknown action %s%s", action, config.Suggestion(action, known)))
		}
	}
	return errors.Join(faults...)
}
