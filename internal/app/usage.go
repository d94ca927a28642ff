package app

import (
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
)

// answered is what requests are counted by.
type answered struct {
	operation string
	status    int
}

// meters count one kind of answer.
type meters struct {
	total   prometheus.Counter
	seconds prometheus.Observer
}

// usages are AWS's metrics of the namespace AWS/Usage, and which answers each counts (spec 9.3).
var usages = []struct {
	name, help string
	counts     func(status int) bool
}{
	{"carillon_usage_calls_total", "CallCount of AWS/Usage: answered calls of the messaging and identity APIs.", func(int) bool { return true }},
	{"carillon_usage_errors_total", "ErrorCount of AWS/Usage: those that were answered with an error.", func(status int) bool { return status >= http.StatusBadRequest }},
	{"carillon_usage_throttles_total", "ThrottleCount of AWS/Usage: those that were refused because of a rate.", func(status int) bool { return status == http.StatusTooManyRequests }},
}

// sampleUsage reports what was counted anyway under the names and dimensions that alarms for AWS know.
func sampleUsage(known func() map[answered]meters) sampler {
	ours := map[string]bool{} // operations of the messaging and identity APIs
	for _, op := range slices.Concat(messaging.Operations(messaging.Unbuilt{}), identityapi.Operations(identityapi.Unbuilt{})) {
		ours[op.Name] = true
	}
	return func(_, counter sample) {
		for _, usage := range usages {
			sums := map[string]float64{} // an operation that was called has all three
			for a, m := range known() {
				var total dto.Metric
				if !ours[a.operation] || m.total.Write(&total) != nil {
					continue
				}
				sums[a.operation] += 0
				if usage.counts(a.status) {
					sums[a.operation] += total.GetCounter().GetValue()
				}
			}
			for operation, n := range sums {
				counter(usage.name, usage.help, n, "service", "ChimeSDK", "type", "API", "resource", operation, "class", "None")
			}
		}
	}
}
