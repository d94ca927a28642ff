package audit

import (
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
)

// Call is what there is to say of a call or connect request. Empty texts and nil are left out, or null
// where CloudTrail has null.
type Call struct {
	Time      time.Time
	RequestID string
	Service   string // signing name: chime, sts, iam, cognito-identity
	Name      string // of the operation
	ReadOnly  bool
	Source    access.Source

	Principal   *access.Principal // nil: not known
	AccessKeyID string

	// Request and Response are reduced to their ARNs and ids.
	Request, Response any
	Status            int // of HTTP; zero is left out

	ErrorCode, ErrorMessage string
	Refusal                 string // the step that refused; empty when the call was allowed
}

// The form of the lines. CloudTrail's documents say what each member means.
const (
	eventVersion = "1.08"
	domain       = ".amazonaws.com"
	maxText      = 256 // bytes of a user agent
	maxMessage   = 1024
)

// lines are buffers for lines.
var lines = sync.Pool{New: func() any { b := make([]byte, 0, 2048); return &b }}

// Record writes the line of a call.
func (l *Log) Record(c *Call) {
	id, err := chime.NewUUID(l.o.Random)
	if err != nil {
		id = c.RequestID // without randomness rather than without a line
	}
	b := lines.Get().(*[]byte)
	*b = l.appendCall((*b)[:0], c, id)
	l.put(*b)
	if cap(*b) <= 64<<10 {
		lines.Put(b)
	}
}

func (l *Log) appendCall(b []byte, c *Call, id string) []byte {
	b = append(b, `{"eventVersion":"`+eventVersion+`","userIdentity":`...)
	b = l.appendIdentity(b, c)
	b = appendTime(append(b, `,"eventTime":`...), c.Time)
	b = api.AppendString(append(b, `,"eventSource":`...), c.Service+domain)
	b = api.AppendString(append(b, `,"eventName":`...), c.Name)
	b = api.AppendString(append(b, `,"awsRegion":`...), l.o.Site.Region)

	// Where it came from.
	remote := c.Source.Remote
	if ip := c.Source.IP(); ip.IsValid() {
		remote = ip.String()
	}
	b = api.AppendString(append(b, `,"sourceIPAddress":`...), remote)
	b = api.AppendString(append(b, `,"userAgent":`...), cut(c.Source.UserAgent, maxText))

	// What came of it.
	b = appendMember(b, "errorCode", c.ErrorCode)
	b = appendMember(b, "errorMessage", cut(c.ErrorMessage, maxMessage))
	b = appendIDs(append(b, `,"requestParameters":`...), c.Request)
	b = appendIDs(append(b, `,"responseElements":`...), c.Response)
	b = append(b, `,"additionalEventData":{"decision":`...)
	if c.Refusal == "" {
		b = append(b, `"allowed"`...)
	} else {
		b = api.AppendString(append(b, `"refused","step":`...), c.Refusal)
	}
	if c.Status != 0 {
		b = strconv.AppendInt(append(b, `,"httpStatus":`...), int64(c.Status), 10)
	}

	b = appendMember(append(b, '}'), "requestID", c.RequestID)
	b = api.AppendString(append(b, `,"eventID":`...), id)
	b = strconv.AppendBool(append(b, `,"readOnly":`...), c.ReadOnly)
	b = append(b, `,"eventType":"AwsApiCall"`...)
	return l.appendEnd(b)
}

// appendEnd ends a line as all end.
func (l *Log) appendEnd(b []byte) []byte {
	b = append(b, `,"managementEvent":true,"recipientAccountId":`...)
	b = api.AppendString(b, l.o.Site.Account)
	return append(b, `,"eventCategory":"Management"}`+"\n"...)
}

// appendIdentity appends CloudTrail's userIdentity.
func (l *Log) appendIdentity(b []byte, c *Call) []byte {
	p := c.Principal
	if p == nil {
		b = append(b, `{"type":"Unknown"`...)
		return append(appendMember(b, "accessKeyId", c.AccessKeyID), '}')
	}
	b = api.AppendString(append(b, `{"type":`...), identityType(p))
	b = appendMember(b, "principalId", p.ID)
	b = appendMember(b, "arn", p.ARN)
	b = appendMember(b, "accountId", l.o.Site.Account)
	b = appendMember(b, "accessKeyId", c.AccessKeyID)
	if p.Kind == access.User || p.Kind == access.UserSession {
		b = appendMember(b, "userName", p.Name)
	}
	if p.Temporary() {
		b = l.appendSession(append(b, `,"sessionContext":`...), p)
	}
	return append(b, '}')
}

