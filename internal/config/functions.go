package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/carillon-chat/carillon/internal/chime"
)

// FunctionKind is how a processor of channel flows is invoked.
type FunctionKind uint8

// The kinds of functions.
const (
	// HTTPFunction is an HTTP endpoint that events are posted to.
	HTTPFunction FunctionKind = iota
	// LambdaFunction is an endpoint that speaks AWS Lambda's Invoke.
	LambdaFunction
	// DemoFunction is the processor that the program has itself.
	DemoFunction
)

// Function is one entry of the setting functions.
type Function struct {
	Pattern chime.Pattern // over Lambda ARNs
	Kind    FunctionKind
	// URL is the endpoint; nil for AWS Lambda in the region, and for DemoFunction.
	URL *url.URL
}

const lambdaScheme = "lambda+"

// FunctionRoutes reads the setting functions. Of several patterns that stand for an ARN the first counts.
func (c *Config) FunctionRoutes() ([]Function, error) {
	var list []Function
	for _, text := range c.Functions {
		fields := strings.Fields(text)
		if len(fields) != 2 {
			return nil, errors.New("must hold entries such as \"arn:aws:lambda:*:function:filter https://example.com/filter\": a pattern of Lambda ARNs and an endpoint")
		}
		f, err := parseFunction(fields[1])
		if err != nil {
			return nil, fmt.Errorf("the entry for %s: %w", fields[0], err)
		}
		f.Pattern = chime.Pattern(fields[0])
		list = append(list, f)
	}
	return list, nil
}

// parseFunction reads the endpoint of an entry. Errors do not hold it, because it may have a secret.
func parseFunction(text string) (f Function, err error) {
	switch text {
	case "demo":
		return Function{Kind: DemoFunction}, nil
	case "lambda":
		return Function{Kind: LambdaFunction}, nil
	}
	if rest, found := strings.CutPrefix(text, lambdaScheme); found {
		f.Kind, text = LambdaFunction, rest
	}
	f.URL, err = url.Parse(text)
	if err != nil || !isWeb(f.URL) || f.URL.User != nil {
		return f, errors.New("the endpoint must be a URL of https or http without user, lambda, lambda+ and such a URL, or demo")
	}
	return f, nil
}

// checkSecrets checks secrets that sign what is posted, as far as it needs no decoding.
func checkSecrets(list []string) error {
	isNone := func(text string) bool { return !strings.HasPrefix(text, "whsec_") }
	return when(slices.ContainsFunc(list, isNone), "must hold secrets that begin with whsec_")
}

// isWeb reports whether a URL is one of https or http with a host.
func isWeb(u *url.URL) bool { return (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" }

// DemoProcessor is the Lambda ARN under which dev mode has the demo processor; empty where functions has none or another there.
func (c *Config) DemoProcessor() string {
	arn := "arn:aws:lambda:" + c.Region + ":" + c.Account + ":function:carillon-demo"
	list, _ := c.FunctionRoutes() // checked at the start
	at := slices.IndexFunc(list, func(f Function) bool { return f.Pattern.Matches(arn) })
	if at < 0 || list[at].Kind != DemoFunction {
		return ""
	}
	return arn
}

// checkFunctions checks functions with the keys that its entries need.
func (c *Config) checkFunctions(fault func(key string, err error)) {
	const secret = "functions-secret"
	list, err := c.FunctionRoutes()
	fault("functions", err)
	for _, f := range list {
		switch f.Kind {
		case HTTPFunction:
			fault(secret, when(c.FunctionsSecret.IsZero(), "must be set while functions has HTTP endpoints: it signs what is sent to them"))
		case LambdaFunction:
			fault("functions-access-key-id", when(c.FunctionsAccessKeyID == "" || c.FunctionsSecretAccessKey.IsZero(),
				"must be set, with functions-secret-access-key, while functions has Lambda endpoints"))
		}
	}
	fault(secret, checkSecrets(c.FunctionSecrets()))
}

// FunctionSecrets are the secrets of functions-secret.
func (c *Config) FunctionSecrets() []string { return splitList(c.FunctionsSecret.Reveal()) }
