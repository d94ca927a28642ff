package person_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	wire "github.com/carillon-chat/carillon/internal/api/carillon"
	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/person"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Everything of the person has one of these in it, and nothing else has.
const (
	personID = "pq7.x@example.com"
	marker   = "zqzq" // in texts, names, metadata and tokens of devices
)

// stage is a world with a person in it.
type stage struct {
	*servicetest.World
	t       *testing.T
	persons *person.Service
	sink    lines
}

// lines is a sink in memory.
type lines []string

func (l *lines) Rewrite(_ context.Context, f func([]byte) []byte) error {
	var kept lines
	for _, line := range *l {
		if line := f([]byte(line)); line != nil {
			kept = append(kept, string(line))
		}
	}
	*l = kept
	return nil
}

func newStage(t *testing.T, w *servicetest.World) *stage {
	s := &stage{World: w, t: t}
	s.persons = s.service()
	return s
}

func (s *stage) service() *person.Service {
	return person.New(person.Options{
		Store: s.Store, Site: s.Site, Now: s.Clock, Random: s.Random, Jobs: s.Jobs, Identity: s.Identity, Messages: s.Messages,
		Settle: nothing, Reread: nothing, Sinks: []person.Sink{&s.sink}, Wait: func(context.Context, time.Duration) {},
	})
}

func nothing(context.Context, string) error { return nil }

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// sent is a message of the person.
func (s *stage) sent(channel, text string, change ...func(*messaging.SendChannelMessageRequest)) string {
	s.t.Helper()
	req := s.Text(personID, channel, marker+text)
	meta, title := marker+"metadata", marker+"title"
	req.Metadata, req.ContentType = &meta, ptr("text/"+marker)
	req.MessageAttributes = map[string]messaging.MessageAttributeValue{marker + "key": {StringValues: []string{marker + "value"}}}
	req.PushNotification = &messaging.PushNotificationConfiguration{Title: &title, Body: &title, Type: messaging.PushNotificationTypeDefault}
	for _, f := range change {
		f(req)
	}
	return s.Send(req)
}

func ptr(s string) *string   { return &s }
func (s *stage) arn() string { return s.User(personID) }

