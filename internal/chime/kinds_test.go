package chime

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestEachKindHasARow: each constant that names a kind has one row, and no row has a name of its own.
func TestEachKindHasARow(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "kinds.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ast.Inspect(file, func(node ast.Node) bool {
		if spec, is := node.(*ast.ValueSpec); is && strings.HasPrefix(spec.Names[0].Name, "Event") {
			name, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			names = append(names, name)
		}
		return true
	})
	var rows []string
	for _, k := range EventKinds() {
		rows = append(rows, k.Name)
	}
	slices.Sort(names)
	slices.Sort(rows)
	if !slices.Equal(names, rows) {
		t.Errorf("names %v\nrows %v", names, rows)
	}
}

// TestRowsMakeSense: what the columns of a row say fits together.
func TestRowsMakeSense(t *testing.T) {
	for _, k := range EventKinds() {
		for fault, holds := range map[string]bool{
			"an extra is an extension for members":                        k.Extra == 0 || k.Extension && k.To == Members,
			"an extension is carried, to members as an extra":             !k.Extension || k.To == OneSocket || k.Extra != 0,
			"messages are told to members":                                !k.IsMessage() || k.To == Members,
			"content is that of messages":                                 !k.Content || k.IsMessage() || k.To == OneSocket,
			"what tells content removes none":                             !k.Content || k.Removes == Nowhere,
			"only messages are edited":                                    !k.Edits || k.IsMessage() && k.Content,
			"only messages that are sent are unread":                      !k.Unread || k.Status == statusSent && k.Content,
			"only messages that are sent are pushed":                      !k.Pushes || k.Status == statusSent && !k.Edits && k.Content,
			"only messages remove messages":                               k.Removes != OfMessage || k.IsMessage(),
			"stored content is what is removed":                           !k.Stored || k.Removes != Nowhere,
			"messages are in the stream of messages":                      k.Stream == "" || k.IsMessage() == (k.Stream == streamOfMessages),
			"what is streamed as another kind is streamed":                k.StreamedAs == "" || k.Stream != "" && EventKindOf(k.StreamedAs).Stream == k.Stream,
			"a socket is told of a message by its type, else by SYSTEM":   (k.MessageType() == MessageTypeSystem) == (k.To != NoSocket && !k.IsMessage()),
			"what ends sessions is told to no socket":                     k.EndsSessions == Nowhere || k.To == NoSocket,
			"what is streamed is in the log":                              k.Stream == "" || k.To != OneSocket && !k.Extension,
			"what the operator is told is told to no client":              k.Notice == "" && k.ServiceEvent == "" || k.To == NoSocket && k.Stream == "",
			"a notice is no service event":                                k.Notice == "" || k.ServiceEvent == "",
			"what ends memberships removes what was said in the channels": !k.EndsMemberships || k.Removes == OfChannel,
		} {
			if !holds {
				t.Errorf("%s: %s", k.Name, fault)
			}
		}
	}
}

// TestStreamedKinds: the table has what Kinesis streaming carries (spec 9.1), and nothing else.
func TestStreamedKinds(t *testing.T) {
	want := map[string]string{
		"ChannelMessage": "CREATE_CHANNEL_MESSAGE DELETE_CHANNEL_MESSAGE REDACT_CHANNEL_MESSAGE UPDATE_CHANNEL_MESSAGE",
		"Channel": "CREATE_CHANNEL CREATE_CHANNEL_BAN CREATE_CHANNEL_MEMBERSHIP CREATE_CHANNEL_MODERATOR CREATE_SUB_CHANNEL DELETE_CHANNEL" +
			" DELETE_CHANNEL_BAN DELETE_CHANNEL_MEMBERSHIP DELETE_CHANNEL_MODERATOR DELETE_SUB_CHANNEL UPDATE_CHANNEL UPDATE_CHANNEL_EXPIRATION_SETTINGS",
	}
	got := map[string][]string{}
	for _, k := range EventKinds() {
		if k.Stream != "" && k.StreamedAs == "" {
			got[string(k.Stream)] = append(got[string(k.Stream)], k.Name)
		}
	}
	for stream, names := range want {
		slices.Sort(got[stream])
		if have := strings.Join(got[stream], " "); have != names {
			t.Errorf("%s: %s\nwant %s", stream, have, names)
		}
	}
	if len(got) != len(want) {
		t.Errorf("streams %v", got)
	}
}

