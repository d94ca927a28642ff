package memstore_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
	"github.com/carillon-chat/carillon/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Harness {
		const forgets = "memory is gone when the store is closed"
		return storetest.Harness{
			Open:    func() (store.Store, error) { return memstore.New(), nil },
			Excused: map[string]string{"Reopen": forgets, "ReopenTrimmed": forgets},
		}
	})
}
