// franz-go: every codec, direct consumption of partitions, groups of both protocols, admin by kadm.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
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
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Second)
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

// Members of a group, what they have and what they read.
type member struct {
	client *kgo.Client
	lock   sync.Mutex
	has    int
	read   map[string]int
}

func subscribe(group, topic string, options ...kgo.Opt) *member {
	m := &member{read: map[string]int{}}
	change := func(by int) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, places map[string][]int32) {
			m.lock.Lock()
			defer m.lock.Unlock()
			m.has += by * len(places[topic])
		}
	}
	revoked := change(-1)
	m.client = client(append([]kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(change(1)),
		kgo.OnPartitionsRevoked(func(ctx context.Context, c *kgo.Client, places map[string][]int32) {
			c.CommitUncommittedOffsets(ctx)
			revoked(ctx, c, places)
		}), kgo.OnPartitionsLost(change(-1))}, options...)...)
	return m
}

// Reads until done says so; what a member has read is committed, but while it loses partitions.
func pollUntil(ctx context.Context, members []*member, done func() bool) error {
	for !done() {
		if ctx.Err() != nil {
			return fmt.Errorf("%d members: the first has %d, read %d", len(members), members[0].has,
				len(members[0].read))
		}
		for _, m := range members {
			short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			m.client.PollFetches(short).EachRecord(func(r *kgo.Record) { m.read[string(r.Value)]++ })
			cancel()
			m.client.CommitUncommittedOffsets(ctx)
		}
	}
	return nil
}

func groups(ctx context.Context, name string, options ...kgo.Opt) error {
	const partitions, total = 4, 400
	if err := create(ctx, name, partitions); err != nil {
		return err
	}
	send := func(from int) error {
		p := client(kgo.DefaultProduceTopic(name), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
		defer p.Close()
		for i := from; i < from+total; i++ {
			p.Produce(ctx, &kgo.Record{Value: []byte(fmt.Sprint(i))}, nil)
		}
		return p.Flush(ctx)
	}
	read := func(members []*member) int {
		all := map[string]bool{}
		for _, m := range members {
			for value := range m.read {
				all[value] = true
			}
		}
		return len(all)
	}
	share := func(members []*member) bool {
		sum := 0
		for _, m := range members {
			m.lock.Lock()
			if m.has != partitions/len(members) {
				sum -= partitions
			}
			sum += m.has
			m.lock.Unlock()
		}
		return sum == partitions
	}
	if err := send(0); err != nil {
		return err
	}
	members := []*member{subscribe(name, name, options...)}
	defer func() { members[0].client.Close() }()
	if err := pollUntil(ctx, members, func() bool { return read(members) == total }); err != nil {
		return err
	}
	members = append(members, subscribe(name, name, options...))
	if err := pollUntil(ctx, members, func() bool { return share(members) }); err != nil {
		members[1].client.Close()
		return err
	}
	if err := send(total); err != nil {
		return err
	}
	err := pollUntil(ctx, members, func() bool { return read(members) == 2*total })
	members[1].client.Close()
	if err != nil {
		return err
	}
	return pollUntil(ctx, members[:1], func() bool {
		committed, err := kadm.NewClient(members[0].client).FetchOffsets(ctx, name)
		sum := int64(0)
		committed.Each(func(o kadm.OffsetResponse) { sum += o.At })
		return err == nil && sum == 2*total && share(members[:1])
	})
}

func main() {
	for name, codec := range map[string]kgo.CompressionCodec{"none": kgo.NoCompression(),
		"gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()} {
		check("franz-go round trip, three partitions, "+name, func(ctx context.Context) error {
			return roundTrip(ctx, "go-"+name, codec)
		})
	}
	for name, options := range map[string][]kgo.Opt{
		"cooperative-sticky": {kgo.Balancers(kgo.CooperativeStickyBalancer())},
		"range":              {kgo.Balancers(kgo.RangeBalancer())},
		"uniform-848":        {kgo.Balancers(kgo.StickyBalancer()), kgo.ServerSideBalancer()},
		"range-848":          {kgo.Balancers(kgo.RangeBalancer()), kgo.ServerSideBalancer()}} {
		check("franz-go: members of a group share and miss nothing, "+name,
			func(ctx context.Context) error { return groups(ctx, "go-group-"+name, options...) })
	}
	check("kadm: create, configs, grow, offsets, log dirs, delete", admin)
	check("kadm: offsets by time", byTime)
	fmt.Printf("1..%d\n", count)
	if failed > 0 {
		os.Exit(1)
	}
}
