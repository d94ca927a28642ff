//go:build linux

package main

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/carillon-chat/carillon/bench/rig"
	"github.com/carillon-chat/carillon/internal/lab"
)

// room is a channel that a load calls on, and the caller.
type room struct {
	Channel string // ARN
	Bearer  string // ARN of a member
	Member  string // ARN of the user that joins or leaves
}

// request is what a load asks for, before it is signed.
type request struct {
	method, target string
	body           []byte
}

// calls are the operations that a load can ask for beside sends and pages of messages, by name. run is another
// number for each round.
var calls = map[string]func(r room, run int) request{
	"DescribeChannel": func(r room, _ int) request {
		return request{method: http.MethodGet, target: "/channels/" + lab.Escape(r.Channel)}
	},
	"ListChannels": func(r room, _ int) request {
		return request{method: http.MethodGet, target: fmt.Sprintf("/channels?app-instance-arn=%s&max-results=%d", lab.Escape(appOf(r)), listPage)}
	},
	"ListChannelMemberships": func(r room, _ int) request {
		return request{method: http.MethodGet, target: fmt.Sprintf("/channels/%s/memberships?max-results=%d", lab.Escape(r.Channel), listPage)}
	},
	"ListChannelMembershipsForAppInstanceUser": func(room, int) request {
		return request{method: http.MethodGet, target: fmt.Sprintf("/channels?scope=app-instance-user-memberships&max-results=%d", listPage)}
	},
	"CreateChannel": func(r room, run int) request {
		app, id, _ := strings.Cut(r.Channel, "/channel/")
		return request{http.MethodPost, "/channels", fmt.Appendf(nil,
			`{"AppInstanceArn":"%s","ChannelId":"%s","Name":"made","Mode":"UNRESTRICTED","Privacy":"PRIVATE","ClientRequestToken":"%s-%d"}`, app, id, id, run)}
	},
	"DeleteChannel": func(r room, _ int) request {
		return request{method: http.MethodDelete, target: "/channels/" + lab.Escape(r.Channel)}
	},
	"CreateChannelMembership": func(r room, _ int) request {
		return request{http.MethodPost, "/channels/" + lab.Escape(r.Channel) + "/memberships",
			fmt.Appendf(nil, `{"MemberArn":"%s","Type":"DEFAULT"}`, r.Member)}
	},
	"DeleteChannelMembership": func(r room, _ int) request {
		return request{method: http.MethodDelete, target: "/channels/" + lab.Escape(r.Channel) + "/memberships/" + lab.Escape(r.Member)}
	},
}

// listPage is how many items a page of a list has.
const listPage = 50

// appOf is the ARN of the app instance of a room.
func appOf(r room) string {
	app, _, _ := strings.Cut(r.Channel, "/channel/")
	return app
}

// asked is the i-th request of the load, and where it asks.
func (l *load) asked(i int) (in room, asks request) {
	in = room{Channel: l.Channel, Bearer: l.Sender}
	if len(l.Rooms) > 0 {
		in = l.Rooms[i%len(l.Rooms)]
	}
	switch {
	case l.Call != "":
		return in, calls[l.Call](in, l.run)
	case l.Page > 0:
		return in, request{method: http.MethodGet, target: fmt.Sprintf("/channels/%s/messages?max-results=%d", lab.Escape(in.Channel), l.Page)}
	}
	return in, request{http.MethodPost, "/channels/" + lab.Escape(in.Channel) + "/messages", fmt.Appendf(nil,
		`{"Content":"%s%s","Type":"STANDARD","Persistence":"PERSISTENT","ClientRequestToken":"%s"}`, rig.Marker(int64(i)), padding, l.token(i))}
}
