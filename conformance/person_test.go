package conformance

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/lab"
)

// TestKilledServerFinishesErasures erases a user while it sends, and kills the program at each step that it sees the
// erasure at. Each acknowledged message is redacted, once, none was taken after the user was erased, and the data
// folder has nothing of it.
func TestKilledServerFinishesErasures(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: it builds the program and starts it several times")
	}
	v := newVictim(t)
	v.launch()
	const id, name, marker = "qx7w.person@example.com", "Qx7w Person", "qx7w-said "

	// A user and its channel, of which it is not the only member.
	var app struct{ AppInstanceArn string }
	v.call("POST", "/app-instances", "", map[string]string{"Name": "erasures", "ClientRequestToken": "app"}, &app)
	user := func(id, name string) string {
		t.Helper()
		var made struct{ AppInstanceUserArn string }
		v.call("POST", "/app-instance-users", "", map[string]string{"AppInstanceArn": app.AppInstanceArn, "AppInstanceUserId": id, "Name": name, "ClientRequestToken": "user-" + id[:4]}, &made)
		return made.AppInstanceUserArn
	}
	person, other := user(id, name), user("other", "Other")
	var made struct{ ChannelArn string }
	v.call("POST", "/channels", other, map[string]any{"AppInstanceArn": app.AppInstanceArn, "Name": "c", "ClientRequestToken": "channel", "MemberArns": []string{person}}, &made)
	channel := "/channels/" + lab.Escape(made.ChannelArn)

	// It sends until it is refused.
	enough, refused := make(chan struct{}), make(chan error, 1)
	acknowledged := 0
	go func() {
		for {
			body := fmt.Appendf(nil, `{"Content":"%s%d","Type":"STANDARD","Persistence":"PERSISTENT","ClientRequestToken":"message-%d"}`, marker, acknowledged, acknowledged)
			answer, err := v.Send(t.Context(), http.MethodPost, channel+"/messages", person, body)
			switch {
			case err == nil && answer.Status == http.StatusCreated:
				if acknowledged++; acknowledged == 200 {
					close(enough)
				}
				continue
			case err == nil && answer.Type() != "UnauthorizedClientException":
				err = fmt.Errorf("%d %s", answer.Status, answer.Body)
			}
			refused <- err
			return
		}
	}()
	select {
	case <-enough:
	case err := <-refused:
		t.Fatal(err)
	}
	var begun struct{ ErasureId string }
	v.call("POST", "/carillon/app-instance-users/"+lab.Escape(person)+"/erasures", "", map[string]string{"Messages": "REDACT"}, &begun)
	if err := <-refused; err != nil {
		t.Fatal(err)
	}

	var at struct {
		Erasure struct {
			Status, Step, ErasedAs string
			MessageCount           int
		}
	}
	seen := map[string]bool{}
	for at.Erasure.Status != "COMPLETED" {
		at.Erasure.Step = ""
		v.call("GET", "/carillon/app-instances/"+lab.Escape(app.AppInstanceArn)+"/erasures/"+begun.ErasureId, "", nil, &at)
		if step := at.Erasure.Step; step != "" && !seen[step] {
			seen[step] = true
			v.kill()
			v.launch()
		}
	}
	if len(seen) == 0 {
		t.Error("the erasure was over before it was seen: nothing was killed")
	}
	t.Logf("killed at %v", seen)

	// What is left of it.
	if at.Erasure.MessageCount != acknowledged {
		t.Errorf("%d messages were redacted, and %d acknowledged", at.Erasure.MessageCount, acknowledged)
	}
	listed := 0
	for token := "-"; token != ""; {
		var page struct {
			ChannelMessages []struct {
				Content  *string
				Redacted bool
				Sender   struct{ Arn, Name string }
			}
			NextToken string
		}
		target := channel + "/messages?max-results=50"
		if token != "-" {
			target += "&next-token=" + token
		}
		v.call("GET", target, other, nil, &page)
		for _, m := range page.ChannelMessages {
			if listed++; !m.Redacted || m.Content != nil || m.Sender.Arn != at.Erasure.ErasedAs || m.Sender.Name != "" {
				t.Errorf("a message is %+v", m)
			}
		}
		token = page.NextToken
	}
	if listed != acknowledged {
		t.Errorf("%d messages are listed, and %d were acknowledged", listed, acknowledged)
	}
	if err := v.process.Stop(); err != nil {
		t.Fatal(err)
	}
	v.process = nil
	err := filepath.WalkDir(v.data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, text := range []string{id, name, strings.TrimSpace(marker)} {
			if bytes.Contains(content, []byte(text)) {
				t.Errorf("%s has %q", filepath.Base(path), text)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
