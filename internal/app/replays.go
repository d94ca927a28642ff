package app

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/stream"
)

// ReplayReport is the answer to POST /streams/{sink}/replay on the operations port. Its parameters are app, the
// id of an app instance, without which the sink is set back in all, and one of position and from, a time of
// RFC 3339. A position needs an app instance.
type ReplayReport struct {
	Replays []Replay
}

// Replay says where a sink begins again in an app instance, or why it does not.
type Replay struct {
	AppInstance  string
	FromPosition uint64 `json:",omitzero"` // of the first event that is written again
	Refused      string `json:",omitzero"`
}

// replays sets the sinks of streams back. It is answered on loopback alone, as what changes dead letters is.
type replays struct {
	follow *follow.Runner
	sinks  []string // names
	local  bool
}

func (p replays) register(mux *http.ServeMux) {
	mux.HandleFunc("POST /streams/{sink}/replay", p.replay)
}

func (p replays) replay(w http.ResponseWriter, r *http.Request) {
	if !p.local {
		http.Error(w, "sinks are set back through an operations port on loopback alone: see ops-listen", http.StatusForbidden)
		return
	}
	app := r.URL.Query().Get("app")
	from, err := readFrom(r, app)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	sink := r.PathValue("sink")
	if !slices.Contains(p.sinks, sink) {
		http.Error(w, fmt.Sprintf("the setting streams has no sink %q", sink), http.StatusNotFound)
		return
	}

	// One app instance after another: what one refuses says nothing about the others.
	apps := []string{app}
	if app == "" {
		apps = p.follow.AppInstances()
	}
	var report ReplayReport
	for _, app := range apps {
		one := Replay{AppInstance: app}
		one.FromPosition, err = p.follow.Rewind(r.Context(), app, stream.Route{Name: sink}.FollowerName(), from, nil)
		switch {
		case len(apps) > 1 && (errors.Is(err, follow.ErrAhead) || errors.Is(err, follow.ErrNotFound)): // nothing is left out there
			continue
		case refusedHere(err):
			one.Refused = err.Error()
		case err != nil:
			refuse(w, err)
			return
		}
		report.Replays = append(report.Replays, one)
	}
	answer(w, report)
}

// refusedHere reports whether an error is about the one app instance.
func refusedHere(err error) bool {
	var early *follow.TooEarlyError
	return errors.As(err, &early) || errors.Is(err, follow.ErrAhead) || errors.Is(err, follow.ErrNotFound)
}

// readFrom reads where to begin.
func readFrom(r *http.Request, app string) (from follow.From, err error) {
	position, at := r.URL.Query().Get("position"), r.URL.Query().Get("from")
	switch {
	case (position == "") == (at == ""):
		return from, errors.New("one of position and from is needed")
	case position != "" && app == "":
		return from, errors.New("a position is one of an app instance, which has to be named")
	case position != "":
		if from.Position, err = strconv.ParseUint(position, 10, 64); err != nil || from.Position == 0 {
			return from, errors.New("position is not a position")
		}
		return from, nil
	}
	if from.Time, err = time.Parse(time.RFC3339, at); err != nil {
		return from, errors.New("from is not a time of RFC 3339")
	}
	return from, nil
}
