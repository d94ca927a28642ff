package extras_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

func TestPresence(t *testing.T) {
	l := start(t, "ann bob cy spy", realtime.ExtraPresence)
	l.AddChannel("ann", "c")
	for _, who := range []string{"bob", "cy"} {
		l.AddMember("ann", "c", who, standard)
	}
	l.AddMember("ann", "c", "spy", hidden)
	l.AddChannel("bob", "d")
	ann := l.connect("ann", realtime.ExtraPresence)
	l.flush()
	ann.expect("c: 1 online +ann", "c: 1 online +ann complete")

	bob, spy := l.connect("bob", 0), l.connect("spy", realtime.ExtraPresence)
	l.flush()
	ann.expect("c: 2 online +bob")
	bob.expect() // a client of AWS
	spy.expect("c: 2 online +bob", "c: 2 online +ann +bob complete")

	bob.session.Detach()
	bob = l.connect("bob", 0)
	phone := l.connect("bob", realtime.ExtraPresence)
	l.flush()
	ann.expect() // came back at once
	phone.expect("c: 2 online +ann +bob complete", "d: 1 online +bob complete")
	bob.session.Detach()
	l.flush()
	ann.expect() // still there with another socket
	phone.session.Detach()
	spy.session.Detach()
	l.flush()
	ann.expect("c: 1 online -bob")
}

func TestPresenceFollowsMemberships(t *testing.T) {
	l := start(t, "ann bob", realtime.ExtraPresence)
	l.AddChannel("ann", "c")
	ann, bob := l.connect("ann", realtime.ExtraPresence), l.connect("bob", realtime.ExtraPresence)
	l.flush()
	ann.got()
	bob.expect()
	l.AddMember("ann", "c", "bob", standard)
	l.flush()
	ann.expect("CREATE_CHANNEL_MEMBERSHIP", "c: 2 online +bob")
	bob.expect("CREATE_CHANNEL_MEMBERSHIP", "c: 2 online +bob", "c: 2 online +ann +bob complete")
	l.Ban("ann", "c", "bob")
	l.flush()
	ann.expect("DELETE_CHANNEL_MEMBERSHIP", "c: 1 online -bob")
	bob.expect("DELETE_CHANNEL_MEMBERSHIP")
}

// A membership that ends and is made again with another type, all between two looks, changes who
// is shown.
func TestPresenceFollowsTheTypeOfAMembership(t *testing.T) {
	l := start(t, "ann bob", realtime.ExtraPresence)
	l.AddChannel("ann", "c")
	l.AddMember("ann", "c", "bob", standard)
	ann, bob := l.connect("ann", realtime.ExtraPresence), l.connect("bob", realtime.ExtraPresence)
	l.flush()
	ann.got()
	bob.got()
	again := func(as messaging.ChannelMembershipType) {
		t.Helper()
		_, err := l.Channels.DeleteChannelMembership(t.Context(), &messaging.DeleteChannelMembershipRequest{
			ChannelARN: l.Channel("c"), MemberARN: l.User("bob"), ChimeBearer: l.User("ann")})
		if err != nil {
			t.Fatal(err)
		}
		l.AddMember("ann", "c", "bob", as)
		l.flush()
	}
	again(hidden)
	ann.expect("DELETE_CHANNEL_MEMBERSHIP", "CREATE_CHANNEL_MEMBERSHIP", "c: 1 online -bob")
	again(standard)
	ann.expect("DELETE_CHANNEL_MEMBERSHIP", "CREATE_CHANNEL_MEMBERSHIP", "c: 2 online +bob")
	bob.got()
	again(standard)
	ann.expect("DELETE_CHANNEL_MEMBERSHIP", "CREATE_CHANNEL_MEMBERSHIP")
	bob.expect("DELETE_CHANNEL_MEMBERSHIP", "CREATE_CHANNEL_MEMBERSHIP", "c: 2 online +ann +bob complete") // it is new there
	again(hidden)
	ann.got()
	bob.session.Detach()
	l.flush()
	ann.expect() // who was not shown does not go
}

func TestPresenceOfElasticChannels(t *testing.T) {
	l := start(t, "mod a b d e", realtime.ExtraPresence)
	l.AddChannel("mod", "c", servicetest.Elastic(2, 3, 40))
	for _, who := range []string{"a", "b", "d"} {
		l.AddMember("mod", "c", who, standard)
	}
	a, d := l.connect("a", realtime.ExtraPresence), l.connect("d", realtime.ExtraPresence)
	l.flush()
	a.expect("c@s1: 2 online +a +d", "c@s1: 2 online +a +d complete")
	d.got()
	l.AddMember("mod", "c", "e", standard) // makes a second one, and moves the newest
	l.flush()
	a.expect("c@s1: 1 online -d")
	d.expect("UPDATE_CHANNEL_MEMBERSHIP", "CREATE_CHANNEL_MEMBERSHIP", "c@s2: 1 online +d", "c@s2: 1 online +d complete")
}

func TestOneEventNamesABoundedNumber(t *testing.T) {
	var users []string
	for i := range 150 {
		users = append(users, fmt.Sprintf("u%03d", i))
	}
	l := start(t, strings.Join(users, " "), realtime.ExtraPresence)
	l.AddChannel("u000", "c")
	for _, u := range users[1:] {
		l.AddMember("u000", "c", u, standard)
	}
	for _, u := range users {
		l.connect(u, 0)
	}
	watch := l.connect("u000", realtime.ExtraPresence)
	l.flush()
	for _, line := range watch.got() {
		if names := strings.Count(line, "+"); names != 100 || !strings.HasPrefix(line, "c: 150 online ") || strings.HasSuffix(line, "complete") {
			t.Errorf("told: %s", line)
		}
	}
}
