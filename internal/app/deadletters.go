package app

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/follow/jobs"
	"github.com/carillon-chat/carillon/internal/store"
)

// FollowersReport is the answer to GET /followers on the operations port.
type FollowersReport struct {
	Followers []follow.Status
	Jobs      []jobs.Status
}

// DeadLettersReport is the answer to GET /dead-letters on the operations port, whose parameters app,
// follower and after are those of follow.Runner.DeadLetters.
type DeadLettersReport struct {
	DeadLetters []chime.DeadLetter
}

// DeadLetterReport is the answer to GET /dead-letters/{app}/{follower}/{position}.
type DeadLetterReport struct {
	chime.DeadLetter
	// Replayable reports whether the log still has the event.
	Replayable bool
}

// deadLetters answers for followers on the operations port. What changes something is answered on loopback
// alone, because the port asks for no password.
type deadLetters struct {
	follow *follow.Runner
	jobs   *jobs.Queue
	local  bool
}

func (d deadLetters) register(mux *http.ServeMux) {
	const one = "/dead-letters/{app}/{follower}/{position}"
	mux.HandleFunc("GET /followers", d.status)
	mux.HandleFunc("GET /dead-letters", d.list)
	mux.HandleFunc("GET "+one, d.show)
	mux.HandleFunc("POST "+one+"/replay", d.change(func(r *http.Request, app, follower string, position uint64) error {
		return d.follow.Replay(r.Context(), app, follower, position)
	}))
	mux.HandleFunc("DELETE "+one, d.change(func(r *http.Request, app, follower string, position uint64) error {
		return d.follow.Discard(r.Context(), app, follower, position)
	}))
}

func (d deadLetters) status(w http.ResponseWriter, r *http.Request) {
	followers, err := d.follow.Status(r.Context())
	if err == nil {
		var tasks []jobs.Status
		if tasks, err = d.jobs.Status(r.Context()); err == nil {
			answer(w, FollowersReport{followers, tasks})
			return
		}
	}
	refuse(w, err)
}

func (d deadLetters) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	after := uint64(0)
	if text := query.Get("after"); text != "" {
		var err error
		if after, err = strconv.ParseUint(text, 10, 64); err != nil {
			http.Error(w, "after is not a position", http.StatusBadRequest)
			return
		}
	}
	letters, err := d.follow.DeadLetters(r.Context(), query.Get("app"), query.Get("follower"), after)
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, DeadLettersReport{letters})
}

func (d deadLetters) show(w http.ResponseWriter, r *http.Request) {
	position, ok := positionOf(w, r)
	if !ok {
		return
	}
	letter, replayable, err := d.follow.DeadLetter(r.Context(), r.PathValue("app"), r.PathValue("follower"), position)
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, DeadLetterReport{letter, replayable})
}

func (d deadLetters) change(do func(r *http.Request, app, follower string, position uint64) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !d.local {
			http.Error(w, "dead letters are changed through an operations port on loopback alone: see ops-listen", http.StatusForbidden)
			return
		}
		position, ok := positionOf(w, r)
		if !ok {
			return
		}
		if err := do(r, r.PathValue("app"), r.PathValue("follower"), position); err != nil {
			refuse(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

func positionOf(w http.ResponseWriter, r *http.Request) (position uint64, ok bool) {
	position, err := strconv.ParseUint(r.PathValue("position"), 10, 64)
	if err != nil {
		http.Error(w, "the last part of the path is not a position", http.StatusBadRequest)
	}
	return position, err == nil
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(body) // the caller may have gone
}

// refuse answers with the reason; what is not known is the follower's own failure.
func refuse(w http.ResponseWriter, err error) {
	status := http.StatusBadGateway
	switch {
	case errors.Is(err, follow.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, follow.ErrNotHere):
		status = http.StatusConflict
	case errors.Is(err, store.ErrTrimmed):
		status = http.StatusGone
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrFull):
		status = http.StatusServiceUnavailable
	}
	http.Error(w, err.Error(), status)
}
