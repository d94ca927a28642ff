package identity_test

import (
	"context"
	"strings"
	"testing"

	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/store"
)

// bad are ARNs that an operation may be given instead of a right one, and what it answers.
type bad struct{ name, arn, exception string }

func (w *world) badARNs(app string, wrongKinds ...string) []bad {
	list := []bad{
		{"no ARN", "something else", "BadRequestException"},
		{"another service", strings.Replace(app, ":chime:", ":lex:", 1), "BadRequestException"},
		{"another account", strings.Replace(app, "000000000000", "111111111111", 1), "ForbiddenException"},
		{"another region", strings.Replace(app, "us-east-1", "eu-central-1", 1), "ForbiddenException"},
	}
	for _, arn := range wrongKinds {
		list = append(list, bad{"wrong kind " + arn[strings.LastIndexByte(arn, ':')+1:], arn, "BadRequestException"})
	}
	return list
}

// operation is one call in which an ARN can be set.
type operation struct {
	name   string
	member string
	call   func(arn string) error
}

func of[Req, Resp any](f func(context.Context, *Req) (*Resp, error), req Req) error {
	_, err := f(context.Background(), &req)
	return err
}

func TestAppInstanceArnIsChecked(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		alice := w.user(app, "alice")
		gone := w.app("gone")
		ok(w.t, w.deleteApp(gone))
		operations := []operation{
			{"DescribeAppInstance", "AppInstanceArn", func(arn string) error {
				return of(w.DescribeAppInstance, wire.DescribeAppInstanceRequest{AppInstanceARN: arn})
			}},
			{"UpdateAppInstance", "AppInstanceArn", func(arn string) error {
				return of(w.UpdateAppInstance, wire.UpdateAppInstanceRequest{AppInstanceARN: arn, Name: "x", Metadata: ptr("")})
			}},
			{"DeleteAppInstance", "AppInstanceArn", w.deleteApp},
			{"CreateAppInstanceUser", "AppInstanceArn", func(arn string) error {
				return of(w.CreateAppInstanceUser, *userRequest(arn, "bob"))
			}},
			{"ListAppInstanceUsers", "AppInstanceArn", func(arn string) error {
				return of(w.ListAppInstanceUsers, wire.ListAppInstanceUsersRequest{AppInstanceARN: arn})
			}},
			{"ListAppInstanceAdmins", "AppInstanceArn", func(arn string) error {
				return of(w.ListAppInstanceAdmins, wire.ListAppInstanceAdminsRequest{AppInstanceARN: arn})
			}},
			{"CreateAppInstanceAdmin", "AppInstanceArn", func(arn string) error {
				return of(w.CreateAppInstanceAdmin, wire.CreateAppInstanceAdminRequest{AppInstanceARN: arn, AppInstanceAdminARN: under(arn, alice)})
			}},
			{"DescribeAppInstanceAdmin", "AppInstanceArn", func(arn string) error {
				return of(w.DescribeAppInstanceAdmin, wire.DescribeAppInstanceAdminRequest{AppInstanceARN: arn, AppInstanceAdminARN: under(arn, alice)})
			}},
			{"DeleteAppInstanceAdmin", "AppInstanceArn", func(arn string) error {
				return of(w.DeleteAppInstanceAdmin, wire.DeleteAppInstanceAdminRequest{AppInstanceARN: arn, AppInstanceAdminARN: under(arn, alice)})
			}},
			{"CreateAppInstanceBot", "AppInstanceArn", func(arn string) error {
				return of(w.CreateAppInstanceBot, *botRequest(arn, "bot"))
			}},
			{"ListAppInstanceBots", "AppInstanceArn", func(arn string) error {
				return of(w.ListAppInstanceBots, wire.ListAppInstanceBotsRequest{AppInstanceARN: arn})
			}},
			{"GetAppInstanceRetentionSettings", "AppInstanceArn", func(arn string) error {
				return of(w.GetAppInstanceRetentionSettings, wire.GetAppInstanceRetentionSettingsRequest{AppInstanceARN: arn})
			}},
			{"PutAppInstanceRetentionSettings", "AppInstanceArn", func(arn string) error { return w.retain(arn, 1) }},
		}
		arns := append(w.badARNs(app, alice, app+"/channel/c"),
			bad{"unknown", site.AppInstanceARN("unknown"), "ForbiddenException"},
			bad{"deleted", gone, "ForbiddenException"})
		w.refuseAll(operations, arns)
	})
}

