// Package kinesis is a sink of streams that puts records into Amazon Kinesis Data Streams, or what speaks its
// API. The name of a stream is the one of the ARN that the app instance was given, the partition key the
// ARN of the channel.
//
// PutRecords may fail for some records of a call and take later ones, also of the same partition key. So one
// call has one record of each channel at most, and the next of a channel follows when the one before it was
// taken.
package kinesis

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/sigv4"
	"github.com/carillon-chat/carillon/internal/stream"
)

// Bounds of one call of PutRecords, and of what is read of its answer.
const (
	maxRecords  = 500
	maxBytes    = 4 << 20 // of data and keys together; the service takes 5 MiB
	maxAnswer   = 1 << 20
	contentType = "application/x-amz-json-1.1"
)

// Options of a Sink. All are required.
type Options struct {
	Endpoint string // URL, such as https://kinesis.us-east-1.amazonaws.com
	Region   string // of the signature
	Client   *outbound.Client
	// Credentials returns the key that signs now. It is called for each call of Write.
	Credentials func() (sigv4.Credentials, error)
	Now         func() time.Time
}

// Sink puts records.
type Sink struct{ o Options }

var _ stream.Sink = Sink{}

// New makes a Sink.
func New(o Options) Sink { return Sink{o} }

// Close does nothing: the client is shared.
func (Sink) Close() error { return nil }

// Write puts records until the first of each channel that is not taken.
func (s Sink) Write(ctx context.Context, records []stream.Record) (written []string, err error) {
	credentials, err := s.o.Credentials()
	if err != nil {
		return nil, err
	}
	signer := sigv4.Signer{Credentials: credentials, Scope: sigv4.Scope{Region: s.o.Region, Service: "kinesis"}}

	// Each wave has the first record of each channel that waits.
	waiting := stream.ByChannel(records)
	for len(waiting) > 0 {
		var wave []stream.Record
		var rest [][]stream.Record
		for _, line := range waiting {
			wave = append(wave, line[0])
			if len(line) > 1 {
				rest = append(rest, line[1:])
			}
		}
		for len(wave) > 0 {
			n := fitting(wave)
			taken, err := s.put(ctx, signer, wave[:n])
			if written = append(written, taken...); err != nil {
				return written, err
			}
			wave = wave[n:]
		}
		waiting = rest
	}
	return written, nil
}

// fitting is how many of the records go into one call: those of one stream, at least one.
func fitting(records []stream.Record) int {
	bytes := 0
	for i, r := range records {
		bytes += len(r.Data) + len(r.Channel)
		if i > 0 && (i == maxRecords || bytes > maxBytes || r.Stream != records[0].Stream) {
			return i
		}
	}
	return len(records)
}

// Shapes of PutRecords.
type (
	request struct {
		StreamName string
		Records    []entry
	}
	entry struct {
		Data         []byte
		PartitionKey string
	}
	answer struct {
		FailedRecordCount int
		Records           []struct{ SequenceNumber, ErrorCode, ErrorMessage string }
	}
	failure struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
)

// put makes one call, and returns the keys of the records that the service took.
func (s Sink) put(ctx context.Context, signer sigv4.Signer, records []stream.Record) (taken []string, err error) {
	_, name, _ := strings.Cut(records[0].Stream, ":stream/")
	in := request{StreamName: name}
	for _, r := range records {
		in.Records = append(in.Records, entry{Data: r.Data, PartitionKey: partitionKey(r.Channel)})
	}
	out, err := s.call(ctx, signer, in)
	if err != nil {
		return nil, err
	}
	if len(out.Records) != len(records) {
		return nil, fmt.Errorf("PutRecords answered %d records for %d", len(out.Records), len(records))
	}

	// What failed is named by the first of it.
	for i, r := range out.Records {
		switch {
		case r.ErrorCode == "" && r.SequenceNumber != "":
			taken = append(taken, records[i].Key)
		case err == nil:
			err = fmt.Errorf("PutRecords to %s: %s: %s", name, r.ErrorCode, r.ErrorMessage)
		}
	}
	return taken, err
}

// partitionKey is the ARN of a channel as far as a partition key has room: 256 characters.
func partitionKey(channel string) string { return channel[max(0, len(channel)-256):] }

func (s Sink) call(ctx context.Context, signer sigv4.Signer, in request) (out answer, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	call, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(s.o.Endpoint, "/")+"/", bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	call.Header.Set("Content-Type", contentType)
	call.Header.Set("X-Amz-Target", "Kinesis_20131202.PutRecords")
	if err := signer.Sign(call, sha256.Sum256(body), s.o.Now()); err != nil {
		return out, err
	}
	reply, err := s.o.Client.Do(ctx, call, maxAnswer)
	if err != nil {
		return out, err
	}

	// A refusal says its kind and a message, as far as it comes from the service.
	if reply.Status != http.StatusOK {
		var f failure
		if json.Unmarshal(reply.Body, &f) != nil || f.Type == "" {
			f.Type = http.StatusText(reply.Status)
		}
		return out, fmt.Errorf("PutRecords to %s: %d %s: %s", in.StreamName, reply.Status, f.Type[strings.LastIndexByte(f.Type, '#')+1:], f.Message)
	}
	if err := json.Unmarshal(reply.Body, &out); err != nil {
		return out, errors.New("PutRecords answered what is not JSON")
	}
	return out, nil
}
