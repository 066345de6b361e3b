// franz-go: every codec, direct consumption of partitions, admin through kadm.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	bootstrap = os.Args[1]
	count     int
	failed    int
)

func check(name string, run func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	count++
	if err := run(ctx); err != nil {
		failed++
		fmt.Printf("not ok %d - %s\n# %s\n", count, name, strings.ReplaceAll(err.Error(), "\n", "\n# "))
		return
	}
	fmt.Printf("ok %d - %s\n", count, name)
}

func client(options ...kgo.Opt) *kgo.Client {
	made, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(bootstrap)}, options...)...)
	if err != nil {
		panic(err)
	}
	return made
}

func create(ctx context.Context, topic string, partitions int32) error {
	c := client()
	defer c.Close()
	answer, err := kadm.NewClient(c).CreateTopics(ctx, partitions, 1, nil, topic)
	if err != nil {
		return err
	}
	return answer[topic].Err
}

func roundTrip(ctx context.Context, topic string, codec kgo.CompressionCodec) error {
	const partitions, total = 3, 6000
	if err := create(ctx, topic, partitions); err != nil {
		return err
	}
	p := client(kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(codec),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(2*time.Millisecond))
	defer p.Close()
	var broken error
	for i := 0; i < total; i++ {
		p.Produce(ctx, &kgo.Record{Key: []byte(fmt.Sprint(i)), Value: []byte(strings.Repeat("z", i%200)),
			Partition: int32(i % partitions), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("1")}}},
			func(_ *kgo.Record, err error) {
				if err != nil {
					broken = err
				}
			})
	}
	if err := p.Flush(ctx); err != nil || broken != nil {
		return errors.Join(err, broken)
	}
	offsets := map[int32]kgo.Offset{}
	for i := int32(0); i < partitions; i++ {
		offsets[i] = kgo.NewOffset().AtStart()
	}
	c := client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}))
	defer c.Close()
	next := [partitions]int{0, 1, 2}
	for got := 0; got < total; {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("after %d records: %w", got, err)
		}
		var wrong error
		fetches.EachRecord(func(r *kgo.Record) {
			if want := fmt.Sprint(next[r.Partition]); string(r.Key) != want && wrong == nil {
				wrong = fmt.Errorf("partition %d: key %s, want %s", r.Partition, r.Key, want)
			}
			next[r.Partition] += partitions
			got++
		})
		if wrong != nil {
			return wrong
		}
	}
	return nil
}

func admin(ctx context.Context) error {
	c := client()
	defer c.Close()
	a := kadm.NewClient(c)
	if err := create(ctx, "go-admin", 2); err != nil {
		return err
	}
	if err := create(ctx, "go-admin", 2); !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("second create: %v", err)
	}
	value := "54321"
	if _, err := a.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "segment.ms", Value: &value}}, "go-admin"); err != nil {
		return err
	}
	configs, err := a.DescribeTopicConfigs(ctx, "go-admin")
	if err != nil {
		return err
	}
	found := ""
	for _, config := range configs[0].Configs {
		if config.Key == "segment.ms" {
			found = config.MaybeValue()
		}
	}
	if found != value {
		return fmt.Errorf("segment.ms is %q", found)
	}
	grown, err := a.CreatePartitions(ctx, 2, "go-admin")
	if err != nil || grown["go-admin"].Err != nil {
		return errors.Join(err, grown["go-admin"].Err)
	}
	ends, err := a.ListEndOffsets(ctx, "go-admin")
	if err != nil || len(ends["go-admin"]) != 4 {
		return fmt.Errorf("end offsets: %v %v", ends, err)
	}
	logs, err := a.DescribeAllLogDirs(ctx, nil)
	if err != nil || len(logs) != 1 {
		return fmt.Errorf("log dirs: %v %v", logs, err)
	}
	cluster, err := a.BrokerMetadata(ctx)
	if err != nil || len(cluster.Brokers) != 1 {
		return fmt.Errorf("brokers: %v %v", cluster, err)
	}
	_, err = a.DeleteTopics(ctx, "go-admin")
	return err
}

func byTime(ctx context.Context) error {
	if err := create(ctx, "go-time", 1); err != nil {
		return err
	}
	c := client(kgo.DefaultProduceTopic("go-time"))
	defer c.Close()
	base := time.UnixMilli(1_700_000_000_000)
	for i := 0; i < 10; i++ {
		record := &kgo.Record{Value: []byte("x"), Timestamp: base.Add(time.Duration(i) * time.Second)}
		if err := c.ProduceSync(ctx, record).FirstErr(); err != nil {
			return err
		}
	}
	found, err := kadm.NewClient(c).ListOffsetsAfterMilli(ctx, base.UnixMilli()+4500, "go-time")
	if err != nil || found["go-time"][0].Offset != 5 {
		return fmt.Errorf("offset: %v %v", found, err)
	}
	return nil
}

func main() {
	for name, codec := range map[string]kgo.CompressionCodec{"none": kgo.NoCompression(),
		"gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()} {
		check("franz-go round trip, three partitions, "+name, func(ctx context.Context) error {
			return roundTrip(ctx, "go-"+name, codec)
		})
	}
	check("kadm: create, configs, grow, offsets, log dirs, delete", admin)
	check("kadm: offsets by time", byTime)
	fmt.Printf("1..%d\n", count)
	if failed > 0 {
		os.Exit(1)
	}
}
