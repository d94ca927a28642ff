package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/carillon-chat/carillon/endurance/processing"
)

// place is where a part is, and what it knows.
type partSettings struct {
	listen string // host:port
	dir    string // for what has to outlast its end
	node   string // host:port
	seed   uint64
}

// roles are the parts by name.
var roles = map[string]func(context.Context, partSettings, io.Writer) error{
	"filters": serveProcessors,
	"mortal":  serveProcessors,
	"bot":     serveBot,
	"hook":    serveHook,
	"kafka":   serveKafka,
	"nats":    serveNATS,
}

// runPart is this program as one of the parts that a node calls.
func runPart(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 || roles[args[0]] == nil {
		return errors.New("part is for this program itself")
	}
	var s partSettings
	flags := flag.NewFlagSet("part", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&s.listen, "listen", "", "host:port")
	flags.StringVar(&s.dir, "dir", "", "folder for what it keeps")
	flags.StringVar(&s.node, "node", "", "host:port of the node")
	flags.Uint64Var(&s.seed, "seed", 0, "what random choices come from")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	return roles[args[0]](ctx, s, out)
}

// serveHTTP serves at the address of a part until ctx ends.
func serveHTTP(ctx context.Context, s partSettings, handler http.Handler, out io.Writer) error {
	l, err := net.Listen("tcp", s.listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if _, err := io.WriteString(out, partReady); err != nil {
		return err
	}
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// hookSecret signs what the webhook is sent; processors are sent what the secret of dev mode signs.
const (
	hookSecret      = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	processorSecret = "whsec_Y2FyaWxsb24tZGV2LXdlYmhvb2stc2VjcmV0"
)

// verified reads what was posted, with the published library of Standard Webhooks.
func verified(r *http.Request, secret string) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return nil, err
	}
	return body, verifier.Verify(body, r.Header)
}

// journal is a file of lines of JSON. A line is with the system when note returns, which outlasts the process.
type journal struct {
	mu   sync.Mutex
	file *os.File
}

// openJournal opens the file of a part, and cuts off a line that its end left unfinished.
func openJournal(s partSettings, name string) (*journal, error) {
	file, err := os.OpenFile(filepath.Join(s.dir, name), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	whole := 0
	for i, b := range text {
		if b == '\n' {
			whole = i + 1
		}
	}
	if err := file.Truncate(int64(whole)); err != nil {
		return nil, err
	}
	_, err = file.Seek(int64(whole), io.SeekStart)
	return &journal{file: file}, err
}

func (j *journal) note(line any) error {
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	_, err = j.file.Write(append(text, '\n'))
	return err
}

// eachLine reads a file of lines of JSON.
func eachLine[T any](name string, f func(T)) error {
	file, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	return decodeLines(file, f)
}

func decodeLines[T any](r io.Reader, f func(T)) error {
	lines := bufio.NewReader(r)
	for {
		text, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) { // what is behind the last end of a line is being written
			return nil
		}
		if err != nil {
			return err
		}
		var line T
		if err := json.Unmarshal(text, &line); err != nil {
			return fmt.Errorf("%q: %w", text, err)
		}
		f(line)
	}
}

// hooked is a record that the webhook was sent.
type hooked struct {
	At   processing.Time
	Body json.RawMessage
}

// serveHook is a sink: it takes what is signed and keeps it before it answers.
func serveHook(ctx context.Context, s partSettings, out io.Writer) error {
	kept, err := openJournal(s, "records")
	if err != nil {
		return err
	}
	return serveHTTP(ctx, s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := verified(r, hookSecret)
		if err == nil {
			err = kept.note(hooked{now(), body})
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}), out)
}

// kafkaTopic is where the node produces to.
const (
	kafkaTopic      = "chime"
	kafkaPartitions = 4
)

// serveKafka is a sink: a broker that keeps its topics on disk.
func serveKafka(ctx context.Context, s partSettings, out io.Writer) error {
	_, text, err := net.SplitHostPort(s.listen)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.SeedTopics(kafkaPartitions, kafkaTopic), kfake.DataDir(s.dir))
	if err != nil {
		return err
	}
	defer cluster.Close()
	if _, err := io.WriteString(out, partReady); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
