package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

type server struct {
	db     *pgxpool.Pool
	secret []byte
	hub    *hub
}

// message is one as clients see it.
type message struct {
	ID      int64     `json:"id"`
	Channel int       `json:"channel"`
	Sender  int       `json:"sender"`
	Sent    time.Time `json:"sent"`
	Text    string    `json:"text"`
}

const (
	mostBody  = 16 << 10 // bytes of a request
	mostLimit = 100      // messages of a page
)

// load reads the members of all channels.
func (s *server) load(ctx context.Context) error {
	rows, err := s.db.Query(ctx, `SELECT channel, array_agg("user") FROM members GROUP BY channel`)
	if err != nil {
		return err
	}
	var channel int
	var users []int
	_, err = pgx.ForEachRow(rows, []any{&channel, &users}, func() error {
		s.hub.join(channel, users)
		return nil
	})
	return err
}

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /channels", s.create)
	mux.HandleFunc("POST /channels/{id}/messages", s.asMember(s.send))
	mux.HandleFunc("GET /channels/{id}/messages", s.asMember(s.list))
	mux.HandleFunc("GET /connect", s.connect)
	return mux
}

// create makes a channel with its members.
func (s *server) create(w http.ResponseWriter, r *http.Request) {
	var in struct {
		ID      int
		Members []int
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, err := s.db.Exec(r.Context(), `INSERT INTO members SELECT $1, unnest($2::int[])`, in.ID, in.Members)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.hub.join(in.ID, in.Members)
	w.WriteHeader(http.StatusNoContent)
}

// asMember lets members of the path's channel through.
func (s *server) asMember(next func(w http.ResponseWriter, r *http.Request, channel, user int)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, err := s.authenticate(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		channel, err := strconv.Atoi(r.PathValue("id"))
		if err != nil || !s.hub.isMember(channel, user) {
			http.Error(w, "not a member", http.StatusForbidden)
			return
		}
		next(w, r, channel, user)
	}
}

// send stores a message and delivers it when it is stored.
func (s *server) send(w http.ResponseWriter, r *http.Request, channel, user int) {
	m := message{Channel: channel, Sender: user}
	var in struct{ Text string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostBody)).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	m.Text = in.Text
	err := s.db.QueryRow(r.Context(), `INSERT INTO messages (channel, sender, text) VALUES ($1, $2, $3) RETURNING id, sent`,
		channel, user, m.Text).Scan(&m.ID, &m.Sent)
	var event []byte
	if err == nil {
		event, err = json.Marshal(m)
	}
	if err == nil {
		err = s.hub.deliver(channel, event)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, map[string]any{"id": m.ID, "sent": m.Sent})
}

// list answers the latest messages, or those before one, the latest first.
func (s *server) list(w http.ResponseWriter, r *http.Request, channel, _ int) {
	limit, err := strconv.Atoi(r.FormValue("limit"))
	if err != nil || limit < 1 || limit > mostLimit {
		http.Error(w, "limit is 1 to 100", http.StatusBadRequest)
		return
	}
	before, err := strconv.ParseInt(r.FormValue("before"), 10, 64)
	if err != nil {
		before = math.MaxInt64
	}
	rows, err := s.db.Query(r.Context(),
		`SELECT id, channel, sender, sent, text FROM messages WHERE channel = $1 AND id < $2 ORDER BY id DESC LIMIT $3`, channel, before, limit)
	var messages []message
	if err == nil {
		messages, err = pgx.CollectRows(rows, pgx.RowToStructByPos[message])
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, messages)
}

func answer(w http.ResponseWriter, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text) // to a caller that may have gone
}

// connect serves a WebSocket: a greeting, the user's channels when they are asked for, then events.
func (s *server) connect(w http.ResponseWriter, r *http.Request) {
	user, err := s.authenticate(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	first := [][]byte{[]byte(`{"type":"connected"}`)}
	if limit, err := strconv.Atoi(r.FormValue("history")); err == nil && limit >= 1 && limit <= mostLimit {
		channels, err := s.channels(r.Context(), user, limit)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		first = append(first, channels...)
	}

	// Small buffers: an idle socket is to cost little.
	upgrader := websocket.Upgrader{ReadBufferSize: 512, WriteBufferSize: 1024, CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // it has answered
	}
	go s.hub.serve(user, conn, first) // the request's goroutine, with its buffers, ends
}

// channels are texts with the latest messages and the members of each channel of a user.
func (s *server) channels(ctx context.Context, user, limit int) (texts [][]byte, err error) {
	rows, err := s.db.Query(ctx, `SELECT m.channel,
		(SELECT array_agg(o."user") FROM members o WHERE o.channel = m.channel),
		(SELECT coalesce(json_agg(l), '[]') FROM (
			SELECT id, channel, sender, sent, text FROM messages WHERE channel = m.channel ORDER BY id DESC LIMIT $2) l)
		FROM members m WHERE m."user" = $1`, user, limit)
	if err != nil {
		return nil, err
	}
	var detail struct {
		Channel  int             `json:"channel"`
		Members  []int           `json:"members"`
		Messages json.RawMessage `json:"messages"`
	}
	_, err = pgx.ForEachRow(rows, []any{&detail.Channel, &detail.Members, &detail.Messages}, func() error {
		text, err := json.Marshal(detail)
		texts = append(texts, text)
		return err
	})
	return texts, err
}

var errToken = errors.New("the token is not valid")

// authenticate returns the user that the request's token names.
func (s *server) authenticate(r *http.Request) (user int, err error) {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found {
		token = r.URL.Query().Get("token") // browsers cannot set headers of a WebSocket
	}
	at := strings.LastIndexByte(token, '.')
	if at < 0 {
		return 0, errToken
	}
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte(token[:at]))
	signature, err := base64.RawURLEncoding.DecodeString(token[at+1:])
	if err != nil || !hmac.Equal(signature, mac.Sum(nil)) {
		return 0, errToken
	}

	// Only then is anything of it believed.
	_, payload, _ := strings.Cut(token[:at], ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return 0, errToken
	}
	var claims struct {
		Subject string `json:"sub"`
		Expires int64  `json:"exp"`
	}
	if json.Unmarshal(text, &claims) != nil || time.Now().Unix() > claims.Expires {
		return 0, errToken
	}
	return strconv.Atoi(claims.Subject)
}
