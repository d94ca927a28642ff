package awshttp

import (
	"net/http"

	"github.com/rs/cors"
)

// Headers of CORS (spec 10.6, docs/spec/clients.md 1). Authorization has to be named: a
// browser does not take * for it.
var (
	corsMethods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}
	corsHeaders = []string{
		"authorization", "content-type", "x-amz-chime-bearer", "x-amz-date", "x-amz-security-token",
		"x-amz-user-agent", "x-amz-content-sha256", "amz-sdk-invocation-id", "amz-sdk-request",
		"x-amz-target", "cache-control", // browser clients of Cognito identity
		"x-amzn-trace-id",
	}
	corsExposed = []string{"x-amzn-ErrorType", "x-amzn-RequestId", "Date", "Retry-After", "x-amz-retry-after"}
)

const corsMaxAge = 86400 // seconds

// allowOrigins answers preflights, and gives every other answer, errors
// included, the headers that let a page read it. Both need no signature and
// reveal only what is in this file.
func allowOrigins(allowed func(origin string) bool, next http.Handler) http.Handler {
	return cors.New(cors.Options{
		AllowOriginFunc: allowed,
		AllowedMethods:  corsMethods,
		AllowedHeaders:  corsHeaders,
		ExposedHeaders:  corsExposed,
		MaxAge:          corsMaxAge,
	}).Handler(next)
}
