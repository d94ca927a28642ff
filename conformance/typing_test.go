package conformance

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/service/chimesdkmessaging"
)

// storeCounters are the figures of the storage engine as the operations port shows them.
func (n *node) storeCounters(t *testing.T) map[string]float64 {
	t.Helper()
	resp, err := n.HTTP.Get("http://" + n.OpsAddr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"commits", "events", "log_bytes", "log_syncs"}
	if !n.Config.DatabaseURL.IsZero() {
		names = []string{"commits", "events", "batches"} // the database has the others
	}
	counters := map[string]float64{}
	for _, name := range names {
		for line := range strings.Lines(string(text)) {
			if value, found := strings.CutPrefix(line, "carillon_store_"+name+"_total "); found {
				if counters[name], err = strconv.ParseFloat(strings.TrimSpace(value), 64); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if len(counters) != len(names) {
		t.Fatalf("the metrics have %v", counters)
	}
	return counters
}

func TestTypingCostsNoDisk(t *testing.T) {
	n := start(t, nil)
	seeded := n.Seeded()
	bob := n.connect(t, seeded.UserARNs[1])
	before := n.storeCounters(t)
	send := func(persistence, content string) {
		_, err := n.messaging.SendChannelMessage(&chimesdkmessaging.SendChannelMessageInput{
			ChannelArn: &seeded.ChannelARN, ChimeBearer: &seeded.UserARNs[0], Content: &content,
			Persistence: &persistence, Type: p("CONTROL")})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 1000 {
		send("NON_PERSISTENT", fmt.Sprint("typing ", i))
		f := bob.next() // one at a time: who reads nothing is closed
		if f.Event() != "CREATE_CHANNEL_MESSAGE" || f.Field("Content") != fmt.Sprint("typing ", i) {
			t.Fatalf("event %d is %s %s", i, f.Event(), f.Payload)
		}
	}

	// Beside them followers of the log note now and then how far they are, which does not grow with the messages.
	after := n.storeCounters(t)
	for name, few := range map[string]float64{"events": 0, "commits": 100, "batches": 100, "log_syncs": 100, "log_bytes": 50_000} {
		if grown := after[name] - before[name]; grown > few {
			t.Errorf("%s grew by %v with 1000 messages", name, grown)
		}
	}
	send("PERSISTENT", "kept")
	if n.storeCounters(t)["events"] == after["events"] {
		t.Error("the counters do not count")
	}
}
