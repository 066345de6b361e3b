// kafka-go: writer with every codec, reader of a partition, the low-level connection, its client.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

var (
	bootstrap = os.Args[1]
	client    = &kafka.Client{Addr: kafka.TCP(bootstrap), Timeout: 20 * time.Second}
	count     int
	failed    int
)

func check(name string, run func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	count++
	if err := run(ctx); err != nil {
		failed++
		fmt.Printf("not ok %d - %s\n# %s\n", count, name, strings.ReplaceAll(err.Error(), "\n", "\n# "))
		return
	}
	fmt.Printf("ok %d - %s\n", count, name)
}

func create(ctx context.Context, topic string, partitions int) error {
	answer, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}}})
	if err != nil {
		return err
	}
	return answer.Errors[topic]
}

func roundTrip(ctx context.Context, topic string, codec kafka.Compression) error {
	const total = 3000
	if err := create(ctx, topic, 1); err != nil {
		return err
	}
	writer := &kafka.Writer{Addr: kafka.TCP(bootstrap), Topic: topic, Compression: codec,
		BatchSize: 100, BatchTimeout: 5 * time.Millisecond, RequiredAcks: kafka.RequireAll,
		Transport: &kafka.Transport{}}
	defer writer.Close()
	var messages []kafka.Message
	for i := 0; i < total; i++ {
		messages = append(messages, kafka.Message{Key: []byte(fmt.Sprint(i)),
			Value: []byte(strings.Repeat("z", i%200)), Headers: []kafka.Header{{Key: "h", Value: []byte("1")}}})
	}
	if err := writer.WriteMessages(ctx, messages...); err != nil {
		return err
	}
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{bootstrap}, Topic: topic,
		Partition: 0, MinBytes: 1, MaxBytes: 64 << 10, MaxWait: 100 * time.Millisecond})
	defer reader.Close()
	seen := map[string]bool{}
	for i := 0; i < total; i++ {
		m, err := reader.ReadMessage(ctx)
		if err != nil {
			return fmt.Errorf("after %d records: %w", i, err)
		}
		if m.Offset != int64(i) || seen[string(m.Key)] || len(m.Headers) != 1 {
			return fmt.Errorf("record %d: offset %d, key %s", i, m.Offset, m.Key)
		}
		seen[string(m.Key)] = true
	}
	return nil
}

// Reads while the records are written, from the first, the last and a middle offset.
func connection(ctx context.Context) error {
	if err := create(ctx, "kafka-go-connection", 1); err != nil {
		return err
	}
	c, err := kafka.DialLeader(ctx, "tcp", bootstrap, "kafka-go-connection", 0)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	for i := 0; i < 20; i++ {
		if _, err := c.WriteMessages(kafka.Message{Value: []byte(fmt.Sprint(i))}); err != nil {
			return err
		}
	}
	first, last, err := c.ReadOffsets()
	if err != nil || first != 0 || last != 20 {
		return fmt.Errorf("offsets %d to %d: %v", first, last, err)
	}
	if _, err := c.Seek(7, kafka.SeekAbsolute); err != nil {
		return err
	}
	batch := c.ReadBatch(1, 1<<20)
	for want := 7; want < 20; want++ {
		m, err := batch.ReadMessage()
		if err != nil || string(m.Value) != fmt.Sprint(want) {
			return fmt.Errorf("record %d: %s %v", want, m.Value, err)
		}
	}
	if err := batch.Close(); err != nil {
		return err
	}
	if _, err := c.Seek(21, kafka.SeekAbsolute); !errors.Is(err, kafka.OffsetOutOfRange) {
		return fmt.Errorf("seek behind the end: %v", err)
	}
	return nil
}

func administer(ctx context.Context) error {
	if err := create(ctx, "kafka-go-admin", 1); err != nil {
		return err
	}
	if err := create(ctx, "kafka-go-admin", 1); !errors.Is(err, kafka.TopicAlreadyExists) {
		return fmt.Errorf("second create: %v", err)
	}
	changed, err := client.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{{ResourceType: kafka.ResourceTypeTopic,
			ResourceName: "kafka-go-admin", Configs: []kafka.IncrementalAlterConfigsRequestConfig{
				{Name: "segment.ms", Value: "54321", ConfigOperation: kafka.ConfigOperationSet}}}}})
	if err != nil || changed.Resources[0].Error != nil {
		return fmt.Errorf("alter: %v %v", changed, err)
	}
	told, err := client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic,
			ResourceName: "kafka-go-admin", ConfigNames: []string{"segment.ms"}}}})
	if err != nil || told.Resources[0].ConfigEntries[0].ConfigValue != "54321" {
		return fmt.Errorf("configs: %v %v", told, err)
	}
	grown, err := client.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: "kafka-go-admin", Count: 3}}})
	if err != nil || grown.Errors["kafka-go-admin"] != nil {
		return fmt.Errorf("grow: %v %v", grown, err)
	}
	ends, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		"kafka-go-none": {kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0)}}})
	if err != nil || ends.Topics["kafka-go-none"][0].LastOffset != 3000 {
		return fmt.Errorf("offsets: %v %v", ends, err)
	}
	gone, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{"kafka-go-admin"}})
	if err != nil {
		return err
	}
	return gone.Errors["kafka-go-admin"]
}

func main() {
	for name, codec := range map[string]kafka.Compression{"none": 0, "gzip": kafka.Gzip,
		"snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd} {
		check("kafka-go: writer and reader, "+name,
			func(ctx context.Context) error { return roundTrip(ctx, "kafka-go-"+name, codec) })
	}
	check("kafka-go: connection to a leader", connection)
	check("kafka-go: create, configs, grow, offsets, delete", administer)
	fmt.Printf("1..%d\n", count)
	if failed > 0 {
		os.Exit(1)
	}
}
