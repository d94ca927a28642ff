package ends

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/bot"
	"github.com/carillon-chat/carillon/internal/outbound"
)

// OpenAI is a server that speaks OpenAI's chat completions, with answers that come piece by piece. It keeps no
// conversation: each question comes with the messages before it.
type OpenAI struct {
	Client *outbound.Client
	URL    *url.URL // such as https://api.openai.com/v1
	Model  string
	// Key returns the API key, empty for a server that needs none. It is asked before each call.
	Key func() (string, error)
	// System is said to the model before everything else; empty for nothing.
	System string
	// History is how many messages before the question are sent with it. All together have HistoryBytes at
	// most.
	History   int
	MaxTokens int           // of an answer; zero leaves it to the server
	Timeout   time.Duration // of a whole answer
}

// HistoryBytes bounds the texts of the history that goes with a question; the oldest are left out.
const HistoryBytes = 32 << 10

// Bounds of an answer, in bytes: of what a stream may have, and of one line of it.
const (
	maxStream = 4 << 20
	maxLine   = 256 << 10
)

// Greet implements bot.End. A model has no intents, and says nothing unasked.
func (*OpenAI) Greet(context.Context, bot.Session, string) (*bot.Answer, error) { return nil, nil }

// Leave implements bot.End. There is nothing to end.
func (*OpenAI) Leave(context.Context, bot.Session) error { return nil }

// chatMessage is one of the messages of a chat.
type chatMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Write implements bot.Writer.
func (o *OpenAI) Write(ctx context.Context, q bot.Question, piece func(string)) error {
	messages, err := o.messages(ctx, &q)
	if err != nil {
		return err
	}
	body, err := json.Marshal(struct {
		Model     string        `json:"model"`
		Messages  []chatMessage `json:"messages"`
		Stream    bool          `json:"stream"`
		MaxTokens int           `json:"max_tokens,omitempty"`
	}{o.Model, messages, true, o.MaxTokens})
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	req, err := o.request(ctx, body)
	if err != nil {
		return err
	}
	err = o.Client.Stream(ctx, req, maxStream, func(a *outbound.Answer, body io.Reader) error { return readChat(a, body, piece) })
	if f := new(bot.Failure); err == nil || errors.As(err, &f) {
		return err
	}
	return unreachable(err)
}

// request is the call; errors do not hold the key.
func (o *OpenAI) request(ctx context.Context, body []byte) (*http.Request, error) {
	key, err := o.Key()
	if err != nil {
		return nil, fail(http.StatusUnauthorized, "the API key cannot be read: %v", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.URL.JoinPath("chat/completions").String(), bytes.NewReader(body))
	if err != nil {
		return nil, fail(http.StatusBadGateway, "the URL of the model cannot be read")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("User-Agent", outbound.Agent)
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	return req, nil
}

// messages is the chat so far, which ends with the question. Where several people take part, each line names
// its speaker.
func (o *OpenAI) messages(ctx context.Context, q *bot.Question) (chat []chatMessage, err error) {
	var lines []bot.Line
	if o.History > 0 {
		if lines, err = q.History(ctx, o.History); err != nil {
			return nil, err
		}
	}
	for total := len(q.Text); ; lines = lines[1:] {
		n := total
		for _, l := range lines {
			n += len(l.Text)
		}
		if n <= HistoryBytes || len(lines) == 0 {
			break
		}
	}
	lines = append(lines, bot.Line{Sender: q.SenderARN, Name: q.SenderName, Text: q.Text})

	several := false
	for _, l := range lines {
		several = several || !l.Mine && l.Sender != q.SenderARN
	}
	if o.System != "" {
		chat = append(chat, chatMessage{"system", o.System})
	}
	for _, l := range lines {
		switch {
		case l.Mine:
			chat = append(chat, chatMessage{"assistant", l.Text})
		case several:
			chat = append(chat, chatMessage{"user", l.Name + ": " + l.Text})
		default:
			chat = append(chat, chatMessage{"user", l.Text})
		}
	}
	return chat, nil
}

// chunk is a part of an answer, or a whole one.
type chunk struct {
	Choices []struct {
		Delta, Message struct{ Content string }
		FinishReason   string `json:"finish_reason"`
	}
	Error json.RawMessage
}

// errBroken is an answer that ended before it was complete.
var errBroken = &bot.Failure{Code: http.StatusBadGateway, Reason: "the model broke off its answer", Again: true}

// readChat hands on what an answer says. What servers say of errors is left out: it may repeat the key.
func readChat(a *outbound.Answer, body io.Reader, piece func(string)) error {
	if !a.Succeeded() {
		return status("the model", a)
	}
	if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/event-stream") { // a server that does not stream
		text, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		_, err = readChunk(text, piece)
		return err
	}

	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxLine)
	for complete := false; ; {
		if !lines.Scan() {
			switch {
			case lines.Err() != nil:
				return lines.Err()
			case !complete:
				return errBroken
			}
			return nil
		}
		data, found := bytes.CutPrefix(lines.Bytes(), []byte("data:"))
		if data = bytes.TrimSpace(data); !found || len(data) == 0 {
			continue
		}
		if string(data) == "[DONE]" {
			return nil
		}
		ended, err := readChunk(data, piece)
		if err != nil {
			return err
		}
		complete = complete || ended
	}
}

// readChunk hands on what a part of an answer says, and reports whether it is the last.
func readChunk(text []byte, piece func(string)) (last bool, err error) {
	var c chunk
	if err := json.Unmarshal(text, &c); err != nil {
		return false, fail(http.StatusBadGateway, "the model answered what is no chat completion")
	}
	if len(c.Error) > 0 && string(c.Error) != "null" {
		return false, errBroken
	}
	for _, choice := range c.Choices[:min(1, len(c.Choices))] {
		piece(choice.Delta.Content + choice.Message.Content)
		last = choice.FinishReason != ""
	}
	return last, nil
}