func TestBotArnIsChecked(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		bot := w.bot(app, "bot")
		gone := w.app("gone")
		inGone := w.bot(gone, "bot")
		ok(w.t, w.deleteApp(gone))
		operations := []operation{
			{"DescribeAppInstanceBot", "AppInstanceBotArn", func(arn string) error {
				return of(w.DescribeAppInstanceBot, wire.DescribeAppInstanceBotRequest{AppInstanceBotARN: arn})
			}},
			{"UpdateAppInstanceBot", "AppInstanceBotArn", func(arn string) error {
				return of(w.UpdateAppInstanceBot, wire.UpdateAppInstanceBotRequest{AppInstanceBotARN: arn, Name: ptr("x"), Metadata: ptr("")})
			}},
			{"DeleteAppInstanceBot", "AppInstanceBotArn", w.deleteBot},
		}
		w.refuseAll(operations, append(w.badARNs(bot, app, app+"/channel/c", app+"/user/alice"),
			bad{"in an unknown app instance", site.RefARN("unknown", "bot/b"), "ForbiddenException"},
			bad{"in a deleted app instance", inGone, "ForbiddenException"}))
		nobody := app + "/bot/nobody"
		w.refuseAll(operations[:1], []bad{{"nobody", nobody, "NotFoundException"}})
		w.refuseAll(operations[1:], []bad{{"nobody", nobody, "ForbiddenException"}})
	})
}

// under is the user's ARN in the app instance, where that is one.
func under(app, user string) string {
	if strings.Contains(app, ":app-instance/") && strings.Count(app, "/") == 1 {
		return app + "/user/alice"
	}
	return user
}

func TestUserArnIsChecked(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		alice := w.user(app, "alice")
		gone := w.app("gone")
		inGone := w.user(gone, "alice")
		ok(w.t, w.deleteApp(gone))
		user := []operation{
			{"DescribeAppInstanceUser", "AppInstanceUserArn", func(arn string) error {
				return of(w.DescribeAppInstanceUser, wire.DescribeAppInstanceUserRequest{AppInstanceUserARN: arn})
			}},
			{"UpdateAppInstanceUser", "AppInstanceUserArn", func(arn string) error {
				return of(w.UpdateAppInstanceUser, wire.UpdateAppInstanceUserRequest{AppInstanceUserARN: arn, Name: "x", Metadata: ptr("")})
			}},
			{"DeleteAppInstanceUser", "AppInstanceUserArn", w.deleteUser},
			{"PutAppInstanceUserExpirationSettings", "AppInstanceUserArn", func(arn string) error {
				return of(w.PutAppInstanceUserExpirationSettings, wire.PutAppInstanceUserExpirationSettingsRequest{AppInstanceUserARN: arn})
			}},
			{"RegisterAppInstanceUserEndpoint", "AppInstanceUserArn", func(arn string) error {
				return of(w.RegisterAppInstanceUserEndpoint, *deviceRequest(arn, "phone"))
			}},
			{"DescribeAppInstanceUserEndpoint", "AppInstanceUserArn", func(arn string) error {
				return of(w.DescribeAppInstanceUserEndpoint, wire.DescribeAppInstanceUserEndpointRequest{AppInstanceUserARN: arn, EndpointID: "e"})
			}},
			{"UpdateAppInstanceUserEndpoint", "AppInstanceUserArn", func(arn string) error {
				return of(w.UpdateAppInstanceUserEndpoint, wire.UpdateAppInstanceUserEndpointRequest{AppInstanceUserARN: arn, EndpointID: "e"})
			}},
			{"ListAppInstanceUserEndpoints", "AppInstanceUserArn", func(arn string) error {
				return of(w.ListAppInstanceUserEndpoints, wire.ListAppInstanceUserEndpointsRequest{AppInstanceUserARN: arn})
			}},
			{"DeregisterAppInstanceUserEndpoint", "AppInstanceUserArn", func(arn string) error { return w.deregister(arn, "e") }},
		}
		common := append(w.badARNs(alice, app, app+"/channel/c"),
			bad{"in an unknown app instance", site.RefARN("unknown", "user/alice"), "ForbiddenException"},
			bad{"in a deleted app instance", inGone, "ForbiddenException"})
		w.refuseAll(user, append(common, bad{"bot", app + "/bot/alice", "BadRequestException"}))

		nobody := app + "/user/nobody"
		w.refuseAll(user[:1], []bad{{"nobody", nobody, "NotFoundException"}})
		w.refuseAll(user[1:], []bad{{"nobody", nobody, "ForbiddenException"}})

		admin := []operation{
			{"CreateAppInstanceAdmin", "AppInstanceAdminArn", func(arn string) error {
				return of(w.CreateAppInstanceAdmin, wire.CreateAppInstanceAdminRequest{AppInstanceARN: app, AppInstanceAdminARN: arn})
			}},
			{"DescribeAppInstanceAdmin", "AppInstanceAdminArn", func(arn string) error {
				return of(w.DescribeAppInstanceAdmin, wire.DescribeAppInstanceAdminRequest{AppInstanceARN: app, AppInstanceAdminARN: arn})
			}},
			{"DeleteAppInstanceAdmin", "AppInstanceAdminArn", func(arn string) error {
				return of(w.DeleteAppInstanceAdmin, wire.DeleteAppInstanceAdminRequest{AppInstanceARN: app, AppInstanceAdminARN: arn})
			}},
		}
		other := w.user(w.app("other"), "alice")
		w.refuseAll(admin, append(common, bad{"of another app instance", other, "ForbiddenException"}))
		unknown := []bad{{"nobody", nobody, "ForbiddenException"}, {"no bot", app + "/bot/alice", "ForbiddenException"}}
		w.refuseAll(admin[:2], unknown)
		for _, arn := range unknown {
			ok(w.t, w.deleteAdmin(app, arn.arn))
		}
	})
}

