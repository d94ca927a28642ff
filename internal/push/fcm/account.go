package fcm

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/outbound/jws"
	"github.com/carillon-chat/carillon/internal/push"
)

const (
	scope     = "https://www.googleapis.com/auth/firebase.messaging"
	grantType = "urn:ietf:params:oauth:grant-type:jwt-bearer"

	assertionAge = time.Hour       // the longest that Google accepts
	renewBefore  = 5 * time.Minute // the end of an access token
	maxTokenAge  = 24 * 60 * 60    // seconds
)

// Account is a service account of Google's.
type Account struct {
	project, email, kid, tokenURI string
	key                           crypto.Signer
}

var projectPattern = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

// ReadAccount reads the JSON file of a service account. Errors name members and nothing of their values.
func ReadAccount(text []byte) (*Account, error) {
	var file struct {
		Type         string `json:"type"`
		ProjectID    string `json:"project_id"`
		PrivateKeyID string `json:"private_key_id"`
		PrivateKey   string `json:"private_key"`
		ClientEmail  string `json:"client_email"`
		TokenURI     string `json:"token_uri"`
	}
	if json.Unmarshal(text, &file) != nil || file.Type != "service_account" {
		return nil, errors.New("it is not the JSON of a service account")
	}
	if !projectPattern.MatchString(file.ProjectID) || file.ClientEmail == "" {
		return nil, errors.New("project_id or client_email is missing or not valid")
	}
	if u, err := url.Parse(file.TokenURI); err != nil || u.Host == "" {
		return nil, errors.New("token_uri is not a URL")
	}
	key, err := jws.ParseKey([]byte(file.PrivateKey))
	if err != nil {
		return nil, fmt.Errorf("private_key: %w", err)
	}
	return &Account{file.ProjectID, file.ClientEmail, file.PrivateKeyID, file.TokenURI, key}, nil
}

// tokens keeps the access token of an account. It is safe for concurrent use.
type tokens struct {
	account *Account
	client  *outbound.Client
	now     func() time.Time
	turn    chan struct{} // holds one token: while an access token is asked for

	mu   sync.Mutex
	last string
	ends time.Time
}

// get is an access token that is good for some minutes at least.
func (t *tokens) get(ctx context.Context) (string, error) {
	if token := t.current(); token != "" {
		return token, nil
	}
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if token := t.current(); token != "" { // another call was faster
		return token, nil
	}

	token, life, err := t.exchange(ctx)
	if err != nil {
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last, t.ends = token, t.now().Add(life)
	return token, nil
}

// current is the token that is kept, empty when it is about to end.
func (t *tokens) current() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now().Before(t.ends.Add(-renewBefore)) {
		return t.last
	}
	return ""
}

// drop forgets a token that Google does not accept.
func (t *tokens) drop(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == token {
		t.last = ""
	}
}

// exchange gets an access token for one that the account's key signs (RFC 7523).
func (t *tokens) exchange(ctx context.Context) (token string, life time.Duration, err error) {
	now := t.now()
	assertion, err := jws.Sign(t.account.key, t.account.kid, map[string]any{
		"iss": t.account.email, "scope": scope, "aud": t.account.tokenURI, "iat": now.Unix(), "exp": now.Add(assertionAge).Unix(),
	})
	if err != nil {
		return "", 0, err
	}
	form := url.Values{"grant_type": {grantType}, "assertion": {assertion}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.account.tokenURI, strings.NewReader(form))
	if err != nil {
		return "", 0, err
	}

	request.Header.Set("User-Agent", outbound.Agent)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := t.client.Do(ctx, request, maxAnswer)
	if err != nil {
		return "", 0, err
	}
	return readToken(answer)
}

func readToken(answer *outbound.Answer) (token string, life time.Duration, err error) {
	var body struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"` // seconds
		Error       string `json:"error"`
	}
	_ = json.Unmarshal(answer.Body, &body) // then it has no token
	if answer.Succeeded() && body.AccessToken != "" && body.ExpiresIn > 0 {
		return body.AccessToken, time.Duration(min(body.ExpiresIn, maxTokenAge)) * time.Second, nil
	}
	fault := &push.Fault{Reason: fmt.Sprintf("the authorization server answered %d %s", answer.Status, body.Error), After: answer.RetryAfter()}
	if answer.Status/100 == 4 && answer.Status != http.StatusTooManyRequests {
		fault.Kind = push.Distrusted
	}
	return "", 0, fault
}
