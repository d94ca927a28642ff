package main

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/carillon-chat/carillon/endurance/processing"
)

// readRecord reads what every sink is given.
func readRecord(at processing.Time, data []byte) (processing.Record, error) {
	var r struct {
		EventType, Key string
		Payload        json.RawMessage
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return processing.Record{}, err
	}
	e, _, err := readPayload(r.EventType, r.Payload)
	e.At, e.Part = at, 0
	return processing.Record{Key: r.Key, Event: e}, err
}

// readFolder reads the files of a file sink.
func readFolder(dir string) (k processing.Sink, err error) {
	k.Name = "file"
	rotated, err := filepath.Glob(filepath.Join(dir, "events-*.jsonl*")) // a crash may leave one that is not packed
	if err != nil {
		return k, err
	}
	slices.Sort(rotated)
	for _, name := range append(rotated, filepath.Join(dir, "events.jsonl")) {
		if err := readFile(&k, name); err != nil {
			return k, fmt.Errorf("%s: %w", name, err)
		}
	}
	return k, nil
}

func readFile(k *processing.Sink, name string) error {
	file, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) { // it was packed meanwhile, and the next look sees it
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	var r io.Reader = file
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(file); err != nil {
			return err
		}
	}
	return keepLines(k, r, func(line json.RawMessage) (processing.Record, error) { return readRecord(0, line) })
}

// keepLines adds the records of lines to a sink.
func keepLines[T any](k *processing.Sink, r io.Reader, read func(T) (processing.Record, error)) (err error) {
	failed := decodeLines(r, func(line T) {
		record, wrong := read(line)
		if err == nil {
			err = wrong
		}
		k.Records = append(k.Records, record)
	})
	return errors.Join(failed, err)
}

// readHook reads what the webhook kept.
func readHook(dir string) (k processing.Sink, err error) {
	k.Name = "hook"
	file, err := os.Open(filepath.Join(dir, "records"))
	if err != nil {
		return k, err
	}
	defer file.Close()
	return k, keepLines(&k, file, func(line hooked) (processing.Record, error) { return readRecord(line.At, line.Body) })
}

// readKafka reads the topic to its end.
func readKafka(ctx context.Context, broker string) (k processing.Sink, err error) {
	k.Name = "kafka"
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(kafkaTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return k, err
	}
	defer client.Close()
	ends, err := endOffsets(ctx, client)
	if err != nil {
		return k, err
	}

	// The records of a partition are in order, so its last one ends it.
	for len(ends) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return k, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			record, wrong := readRecord(0, r.Value)
			if err == nil {
				err = wrong
			}
			k.Records = append(k.Records, record)
			if r.Offset+1 >= ends[r.Partition] {
				delete(ends, r.Partition)
			}
		})
	}
	return k, err
}

// endOffsets are where the partitions of the topic end, of those that have records.
func endOffsets(ctx context.Context, client *kgo.Client) (map[int32]int64, error) {
	const latest = -1
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = kafkaTopic
	for i := range int32(kafkaPartitions) {
		partition := kmsg.NewListOffsetsRequestTopicPartition()
		partition.Partition, partition.Timestamp = i, latest
		topic.Partitions = append(topic.Partitions, partition)
	}
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID, request.Topics = -1, append(request.Topics, topic)
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	ends := map[int32]int64{}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			if p.Offset > 0 {
				ends[p.Partition] = p.Offset
			}
		}
	}
	return ends, nil
}
