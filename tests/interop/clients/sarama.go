// sarama: every codec and an idempotent producer, partition consumers, groups, admin, offsets by
// time.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

var (
	bootstrap = []string{os.Args[1]}
	count     int
	failed    int
)

func check(name string, run func() error) {
	count++
	if err := run(); err != nil {
		failed++
		fmt.Printf("not ok %d - %s\n# %s\n", count, name, strings.ReplaceAll(err.Error(), "\n", "\n# "))
		return
	}
	fmt.Printf("ok %d - %s\n", count, name)
}

func config(version sarama.KafkaVersion) *sarama.Config {
	c := sarama.NewConfig()
	c.Version = version
	c.Producer.Return.Successes = true
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Consumer.Return.Errors = true
	c.Consumer.MaxWaitTime = 100 * time.Millisecond
	return c
}

func admin(run func(sarama.ClusterAdmin) error) error {
	a, err := sarama.NewClusterAdmin(bootstrap, config(sarama.MaxVersion))
	if err != nil {
		return err
	}
	defer a.Close()
	return run(a)
}

func create(topic string, partitions int32, entries map[string]*string) error {
	return admin(func(a sarama.ClusterAdmin) error {
		return a.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions,
			ReplicationFactor: 1, ConfigEntries: entries}, false)
	})
}

// Reads a partition and holds that the records are key, value and header of their number.
func expect(c *sarama.Config, topic string, partition int32, total int) error {
	consumer, err := sarama.NewConsumer(bootstrap, c)
	if err != nil {
		return err
	}
	defer consumer.Close()
	reader, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	defer reader.Close()
	for i := 0; i < total; i++ {
		select {
		case m := <-reader.Messages():
			if m.Offset != int64(i) || string(m.Key) != fmt.Sprint(i) || len(m.Value) != i%300 ||
				len(m.Headers) != 1 || string(m.Headers[0].Value) != "1" {
				return fmt.Errorf("partition %d: record %d has offset %d, key %s, %d bytes", partition,
					i, m.Offset, m.Key, len(m.Value))
			}
		case err := <-reader.Errors():
			return err
		case <-time.After(20 * time.Second):
			return fmt.Errorf("partition %d: nothing after %d records", partition, i)
		}
	}
	return nil
}

func roundTrip(c *sarama.Config, topic string) error {
	const partitions, total = 3, 2000
	if err := create(topic, partitions, nil); err != nil {
		return err
	}
	producer, err := sarama.NewSyncProducer(bootstrap, c)
	if err != nil {
		return err
	}
	defer producer.Close()
	for partition := int32(0); partition < partitions; partition++ {
		var messages []*sarama.ProducerMessage
		for i := 0; i < total; i++ {
			messages = append(messages, &sarama.ProducerMessage{Topic: topic, Partition: partition,
				Key:     sarama.StringEncoder(fmt.Sprint(i)),
				Value:   sarama.StringEncoder(strings.Repeat("z", i%300)),
				Headers: []sarama.RecordHeader{{Key: []byte("h"), Value: []byte("1")}}})
		}
		if err := producer.SendMessages(messages); err != nil {
			return err
		}
		if err := expect(c, topic, partition, total); err != nil {
			return err
		}
	}
	return nil
}

// A record of 24 MB is more than a read holds at once with the default arena.
func largeRecord() error {
	const size = 24 << 20
	limit := fmt.Sprint(size + 1024)
	if err := create("sarama-large", 1, map[string]*string{"max.message.bytes": &limit}); err != nil {
		return err
	}
	c := config(sarama.MaxVersion)
	c.Producer.MaxMessageBytes = size + 1024
	producer, err := sarama.NewSyncProducer(bootstrap, c)
	if err != nil {
		return err
	}
	defer producer.Close()
	value := make([]byte, size)
	for i := range value {
		value[i] = byte(i >> 8)
	}
	if _, _, err = producer.SendMessage(&sarama.ProducerMessage{Topic: "sarama-large",
		Value: sarama.ByteEncoder(value)}); err != nil {
		return err
	}
	consumer, err := sarama.NewConsumer(bootstrap, c)
	if err != nil {
		return err
	}
	defer consumer.Close()
	reader, err := consumer.ConsumePartition("sarama-large", 0, 0)
	if err != nil {
		return err
	}
	defer reader.Close()
	select {
	case m := <-reader.Messages():
		if string(m.Value) != string(value) {
			return fmt.Errorf("%d other bytes", len(m.Value))
		}
		return nil
	case err := <-reader.Errors():
		return err
	case <-time.After(20 * time.Second):
		return errors.New("nothing came")
	}
}

