//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// root are the keys of a node in dev mode that may do everything.
var root = keys{config.DevAccessKeyID, config.DevSecretAccessKey}

// keys sign requests.
type keys struct{ ID, Secret string }

// signer signs for a service.
func (k keys) signer(service string) sigv4.Signer {
	return sigv4.Signer{
		Credentials: sigv4.Credentials{AccessKeyID: k.ID, SecretAccessKey: k.Secret},
		Scope:       sigv4.Scope{Region: "us-east-1", Service: service},
	}
}

// sign signs a request for a service.
func (k keys) sign(r *http.Request, service string, body []byte) error {
	signer := k.signer(service)
	return signer.Sign(r, sha256.Sum256(body), time.Now())
}

// signed makes a request of the messaging or identity API.
func (k keys) signed(ctx context.Context, base, method, path, bearer string, body []byte) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		r.Header.Set("X-Amz-Chime-Bearer", bearer)
	}
	return r, k.sign(r, "chime", body)
}

// api calls a node.
type api struct {
	base   string // http://host:port
	client *http.Client
}

func newAPI(base string) *api {
	return &api{base: base, client: &http.Client{
		Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: setupCallers},
	}}
}

func (a *api) call(ctx context.Context, path, bearer string, in map[string]any, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := root.signed(ctx, a.base, http.MethodPost, path, bearer, body)
	if err != nil {
		return err
	}
	text, err := a.do(r)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(text, out)
}

// do sends a signed request that has to succeed.
func (a *api) do(r *http.Request) ([]byte, error) {
	answer, err := a.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode/100 != 2 {
		err = fmt.Errorf("POST %s: %s: %s", r.URL.Path, answer.Status, text)
	}
	return text, err
}

func (a *api) makeApp(ctx context.Context) (arn string, err error) {
	var made struct{ AppInstanceArn string }
	err = a.call(ctx, "/app-instances", "", map[string]any{"Name": "bench", "ClientRequestToken": "bench"}, &made)
	return made.AppInstanceArn, err
}

// setupCallers is how many calls that prepare a measurement run at once.
const setupCallers = 32

// makeUsers creates users of an app instance and returns their ARNs.
func (a *api) makeUsers(ctx context.Context, app string, count int) ([]string, error) {
	arns := make([]string, count)
	return arns, parallel(setupCallers, count, func(i int) error {
		name := fmt.Sprintf("user-%05d", i)
		var made struct{ AppInstanceUserArn string }
		err := a.call(ctx, "/app-instance-users", "", map[string]any{
			"AppInstanceArn": app, "AppInstanceUserId": name, "Name": name, "ClientRequestToken": name,
		}, &made)
		arns[i] = made.AppInstanceUserArn
		return err
	})
}

// batchMembers is how many members one call adds at most.
const batchMembers = 100

// makeChannel creates a channel with the users, of whom the first is its creator.
func (a *api) makeChannel(ctx context.Context, app, id string, users []string) (arn string, err error) {
	var made struct{ ChannelArn string }
	err = a.call(ctx, "/channels", users[0], map[string]any{
		"AppInstanceArn": app, "ChannelId": id, "Name": id, "ClientRequestToken": id,
		"Mode": "UNRESTRICTED", "Privacy": "PRIVATE",
	}, &made)
	for batch := range slices.Chunk(users[1:], batchMembers) {
		if err != nil {
			break
		}
		err = a.call(ctx, "/channels/"+escape(made.ChannelArn)+"/memberships?operation=batch-create",
			users[0], map[string]any{"MemberArns": batch, "Type": "DEFAULT"}, nil)
	}
	return made.ChannelArn, err
}

// say sends a message to a channel.
func (a *api) say(ctx context.Context, channel, sender, token string) error {
	return a.call(ctx, "/channels/"+escape(channel)+"/messages", sender, map[string]any{
		"Content": padding, "Type": "STANDARD", "Persistence": "PERSISTENT", "ClientRequestToken": token,
	}, nil)
}

// escape writes an ARN as a path segment, as the SDKs do.
func escape(arn string) string { return strings.ReplaceAll(url.PathEscape(arn), ":", "%3A") }

// parallel calls f for 0 to count-1 from several goroutines and returns the first error.
func parallel(callers, count int, f func(i int) error) error {
	var next atomic.Int64
	var first error
	var once sync.Once
	var group sync.WaitGroup
	for range min(callers, count) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < count; i = int(next.Add(1)) - 1 {
				if err := f(i); err != nil {
					once.Do(func() { first = err })
					next.Store(int64(count))
				}
			}
		})
	}
	group.Wait()
	return first
}
