package ends

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/carillon-chat/carillon/internal/bot"
	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// Lex is a server that speaks the runtime of Lex V2.
type Lex struct {
	Caller
	// URL is the endpoint; nil means that of AWS in the region of a bot alias.
	URL         *url.URL
	Credentials sigv4.Credentials
}

// Answer implements bot.Answerer.
func (l *Lex) Answer(ctx context.Context, q bot.Question) (bot.Answer, error) {
	if err := checkText(q.Text); err != nil {
		return bot.Answer{}, err
	}
	got, err := l.call(ctx, http.MethodPost, "/text", &q.Session, recognize(&q))
	if err != nil {
		return bot.Answer{}, err
	}
	return parse("Lex", got.Body)
}

// Greet implements bot.End. PutSession answers in headers.
func (l *Lex) Greet(ctx context.Context, s bot.Session, name string) (*bot.Answer, error) {
	got, err := l.call(ctx, http.MethodPost, "", &s, put(&s, name))
	if err != nil {
		return nil, err
	}
	var r response
	if err := unpack(got.Header.Get("X-Amz-Lex-Messages"), &r.Messages); err != nil {
		return nil, err
	}
	if err := unpack(got.Header.Get("X-Amz-Lex-Session-State"), &r.SessionState); err != nil {
		return nil, err
	}
	a, err := r.answer()
	return &a, err
}

// Leave implements bot.End. A conversation that is over is one that was left.
func (l *Lex) Leave(ctx context.Context, s bot.Session) error {
	_, err := l.call(ctx, http.MethodDelete, "", &s, nil)
	if f := new(bot.Failure); errors.As(err, &f) && f.Code == http.StatusNotFound {
		return nil
	}
	return err
}

// call makes a signed call.
func (l *Lex) call(ctx context.Context, method, suffix string, s *bot.Session, content any) (*outbound.Answer, error) {
	a, err := parseAlias(s.Alias)
	if err != nil {
		return nil, err
	}
	var body []byte
	if content != nil {
		if body, err = json.Marshal(content); err != nil {
			return nil, err
		}
	}

	req, err := http.NewRequestWithContext(ctx, method, l.base(a.region)+"/bots/"+a.bot+"/botAliases/"+a.id+
		"/botLocales/"+url.PathEscape(s.Locale)+"/sessions/"+s.ID+suffix, bytes.NewReader(body))
	if err != nil {
		return nil, fail(http.StatusBadGateway, "the URL of Lex cannot be read")
	}
	req.Header.Set("User-Agent", outbound.Agent)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	signer := sigv4.Signer{Credentials: l.Credentials, Scope: sigv4.Scope{Region: a.region, Service: "lex"}}
	if err := signer.Sign(req, sha256.Sum256(body), l.Now()); err != nil {
		return nil, err
	}

	got, err := l.Client.Do(ctx, req, maxAnswer)
	if err != nil {
		return nil, unreachable(err)
	}
	if !got.Succeeded() {
		return nil, status("Lex", got)
	}
	return got, nil
}

func (l *Lex) base(region string) string {
	if l.URL == nil {
		return "https://runtime-v2-lex." + region + ".amazonaws.com"
	}
	return strings.TrimSuffix(l.URL.String(), "/")
}

// unpack reads a header of Lex: JSON, compressed by gzip, in base64.
func unpack(header string, into any) error {
	if header == "" {
		return nil
	}
	packed, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(header)))
	if err == nil {
		err = json.NewDecoder(io.LimitReader(packed, maxAnswer)).Decode(into)
	}
	if err != nil {
		return fail(http.StatusBadGateway, "Lex answered a header that cannot be read")
	}
	return nil
}
