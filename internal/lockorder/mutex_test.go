package lockorder

import (
	"reflect"
	"sync"
	"testing"
)

func TestAMutexCostsNothing(t *testing.T) {
	if got, want := reflect.TypeFor[Mutex[Hub]]().Size(), reflect.TypeFor[sync.Mutex]().Size(); got != want {
		t.Errorf("a Mutex has %d bytes, a sync.Mutex %d", got, want)
	}
}
