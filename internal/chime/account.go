package chime

// The records of the account: the keys that sign requests and what IAM allows their holders. They
// follow the rules of record.go.

// Kinds of entity that policies belong to. They are stored.
const (
	EntityUser = "user"
	EntityRole = "role"
)

// Entity is a user or role that a managed policy is attached to.
type Entity struct {
	Kind string `cbor:"1,keyasint"`
	Name string `cbor:"2,keyasint"` // as it was given
	ID   string `cbor:"3,keyasint"`
}

// AccountUser is an IAM user.
type AccountUser struct {
	Name     string `cbor:"1,keyasint"`
	ID       string `cbor:"2,keyasint"` // AIDA..., never used again
	Path     string `cbor:"3,keyasint"`
	Created  Millis `cbor:"4,keyasint"`
	Boundary string `cbor:"5,keyasint,omitempty"` // ARN of a managed policy
	Tags     []Tag  `cbor:"6,keyasint,omitempty"`
}

// AccessKey is a long-term key of an IAM user. The secret is sealed: the data folder alone cannot
// sign with it.
type AccessKey struct {
	ID      string `cbor:"1,keyasint"` // AKIA...
	User    string `cbor:"2,keyasint"` // name as it was given
	Secret  []byte `cbor:"3,keyasint"`
	Active  bool   `cbor:"4,keyasint,omitempty"`
	Created Millis `cbor:"5,keyasint"`
}

// Role is an IAM role.
type Role struct {
	Name        string `cbor:"1,keyasint"`
	ID          string `cbor:"2,keyasint"` // AROA..., never used again: sessions die with their role
	Path        string `cbor:"3,keyasint"`
	Trust       string `cbor:"4,keyasint"` // policy document
	Description string `cbor:"5,keyasint,omitempty"`
	MaxSession  int    `cbor:"6,keyasint"` // seconds
	Created     Millis `cbor:"7,keyasint"`
	Boundary    string `cbor:"8,keyasint,omitempty"` // ARN of a managed policy
	Tags        []Tag  `cbor:"9,keyasint,omitempty"`
	// Trusted are the users, roles and sessions that Trust names, as they were when it was set. Bound
	// says so: records of older versions have neither.
	Trusted []Trusted `cbor:"10,keyasint,omitempty"`
	Bound   bool      `cbor:"11,keyasint,omitempty"`
}

// Trusted is what a name in a trust policy meant when the policy was set.
type Trusted struct {
	ARN string `cbor:"1,keyasint"`
	ID  string `cbor:"2,keyasint"` // AIDA..., AROA... or AROA...:SESSION
}

// InlinePolicy is a policy that one user or role owns.
type InlinePolicy struct {
	Name     string `cbor:"1,keyasint"`
	Document string `cbor:"2,keyasint"`
}

// ManagedPolicy is a policy that can be attached to many.
type ManagedPolicy struct {
	Name        string          `cbor:"1,keyasint"`
	ID          string          `cbor:"2,keyasint"` // ANPA...
	Path        string          `cbor:"3,keyasint"`
	Description string          `cbor:"4,keyasint,omitempty"`
	Default     int             `cbor:"5,keyasint"` // number of the version in force
	Latest      int             `cbor:"6,keyasint"` // highest number ever given
	Versions    []PolicyVersion `cbor:"7,keyasint"` // five at most, oldest first
	Created     Millis          `cbor:"8,keyasint"`
	Updated     Millis          `cbor:"9,keyasint"`
	Tags        []Tag           `cbor:"10,keyasint,omitempty"`
}

// PolicyVersion is one text of a managed policy.
type PolicyVersion struct {
	Number   int    `cbor:"1,keyasint"`
	Document string `cbor:"2,keyasint"`
	Created  Millis `cbor:"3,keyasint"`
}

// OIDCProvider is an issuer of tokens that roles may trust.
type OIDCProvider struct {
	URL         string   `cbor:"1,keyasint"` // without https://
	ClientIDs   []string `cbor:"2,keyasint,omitempty"`
	Thumbprints []string `cbor:"3,keyasint,omitempty"`
	Created     Millis   `cbor:"4,keyasint"`
	Tags        []Tag    `cbor:"5,keyasint,omitempty"`
}

// SealedKey is a key that is kept encrypted.
type SealedKey struct {
	Sealed  []byte `cbor:"1,keyasint"`
	Created Millis `cbor:"2,keyasint"`
	// Since is when it was made in milliseconds of store time, zero in records from before that was
	// kept.
	Since int64 `cbor:"3,keyasint,omitempty"`
}

// PoolIdentity is an identity of an identity pool, known by logins or by none.
type PoolIdentity struct {
	Pool    string   `cbor:"1,keyasint"`
	Logins  []string `cbor:"2,keyasint,omitempty"` // providers
	Created Millis   `cbor:"3,keyasint"`
}