// TestUnknownKinds: an event of a newer program does nothing that this one does not know.
func TestUnknownKinds(t *testing.T) {
	e := Event{Type: "SPLIT_CHANNEL", Topic: Topic{App: "A", Channel: "c"}, Leave: []Ref{"user/ann"}}
	switch {
	case *e.Kind() != EventKind{}:
		t.Errorf("%+v", e.Kind())
	case e.TellsContent() || e.Removes() || e.Withdraws(&Event{Type: EventCreateMessage, Topic: e.Topic}):
		t.Error("it has to do with content")
	case !e.EndsMembership("user/ann") || e.EndsMembership("user/bob"):
		t.Error("it does not end the membership that it names alone")
	}
}

// TestCompact: what the log leaves out of an event is found again, but for content.
func TestCompact(t *testing.T) {
	app := Topic{App: "app", Channel: "c"}
	for _, tc := range []struct{ event, kept Event }{
		{
			Event{Type: EventCreateMessage, Topic: app, MessageType: "STANDARD", Subject: "user/ann", Actor: "user/ann", Payload: []byte("text")},
			Event{Type: "cm", Topic: Topic{Channel: "c"}, Subject: "user/ann"},
		},
		{
			Event{Type: EventUpdateMessage, Topic: app, MessageType: "CONTROL", Subject: "user/ann", Actor: "user/ann", Payload: []byte("text")},
			Event{Type: "um", Topic: Topic{Channel: "c"}, MessageType: "CONTROL", Subject: "user/ann"},
		},
		{
			Event{Type: EventUpdateReadMarker, Topic: app, Subject: "user/ann", Actor: "user/ann"},
			Event{Type: "ur", Topic: Topic{Channel: "c"}, Subject: "user/ann"},
		},
		{
			Event{Type: EventRedactMessage, Topic: app, MessageType: "STANDARD", Subject: "user/ann", Actor: "user/mod", Payload: []byte("{}")},
			Event{Type: "rm", Topic: Topic{Channel: "c"}, Subject: "user/ann", Actor: "user/mod", Payload: []byte("{}")},
		},
		{ // by the service, to no socket
			Event{Type: EventDeleteMembership, Topic: app, Payload: []byte("{}")},
			Event{Type: EventDeleteMembership, Topic: Topic{Channel: "c"}, Payload: []byte("{}")},
		},
		{
			Event{Type: "UNKNOWN", Topic: app, MessageType: "SYSTEM", Subject: "user/ann"},
			Event{Type: "UNKNOWN", Topic: Topic{Channel: "c"}, MessageType: "SYSTEM", Subject: "user/ann"},
		},
		{Event{Type: EventUpdateAccount}, Event{Type: EventUpdateAccount}},
	} {
		e := tc.event
		e.Compact()
		if !reflect.DeepEqual(e, tc.kept) {
			t.Errorf("%s is kept as %+v, want %+v", tc.event.Type, e, tc.kept)
		}
		want := tc.event
		if want.TellsContent() {
			want.Payload = nil
		}
		if e.Expand(tc.event.App); !reflect.DeepEqual(e, want) {
			t.Errorf("%s is read as %+v, want %+v", tc.event.Type, e, want)
		}
	}
}

// TestCodesStay: what a code stands for is part of the stored format.
func TestCodesStay(t *testing.T) {
	codes := map[string]string{}
	for _, k := range EventKinds() {
		if k.Code != "" {
			codes[k.Code] += k.Name
		}
	}
	want := map[string]string{
		"cm": EventCreateMessage, "um": EventUpdateMessage, "rm": EventRedactMessage, "dm": EventDeleteMessage, "ur": EventUpdateReadMarker,
	}
	if !maps.Equal(codes, want) {
		t.Errorf("codes are %v, want %v", codes, want)
	}
}
