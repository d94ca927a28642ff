package inproc_test

import (
	"testing"

	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/bus/bustest"
	"github.com/carillon-chat/carillon/internal/bus/inproc"
)

func TestContract(t *testing.T) {
	bustest.Run(t, func(*testing.T) bus.Bus { return inproc.New() })
}
