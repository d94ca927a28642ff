package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/carillon-chat/carillon/internal/lab"
)

// TestSecurity runs one script for each security rule: sec-*.txtar. A script describes requests
// that are signed and then changed on the way, and what the server has to answer.
func TestSecurity(t *testing.T) {
	files, err := filepath.Glob("sec-*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no scripts", err)
	}
	bin := build(t)
	testscript.Run(t, testscript.Params{
		Files:               files,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("KEY", rootKey)
			env.Setenv("SECRET", rootSecret)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"dev": dev, "request": requestCommand, "connect": connectCommand, "save": save, "form": form,
		},
	})
}

// The published root key of dev mode.
const (
	rootKey    = "CARILLONDEV000000000"
	rootSecret = "carillon-dev-secret-do-not-use-in-production"
)

// dev starts `carillon dev` with the given flags and sets HOST, APP, ALICE, BOB and CHANNEL, and
// the same names with _P for their form in a path.
func dev(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: dev [flag]...")
	}
	node, err := lab.Launch(context.Background(), filepath.Join(filepath.SplitList(ts.Getenv("PATH"))[0], "carillon"), ts.MkAbs("data"), append([]string{"--ops-listen="}, args...)...)
	ts.Check(err)
	ts.Defer(func() { _ = node.Kill() })
	ts.Setenv("HOST", node.Addr)
	for name, pattern := range map[string]*regexp.Regexp{
		"APP":     regexp.MustCompile(`App instance: (\S+)`),
		"ALICE":   regexp.MustCompile(`(arn:\S+/user/alice)`),
		"BOB":     regexp.MustCompile(`(arn:\S+/user/bob)`),
		"CHANNEL": regexp.MustCompile(`(arn:\S+/channel/\S+)`),
	} {
		if m := pattern.FindStringSubmatch(node.Stdout.String()); m != nil {
			ts.Setenv(name, m[1])
			ts.Setenv(name+"_P", url.QueryEscape(m[1]))
		}
	}
}

const requestUsage = `usage: request METHOD TARGET [option=value]...
  bearer=ARN           the header x-amz-chime-bearer, signed
  header=NAME:VALUE    a header that is signed
  add=NAME:VALUE       a header that is added after signing; * in the name is a number
  copies=N             how often each added header is sent
  omit=NAME            a header that is signed and not sent
  names=LIST           SignedHeaders as it is sent and signed
  body=TEXT            signed and sent; body=@FILE reads a file
  sent-body=TEXT       sent in place of the body that is signed
  sent-path=PATH       sent in place of the path that is signed
  sent-query=QUERY     added to the query after signing
  key= secret= token=  credentials; default: the root key
  region= service= day=  of the credential scope
  at=DURATION          when it is signed, from now
  presign=DURATION     a presigned URL of that life`

// requestCommand sends a request. Its output is status and error type, then the body.
func requestCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("%s", requestUsage)
	}
	r := parseRequest(ts, args)
	resp, body, err := r.send(ts.Getenv("HOST"))
	ts.Check(err)
	fmt.Fprintln(ts.Stdout(), strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("X-Amzn-ErrorType"))))
	fmt.Fprintln(ts.Stdout(), body)
}

func parseRequest(ts *testscript.TestScript, args []string) *request {
	r := &request{method: args[0], target: args[1], key: ts.Getenv("KEY"), secret: ts.Getenv("SECRET"), token: ts.Getenv("TOKEN"),
		region: "us-east-1", service: "chime", at: time.Now()}
	for _, arg := range args[2:] {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			ts.Fatalf("%s", requestUsage)
		}
		ts.Check(r.option(ts, name, value))
	}
	return r
}

func (r *request) option(ts *testscript.TestScript, name, value string) (err error) {
	header := func() field {
		name, value, _ := strings.Cut(value, ":")
		return field{name, value}
	}
	switch name {
	case "bearer":
		r.signed = append(r.signed, field{"x-amz-chime-bearer", value})
	case "header":
		r.signed = append(r.signed, header())
	case "add":
		r.unsigned = append(r.unsigned, header())
	case "copies":
		_, err = fmt.Sscan(value, &r.copies)
	case "omit":
		r.omit = append(r.omit, value)
	case "names":
		r.names = value
	case "body":
		r.body = value
		if file, ok := strings.CutPrefix(value, "@"); ok {
			r.body = ts.ReadFile(file)
		}
	case "sent-body":
		r.sentBody = &value
	case "sent-path":
		r.sentPath = value
	case "sent-query":
		r.sentQuery = value
	case "key":
		r.key = value
	case "secret":
		r.secret = value
	case "token":
		r.token = value
	case "region":
		r.region = value
	case "service":
		r.service = value
	case "day":
		r.day = value
	case "at":
		var d time.Duration
		d, err = time.ParseDuration(value)
		r.at = r.at.Add(d)
	case "presign":
		r.expires, err = time.ParseDuration(value)
	default:
		err = errors.New(requestUsage)
	}
	return err
}

// form calls an operation of STS or IAM: form SERVICE ACTION NAME=VALUE..., where NAME=@FILE
// reads a file. Options of request follow a --.
func form(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: form sts|iam ACTION [NAME=VALUE]... [-- OPTION=VALUE...]")
	}
	versions := map[string]string{"sts": "2011-06-15", "iam": "2010-05-08"}
	values := url.Values{"Action": {args[1]}, "Version": {versions[args[0]]}}
	options := []string{"POST", "/", "service=" + args[0], "header=content-type:application/x-www-form-urlencoded"}
	for i, arg := range args[2:] {
		if arg == "--" {
			options = append(options, args[i+3:]...)
			break
		}
		name, value, _ := strings.Cut(arg, "=")
		if file, ok := strings.CutPrefix(value, "@"); ok {
			value = ts.ReadFile(file)
		}
		values.Set(name, value)
	}
	requestCommand(ts, false, append(options, "body="+values.Encode()))
}

// connectCommand opens a WebSocket with a presigned URL: connect USER_ARN [option=value]... Its
// output is the first frame, the close code and reason, or the status and text of an HTTP error.
func connectCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: connect USER_ARN [option=value]...")
	}
	target := fmt.Sprintf("/connect?sessionId=%d", rand.Uint32())
	if args[0] != "-" {
		target += "&userArn=" + url.QueryEscape(args[0])
	}
	r := parseRequest(ts, append([]string{"GET", target, "presign=10s"}, args[1:]...))
	sent, _ := r.sent(ts.Getenv("HOST"))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, "ws://"+ts.Getenv("HOST")+sent, nil)
	if err != nil {
		if resp == nil {
			ts.Check(err)
		}
		text, err := io.ReadAll(resp.Body)
		ts.Check(err)
		fmt.Fprintln(ts.Stdout(), resp.StatusCode, string(text))
		return
	}
	defer conn.CloseNow()
	_, frame, err := conn.Read(ctx)
	var closed websocket.CloseError
	switch {
	case errors.As(err, &closed):
		fmt.Fprintln(ts.Stdout(), int(closed.Code), closed.Reason)
	case err != nil:
		ts.Check(err)
	default:
		fmt.Fprintln(ts.Stdout(), string(frame))
	}
}

// save keeps what the group of a pattern matches in the last output: save NAME PATTERN.
func save(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: save NAME PATTERN")
	}
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("the output does not match %s: %s", args[1], ts.ReadFile("stdout"))
	}
	ts.Setenv(args[0], m[1])
	ts.Setenv(args[0]+"_P", url.QueryEscape(m[1]))
}
