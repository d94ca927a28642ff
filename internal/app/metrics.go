package app

import (
	"maps"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/carillon-chat/carillon/internal/app/descriptors"
	"github.com/carillon-chat/carillon/internal/app/fastpath"
	"github.com/carillon-chat/carillon/internal/awshttp"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/wsconn"
)

// countRequests makes the metrics of the REST API and what feeds them.
func (a *App) countRequests() func(operation string, status int, took time.Duration) {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "carillon_requests_total",
		Help: "Requests answered, by operation and HTTP status. 5xx are faults of the server; 499 means that the client left.",
	}, []string{"operation", "status"})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "carillon_request_seconds",
		Help:    "Time from the request's headers to its answer. Writes wait for the disk: much above its sync time means overload.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
	}, []string{"operation"})
	a.registry.MustRegister(total, seconds)

	// Operations and statuses are few, and finding their metrics by labels costs more than counting.
	var known atomic.Pointer[map[answered]meters] // replaced when an answer comes for the first time
	known.Store(&map[answered]meters{})
	a.registry.MustRegister(sampleUsage(func() map[answered]meters { return *known.Load() }))
	return func(operation string, status int, took time.Duration) {
		before := known.Load()
		m, found := (*before)[answered{operation, status}]
		if !found {
			m = meters{total.WithLabelValues(operation, strconv.Itoa(status)), seconds.WithLabelValues(operation)}
			after := maps.Clone(*before)
			after[answered{operation, status}] = m
			known.CompareAndSwap(before, &after) // else the next answer adds it
		}

		m.total.Inc()
		m.seconds.Observe(took.Seconds())
	}
}

// countRefusals returns, for each transport, the counter of requests that were refused because of
// their caller. Steps and codes are small closed sets.
func (a *App) countRefusals() func(transport string) func(step, code string) {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "carillon_auth_refusals_total",
		Help: "Requests refused for their signature, their key or by policies, by the step that failed and the code of the error. Many of step clock point at wrong clocks.",
	}, []string{"transport", "step", "code"})
	a.registry.MustRegister(total)
	return func(transport string) func(step, code string) {
		return func(step, code string) { total.WithLabelValues(transport, step, code).Inc() }
	}
}

// keepFiles makes a port leave the descriptors alone that the store needs, and the metric of the
// connections that it closes for that.
func (a *App) keepFiles(port net.Listener) net.Listener {
	refused := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "carillon_connections_without_descriptor_total",
		Help: "Connections closed because the rest of the files that the process may have open is kept for the store. Any at all mean that its limit (ulimit -n) is too low, or that strangers hold connections.",
	})
	a.registry.MustRegister(refused)
	return &descriptors.Listener{Listener: port, Most: a.files.Connections, Refused: refused.Inc}
}

// sampler is a collector that reads a part's counters whenever metrics are collected.
type sampler func(gauge, counter sample)

// sample reports one value; labels are names and values in turn.
type sample func(name, help string, value float64, labels ...string)

// Describe sends nothing, so the registry checks the metrics when they are collected.
func (sampler) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (s sampler) Collect(metrics chan<- prometheus.Metric) {
	emit := func(kind prometheus.ValueType) sample {
		return func(name, help string, value float64, labels ...string) {
			var names, values []string
			for i := 0; i+1 < len(labels); i += 2 {
				names, values = append(names, labels[i]), append(values, labels[i+1])
			}
			metrics <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), kind, value, values...)
		}
	}
	s(emit(prometheus.GaugeValue), emit(prometheus.CounterValue))
}

// engineMetrics is a collector of what the engine reports.
type engineMetrics struct{ engine store.Engine }

