package iam_test

import (
	"errors"
	"testing"

	iamapi "github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/iam"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// When it is not known whether a change was kept, whoever remembers the account as it was is told.
func TestUncertainChangesAreTold(t *testing.T) {
	inner := memstore.New()
	defer inner.Close()
	lost := errors.New("lost")
	told := 0
	s := iam.New(iam.Options{
		Store: faulty.New(inner, func(call faulty.Call) error {
			if call.Op == faulty.Committed {
				return lost
			}
			return nil
		}),
		Changed: func() { told++ },
	})
	if _, err := s.CreateUser(t.Context(), &iamapi.CreateUserRequest{UserName: "ann"}); !errors.Is(err, lost) || told != 1 {
		t.Errorf("%v, told %d times", err, told)
	}
}
