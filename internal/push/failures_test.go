package push_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/push"
)

// TestDevicesThatAreGone: the texts are AWS's, and the devices are INACTIVE until they register again.
func TestDevicesThatAreGone(t *testing.T) {
	for name, test := range map[string]struct {
		arn   string
		fault *push.Fault
		state string
		text  string
	}{
		"gone":                                {phones, &push.Fault{Kind: push.Gone}, "INACTIVE INVALID_DEVICE_TOKEN", "The specified resource was not found. AppInstanceUserEndpoint will be deactivated."},
		"of another application":              {phones, &push.Fault{Kind: push.Foreign}, "INACTIVE INVALID_PINPOINT_ARN", "The specified resource was not found. AppInstanceUserEndpoint will be deactivated."},
		"of an application that there is not": {unlisted, nil, "INACTIVE INVALID_PINPOINT_ARN", "The specified resource was not found. AppInstanceUserEndpoint will be deactivated."},
		"refused":                             {phones, &push.Fault{Kind: push.Refused}, "ACTIVE", "The request processing has failed because of an unknown error, exception or failure."},
		"gone before it registered":           {phones, &push.Fault{Kind: push.Gone, Since: time.Unix(1, 0)}, "ACTIVE", "The request processing has failed because of an unknown error, exception or failure."},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			register := func() string {
				return b.device("bob", "bob", func(r *identityapi.RegisterAppInstanceUserEndpointRequest) { r.ResourceARN = test.arn })
			}
			id := register()
			b.phones.fail = func(string) error {
				if test.fault == nil {
					t.Error("the push service is asked")
				}
				return test.fault
			}
			began := b.position()
			b.say("ann", notify("t"))
			if got := b.pushed(); got != "" {
				t.Error(got)
			}
			if got := b.state("bob", id); got != test.state {
				t.Errorf("%s, want %s", got, test.state)
			}
			want := `Chime Messaging AppInstanceUserEndpoint Delivery Failure {"resourceArn":"` + b.User("bob") + `","endpointId":"` + id + `","failureReason":"` + test.text + `"}`
			if got := b.notices(began); len(got) != 1 || got[0] != want {
				t.Errorf("%q, want %q", got, want)
			}

			// It is asked no more, until it is registered again.
			tried := b.phones.tried
			b.say("ann", notify("t"))
			if b.pushed(); strings.HasPrefix(test.state, "INACTIVE") && b.phones.tried != tried {
				t.Error("an INACTIVE device is tried")
			}
			if again := register(); again != id || b.state("bob", id) != "ACTIVE" {
				t.Errorf("%s after it registered again", b.state("bob", id))
			}
		})
	}
}

// TestADeviceThatRegisteredMeanwhile stays as it is.
func TestADeviceThatRegisteredMeanwhile(t *testing.T) {
	b := newBed(t)
	id := b.device("bob", "bob")
	b.phones.fail = func(string) error {
		b.Now = b.Now.Add(time.Second)
		b.device("bob", "bob")
		return &push.Fault{Kind: push.Gone}
	}
	b.say("ann", notify("t"))
	if b.pushed(); b.state("bob", id) != "ACTIVE" {
		t.Error(b.state("bob", id))
	}
}

// TestAPushServiceThatIsAway is asked once by each device that is on its way, and later again.
func TestAPushServiceThatIsAway(t *testing.T) {
	for name, test := range map[string]struct {
		fault error
		text  string
	}{
		"away":        {fmt.Errorf("no route"), "The request processing has failed because of an unknown error, exception or failure."},
		"throttling":  {&push.Fault{Kind: push.Throttled, After: time.Minute}, "Too many requests sent to Amazon Pinpoint."},
		"denying":     {&push.Fault{Kind: push.Denied}, "Unable to send messages. Please verify IAM Permissions Policy on ServiceRoleForAmazonChimePushNotification."},
		"distrusting": {&push.Fault{Kind: push.Distrusted}, "Unable to send messages. Please verify IAM Trust Relationships on ServiceRoleForAmazonChimePushNotification."},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			id := b.device("bob", "bob")
			b.device("cy", "cy")
			away := true
			b.phones.fail = func(string) error {
				if away {
					return test.fault
				}
				return nil
			}
			began := b.position()
			b.say("ann", notify("one"))
			for range 20 {
				if b.try() == nil {
					t.Fatal("it is given up")
				}
			}
			tried := b.phones.tried
			if name == "throttling" && tried > 2 {
				t.Errorf("it is asked %d times within the minute that it asked for", tried)
			}
			b.Now = b.Now.Add(time.Minute)
			away = false
			if got := b.pushed(); got != "bob cy" || len(b.notices(began)) != 0 {
				t.Errorf("%q, %v", got, b.notices(began))
			}

			// What is away for longer than the notification is of use.
			away = true
			b.say("ann", notify("two"))
			_ = b.try()
			b.Now = b.Now.Add(time.Hour)
			_ = b.try()
			b.Now = b.Now.Add(time.Hour)
			if got := b.pushed(); got != "" {
				t.Errorf("%q is sent an old notification", got)
			}
			got := b.notices(began)
			if len(got) != 2 || !strings.Contains(got[0]+got[1], test.text) || b.state("bob", id) != "ACTIVE" {
				t.Errorf("%q, and the device is %s", got, b.state("bob", id))
			}
		})
	}
}

func TestADeviceThatIsThrottled(t *testing.T) {
	b := newBed(t)
	b.device("bob", "bob")
	b.device("cy", "cy")
	b.phones.fail = func(token string) error {
		if token == "bob" {
			return &push.Fault{Kind: push.ThrottledDevice}
		}
		return nil
	}
	began := b.position()
	b.say("ann", notify("t"))
	failures := 0
	for b.try() != nil {
		failures++
	}
	if got := b.phones.tokens(); got != "cy" || failures != 4 || len(b.notices(began)) != 1 {
		t.Errorf("%q after %d failures, %v", got, failures, b.notices(began))
	}
}
