package grants

import (
	"slices"
	"strings"

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

// LoadManaged reads the policy with exactly the ARN; found reports whether there is one.
func LoadManaged(r store.Reader, site chime.Site, arn string) (m Managed, found bool, err error) {
	if strings.HasPrefix(arn, builtInARN) {
		i := slices.IndexFunc(builtIn, func(m Managed) bool { return m.ARN == arn })
		if i < 0 {
			return Managed{}, false, nil
		}
		return builtIn[i], true, nil
	}
	name := arn[strings.LastIndexByte(arn, '/')+1:]
	p, found, err := store.Policies.Get(r, store.K(strings.ToLower(name)))
	if err != nil || !found {
		return Managed{}, false, err
	}
	m = Managed{ManagedPolicy: p, ARN: PolicyARN(site, p)}
	return m, m.ARN == arn, nil
}
