package flow

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
)

// processors returns those of a request in the order in which they run. No two may have the same
// position in it, and each Lambda function has to be of this region and account.
func (s *Service) processors(given []messaging.Processor) ([]chime.Processor, error) {
	list := make([]chime.Processor, len(given))
	taken := map[int]bool{}
	for i, p := range given {
		member := fmt.Sprintf("Processors[%d]", i)
		if taken[p.ExecutionOrder] {
			return nil, api.BadRequest(member+".ExecutionOrder", "is given to two processors")
		}
		taken[p.ExecutionOrder] = true

		lambda := p.Configuration.Lambda.ResourceARN
		if _, err := s.site.ParseOther(member+".Configuration.Lambda.ResourceArn", "lambda", lambda); err != nil {
			return nil, err
		}
		list[i] = chime.Processor{
			Name: p.Name, Lambda: lambda, ExecutionOrder: p.ExecutionOrder, FallbackAction: p.FallbackAction,
		}
	}

	slices.SortFunc(list, func(a, b chime.Processor) int { return cmp.Compare(a.ExecutionOrder, b.ExecutionOrder) })
	return list, nil
}

// limit refuses more processors than a flow may have, with the exception that the operation
// declares.
func (s *Service) limit(n int, with api.Exception) error {
	if most := s.limits.ProcessorsPerFlow; most > 0 && n > most {
		refusal := with.Errorf("Processors: the limit of %d processors per channel flow is exceeded", most)
		refusal.Member = "Processors"
		return refusal
	}
	return nil
}

// show is the list of processors as the API has it.
func show(list []chime.Processor) []messaging.Processor {
	shown := make([]messaging.Processor, len(list))
	for i, p := range list {
		shown[i] = messaging.Processor{
			Name: p.Name, ExecutionOrder: p.ExecutionOrder, FallbackAction: p.FallbackAction,
			Configuration: &messaging.ProcessorConfiguration{Lambda: &messaging.LambdaConfiguration{
				ResourceARN: p.Lambda, InvocationType: messaging.InvocationTypeAsync,
			}},
		}
	}
	return shown
}
