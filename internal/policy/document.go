package policy

// Effect is what a matching statement does.
type Effect string

// The two effects.
const (
	Allow Effect = "Allow"
	Deny  Effect = "Deny"
)

// Versions of the policy language. Variables are known since 2012; in an older document, or one
// without Version, they are literal text.
const (
	Version2012 = "2012-10-17"
	Version2008 = "2008-10-17"
)

// Document is a policy as Parse or ParseTrust made it. One that was put together otherwise
// matches nothing.
type Document struct {
	Version    string // empty: not given, which means 2008-10-17
	ID         string
	Statements []Statement
}

// Policy is a document with the name by which decisions call it: "inline policy X", an ARN,
// "session policy 1".
type Policy struct {
	Name     string
	Document *Document
}

// Statement is one rule of a policy. The lists hold the text as it was written; * stands for any
// text, ? for any one character. Actions match without regard to case, resources exactly.
type Statement struct {
	Sid          string
	Effect       Effect
	Actions      []string    // either these
	NotActions   []string    // or these
	Resources    []string    // in identity policies: either these
	NotResources []string    // or these
	Principals   *Principals // in trust policies
	Conditions   []Condition // all must hold; in the order of the text

	Start, End Position // of its JSON object; End is the position after it

	text         string
	actions      actionSet
	resources    []template
	notPrincipal bool // which no kind of policy may have
}

// JSON gives the statement as it was written.
func (s *Statement) JSON() string { return s.text }

// Position is a position in a document's text; both count from 1, columns in bytes.
type Position struct{ Line, Column int }

// Principals are those that a statement of a trust policy names.
type Principals struct {
	Everyone  bool     // "*", without a kind
	AWS       []string // ARNs, account ids, "*"
	Federated []string
	Service   []string

	spans []span // of the AWS principals in the document's text
}
