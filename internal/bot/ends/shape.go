package ends

import (
	"encoding/json"
	"net/http"
	"unicode/utf8"

	"github.com/carillon-chat/carillon/internal/bot"
)

// maxText is how long a text Lex takes, in characters.
const maxText = 1024

// checkText refuses what Lex does not take.
func checkText(text string) error {
	if n := utf8.RuneCountInString(text); n > maxText {
		return fail(http.StatusBadRequest, "the message has %d characters, Lex takes %d at most", n, maxText)
	}
	return nil
}

// request is the body of a RecognizeText or PutSession.
type request struct {
	Text              string            `json:"text,omitempty"`
	SessionState      *sessionState     `json:"sessionState,omitempty"`
	RequestAttributes map[string]string `json:"requestAttributes,omitempty"`
}

type sessionState struct {
	DialogAction *dialogAction `json:"dialogAction,omitempty"`
	Intent       *intent       `json:"intent,omitempty"`
}

type dialogAction struct {
	Type string `json:"type"`
}

type intent struct {
	Name  string `json:"name"`
	State string `json:"state,omitempty"`
}

// recognize is the body that has a text answered.
func recognize(q *bot.Question) request {
	return request{Text: q.Text, RequestAttributes: map[string]string{"CHIME.channel.arn": q.ChannelARN, "CHIME.sender.arn": q.SenderARN}}
}

// put is the body that begins a conversation with an intent.
func put(s *bot.Session, name string) request {
	return request{
		SessionState: &sessionState{
			DialogAction: &dialogAction{Type: "Delegate"}, Intent: &intent{Name: name, State: "InProgress"},
		},
		RequestAttributes: map[string]string{"CHIME.channel.arn": s.ChannelARN},
	}
}

// response is what is read of the answer to a RecognizeText.
type response struct {
	Messages     []message    `json:"messages"`
	SessionState sessionState `json:"sessionState"`
}

// message is one of the messages of Lex.
type message struct {
	Content           string `json:"content"`
	ContentType       string `json:"contentType"`
	ImageResponseCard *card  `json:"imageResponseCard"`
}

type card struct {
	Title    string   `json:"title"`
	Subtitle string   `json:"subtitle"`
	ImageURL string   `json:"imageUrl"`
	Buttons  []button `json:"buttons"`
}

type button struct {
	Text  string `json:"text"`
	Value string `json:"value"`
}

// The same as channel messages have them.
type (
	shownMessage struct {
		Content           string `json:",omitempty"`
		ContentType       string
		ImageResponseCard *shownCard `json:",omitempty"`
	}
	shownCard struct {
		Title    string
		Subtitle string        `json:",omitempty"`
		ImageURL string        `json:"ImageUrl,omitempty"`
		Buttons  []shownButton `json:",omitempty"`
	}
	shownButton struct{ Text, Value string }
)

// answer is the response as a bot says it. A message without a content type is plain text.
func (r *response) answer() (a bot.Answer, err error) {
	a.Messages = make([]json.RawMessage, len(r.Messages))
	for i, m := range r.Messages {
		if m.ContentType == "" {
			m.ContentType = "PlainText"
		}
		shown := shownMessage{Content: m.Content, ContentType: m.ContentType}
		if c := m.ImageResponseCard; c != nil {
			shown.ImageResponseCard = &shownCard{Title: c.Title, Subtitle: c.Subtitle, ImageURL: c.ImageURL}
			for _, b := range c.Buttons {
				shown.ImageResponseCard.Buttons = append(shown.ImageResponseCard.Buttons, shownButton(b))
			}
		}
		if a.Messages[i], err = json.Marshal(shown); err != nil {
			return a, err
		}
	}
	if in := r.SessionState.Intent; in != nil {
		a.Intent, a.State = in.Name, in.State
	}
	return a, nil
}

// parse reads an answer of the server that is named in errors.
func parse(of string, body []byte) (bot.Answer, error) {
	r := new(response)
	if err := json.Unmarshal(body, r); err != nil {
		return bot.Answer{}, fail(http.StatusBadGateway, "%s answered what is not in the form of Lex", of)
	}
	return r.answer()
}