func TestResourceArnIsChecked(t *testing.T) {
	onEachEngine(t, func(w *world) {
		app := w.app("app")
		gone := w.app("gone")
		inGone, channel := w.user(gone, "alice"), w.channel(gone, "c")
		ok(w.t, w.deleteApp(gone))
		operations := []operation{
			{"TagResource", "ResourceARN", func(arn string) error { return w.tag(arn, tag("a", "1")) }},
			{"UntagResource", "ResourceARN", func(arn string) error { return w.untag(arn, "a") }},
			{"ListTagsForResource", "ResourceARN", func(arn string) error {
				_, err := w.tagsOf(arn)
				return err
			}},
		}
		arns := append(w.badARNs(app, app+"/thing/x", app+"/user/", app+"/user/a/b"),
			bad{"unknown app instance", site.AppInstanceARN("unknown"), "ForbiddenException"},
			bad{"unknown user", app + "/user/nobody", "ForbiddenException"},
			bad{"unknown bot", app + "/bot/b", "ForbiddenException"},
			bad{"unknown channel", app + "/channel/c", "ForbiddenException"},
			bad{"unknown flow", app + "/channel-flow/f", "ForbiddenException"},
			bad{"deleted app instance", gone, "ForbiddenException"},
			bad{"user of a deleted app instance", inGone, "ForbiddenException"},
			bad{"channel of a deleted app instance", channel, "ForbiddenException"})
		w.refuseAll(operations, arns)
	})
}

// positions is the sum of the positions of all logs.
func (w *world) positions() uint64 {
	w.t.Helper()
	sum, err := view(w, func(r store.Reader) (sum uint64, err error) {
		err = store.EachLog(r, func(app string) (bool, error) {
			end, err := store.LogEnd(r, app)
			sum += end
			return true, err
		})
		return sum, err
	})
	ok(w.t, err)
	return sum
}

// refuseAll calls each operation with each ARN; none may change anything.
func (w *world) refuseAll(operations []operation, arns []bad) {
	w.t.Helper()
	before := w.positions()
	for _, op := range operations {
		for _, arn := range arns {
			w.t.Run(op.name+"/"+arn.name, func(t *testing.T) {
				refused(t, op.call(arn.arn), arn.exception, op.member)
			})
		}
	}
	if after := w.positions(); after != before {
		w.t.Errorf("refused calls left %d events", after-before)
	}
}