// live gives the person a part in everything that an app instance has.
func (s *stage) live() {
	t, ctx := s.t, context.Background()
	t.Helper()
	_, err := s.Identity.CreateAppInstanceUser(ctx, &identityapi.CreateAppInstanceUserRequest{
		AppInstanceARN: s.App, AppInstanceUserID: personID, Name: marker + "former", Metadata: ptr(marker + "meta"), ClientRequestToken: s.Token(),
		Tags: []identityapi.Tag{{Key: marker + "tag", Value: marker + "tag"}},
	})
	s.must(err)
	_, err = s.Identity.UpdateAppInstanceUser(ctx, &identityapi.UpdateAppInstanceUserRequest{AppInstanceUserARN: s.arn(), Name: marker + "name", Metadata: ptr(marker + "meta")})
	s.must(err)
	_, err = s.Identity.RegisterAppInstanceUserEndpoint(ctx, &identityapi.RegisterAppInstanceUserEndpointRequest{
		AppInstanceUserARN: s.arn(), ResourceARN: "arn:aws:mobiletargeting:us-east-1:000000000000:apps/x", Type: identityapi.AppInstanceUserEndpointTypeApns, ClientRequestToken: s.Token(),
		Name: ptr(marker + "phone"), EndpointAttributes: &identityapi.EndpointAttributes{DeviceToken: marker + "device"},
	})
	s.must(err)

	// Channels that it made, was invited to, moderates, was banned from, and left.
	s.AddChannel(personID, "own")
	s.AddMember(personID, "own", "bob", messaging.ChannelMembershipTypeDefault)
	s.AddMember(personID, "own", "hid", messaging.ChannelMembershipTypeHidden)
	s.MakeModerator(personID, "own", "bob")
	s.AddChannel("adm", "rooms", servicetest.Elastic(3, 2, 50))
	for _, user := range []string{"bob", personID} {
		s.AddMember("adm", "rooms", user, messaging.ChannelMembershipTypeDefault)
	}
	s.AddChannel("adm", "hall")
	s.AddMember("adm", "hall", "bob", messaging.ChannelMembershipTypeDefault)
	s.AddMember("bob", "hall", personID, messaging.ChannelMembershipTypeDefault)
	s.MakeModerator("adm", "hall", personID)
	s.AddMember(personID, "hall", "hid", messaging.ChannelMembershipTypeDefault)
	s.Ban(personID, "hall", "dan")
	s.AddChannel("adm", "left")
	s.AddMember("adm", "left", personID, messaging.ChannelMembershipTypeDefault)
	s.sent("left", "left")
	s.Remove("adm", "left", personID)
	s.AddChannel("adm", "banned")
	s.Ban("adm", "banned", personID)

	// What it said, and what others said to it and of it.
	kept := s.sent("hall", "kept")
	gone := s.sent("hall", "redacted")
	edited := s.sent("hall", "before")
	_, err = s.Messages.UpdateChannelMessage(ctx, &messaging.UpdateChannelMessageRequest{
		ChannelARN: s.Channel("hall"), MessageID: edited, Content: marker + "after", ChimeBearer: s.arn(),
	})
	s.must(err)
	s.Redact(personID, "hall", gone)
	s.sent("hall", "targeted", s.World.To("bob"))
	s.sent("hall", "live", func(r *messaging.SendChannelMessageRequest) {
		r.Persistence = messaging.ChannelMessagePersistenceTypeNonPersistent
		r.MessageAttributes, r.PushNotification = nil, nil
	})
	s.sent("rooms", "in a room", func(r *messaging.SendChannelMessageRequest) { r.SubChannelID = s.room() })
	s.sent("own", "own")
	s.Say("bob", "hall", "of bob to the person", s.World.To(personID))
	s.Say("bob", "hall", "of bob", func(r *messaging.SendChannelMessageRequest) {
		r.MessageAttributes = map[string]messaging.MessageAttributeValue{"CHIME.mentions": {StringValues: []string{s.arn(), s.User("adm")}}}
		r.Metadata = ptr("a reply to " + kept)
	})
	s.Read(personID, "hall")
	_, err = s.Channels.PutChannelMembershipPreferences(ctx, &messaging.PutChannelMembershipPreferencesRequest{
		ChannelARN: s.Channel("hall"), MemberARN: s.arn(), ChimeBearer: s.arn(),
		Preferences: &messaging.ChannelMembershipPreferences{PushNotifications: &messaging.PushNotificationPreferences{
			AllowNotifications: messaging.AllowNotificationsFiltered, FilterRule: ptr(`{"k": ["` + marker + `"]}`)}},
	})
	s.must(err)
	s.MakeAdmin(personID)
	s.sink = lines{
		fmt.Sprintf(`{"EventType":"CREATE_CHANNEL_MESSAGE","Payload":{"Content":"%s","Sender":{"Arn":"%s","Name":"%sname"}}}`, marker, s.arn(), marker),
		fmt.Sprintf(`{"EventType":"CREATE_CHANNEL_MEMBERSHIP","Payload":{"Member":{"Arn":"%s","Name":"%sname"},"InvitedBy":{"Arn":"%s","Name":"BOB"}}}`, s.arn(), marker, s.User("bob")),
		`{"EventType":"CREATE_CHANNEL_MESSAGE","Payload":{"Content":"of bob","Sender":{"Arn":"` + s.User("bob") + `","Name":"BOB"}}}`,
	}
}

// room is the sub-channel of the person.
func (s *stage) room() (sub *string) {
	s.t.Helper()
	s.must(s.Store.View(s.t.Context(), s.AppID(), func(r store.Reader) error {
		return store.MembershipsOf.Each(r, store.Prefix(store.K(s.AppID(), "user/"+personID)), func(_ store.Key, at chime.ChannelEntry) (bool, error) {
			if at.Sub != "" {
				sub = &at.Sub
			}
			return sub == nil, nil
		})
	}))
	return sub
}

