package ends

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/carillon-chat/carillon/internal/flow"
	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// Lambda is a server that speaks AWS Lambda's Invoke.
type Lambda struct {
	Caller
	// URL is the endpoint, such as https://lambda.us-east-1.amazonaws.com. One whose path ends in
	// /invocations, as the runtime interface emulator has it, is called as it is.
	URL    *url.URL
	Signer sigv4.Signer // for the service lambda
}

// LambdaURL is the endpoint of AWS Lambda in a region.
func LambdaURL(region string) *url.URL {
	return &url.URL{Scheme: "https", Host: "lambda." + region + ".amazonaws.com"}
}

// Invoke implements flow.Invoker: the function runs later and calls back. The answer of a server that runs it at
// once, as the runtime interface emulator does, has its result, which counts when it is a decision, or says that it failed.
func (l *Lambda) Invoke(ctx context.Context, call flow.Invocation) (answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.address(call.Lambda), bytes.NewReader(call.Event))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", outbound.Agent)
	req.Header.Set("X-Amz-Invocation-Type", "Event")
	if err := l.Signer.Sign(req, sha256.Sum256(call.Event), l.Now()); err != nil {
		return nil, err
	}

	got, err := l.Client.Do(ctx, req, maxAnswer)
	if err != nil {
		return nil, err
	}
	if !got.Succeeded() {
		return nil, fmt.Errorf("lambda answered %d %s", got.Status, got.Header.Get("X-Amzn-Errortype"))
	}
	if failed := got.Header.Get("X-Amz-Function-Error"); failed != "" {
		return nil, fmt.Errorf("the function failed: %s", failed)
	}
	if got.Status == http.StatusOK {
		return result(got.Body)
	}
	return nil, nil
}

// result is the decision of a function that was run at once, nil when it calls back. The emulator reports a function that
// failed by the body alone: an object with errorType, or a sentence when its time was over.
func result(body []byte) (decision []byte, err error) {
	if len(body) == 0 {
		return nil, nil
	}
	if !json.Valid(body) {
		return nil, errors.New("the function ended without a result")
	}
	var failed struct {
		ErrorType *string `json:"errorType"`
	}
	if json.Unmarshal(body, &failed) == nil && failed.ErrorType != nil {
		return nil, fmt.Errorf("the function failed: %.100s", *failed.ErrorType)
	}
	return verdict(body), nil
}

// address is the URL of a function's invocations.
func (l *Lambda) address(arn string) string {
	if strings.HasSuffix(l.URL.Path, "/invocations") {
		return l.URL.String()
	}
	return strings.TrimSuffix(l.URL.String(), "/") + "/2015-03-31/functions/" + url.QueryEscape(arn) + "/invocations"
}
