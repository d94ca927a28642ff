package policies

import (
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Managed is a managed policy, of the account or built in.
type Managed struct {
	chime.ManagedPolicy
	ARN     string
	BuiltIn bool // cannot be changed
}

// Version is the version with the number.
func (m *Managed) Version(number int) (chime.PolicyVersion, bool) {
	for _, v := range m.Versions {
		if v.Number == number {
			return v, true
		}
	}
	return chime.PolicyVersion{}, false
}

// LoadManaged reads the policy with exactly the ARN; found tells whether there is one.
func LoadManaged(r store.Reader, site chime.Site, arn string) (m Managed, found bool, err error) {
	for _, b := range BuiltIn() {
		if b.ARN == arn {
			return b, true, nil
		}
	}
	name := arn[strings.LastIndexByte(arn, '/')+1:]
	p, found, err := store.Policies.Get(r, store.K(strings.ToLower(name)))
	if err != nil || !found {
		return Managed{}, false, err
	}
	m = Managed{ManagedPolicy: p, ARN: PolicyARN(site, p)}
	return m, m.ARN == arn, nil
}

var builtInSince = chime.At(time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))

// BuiltIn are the policies of AWS's own that every account has, in the order of their names.
func BuiltIn() []Managed {
	return []Managed{
		builtIn("AdministratorAccess", "ANPAADMINISTRATORACCE", "Allows everything.", "*"),
		builtIn("AmazonChimeFullAccess", "ANPAAMAZONCHIMEFULLAC", "Allows every action of Amazon Chime.", "chime:*"),
	}
}

func builtIn(name, id, description, action string) Managed {
	document := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"*"}]}`
	return Managed{BuiltIn: true, ARN: "arn:aws:iam::aws:policy/" + name, ManagedPolicy: chime.ManagedPolicy{
		Name: name, ID: id, Path: "/", Description: description, Default: 1, Latest: 1,
		Versions: []chime.PolicyVersion{{Number: 1, Document: document, Created: builtInSince}},
		Created:  builtInSince, Updated: builtInSince,
	}}
}