// named are the entries of the store that have a text, by table.
func named(t *testing.T, st store.Store, text string) (found []string) {
	t.Helper()
	err := st.View(t.Context(), "", func(r store.Reader) error {
		for table := range 256 {
			err := r.Scan(store.TableID(table), store.Range{}, func(key store.Key, value []byte) (bool, error) {
				if strings.Contains(string(key), text) || strings.Contains(string(value), text) {
					found = append(found, fmt.Sprintf("table %d: %q = %q", table, key, value))
				}
				return true, nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func (s *stage) erase(mode wire.ErasedMessages) string {
	s.t.Helper()
	resp, err := s.persons.EraseAppInstanceUser(s.t.Context(), &wire.EraseAppInstanceUserRequest{AppInstanceUserARN: s.arn(), Messages: mode})
	s.must(err)
	return resp.ErasureID
}

func (s *stage) describe(id string) *wire.Erasure {
	s.t.Helper()
	resp, err := s.persons.DescribeErasure(s.t.Context(), &wire.DescribeErasureRequest{AppInstanceARN: s.App, ErasureID: id})
	s.must(err)
	return resp.Erasure
}

// export reads all pages.
func (s *stage) export() (lines []string) {
	s.t.Helper()
	var token *string
	for {
		page, err := s.persons.ExportAppInstanceUser(s.t.Context(), &wire.ExportAppInstanceUserRequest{AppInstanceUserARN: s.arn(), NextToken: token})
		s.must(err)
		lines = append(lines, page.Lines...)
		if page.NextToken == "" {
			if page.ChannelsRead != page.Channels || page.Channels != 5 {
				s.t.Errorf("%d of %d channels", page.ChannelsRead, page.Channels)
			}
			return lines
		}
		token = &page.NextToken
	}
}

// TestNothingIsLeft has a person leave everything behind that it can, and erases it: no entry of the store and
// no line of a sink has its texts, names or id, and what others have is as it was.
func TestNothingIsLeft(t *testing.T) {
	for _, mode := range []wire.ErasedMessages{wire.ErasedMessagesRedact, wire.ErasedMessagesDelete} {
		t.Run(string(mode), func(t *testing.T) {
			servicetest.OnEach(t, "bob hid dan", func(t *testing.T, w *servicetest.World) {
				s := newStage(t, w)
				s.live()
				if before := named(t, w.Store, marker); len(before) < 12 {
					t.Fatalf("the search finds little: %q", before)
				}
				s.Log()
				id := s.erase(mode)

				// With the first commit.
				if _, err := w.Messages.SendChannelMessage(t.Context(), w.Text(personID, "hall", "late")); servicetest.Outcome(err) != "UnauthorizedClient" {
					t.Errorf("it sends: %v", err)
				}
				_, err := w.Identity.CreateAppInstanceUser(t.Context(), &identityapi.CreateAppInstanceUserRequest{AppInstanceARN: w.App, AppInstanceUserID: personID, Name: "next", ClientRequestToken: w.Token()})
				if servicetest.Outcome(err) != "Conflict" {
					t.Errorf("the id is given again: %v", err)
				}
				page, err := w.Messages.ListChannelMessages(t.Context(), &messaging.ListChannelMessagesRequest{ChannelARN: w.Channel("hall"), ChimeBearer: w.User("bob")})
				s.must(err)
				for _, m := range page.ChannelMessages {
					if strings.Contains(m.Sender.Name, marker) {
						t.Errorf("a page has the name %s", m.Sender.Name)
					}
				}
				if again := s.erase(mode); again != id {
					t.Errorf("a second call began %s", again)
				}

				s.must(w.Jobs.TryAll(t.Context()))
				for _, text := range []string{marker, personID} {
					for _, found := range named(t, w.Store, text) {
						t.Error(found)
					}
				}
				if got := strings.Join(s.sink, "\n"); strings.Contains(got, marker) || strings.Contains(got, personID) || len(s.sink) != 2 || !strings.Contains(got, "erased-") {
					t.Errorf("the sink has %s", got)
				}

				// What is told, and what is left of it.
				e := s.describe(id)
				if e.Status != wire.ErasureStatusCompleted || e.AppInstanceUserARN != "" || e.MessageCount != 7 || e.RecordCount == 0 || e.EventCount == 0 || e.CompletedTimestamp == nil {
					t.Errorf("%+v", e)
				}
				events := strings.Join(s.Log(), "\n")
				want := map[wire.ErasedMessages]int{wire.ErasedMessagesRedact: 6, wire.ErasedMessagesDelete: 7}[mode]
				if n := strings.Count(events, string(mode)+"_CHANNEL_MESSAGE"); n != want {
					t.Errorf("%d events of messages in\n%s", n, events)
				}
				page, err = w.Messages.ListChannelMessages(t.Context(), &messaging.ListChannelMessagesRequest{ChannelARN: w.Channel("hall"), ChimeBearer: w.User("bob")})
				s.must(err)
				var shown []string
				for _, m := range page.ChannelMessages {
					shown = append(shown, strings.TrimSuffix(*cmpContent(m.Content), "")+" of "+m.Sender.Name)
				}
				if of := []string{"of bob of BOB", "of bob to the person of BOB"}; mode == wire.ErasedMessagesDelete && !slices.Equal(shown, of) || !strings.Contains(strings.Join(shown, ","), strings.Join(of, ",")) {
					t.Errorf("bob sees %q", shown)
				}
				described, err := w.Channels.DescribeChannel(t.Context(), &messaging.DescribeChannelRequest{ChannelARN: w.Channel("own"), ChimeBearer: w.User("bob")})
				s.must(err)
				if by := described.Channel.CreatedBy; by.ARN != e.ErasedAs || by.Name != "" {
					t.Errorf("made by %+v", by)
				}

				// Another erasure finds no user, and the id is free.
				_, err = s.persons.EraseAppInstanceUser(t.Context(), &wire.EraseAppInstanceUserRequest{AppInstanceUserARN: s.arn(), Messages: mode})
				if servicetest.Outcome(err) != "NotFound" {
					t.Errorf("a second erasure: %v", err)
				}
				w.AddUser(personID)
				if list, err := s.persons.ListErasures(t.Context(), &wire.ListErasuresRequest{AppInstanceARN: w.App}); err != nil || len(list.Erasures) != 1 {
					t.Errorf("%+v, %v", list, err)
				}
			})
		})
	}
}

func cmpContent(s *string) *string {
	if s == nil {
		return ptr("")
	}
	return s
}

// TestExport: the lines of an export have everything that the person wrote and is named in, each once.
func TestExport(t *testing.T) {
	servicetest.OnEach(t, "bob hid dan", func(t *testing.T, w *servicetest.World) {
		s := newStage(t, w)
		s.live()
		kinds := map[string]int{}
		all := s.export()
		for _, text := range all {
			var line struct{ Kind string }
			s.must(json.Unmarshal([]byte(text), &line))
			kinds[line.Kind]++
		}
		want := map[string]int{
			"AppInstanceUser": 1, "AppInstanceAdmin": 1, "Tags": 1, "AppInstanceUserEndpoint": 1, "ChannelMembership": 6, "ChannelMembershipPreferences": 1,
			"ReadMarker": 1, "ChannelModerator": 3, "ChannelBan": 2, "Channel": 1, "ChannelMessage": 7, "ChannelMessageOfAnother": 2,
		}
		if fmt.Sprint(kinds) != fmt.Sprint(want) {
			t.Errorf("%v\nwant %v", kinds, want)
		}
		text := strings.Join(all, "\n")
		for _, what := range []string{"name", "meta", "tag", "phone", "device", "left", "kept", "after", "targeted", "in a room", "own", "key", "value", "title"} {
			if !strings.Contains(text, marker+what) {
				t.Errorf("no line has %s", what)
			}
		}
		for i, line := range all {
			if slices.Contains(all[:i], line) {
				t.Errorf("twice: %s", line)
			}
		}
		_, err := s.persons.ExportAppInstanceUser(t.Context(), &wire.ExportAppInstanceUserRequest{AppInstanceUserARN: w.User("nobody")})
		if servicetest.Outcome(err) != "NotFound" {
			t.Error(err)
		}
	})
}

// TestErasureSurvivesCrashes fails each commit of an erasure in turn, before and after it is on disk, as the death
// of the process does, and goes on: nothing is left, and each message has one event.
func TestErasureSurvivesCrashes(t *testing.T) {
	for _, place := range []faulty.Op{faulty.Commit, faulty.Committed} {
		for fatal, over := 1, false; !over; fatal++ {
			commits, armed := 0, false
			died := errors.New("the process died")
			st := faulty.New(memstore.New(), func(c faulty.Call) error {
				if armed && c.Op == place {
					if commits++; commits == fatal {
						return died
					}
				}
				return nil
			})
			w := servicetest.Over(t, st, "adm", "bob", "hid", "dan")
			w.MakeAdmin("adm")
			s := newStage(t, w)
			s.live()
			id := s.erase(wire.ErasedMessagesRedact)
			s.Log()
			armed = true
			err := w.Jobs.TryAll(t.Context())
			armed = false
			if over = err == nil; !over && !errors.Is(err, died) {
				t.Fatal(err)
			}

			// The task of the deletion of the user may have been the one that failed.
			s.must(w.Jobs.TryAll(t.Context()))
			for _, text := range []string{marker, personID} {
				for _, found := range named(t, w.Store, text) {
					t.Errorf("after a crash at commit %d (%d): %s", fatal, place, found)
				}
			}
			if e := s.describe(id); e.Status != wire.ErasureStatusCompleted || e.MessageCount != 7 {
				t.Errorf("after a crash at commit %d (%d): %+v", fatal, place, e)
			}
			if events := strings.Join(s.Log(), "\n"); strings.Count(events, "REDACT_CHANNEL_MESSAGE") != 6 {
				t.Errorf("after a crash at commit %d (%d):\n%s", fatal, place, events)
			}
			if over && fatal < 8 {
				t.Errorf("an erasure has %d commits: the test proves little", fatal-1)
			}
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestEveryTableIsDecidedAbout: each table of the schema is swept or has a reason not to be.
func TestEveryTableIsDecidedAbout(t *testing.T) {
	for _, name := range person.Undecided() {
		t.Errorf("package person does not say what becomes of a user's name, id and words in the table %q: see tables.go", name)
	}
}

// TestExportGoesOn reads an export of many entries page by page, each from a service that begins anew, as after a
// crash: no page reads without bound, and each message is in it once.
func TestExportGoesOn(t *testing.T) {
	w := servicetest.New(t, "adm", "bob", "hid", "dan")
	w.MakeAdmin("adm")
	s := newStage(t, w)
	s.live()
	said := 0
	for _, channel := range []string{"hall", "own"} {
		for i := range 3000 {
			by := "bob"
			if i%300 == 299 {
				by = personID
				said++
			}
			w.Say(by, channel, fmt.Sprint(marker, channel, i))
		}
	}

	seen, pages := map[string]int{}, 0
	for token := (*string)(nil); ; {
		page, err := s.service().ExportAppInstanceUser(t.Context(), &wire.ExportAppInstanceUserRequest{AppInstanceUserARN: s.arn(), NextToken: token})
		s.must(err)
		pages++
		for _, line := range page.Lines {
			seen[line]++
		}
		if token = &page.NextToken; *token == "" {
			break
		}
	}
	messages := 0
	for line, times := range seen {
		if times != 1 {
			t.Errorf("%d times: %s", times, line)
		}
		if strings.HasPrefix(line, `{"Kind":"ChannelMessage",`) {
			messages++
		}
	}
	if want := 7 + said; messages != want || pages < 4 {
		t.Errorf("%d messages in %d pages, want %d", messages, pages, want)
	}
	wrong := "AAAA"
	_, err := s.persons.ExportAppInstanceUser(t.Context(), &wire.ExportAppInstanceUserRequest{AppInstanceUserARN: s.arn(), NextToken: &wrong})
	if servicetest.Outcome(err) != "BadRequest" {
		t.Errorf("a wrong token: %v", err)
	}
}

// TestErasuresDelayNoOther: the transactions of an erasure of thousands of messages read and write a bounded number
// of entries each.
func TestErasuresDelayNoOther(t *testing.T) {
	meter := &servicetest.Meter{Store: memstore.New()}
	defer meter.Close()
	w := servicetest.Over(t, meter, "adm", "bob", "hid", "dan")
	w.MakeAdmin("adm")
	s := newStage(t, w)
	s.live()
	for i := range 1000 {
		s.sent("hall", fmt.Sprint(i))
	}
	meter.Most()
	id := s.erase(wire.ErasedMessagesDelete)
	s.must(w.Jobs.TryAll(t.Context()))
	if e := s.describe(id); e.MessageCount != 1007 {
		t.Errorf("%+v", e)
	}
	if steps := meter.Most(); steps > 600 {
		t.Errorf("a transaction has %d steps", steps)
	}
}
