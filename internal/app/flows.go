package app

import (
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/flow"
	"github.com/carillon-chat/carillon/internal/flow/ends"
	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/outbound/webhook"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// functionEnds are the ends at which the setting functions says that processors are invoked.
func (a *App) functionEnds(client *outbound.Client) (ends.Table, error) {
	routes, err := a.cfg.FunctionRoutes()
	if err != nil {
		return nil, err
	}
	signer, err := signerOf("functions-secret", a.cfg.FunctionSecrets())
	if err != nil {
		return nil, err
	}

	caller := ends.Caller{Client: client, Now: a.deps.Now}
	var table ends.Table
	for _, route := range routes {
		table = append(table, ends.End{Pattern: route.Pattern, Invoker: a.invoker(route, caller, signer)})
	}
	return table, nil
}

// invoker is the end of one entry of functions.
func (a *App) invoker(route config.Function, caller ends.Caller, signer *webhook.Signer) flow.Invoker {
	switch route.Kind {
	case config.HTTPFunction:
		return &ends.HTTP{Caller: caller, URL: route.URL, Signer: signer}
	case config.LambdaFunction:
		url := route.URL
		if url == nil {
			url = ends.LambdaURL(a.cfg.Region)
		}
		return &ends.Lambda{Caller: caller, URL: url, Signer: sigv4.Signer{
			Credentials: sigv4.Credentials{AccessKeyID: a.cfg.FunctionsAccessKeyID, SecretAccessKey: a.cfg.FunctionsSecretAccessKey.Reveal()},
			Scope:       sigv4.Scope{Region: a.cfg.Region, Service: "lambda"},
		}}
	}
	return new(ends.Demo)
}

func (a *App) sampleFlows(gauge, counter sample) {
	c := a.services.invoker.Counts()
	gauge("carillon_flow_invocations_queued", "Invocations of processors of channel flows that are to be made or are being tried. Many mean that a processor is slow or away.", float64(c.Queued))
	for outcome, n := range map[string]uint64{"answered": c.Answered, "accepted": c.Invoked, "given up": c.GaveUp} {
		counter("carillon_flow_invocations_total", "Invocations of processors that came to an end: answered, accepted (the processor calls back) or given up (its fallback action was taken).",
			float64(n), "outcome", outcome)
	}
	counter("carillon_flow_failed_attempts_total", "Attempts to invoke processors that failed. Each invocation is tried three times.", float64(c.Failed))
}
