package access

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/sigv4"
	"github.com/carillon-chat/carillon/internal/store"
)

// Steps of a connect request after those of its signature, which sigv4 names.
const (
	StepRequest = "request" // the parameters of the query
	StepIAM     = "iam"     // whether the principal may have it
	StepUser    = "user"    // whether the user exists
)

// Explanation is what became of a connect request, and why, as JSON.
type Explanation struct {
	Allowed bool
	Step    string `json:",omitempty"` // that refused
	Code    string `json:",omitempty"`
	Message string

	// CanonicalRequest and StringToSign are what a verifier that explains computed for a
	// signature that does not match.
	CanonicalRequest string `json:",omitempty"`
	StringToSign     string `json:",omitempty"`

	// Principal is the signer, once that is known.
	Principal string `json:",omitempty"`
	// The question to IAM and its answer: allow, explicit deny or implicit deny.
	Action   string `json:",omitempty"`
	Resource string `json:",omitempty"`
	Decision string `json:",omitempty"`
	// Policy is the one that decided, and Statement the text of its statement; that only from
	// a service that explains.
	Policy    string          `json:",omitempty"`
	Statement json.RawMessage `json:",omitempty"`

	// What the session would be.
	UserARN   string     `json:"UserArn,omitempty"`
	SessionID string     `json:"SessionId,omitempty"`
	Expires   *time.Time `json:",omitempty"` // absent: never
}

// ExplainConnect decides about a connect request like Connect and the hub, opens nothing, and
// returns what Connect's caller would learn from the answer, with the reasons. Its error is a
// failure of the server.
func (s *Service) ExplainConnect(ctx context.Context, signed *sigv4.Request, from Source) (Explanation, error) {
	c, err := s.Connect(ctx, signed, from)
	if err != nil {
		return s.explainRefusal(err)
	}

	// The hub refuses users that do not exist.
	var known bool
	err = s.store.View(ctx, c.App, func(r store.Reader) (err error) {
		known, err = store.AppInstances.Has(r, store.K(c.App))
		if err == nil && known {
			known, err = store.Users.Has(r, store.K(c.App, c.User.ID()))
		}
		return err
	})
	if err != nil {
		return Explanation{}, err
	}

	e := Explanation{
		Allowed: known, Message: "the request is in order: a session would begin", Principal: c.Principal.ARN,
		Action: "chime:Connect", Resource: c.UserARN, Decision: "allow", UserARN: c.UserARN, SessionID: c.SessionID,
	}
	if !known {
		e.Step, e.Code, e.Message = StepUser, "ForbiddenException", "the app instance user does not exist"
	}

	if !c.Expires.IsZero() {
		e.Expires = &c.Expires
	}
	return e, nil
}

func (s *Service) explainRefusal(err error) (Explanation, error) {
	if refused, ok := errors.AsType[*sigv4.Error](err); ok {
		return Explanation{Step: refused.Step, Code: refused.Code, Message: refused.Message,
			CanonicalRequest: refused.CanonicalRequest, StringToSign: refused.StringToSign}, nil
	}
	if refused, ok := errors.AsType[*DeniedError](err); ok {
		d := refused.Decision
		e := Explanation{
			Step: StepIAM, Code: refused.answer.Type, Message: refused.answer.Message, Principal: refused.Principal,
			Action: d.Action, Resource: d.Resource, Decision: "implicit deny", Policy: d.Policy,
		}
		if d.Explicit {
			e.Decision = "explicit deny"
		}
		if d.Statement != nil && s.explain {
			e.Statement = json.RawMessage(d.Statement.JSON())
		}
		return e, nil
	}
	if refused, ok := errors.AsType[*api.Error](err); ok {
		return Explanation{Step: StepRequest, Code: refused.Type, Message: refused.Message}, nil
	}
	return Explanation{}, err
}