func identityType(p *access.Principal) string {
	switch {
	case p.Kind == access.RoleSession:
		return "AssumedRole"
	case p.Kind == access.ChatSession:
		return "FederatedUser"
	case p.IsRoot():
		return "Root"
	}
	return "IAMUser"
}

// appendSession appends the sessionContext of temporary credentials.
func (l *Log) appendSession(b []byte, p *access.Principal) []byte {
	b = append(b, '{')
	if p.Kind == access.RoleSession {
		role, _, _ := strings.Cut(p.ID, ":") // the session's name is behind
		b = append(b, `"sessionIssuer":{"type":"Role"`...)
		b = appendMember(b, "principalId", role)
		b = appendMember(b, "arn", p.RoleARN())
		b = appendMember(b, "accountId", l.o.Site.Account)
		b = appendMember(b, "userName", p.Name)
		b = append(b, `},`...)
		if provider := p.Provider(); provider != "" {
			b = api.AppendString(append(b, `"webIdFederationData":{"federatedProvider":`...), provider)
			b = append(b, `},`...)
		}
	}
	b = appendTime(append(b, `"attributes":{"creationDate":`...), p.Issued)
	return append(b, `,"mfaAuthenticated":"false"}}`...)
}

// appendMember appends a member of an object that has some already; nothing when the text is empty.
func appendMember(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	b = append(append(append(b, `,"`...), name...), `":`...)
	return api.AppendString(b, text)
}

func appendIDs(b []byte, v any) []byte {
	if v, ok := v.(api.Identified); ok {
		return v.AppendIDs(b)
	}
	return append(b, "null"...)
}

func appendTime(b []byte, t time.Time) []byte {
	b = append(b, '"')
	return append(t.UTC().AppendFormat(b, time.RFC3339), '"')
}

func cut(s string, most int) string { return s[:min(len(s), most)] }

// serviceEvent is the line of what the service did without a call.
type serviceEvent struct {
	EventVersion       string          `json:"eventVersion"`
	UserIdentity       serviceIdentity `json:"userIdentity"`
	EventTime          string          `json:"eventTime"`
	EventSource        string          `json:"eventSource"`
	EventName          string          `json:"eventName"`
	AWSRegion          string          `json:"awsRegion"`
	SourceIPAddress    string          `json:"sourceIPAddress"`
	UserAgent          string          `json:"userAgent"`
	RequestParameters  *struct{}       `json:"requestParameters"`
	ResponseElements   *struct{}       `json:"responseElements"`
	EventID            string          `json:"eventID"`
	ReadOnly           bool            `json:"readOnly"`
	Resources          []resource      `json:"resources,omitempty"`
	EventType          string          `json:"eventType"`
	ManagementEvent    bool            `json:"managementEvent"`
	RecipientAccountID string          `json:"recipientAccountId"`
	Details            any             `json:"serviceEventDetails,omitempty"`
	EventCategory      string          `json:"eventCategory"`
}

type serviceIdentity struct {
	AccountID string `json:"accountId"`
	InvokedBy string `json:"invokedBy"`
}

type resource struct {
	AccountID string `json:"accountId"`
	Type      string `json:"type"`
	ARN       string `json:"ARN"`
}

// line completes the event and returns its line.
func (l *Log) line(e serviceEvent) []byte {
	const service = "chime" + domain
	e.EventVersion, e.EventSource, e.SourceIPAddress, e.UserAgent = eventVersion, service, service, service
	e.UserIdentity = serviceIdentity{l.o.Site.Account, service}
	e.AWSRegion, e.RecipientAccountID = l.o.Site.Region, l.o.Site.Account
	e.EventType, e.ManagementEvent, e.EventCategory = "AwsServiceEvent", true, "Management"
	b, _ := json.Marshal(e) // a structure of texts cannot fail
	return append(b, '\n')
}

// serviceLine is the line of something about the log itself.
func (l *Log) serviceLine(name string, details any) []byte {
	id, _ := chime.NewUUID(l.o.Random) // empty without randomness
	return l.line(serviceEvent{EventName: name, EventTime: l.o.Now().UTC().Format(time.RFC3339), EventID: id, Details: details})
}

func (l *Log) lossLine(lost loss) []byte {
	return l.serviceLine("LoseEvents", struct {
		Lost  uint64 `json:"lost"`
		From  string `json:"from"`
		Until string `json:"until"`
	}{lost.lines, lost.from.UTC().Format(time.RFC3339), lost.until.UTC().Format(time.RFC3339)})
}
