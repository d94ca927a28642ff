package app

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// On a port that other machines reach dead letters are shown, and changed by none of them.
func TestOthersChangeNoDeadLetters(t *testing.T) {
	mux := http.NewServeMux()
	deadLetters{local: false}.register(mux)
	for _, method := range []string{http.MethodPost, http.MethodDelete} {
		path := "/dead-letters/a/f/1"
		if method == http.MethodPost {
			path += "/replay"
		}
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, httptest.NewRequest(method, path, nil))
		if answer.Code != http.StatusForbidden {
			t.Errorf("%s: %d", method, answer.Code)
		}
	}
}