func administer(a sarama.ClusterAdmin) error {
	if err := a.CreateTopic("sarama-admin", &sarama.TopicDetail{NumPartitions: 2,
		ReplicationFactor: 1}, false); err != nil {
		return err
	}
	err := a.CreateTopic("sarama-admin", &sarama.TopicDetail{NumPartitions: 2,
		ReplicationFactor: 1}, false)
	if !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return fmt.Errorf("second create: %v", err)
	}
	value := "54321"
	if err := a.IncrementalAlterConfig(sarama.TopicResource, "sarama-admin",
		map[string]sarama.IncrementalAlterConfigsEntry{"segment.ms": {
			Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}}, false); err != nil {
		return err
	}
	entries, err := a.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource,
		Name: "sarama-admin", ConfigNames: []string{"segment.ms"}})
	if err != nil || len(entries) != 1 || entries[0].Value != value {
		return fmt.Errorf("segment.ms: %v %v", entries, err)
	}
	if err := a.CreatePartitions("sarama-admin", 4, nil, false); err != nil {
		return err
	}
	topics, err := a.ListTopics()
	if err != nil || topics["sarama-admin"].NumPartitions != 4 {
		return fmt.Errorf("topics: %v %v", topics["sarama-admin"], err)
	}
	if err := a.DeleteRecords("sarama-none-1", map[int32]int64{0: 1500}); err != nil {
		return err
	}
	directories, err := a.DescribeLogDirs([]int32{1})
	if err != nil || len(directories[1]) == 0 {
		return fmt.Errorf("log dirs: %v %v", directories, err)
	}
	if err := a.DeleteTopic("sarama-admin"); err != nil {
		return err
	}
	if err := a.DeleteTopic("sarama-admin"); !errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		return fmt.Errorf("second delete: %v", err)
	}
	return nil
}

func offsets() error {
	c := config(sarama.MaxVersion)
	if err := create("sarama-time", 1, nil); err != nil {
		return err
	}
	producer, err := sarama.NewSyncProducer(bootstrap, c)
	if err != nil {
		return err
	}
	defer producer.Close()
	base := time.UnixMilli(1_700_000_000_000)
	for i := 0; i < 10; i++ {
		if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: "sarama-time",
			Value:     sarama.StringEncoder("x"),
			Timestamp: base.Add(time.Duration(i) * time.Second)}); err != nil {
			return err
		}
	}
	client, err := sarama.NewClient(bootstrap, c)
	if err != nil {
		return err
	}
	defer client.Close()
	for _, row := range []struct {
		topic      string
		when, want int64
	}{
		{"sarama-time", base.UnixMilli() + 4500, 5}, {"sarama-time", sarama.OffsetNewest, 10},
		{"sarama-time", sarama.OffsetOldest, 0}, {"sarama-none-1", sarama.OffsetOldest, 1500},
	} {
		if got, err := client.GetOffset(row.topic, 0, row.when); err != nil || got != row.want {
			return fmt.Errorf("%s at %d: %d %v, want %d", row.topic, row.when, got, err, row.want)
		}
	}
	return nil
}

// A member of a group: what it has, and what it has read.
type member struct {
	group sarama.ConsumerGroup
	lock  *sync.Mutex
	read  map[string]bool // Of all members.
	has   int
}

func (m *member) Setup(s sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.has = len(s.Claims()["sarama-group"])
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.has = 0
	return nil
}

func (m *member) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	for {
		select {
		case record, more := <-c.Messages():
			if !more {
				return nil
			}
			m.lock.Lock()
			m.read[string(record.Value)] = true
			m.lock.Unlock()
			s.MarkMessage(record, "")
		case <-s.Context().Done():
			return nil
		}
	}
}

