package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/client"
	"github.com/carillon-chat/carillon/internal/policy"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// iamClient calls IAM's API of a server. It has the few operations that simulate needs.
type iamClient struct {
	server server
	signer sigv4.Signer
	http   *http.Client
}

const (
	callTimeout = 30 * time.Second
	maxAnswer   = 8 << 20 // bytes
)

// newIAMClient calls the server with its keys.
func newIAMClient(s server) *iamClient {
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: s.tls}
	return &iamClient{
		server: s, http: &http.Client{Transport: transport, Timeout: callTimeout},
		signer: sigv4.Signer{
			Credentials: sigv4.Credentials{AccessKeyID: s.keys.AccessKeyID, SecretAccessKey: s.keys.SecretAccessKey, SessionToken: s.keys.SessionToken},
			Scope:       sigv4.Scope{Region: s.region, Service: "iam"},
		},
	}
}

// call makes one call and reads the result into answer.
func (c *iamClient) call(ctx context.Context, action string, members url.Values, answer any) error {
	members.Set("Action", action)
	members.Set("Version", "2010-05-08")

	body := []byte(members.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.server.endpoint+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	if err := c.signer.Sign(req, sha256.Sum256(body), time.Now()); err != nil {
		return err
	}

	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", action, c.server.explain(err))
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}

	// A refusal is a document of the query protocol, unless a proxy answered.
	if resp.StatusCode != http.StatusOK {
		var refused struct {
			Code    string `xml:"Error>Code"`
			Message string `xml:"Error>Message"`
		}
		if xml.Unmarshal(text, &refused) != nil || refused.Code == "" {
			return fmt.Errorf("%s: the server answers %s", action, resp.Status)
		}
		return fmt.Errorf("%s: %w", action, c.server.explain(&client.Error{Code: refused.Code, Message: refused.Message, Status: resp.StatusCode}))
	}

	if err := xml.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%s: the answer cannot be read: %w", action, err)
	}
	return nil
}

// entity is a user or role.
type entity struct{ arn, kind, name string }

// entity finds the user or role of an ARN; for a session that is its role.
func (c *iamClient) entity(ctx context.Context, arn string) (entity, error) {
	fields := strings.SplitN(arn, ":", 6)
	if len(fields) != 6 || fields[0] != "arn" {
		return entity{}, usageError{fmt.Errorf("invalid --as %q: must be an ARN", arn)}
	}
	kind, path, _ := strings.Cut(fields[5], "/")
	if fields[2] != "sts" || kind != "assumed-role" {
		return entity{arn: arn, kind: kind, name: path[strings.LastIndexByte(path, '/')+1:]}, nil
	}
	name, _, _ := strings.Cut(path, "/")
	var role struct {
		ARN string `xml:"GetRoleResult>Role>Arn"`
	}
	err := c.call(ctx, "GetRole", url.Values{"RoleName": {name}}, &role)
	return entity{arn: role.ARN, kind: "role", name: name}, err
}

// evaluation is one EvaluationResult.
type evaluation struct {
	Action    string `xml:"EvalActionName"`
	Resource  string `xml:"EvalResourceName"`
	Decision  string `xml:"EvalDecision"`
	Statement []struct {
		Policy string          `xml:"SourcePolicyId"`
		Kind   string          `xml:"SourcePolicyType"`
		Start  policy.Position `xml:"StartPosition"`
	} `xml:"MatchedStatements>member"`
	Missing  []string `xml:"MissingContextValues>member"`
	Boundary *struct {
		Allowed bool `xml:"AllowedByPermissionsBoundary"`
	} `xml:"PermissionsBoundaryDecisionDetail"`
}

// simulate calls the server for every pair of an action and a resource.
func (c *iamClient) simulate(ctx context.Context, who entity, q question) (answers []outcome, err error) {
	members := url.Values{"PolicySourceArn": {who.arn}}
	list(members, "ActionNames", q.actions)
	list(members, "ResourceArns", q.resources)
	for i, e := range q.context {
		name := "ContextEntries.member." + strconv.Itoa(i+1)
		members.Set(name+".ContextKeyName", e.key)
		members.Set(name+".ContextKeyType", "string")
		list(members, name+".ContextKeyValues", e.values)
	}

	for {
		var page struct {
			Results   []evaluation `xml:"SimulatePrincipalPolicyResult>EvaluationResults>member"`
			Truncated bool         `xml:"SimulatePrincipalPolicyResult>IsTruncated"`
			Marker    string       `xml:"SimulatePrincipalPolicyResult>Marker"`
		}
		if err := c.call(ctx, "SimulatePrincipalPolicy", members, &page); err != nil {
			return nil, err
		}
		for _, r := range page.Results {
			o, err := c.outcome(ctx, who, r)
			if err != nil {
				return nil, err
			}
			answers = append(answers, o)
		}
		if !page.Truncated {
			return answers, nil
		}
		members.Set("Marker", page.Marker)
	}
}

func list(members url.Values, name string, values []string) {
	for i, v := range values {
		members.Set(name+".member."+strconv.Itoa(i+1), v)
	}
}

// outcome adds the text of the statement that decided: the answer has only its position.
func (c *iamClient) outcome(ctx context.Context, who entity, r evaluation) (outcome, error) {
	o := outcome{action: r.Action, resource: r.Resource, decision: r.Decision, missing: r.Missing}
	if len(r.Statement) == 0 {
		if r.Boundary != nil && !r.Boundary.Allowed {
			o.limit = policy.LimitBoundary
		}
		return o, nil
	}

	by := r.Statement[0]
	text, name, err := c.document(ctx, who, by.Policy, by.Kind)
	if err != nil {
		return o, err
	}
	o.policy = name
	d, err := policy.Parse([]byte(text))
	if err != nil {
		return o, fmt.Errorf("%s: %w", name, err)
	}

	// The answer names the statement by where it begins.
	for i := range d.Statements {
		if s := &d.Statements[i]; s.Start == by.Start {
			o.index, o.statement = i+1, s.JSON()
			return o, nil
		}
	}
	return o, fmt.Errorf("%s changed concurrently: try again", name)
}

// document fetches the text of a policy. An inline one is named role_NAME_POLICY.
func (c *iamClient) document(ctx context.Context, who entity, id, kind string) (text, name string, err error) {
	if policy, inline := strings.CutPrefix(id, who.kind+"_"+who.name+"_"); inline && kind == who.kind {
		action, member := "GetRolePolicy", "RoleName"
		if who.kind == "user" {
			action, member = "GetUserPolicy", "UserName"
		}

		var answer struct {
			Role string `xml:"GetRolePolicyResult>PolicyDocument"`
			User string `xml:"GetUserPolicyResult>PolicyDocument"`
		}
		err = c.call(ctx, action, url.Values{member: {who.name}, "PolicyName": {policy}}, &answer)
		text, name = answer.Role+answer.User, "the inline policy "+policy+" of the "+who.kind+" "+who.name
	} else {
		var policy struct {
			Version string `xml:"GetPolicyResult>Policy>DefaultVersionId"`
		}
		var version struct {
			Document string `xml:"GetPolicyVersionResult>PolicyVersion>Document"`
		}
		if err = c.call(ctx, "GetPolicy", url.Values{"PolicyArn": {id}}, &policy); err == nil {
			err = c.call(ctx, "GetPolicyVersion", url.Values{"PolicyArn": {id}, "VersionId": {policy.Version}}, &version)
		}
		text, name = version.Document, id
	}

	if err == nil {
		text, err = url.PathUnescape(text)
	}
	return text, name, err
}
