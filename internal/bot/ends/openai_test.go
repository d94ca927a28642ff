package ends_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/bot"
	"github.com/carillon-chat/carillon/internal/bot/ends"
)

const apiKey = "sk-do-not-tell"

func openAI(t *testing.T, handle http.HandlerFunc) *ends.OpenAI {
	address, caller := serve(t, handle)
	return &ends.OpenAI{
		Client: caller.Client, URL: address.JoinPath("v1"), Model: "small", Key: func() (string, error) { return apiKey, nil },
		System: "Be brief.", History: 10, MaxTokens: 100, Timeout: time.Minute,
	}
}

// asking is the question with a history.
func asking(lines ...bot.Line) bot.Question {
	q := ask
	q.SenderName = "Bob"
	q.History = func(_ context.Context, most int) ([]bot.Line, error) { return lines[max(0, len(lines)-most):], nil }
	return q
}

func stream(w http.ResponseWriter, events ...string) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	for _, e := range events {
		if !strings.HasPrefix(e, ":") { // a comment
			e = "data: " + e
		}
		_, _ = io.WriteString(w, e+"\n\n")
		w.(http.Flusher).Flush()
	}
}

func delta(text string) string {
	return fmt.Sprintf(`{"id":"x","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":%q},"finish_reason":null}]}`, text)
}

// write collects the pieces of an answer.
func write(t *testing.T, end *ends.OpenAI, q bot.Question) (string, error) {
	t.Helper()
	var pieces []string
	err := end.Write(t.Context(), q, func(p string) {
		if p != "" {
			pieces = append(pieces, p)
		}
	})
	return strings.Join(pieces, "|"), err
}

// TestChatCompletions: what a model is asked, and how its answer comes.
func TestChatCompletions(t *testing.T) {
	var got struct {
		Model     string
		Messages  []struct{ Role, Content string }
		Stream    bool
		MaxTokens int `json:"max_tokens"`
	}
	end := openAI(t, func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		if r.Method != http.MethodPost || r.URL.Path != "/v1/chat/completions" || r.Header.Get("Authorization") != "Bearer "+apiKey {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
		stream(w, `{"choices":[{"delta":{"role":"assistant"}}]}`, delta("Hel"), ": a comment", delta("lo"),
			`{"choices":[{"delta":{},"finish_reason":"stop"}]}`, `{"choices":[],"usage":{"total_tokens":3}}`, "[DONE]")
	})
	for _, tc := range []struct {
		name  string
		lines []bot.Line
		chat  string
	}{
		{"alone", nil, "[{system Be brief.} {user book a room}]"},
		{"with one person", []bot.Line{{Sender: sender, Name: "Bob", Text: "hi"}, {Mine: true, Sender: "bot", Text: "hello"}},
			"[{system Be brief.} {user hi} {assistant hello} {user book a room}]"},
		{"with several", []bot.Line{{Sender: "ann", Name: "Ann", Text: "hi"}, {Mine: true, Sender: "bot", Text: "hello"}},
			"[{system Be brief.} {user Ann: hi} {assistant hello} {user Bob: book a room}]"},
		{"with more than goes along", []bot.Line{{Sender: "ann", Name: "Ann", Text: strings.Repeat("x", ends.HistoryBytes)}, {Sender: sender, Text: "hi"}},
			"[{system Be brief.} {user hi} {user book a room}]"},
	} {
		answer, err := write(t, end, asking(tc.lines...))
		if answer != "Hel|lo" || err != nil || fmt.Sprint(got.Messages) != tc.chat || got.Model != "small" || !got.Stream || got.MaxTokens != 100 {
			t.Errorf("%s: %q, %v to %+v", tc.name, answer, err, got)
		}
	}
}

// TestChatCompletionsThatFail never tell the key, nor what the server says.
func TestChatCompletionsThatFail(t *testing.T) {
	for _, tc := range []struct {
		name   string
		handle http.HandlerFunc
		answer string
		code   int // zero for none
		again  bool
	}{
		{"not streamed", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"choices":[{"message":{"content":"whole"},"finish_reason":"stop"}]}`)
		}, "whole", 0, false},
		{"without [DONE]", func(w http.ResponseWriter, _ *http.Request) {
			stream(w, delta("a"), `{"choices":[{"delta":{},"finish_reason":"length"}]}`)
		}, "a", 0, false},
		{"broken off", func(w http.ResponseWriter, _ *http.Request) { stream(w, delta("a")) }, "a", 502, true},
		{"an error in the stream", func(w http.ResponseWriter, _ *http.Request) {
			stream(w, delta("a"), `{"error":{"message":"bad key `+apiKey+`"}}`)
		}, "a", 502, true},
		{"a wrong key", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(401)
			_, _ = io.WriteString(w, `{"error":{"message":"bad key `+apiKey+`"}}`)
		}, "", 401, false},
		{"too many", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, "", 429, true},
		{"down", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, "", 503, true},
		{"a redirect", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/v2")
			w.WriteHeader(307)
		}, "", 307, false},
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) { stream(w, "hello") }, "", 502, false},
		{"a long line", func(w http.ResponseWriter, _ *http.Request) { stream(w, strings.Repeat("x", 300<<10)) }, "", 502, true},
		{"without end", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				stream(w, `{"choices":[]}`+strings.Repeat(" ", 100<<10))
			}
		}, "", 502, false},
		{"a closed connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "", 502, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			answer, err := write(t, openAI(t, tc.handle), asking())
			f := new(bot.Failure)
			if answer != tc.answer || (err != nil) != (tc.code != 0) || err != nil && (!errors.As(err, &f) || f.Code != tc.code || f.Again != tc.again) {
				t.Errorf("%q, %+v", answer, err)
			}
			if err != nil && strings.Contains(err.Error(), apiKey) {
				t.Errorf("the key is told: %v", err)
			}
		})
	}
}

// TestAnswersAreBoundedInTime: a model that falls silent is a failure.
func TestAnswersAreBoundedInTime(t *testing.T) {
	end := openAI(t, func(w http.ResponseWriter, r *http.Request) {
		stream(w, delta("a"))
		<-r.Context().Done()
	})
	end.Timeout = 100 * time.Millisecond
	_, err := write(t, end, asking())
	if f := new(bot.Failure); !errors.As(err, &f) || f.Code != 502 || !f.Again {
		t.Errorf("%+v", err)
	}
}
