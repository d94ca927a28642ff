package main

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/endurance/processing"
	"github.com/carillon-chat/carillon/internal/lab"
)

// The processors of the flows. All append their tag to what they pass.
const (
	processSync    = "sync"            // answers at once
	processLater   = "later"           // calls back
	processDeny    = processing.Denier // answers at once, and denies what says so
	processFlaky   = "flaky"           // fails sometimes
	processMortal  = "mortal"          // ends its process sometimes, before or after it has decided
	processMissing = "missing"         // is nowhere
)

// invocation is what a processor is sent.
type invocation struct {
	CallbackID     string `json:"CallbackId"`
	ChannelMessage struct {
		MessageID  string `json:"MessageId"`
		ChannelARN string `json:"ChannelArn"`
		Content    string
	}
}

// decision is a line of a processor's journal. Event is there for one that will call back, and Answered when that was answered.
type decision struct {
	processing.Verdict
	Callback string
	Event    *invocation `json:",omitempty"`
	Answered int         `json:",omitempty"`
}

// answered is what a decision did that an answer to a callback ended.
const answered = "answered"

// processors are those of one process.
type processors struct {
	partSettings
	journal *journal
	node    lab.Peer
	working sync.WaitGroup

	mu    sync.Mutex
	tries map[string]int  // of invocations, since the process began
	taken map[string]bool // CallbackIds of those that are called back
}

// journalName is the file of a process of processors.
const journalName = "decisions"

// serveProcessors serves the processors, each at its name, and calls back for what an earlier process took.
func serveProcessors(ctx context.Context, s partSettings, out io.Writer) error {
	p := &processors{partSettings: s, node: lab.Dev(s.node, 5*time.Second), tries: map[string]int{}, taken: map[string]bool{}}
	defer p.working.Wait()
	var err error
	if p.journal, err = openJournal(s, journalName); err != nil {
		return err
	}

	// What an earlier process took and did not call back for is still to be done.
	left := map[string]decision{}
	err = eachLine(filepath.Join(s.dir, journalName), func(d decision) {
		switch d.Did {
		case processing.Took:
			left[d.Callback] = d
		case answered:
			delete(left, d.Callback)
		}
	})
	if err != nil {
		return err
	}
	for _, d := range left {
		p.callLater(ctx, *d.Event)
	}
	return serveHTTP(ctx, s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := p.serve(ctx, w, r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}), out)
}

// chance says by the invocation, and how often it was tried, whether something is done that is done one time in so many.
func (p *processors) chance(in *invocation, try, oneIn int, what string) bool {
	h := fnv.New64a()
	fmt.Fprint(h, p.seed, what, in.CallbackID, try)
	return h.Sum64()%uint64(oneIn) == 0
}

// serve takes one invocation.
func (p *processors) serve(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	var in invocation
	body, err := verified(r, processorSecret)
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	p.mu.Lock()
	p.tries[in.CallbackID]++
	try := p.tries[in.CallbackID]
	p.mu.Unlock()

	// How it fails.
	const always = 0
	switch {
	case name == processFlaky && (p.chance(&in, always, 40, "fails for ever") || p.chance(&in, try, 6, "fails")):
		if err := p.note(name, &in, processing.Failed); err != nil {
			return err
		}
		return fmt.Errorf("try %d of %s is not to succeed", try, in.CallbackID)
	case name == processMortal && rand.IntN(12) == 0:
		os.Exit(3)
	case name == processLater:
		if err := p.journal.note(decision{p.verdict(name, &in, processing.Took), in.CallbackID, &in, 0}); err != nil {
			return err
		}
		p.callLater(ctx, in)
		w.WriteHeader(http.StatusAccepted)
		return nil
	}

	// What it decides.
	did, answer := processing.Passed, map[string]any{"ChannelMessage": p.changed(name, &in)}
	if name == processDeny && slices.Contains(strings.Fields(in.ChannelMessage.Content), processing.WordDeny) {
		did, answer = processing.Denied, map[string]any{"DeleteResource": true}
	}
	if err := p.note(name, &in, did); err != nil {
		return err
	}
	if name == processMortal && rand.IntN(12) == 0 {
		os.Exit(3)
	}
	return json.NewEncoder(w).Encode(answer)
}

func (p *processors) changed(name string, in *invocation) map[string]any {
	return map[string]any{"MessageId": in.ChannelMessage.MessageID, "Content": in.ChannelMessage.Content + processing.Tag(name)}
}

func (p *processors) verdict(name string, in *invocation, did string) processing.Verdict {
	return processing.Verdict{At: now(), Processor: name, Message: in.ChannelMessage.MessageID, Marker: processing.Marker(in.ChannelMessage.Content), Did: did}
}

func (p *processors) note(name string, in *invocation, did string) error {
	return p.journal.note(decision{p.verdict(name, in, did), in.CallbackID, nil, 0})
}

// callLater calls back once, however often it is asked to in one process.
func (p *processors) callLater(ctx context.Context, in invocation) {
	p.mu.Lock()
	known := p.taken[in.CallbackID]
	p.taken[in.CallbackID] = true
	p.mu.Unlock()
	if known {
		return
	}
	p.working.Go(func() {
		wait := time.Duration(len(in.ChannelMessage.Content)*7%400) * time.Millisecond
		if rest(ctx, wait); ctx.Err() == nil && p.note(processLater, &in, processing.Passed) == nil {
			p.callBack(ctx, &in)
		}
	})
}

// callBack calls until the node has answered what is no failure of its own.
func (p *processors) callBack(ctx context.Context, in *invocation) {
	target := "/channels/" + lab.Escape(in.ChannelMessage.ChannelARN) + "?operation=channel-flow-callback"
	body, err := json.Marshal(object{"CallbackId": in.CallbackID, "ChannelMessage": p.changed(processLater, in)})
	for err == nil && ctx.Err() == nil {
		got, failed := p.node.Send(ctx, http.MethodPost, target, "", body)
		if failed == nil && got.Status < 500 {
			_ = p.journal.note(decision{p.verdict(processLater, in, answered), in.CallbackID, nil, got.Status}) // else the next process calls again
			return
		}
		rest(ctx, 200*time.Millisecond)
	}
}
