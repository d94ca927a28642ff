package presence_test

import (
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

const (
	standard = messaging.ChannelMembershipTypeDefault
	hidden   = messaging.ChannelMembershipTypeHidden
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// live is a world of users in which every app instance has presence.
func live(t *testing.T, users string) *servicetest.Live {
	return servicetest.NewLive(t, chime.ExtraPresence, strings.Fields(users)...)
}

func TestPresence(t *testing.T) {
	l := live(t, "ann bob cy spy")
	l.AddChannel("ann", "c")
	for _, who := range []string{"bob", "cy"} {
		l.AddMember("ann", "c", who, standard)
	}
	l.AddMember("ann", "c", "spy", hidden)
	l.AddChannel("bob", "d")
	ann := l.Connect("ann", chime.ExtraPresence)
	l.Flush()
	ann.Expect("c: 1 online +ann", "c: 1 online +ann complete")

	bob, spy := l.Connect("bob", 0), l.Connect("spy", chime.ExtraPresence)
	l.Flush()
	ann.Expect("c: 2 online +bob")
	bob.Expect() // a client of AWS
	spy.Expect("c: 2 online +bob", "c: 2 online +ann +bob complete")

	bob.Session.Detach()
	bob = l.Connect("bob", 0)
	phone := l.Connect("bob", chime.ExtraPresence)
	l.Flush()
	ann.Expect() // came back at once
	phone.Expect("c: 2 online +ann +bob complete", "d: 1 online +bob complete")
	bob.Session.Detach()
	l.Flush()
	ann.Expect() // still there with another socket
	phone.Session.Detach()
	spy.Session.Detach()
	l.Flush()
	ann.Expect("c: 1 online -bob")
}

func TestPresenceFollowsMemberships(t *testing.T) {
	l := live(t, "ann bob")
	l.AddChannel("ann", "c")
	ann, bob := l.Connect("ann", chime.ExtraPresence), l.Connect("bob", chime.ExtraPresence)
	l.Flush()
	ann.Got()
	bob.Expect()
	l.AddMember("ann", "c", "bob", standard)
	l.Flush()
	ann.Expect("CREATE_CHANNEL_MEMBERSHIP", "c: 2 online +bob")
	bob.Expect("CREATE_CHANNEL_MEMBERSHIP", "c: 2 online +bob", "c: 2 online +ann +bob complete")
	l.Ban("ann", "c", "bob")
	l.Flush()
	ann.Expect("DELETE_CHANNEL_MEMBERSHIP", "c: 1 online -bob")
	bob.Expect("DELETE_CHANNEL_MEMBERSHIP")
}

// A membership that ends and is made again with another type, all between two looks, changes who
// is shown.
func TestPresenceFollowsTheTypeOfAMembership(t *testing.T) {
	l := live(t, "ann bob")
	l.AddChannel("ann", "c")
	l.AddMember("ann", "c", "bob", standard)
	ann, bob := l.Connect("ann", chime.ExtraPresence), l.Connect("bob", chime.ExtraPresence)
	l.Flush()
	ann.Got()
	bob.Got()
	again := func(as messaging.ChannelMembershipType) {
		t.Helper()
		_, err := l.Channels.DeleteChannelMembership(t.Context(), &messaging.DeleteChannelMembershipRequest{
			ChannelARN: l.Channel("c"), MemberARN: l.User("bob"), ChimeBearer: l.User("ann")})
		if err != nil {
			t.Fatal(err)
		}
		l.AddMember("ann", "c", "bob", as)
		l.Flush()
	}
	again(hidden)
	ann.Expect("DELETE_CHANNEL_MEMBERSHIP", "CREATE_CHANNEL_MEMBERSHIP", "c: 1 online -bob")
	again(standard)
	ann.Expect("DELETE_CHANNEL_MEMBERSHIP", "CREATE_CHANNEL_MEMBERSHIP", "c: 2 online +bob")
	bob.Got()
	again(standard)
	ann.Expect("DELETE_CHANNEL_MEMBERSHIP", "CREATE_CHANNEL_MEMBERSHIP")
	bob.Expect("DELETE_CHANNEL_MEMBERSHIP", "CREATE_CHANNEL_MEMBERSHIP", "c: 2 online +ann +bob complete") // it is new there
	again(hidden)
	ann.Got()
	bob.Session.Detach()
	l.Flush()
	ann.Expect() // who was not shown does not go
}

func TestPresenceOfElasticChannels(t *testing.T) {
	l := live(t, "mod a b d e")
	l.AddChannel("mod", "c", servicetest.Elastic(2, 3, 40))
	for _, who := range []string{"a", "b", "d"} {
		l.AddMember("mod", "c", who, standard)
	}
	a, d := l.Connect("a", chime.ExtraPresence), l.Connect("d", chime.ExtraPresence)
	l.Flush()
	a.Expect("c@s1: 2 online +a +d", "c@s1: 2 online +a +d complete")
	d.Got()
	l.AddMember("mod", "c", "e", standard) // makes a second one, and moves the newest
	l.Flush()
	a.Expect("c@s1: 1 online -d")
	d.Expect("UPDATE_CHANNEL_MEMBERSHIP", "CREATE_CHANNEL_MEMBERSHIP", "c@s2: 1 online +d", "c@s2: 1 online +d complete")
}

func TestOneEventNamesABoundedNumber(t *testing.T) {
	var users []string
	for i := range 150 {
		users = append(users, fmt.Sprintf("u%03d", i))
	}
	l := live(t, strings.Join(users, " "))
	l.AddChannel("u000", "c")
	for _, u := range users[1:] {
		l.AddMember("u000", "c", u, standard)
	}
	for _, u := range users {
		l.Connect(u, 0)
	}
	watch := l.Connect("u000", chime.ExtraPresence)
	l.Flush()
	for _, line := range watch.Got() {
		if names := strings.Count(line, "+"); names != 100 || !strings.HasPrefix(line, "c: 150 online ") || strings.HasSuffix(line, "complete") {
			t.Errorf("told: %s", line)
		}
	}
}

func TestAppInstancesOptIn(t *testing.T) {
	l := servicetest.NewLive(t, 0, "ann")
	l.AddChannel("ann", "c")
	all := chime.ExtraPresence | chime.ExtraUnread
	ann := l.Connect("ann", all)
	l.Flush()
	ann.Expect()
	ann.Session.Detach()
	_, err := l.Identity.TagResource(t.Context(), &identityapi.TagResourceRequest{
		ResourceARN: l.App, Tags: []identityapi.Tag{{Key: chime.ExtrasTag, Value: "presence nonsense"}}})
	if err != nil {
		t.Fatal(err)
	}
	ann = l.Connect("ann", all)
	l.Flush()
	ann.Expect("c: 1 online +ann", "c: 1 online +ann complete")
}
