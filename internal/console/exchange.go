package console

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
)

// maxBody is the limit of a request in bytes: a user id has at most 64 characters.
const maxBody = 4 << 10

// The lifetimes that credentials can have, in seconds. AWS's shortest is 900, which is
// long for a test of whether an application renews them.
const (
	minSeconds = 5
	maxSeconds = 3600
)

// Dev is the data of the page in dev mode.
type Dev struct {
	Region         string
	AppInstanceARN string
	Users          Directory
	Issuer         Issuer
	// PushARN is what the page registers browsers with that get push notifications, and PushKey is the key with
	// which they subscribe; both are empty when there is no application for them.
	PushARN, PushKey string
}

// Directory lists the users that can sign in.
type Directory interface {
	// ListUsers names the users of the app instance.
	ListUsers(ctx context.Context) ([]User, error)
}

// Issuer makes credentials that are good for one user alone.
type Issuer interface {
	// IssueCredentials answers an *api.Error when there is no such user.
	IssueCredentials(ctx context.Context, userID string, duration time.Duration) (Credentials, error)
}

// User is an app instance user.
type User struct {
	ID, Name, ARN string
}

// Credentials are temporary credentials of one user.
type Credentials struct {
	User                                       User
	AccessKeyID, SecretAccessKey, SessionToken string
	Expiration                                 time.Time
}

// The JSON of the answers. The credentials have the shape that public applications use for a
// credential exchange (spec 2.7).
type (
	chatReply struct {
		Region         string
		AppInstanceArn string
		Users          []userReply
		WebPush        *webPushReply `json:",omitempty"`
	}
	webPushReply struct {
		ResourceArn          string
		ApplicationServerKey string
	}
	userReply struct {
		UserId string
		Name   string
		Arn    string
	}
	credentialsReply struct {
		ChimeAppInstanceUserArn string
		ChimeUserId             string
		ChimeDisplayName        string
		ChimeCredentials        keysReply
	}
	keysReply struct {
		AccessKeyId     string
		SecretAccessKey string
		SessionToken    string
		Expiration      string // ISO 8601
	}
)

// exchange answers the JSON of dev mode.
type exchange struct{ Options }

func (e exchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	reply, err := e.answer(r)
	e.respond(w, reply, err)
}

func (e exchange) answer(r *http.Request) (any, error) {
	if e.Dev == nil {
		return nil, api.NotFound("only `carillon dev` answers here")
	}
	if err := e.sameSite(r); err != nil {
		return nil, err
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /_carillon/chat":
		return e.chat(r.Context())
	case "POST /_carillon/credentials":
		return e.credentials(r)
	}
	return nil, api.NotFound("there is nothing here for this method and path")
}

// sameSite refuses what pages of other sites can make a browser send.
func (e exchange) sameSite(r *http.Request) error {
	host := strings.ToLower(r.Host)
	if !slices.Contains(e.Hosts, host) {
		return api.Forbidden("Host is not a name of this server; --public-host adds one")
	}

	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || strings.ToLower(u.Host) != host {
			return api.Forbidden("Origin is another site")
		}
	}

	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none": // none: typed by a person
		return nil
	}
	return api.Forbidden("Sec-Fetch-Site says that another site asks")
}

func (e exchange) chat(ctx context.Context) (any, error) {
	users, err := e.Dev.Users.ListUsers(ctx)
	if err != nil {
		return nil, err
	}
	reply := chatReply{Region: e.Dev.Region, AppInstanceArn: e.Dev.AppInstanceARN, Users: make([]userReply, len(users))}
	if e.Dev.PushARN != "" {
		reply.WebPush = &webPushReply{e.Dev.PushARN, e.Dev.PushKey}
	}
	for i, u := range users {
		reply.Users[i] = userReply{UserId: u.ID, Name: u.Name, Arn: u.ARN}
	}
	return reply, nil
}

func (e exchange) credentials(r *http.Request) (any, error) {
	// Forms of other sites can send three media types without a preflight; this is none of them.
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, api.BadRequest("Content-Type", "must be application/json")
	}

	request := struct {
		UserId          string
		DurationSeconds int
	}{DurationSeconds: maxSeconds}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return nil, api.BadRequest("", "the request cannot be read or has more than %d bytes", maxBody)
	}

	if json.Unmarshal(body, &request) != nil || request.UserId == "" {
		return nil, api.BadRequest("UserId", "is required: {\"UserId\":\"alice\"}")
	}
	if request.DurationSeconds < minSeconds || request.DurationSeconds > maxSeconds {
		return nil, api.BadRequest("DurationSeconds", "must be %d to %d", minSeconds, maxSeconds)
	}

	c, err := e.Dev.Issuer.IssueCredentials(r.Context(), request.UserId, time.Duration(request.DurationSeconds)*time.Second)
	if err != nil {
		return nil, err
	}

	return credentialsReply{
		ChimeAppInstanceUserArn: c.User.ARN, ChimeUserId: c.User.ID, ChimeDisplayName: c.User.Name,
		ChimeCredentials: keysReply{
			AccessKeyId: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken,
			Expiration: c.Expiration.UTC().Format(time.RFC3339),
		},
	}, nil
}

// respond answers the reply, unless there is an error.
func (o Options) respond(w http.ResponseWriter, reply any, err error) {
	var body []byte
	if err == nil {
		body, err = json.Marshal(reply)
	}
	if err != nil {
		o.refuse(w, err)
		return
	}
	write(w, http.StatusOK, body)
}

// refuse answers the error; what is not meant for the caller becomes a plain 500.
func (o Options) refuse(w http.ResponseWriter, err error) {
	var answer *api.Error
	if !errors.As(err, &answer) {
		o.Log.Error("console: request failed", "error", err)
		answer = api.ServiceFailure("the server failed; its log tells why")
	}
	w.Header().Set("X-Amzn-ErrorType", answer.Type)
	write(w, answer.Status, answer.AppendJSON(nil))
}

func write(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	secure(h)
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the page may have gone
}
