package access

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api"
)

// Asked is what Authorize asks IAM for a request, as "action on resource" or "action on resource
// or resource".
func (s *Service) Asked(ctx context.Context, p *Principal, op *api.Operation, req api.Request) ([]string, error) {
	if done, err := p.withoutPolicy(op); done {
		return nil, err
	}
	list, err := s.needs(ctx, nil, p, op, req)
	var lines []string
	for _, n := range list {
		line := n.action + " on " + n.arn
		if n.or != "" {
			line += " or " + n.or
		}
		if n.elsewhere {
			line += ", unless it is denied"
		}
		lines = append(lines, line)
	}
	return lines, err
}

// SkipSerials makes the next principal share its place in the cache of decisions with the one made
// last.
func (s *Service) SkipSerials() { s.serial.Add(grantedSets - 1) }