// Describe sends nothing, as that of a sampler.
func (engineMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (e engineMetrics) Collect(metrics chan<- prometheus.Metric) {
	for _, m := range e.engine.Metrics() {
		desc, kind := prometheus.NewDesc(m.Name, m.Help, nil, nil), prometheus.GaugeValue
		if m.Counter {
			kind = prometheus.CounterValue
		}
		if h := m.Histogram; h != nil {
			metrics <- prometheus.MustNewConstHistogram(desc, h.Count, h.Sum, h.Buckets)
			continue
		}
		metrics <- prometheus.MustNewConstMetric(desc, kind, m.Value)
	}
}

func (a *App) sampleHub(gauge, counter sample) {
	s := a.services.hub.Stats()
	gauge("carillon_realtime_sessions", "Sessions attached to the hub.", float64(s.Sessions))
	gauge("carillon_realtime_users", "Users that are online.", float64(s.Users))
	counter("carillon_realtime_delivered_total", "Events put into the queues of sessions.", float64(s.Delivered))
	for reason, n := range s.Closed {
		counter("carillon_realtime_closed_total", "Sessions that the hub closed. Slow consumers read too slowly for what their channels bring.",
			float64(n), "reason", reason)
	}
}

func sampleBodies(bodies *awshttp.Bodies) sampler {
	return func(gauge, counter sample) {
		s := bodies.Stats()
		const used, limit, refused = "carillon_request_body_bytes", "carillon_request_body_limit_bytes", "carillon_request_body_refusals_total"
		const usedHelp = "Bytes of request bodies in memory. Open requests, which have no good signature, are part of all."
		gauge(used, usedHelp, float64(s.Used), "of", "all")
		gauge(used, usedHelp, float64(s.OpenUsed), "of", "open")
		const limitHelp = "Most bytes of request bodies in memory: the setting request-bytes, and an eighth of it for open requests."
		gauge(limit, limitHelp, float64(s.Limit), "of", "all")
		gauge(limit, limitHelp, float64(s.OpenLimit), "of", "open")
		const refusedHelp = "Requests answered 503 because the limit was reached: of all requests, or of the open ones together."
		counter(refused, refusedHelp, float64(s.Refused), "of", "all")
		counter(refused, refusedHelp, float64(s.OpenRefused), "of", "open")
	}
}

func sampleFastPath(fast *fastpath.Listener) sampler {
	return func(gauge, counter sample) {
		s := fast.Stats()
		gauge("carillon_http_fast_connections_open", "Connections of the public port on which nothing but plain HTTP/1.1 requests came.", float64(s.Open))
		counter("carillon_http_fast_handed_over_total", "Connections that were handed over to net/http. Many mean that clients, or a proxy, send requests that are not plain: see http-fast-path.", float64(s.HandedOver))
	}
}

func sampleSockets(sockets *wsconn.Server) sampler {
	return func(gauge, counter sample) {
		s := sockets.Stats()
		gauge("carillon_sockets_open", "WebSockets that are open.", float64(s.Open))
		gauge("carillon_sockets_pending", "Upgrades and WebSockets that are not authenticated yet.", float64(s.Pending))
		gauge("carillon_sockets_waiting", "Authenticated WebSockets that wait because their user opens more than rate-connect.", float64(s.Waiting))
		gauge("carillon_sockets_refused", "WebSockets that were refused and wait for their client to close.", float64(s.Refused))
		counter("carillon_sockets_cut_off_total", "Refused WebSockets that were cut off to make room for others.", float64(s.CutOff))
		counter("carillon_sockets_accepted_total", "WebSockets that were authenticated.", float64(s.Accepted))
		for reason, n := range s.Rejected {
			counter("carillon_sockets_rejected_total", "Requests for a WebSocket that were answered with an HTTP error. Those of reason busy or address met a limit.",
				float64(n), "reason", reason)
		}
		counter("carillon_sockets_frames_written_total", "Events written to WebSockets.", float64(s.FramesWritten))
		counter("carillon_sockets_bytes_written_total", "Bytes written to WebSockets.", float64(s.BytesWritten))
		for end, n := range s.Closed {
			counter("carillon_sockets_closed_total", "WebSockets that ended, by cause and close code. Many of cause lost or ping_timeout point at the network.",
				float64(n), "cause", end.Cause, "code", strconv.Itoa(end.Code))
		}
	}
}
