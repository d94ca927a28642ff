package wsconn

import (
	"testing"
)

// Every socket that can be taken over is.
func TestEpollTakesSocketsOver(t *testing.T) {
	for _, w := range []way{{EngineAuto, false}, {EngineEpoll, false}, {EngineEpoll, true}} {
		hub := newFakeHub()
		s, address := w.start(t, Options{Hub: hub})
		dial(t, address)
		hub.session(t)
		for _, c := range s.wheel.all() {
			if l, ok := c.link.(*polled); !ok || (l.secure != nil) != w.secure {
				t.Errorf("%+v: the link is a %T", w, c.link)
			}
		}
	}
}
