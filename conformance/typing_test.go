package conformance

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/service/chimesdkmessaging"
)

// storeCounters are the figures of the storage engine as the operations port shows them.
func (n *node) storeCounters(t *testing.T) string {
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
	var counters []string
	for _, name := range []string{"commits", "events", "log_bytes", "log_syncs"} {
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "carillon_store_"+name+"_total ") {
				counters = append(counters, line)
			}
		}
	}
	if len(counters) != 4 {
		t.Fatalf("the metrics have %q", counters)
	}
	return strings.Join(counters, "")
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
	if after := n.storeCounters(t); after != before {
		t.Errorf("before\n%safter\n%s", before, after)
	}
	send("PERSISTENT", "kept")
	if n.storeCounters(t) == before {
		t.Error("the counters do not count")
	}
}
