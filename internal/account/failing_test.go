package account_test

import (
	"errors"
	"testing"

	"github.com/carillon-chat/carillon/internal/account"
	"github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// When it is not known whether a change was kept, whoever remembers the account as it was is told.
func TestUncertainChangesAreTold(t *testing.T) {
	inner := memstore.New()
	defer inner.Close()
	lost := errors.New("lost")
	told := 0
	s := account.New(account.Options{
		Store: faulty.New(inner, func(call faulty.Call) error {
			if call.Op == faulty.Committed {
				return lost
			}
			return nil
		}),
		Changed: func() { told++ },
	})
	if _, err := s.CreateUser(t.Context(), &iam.CreateUserRequest{UserName: "ann"}); !errors.Is(err, lost) || told != 1 {
		t.Errorf("%v, told %d times", err, told)
	}
}