func subscribe(c *sarama.Config, group string, read map[string]bool, lock *sync.Mutex) (*member, error) {
	joined, err := sarama.NewConsumerGroup(bootstrap, group, c)
	if err != nil {
		return nil, err
	}
	m := &member{group: joined, lock: lock, read: read}
	go func() {
		for !errors.Is(joined.Consume(context.Background(), []string{"sarama-group"}, m),
			sarama.ErrClosedConsumerGroup) {
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return m, nil
}

func until(what string, lock *sync.Mutex, done func() bool) error {
	for end := time.Now().Add(150 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		lock.Lock()
		good := done()
		lock.Unlock()
		if good {
			return nil
		}
		if time.Now().After(end) {
			return errors.New("not in 150 s: " + what)
		}
	}
}

// Of topic sarama-group, which has 4 partitions and 400 records.
func groups(name string, strategy sarama.BalanceStrategy) error {
	c := config(sarama.MaxVersion)
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Interval = 100 * time.Millisecond
	c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy}
	var lock sync.Mutex
	read := map[string]bool{}
	first, err := subscribe(c, name, read, &lock)
	if err != nil {
		return err
	}
	defer first.group.Close()
	if err := until("all is read", &lock, func() bool { return len(read) == 400 }); err != nil {
		return err
	}
	second, err := subscribe(c, name, read, &lock)
	if err != nil {
		return err
	}
	err = until("each has half", &lock, func() bool { return first.has == 2 && second.has == 2 })
	if left := second.group.Close(); err == nil {
		err = left
	}
	if err != nil {
		return err
	}
	return until("the other has all", &lock, func() bool { return first.has == 4 })
}

func groupTopic() error {
	if err := create("sarama-group", 4, nil); err != nil {
		return err
	}
	producer, err := sarama.NewSyncProducer(bootstrap, config(sarama.MaxVersion))
	if err != nil {
		return err
	}
	defer producer.Close()
	var messages []*sarama.ProducerMessage
	for i := 0; i < 400; i++ {
		messages = append(messages, &sarama.ProducerMessage{Topic: "sarama-group",
			Partition: int32(i % 4), Value: sarama.StringEncoder(fmt.Sprint(i))})
	}
	return producer.SendMessages(messages)
}

func administerGroup(a sarama.ClusterAdmin) error {
	listed, err := a.ListConsumerGroups()
	if err != nil || listed["sarama-range"] != "consumer" {
		return fmt.Errorf("listed: %v %v", listed, err)
	}
	offsets, err := a.ListConsumerGroupOffsets("sarama-range", map[string][]int32{"sarama-group": {3}})
	if err != nil || offsets.GetBlock("sarama-group", 3).Offset != 100 {
		return fmt.Errorf("offsets: %v %v", offsets, err)
	}
	if err := a.DeleteConsumerGroupOffset("sarama-range", "sarama-group", 3); err != nil {
		return err
	}
	described, err := a.DescribeConsumerGroups([]string{"sarama-range"})
	if err != nil || len(described) != 1 || described[0].State != "Empty" {
		return fmt.Errorf("described: %v %v", described, err)
	}
	return a.DeleteConsumerGroup("sarama-range")
}

func main() {
	versions := []sarama.KafkaVersion{sarama.V2_1_0_0, sarama.MaxVersion}
	codecs := []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP,
		sarama.CompressionSnappy, sarama.CompressionLZ4, sarama.CompressionZSTD}
	for i, version := range versions {
		for _, codec := range codecs {
			c := config(version)
			c.Producer.Compression = codec
			topic := fmt.Sprintf("sarama-%s-%d", codec, i)
			check(fmt.Sprintf("sarama as of %s: round trip, %s", version, codec),
				func() error { return roundTrip(c, topic) })
		}
	}
	check("sarama: idempotent producer", func() error {
		c := config(sarama.MaxVersion)
		c.Producer.Idempotent = true
		c.Net.MaxOpenRequests = 1
		return roundTrip(c, "sarama-idempotent")
	})
	check("sarama: a record of 24 MB", largeRecord)
	check("sarama: create, configs, grow, delete records, log dirs, delete",
		func() error { return admin(administer) })
	check("sarama: offsets by time and special ones", offsets)
	check("sarama: a topic for groups", groupTopic)
	for _, strategy := range []sarama.BalanceStrategy{sarama.NewBalanceStrategyRange(),
		sarama.NewBalanceStrategyRoundRobin(), sarama.NewBalanceStrategySticky()} {
		check("sarama: members of a group share, "+strategy.Name(),
			func() error { return groups("sarama-"+strategy.Name(), strategy) })
	}
	check("sarama: groups are listed, described and deleted", func() error {
		return admin(administerGroup)
	})
	fmt.Printf("1..%d\n", count)
	if failed > 0 {
		os.Exit(1)
	}
}
