// What cases share: the version ranges of Kafka 4.2.1, topics, and ready-made requests.
package main

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

type versionRange struct {
	key           kmsg.Key
	first, last   int16 // of requests that parse
	advertised    int16 // the advertised minimum, where it is lower
	flexibleFirst int16
}

// Kafka 4.2.1, message schemas; ApiKeys.java for the advertised minimum of Produce.
var served = []versionRange{
	{kmsg.Produce, 3, 13, 0, 9},
	{kmsg.Fetch, 4, 18, 4, 12},
	{kmsg.ListOffsets, 1, 11, 1, 6},
	{kmsg.Metadata, 0, 13, 0, 9},
	{kmsg.ApiVersions, 0, 4, 0, 3},
	{kmsg.CreateTopics, 2, 7, 2, 5},
	{kmsg.DeleteTopics, 1, 6, 1, 4},
	{kmsg.DeleteRecords, 0, 2, 0, 2},
	{kmsg.InitProducerID, 0, 5, 0, 2},
	{kmsg.OffsetForLeaderEpoch, 2, 4, 2, 4},
	{kmsg.DescribeConfigs, 1, 4, 1, 4},
	{kmsg.AlterConfigs, 0, 2, 0, 2},
	{kmsg.DescribeLogDirs, 1, 4, 1, 2},
	{kmsg.CreatePartitions, 0, 3, 0, 2},
	{kmsg.ElectLeaders, 0, 2, 0, 2},
	{kmsg.IncrementalAlterConfigs, 0, 1, 0, 1},
	{kmsg.AlterPartitionAssignments, 0, 1, 0, 0},
	{kmsg.ListPartitionReassignments, 0, 0, 0, 0},
	{kmsg.DescribeCluster, 0, 2, 0, 0},
	{kmsg.DescribeProducers, 0, 0, 0, 0},
	{kmsg.DescribeACLs, 1, 3, 1, 2},
	{kmsg.CreateACLs, 1, 3, 1, 2},
	{kmsg.DeleteACLs, 1, 3, 1, 2},
	{kmsg.ListConfigResources, 0, 1, 0, 0},
	{kmsg.DescribeTopicPartitions, 0, 0, 0, 0},
	{kmsg.FindCoordinator, 0, 6, 0, 3},
	{kmsg.JoinGroup, 0, 9, 0, 6},
	{kmsg.SyncGroup, 0, 5, 0, 4},
	{kmsg.Heartbeat, 0, 4, 0, 4},
	{kmsg.LeaveGroup, 0, 5, 0, 4},
	{kmsg.OffsetCommit, 2, 10, 2, 8},
	{kmsg.OffsetFetch, 1, 10, 1, 6},
	{kmsg.OffsetDelete, 0, 0, 0, 99},
	{kmsg.DescribeGroups, 0, 6, 0, 5},
	{kmsg.ListGroups, 0, 5, 0, 3},
	{kmsg.DeleteGroups, 0, 2, 0, 2},
	{kmsg.ConsumerGroupHeartbeat, 0, 1, 0, 0},
	{kmsg.ConsumerGroupDescribe, 0, 1, 0, 0},
	{kmsg.AddPartitionsToTxn, 0, 5, 0, 3},
	{kmsg.AddOffsetsToTxn, 0, 4, 0, 3},
	{kmsg.EndTxn, 0, 5, 0, 3},
	{kmsg.TxnOffsetCommit, 0, 5, 0, 3},
	{kmsg.DescribeTransactions, 0, 0, 0, 0},
	{kmsg.ListTransactions, 0, 2, 0, 0},
}

func rangeOf(key kmsg.Key) versionRange {
	for _, row := range served {
		if row.key == key {
			return row
		}
	}
	panic("not served: " + key.Name())
}

// One case per version, named "API vN: what".
func each(key kmsg.Key, what string, body func(*run, int16)) {
	row := rangeOf(key)
	from(key, row.first, what, body)
}

func from(key kmsg.Key, first int16, what string, body func(*run, int16)) {
	for v := first; v <= rangeOf(key).last; v++ {
		add(fmt.Sprintf("%s v%d: %s", key.Name(), v, what), func(r *run) { body(r, v) })
	}
}

func ptr[T any](v T) *T { return &v }

func at[R kmsg.Request](version int16, request R) R {
	request.SetVersion(version)
	return request
}

func metadataOf(version int16, names ...string) *kmsg.MetadataRequest {
	request := kmsg.NewPtrMetadataRequest()
	request.Version = version
	request.Topics = []kmsg.MetadataRequestTopic{}
	for _, name := range names {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = ptr(name)
		request.Topics = append(request.Topics, topic)
	}
	return request
}

type settings map[string]string

func newTopic(name string, partitions int32, configs settings) kmsg.CreateTopicsRequestTopic {
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	for key, value := range configs {
		config := kmsg.NewCreateTopicsRequestTopicConfig()
		config.Name, config.Value = key, ptr(value)
		topic.Configs = append(topic.Configs, config)
	}
	return topic
}

func createRequest(version int16, topics ...kmsg.CreateTopicsRequestTopic) *kmsg.CreateTopicsRequest {
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Version, request.Topics, request.TimeoutMillis = version, topics, 15000
	return request
}

// The clock of a loaded machine must not matter.
func (r *run) eventually(what string, holds func() bool) {
	for deadline := time.Now().Add(120 * time.Second); !holds(); time.Sleep(3 * time.Millisecond) {
		if time.Now().After(deadline) {
			panic("never happened: " + what)
		}
	}
}

// A topic that every partition of can be used; made once, and then shared by the cases naming it.
func (r *run) topic(name string, partitions int32, configs settings) uuid {
	if id, there := r.b.ids[name]; there {
		return id
	}
	created := call[*kmsg.CreateTopicsResponse](r, createRequest(7, newTopic(name, partitions, configs)))
	if code := created.Topics[0].ErrorCode; code != 0 {
		panic(fmt.Sprintf("create %s: error %d", name, code))
	}
	r.known(name, created.Topics[0].TopicID)
	r.usable(name, partitions)
	return r.b.ids[name]
}

func (r *run) known(name string, id uuid) {
	r.b.ids[name] = id
	symbol := name
	for taken := true; taken; {
		taken = false
		for other, named := range r.b.named {
			if named == symbol && other != id {
				taken, symbol = true, symbol+"'"
				break
			}
		}
	}
	r.b.named[id] = symbol
}

func (r *run) usable(name string, partitions int32) {
	request := listOffsets(7, name)
	for i := int32(0); i < partitions; i++ {
		request = andOffset(request, i, -1)
	}
	r.eventually(name+" is usable", func() bool {
		for _, p := range call[*kmsg.MetadataResponse](r, metadataOf(12, name)).Topics[0].Partitions {
			if p.ErrorCode != 0 {
				return false
			}
		}
		answer := call[*kmsg.ListOffsetsResponse](r, request)
		for _, p := range answer.Topics[0].Partitions {
			if p.ErrorCode != 0 {
				return false
			}
		}
		return true
	})
}

// Deletes a topic and waits until no request finds it.
func (r *run) forget(name string) {
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.Version, request.TimeoutMillis, request.TopicNames = 5, 15000, []string{name}
	if code := call[*kmsg.DeleteTopicsResponse](r, request).Topics[0].ErrorCode; code != 0 {
		panic(fmt.Sprintf("delete %s: error %d", name, code))
	}
	delete(r.b.ids, name)
	r.eventually(name+" is gone", func() bool {
		answer := call[*kmsg.ListOffsetsResponse](r, andOffset(listOffsets(7, name), 0, -1))
		return answer.Topics[0].Partitions[0].ErrorCode == 3
	})
}

func produceRequest(version, acks int16) *kmsg.ProduceRequest {
	request := kmsg.NewPtrProduceRequest()
	request.Version, request.Acks, request.TimeoutMillis = version, acks, 10000
	return request
}

func (r *run) andBatch(request *kmsg.ProduceRequest, topic string, partition int32, raw []byte) *kmsg.ProduceRequest {
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, raw
	id := r.b.ids[topic]
	if last := len(request.Topics) - 1; last >= 0 && request.Topics[last].Topic == topic {
		request.Topics[last].Partitions = append(request.Topics[last].Partitions, p)
		return request
	}
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.TopicID, t.Partitions = topic, id, []kmsg.ProduceRequestTopicPartition{p}
	request.Topics = append(request.Topics, t)
	return request
}

func (r *run) produce(version int16, topic string, partition int32, raw []byte) *kmsg.ProduceRequest {
	return r.andBatch(produceRequest(version, -1), topic, partition, raw)
}

// Appends without observing, and must succeed.
func (r *run) append(topic string, partition int32, batches ...*batch) {
	for _, b := range batches {
		answer := call[*kmsg.ProduceResponse](r, r.produce(11, topic, partition, b.bytes()))
		if code := answer.Topics[0].Partitions[0].ErrorCode; code != 0 {
			panic(fmt.Sprintf("append to %s %d: error %d", topic, partition, code))
		}
	}
}

// A topic whose partitions all hold the same records, to read from.
func (r *run) filled(name string, partitions int32, configs settings, batches ...*batch) {
	if _, there := r.b.ids[name]; there {
		return
	}
	r.topic(name, partitions, configs)
	for i := int32(0); i < partitions; i++ {
		r.append(name, i, batches...)
	}
}

type wish struct {
	topic     string
	partition int32
	offset    int64
	bytes     int32
	leader    int32 // current leader epoch
	last      int32 // last fetched epoch
}

func read(topic string, partition int32, offset int64) wish {
	return wish{topic, partition, offset, 1 << 20, -1, -1}
}

func (r *run) fetch(version int16, wishes ...wish) *kmsg.FetchRequest {
	request := kmsg.NewPtrFetchRequest()
	request.Version, request.MaxWaitMillis, request.MinBytes = version, 0, 1
	request.MaxBytes, request.SessionEpoch, request.ReplicaID = 50<<20, -1, -1
	request.ReplicaState.ID = -1
	for _, w := range wishes {
		r.wish(request, w)
	}
	return request
}

func (r *run) wish(request *kmsg.FetchRequest, w wish) {
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = w.partition, w.offset, w.bytes
	p.CurrentLeaderEpoch, p.LastFetchedEpoch = w.leader, w.last
	p.LogStartOffset = -1
	if last := len(request.Topics) - 1; last >= 0 && request.Topics[last].Topic == w.topic {
		request.Topics[last].Partitions = append(request.Topics[last].Partitions, p)
		return
	}
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = w.topic, r.b.ids[w.topic]
	t.Partitions = []kmsg.FetchRequestTopicPartition{p}
	request.Topics = append(request.Topics, t)
}

func listOffsets(version int16, topic string) *kmsg.ListOffsetsRequest {
	request := kmsg.NewPtrListOffsetsRequest()
	request.Version, request.ReplicaID, request.TimeoutMillis = version, -1, 5000
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	request.Topics = append(request.Topics, t)
	return request
}

func andOffset(request *kmsg.ListOffsetsRequest, partition int32, timestamp int64) *kmsg.ListOffsetsRequest {
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp, p.CurrentLeaderEpoch = partition, timestamp, -1
	request.Topics[0].Partitions = append(request.Topics[0].Partitions, p)
	return request
}

func (r *run) newProducer() (int64, int16) {
	request := kmsg.NewPtrInitProducerIDRequest()
	request.Version, request.TransactionTimeoutMillis = 4, 60000
	var answer *kmsg.InitProducerIDResponse
	r.eventually("a producer id", func() bool {
		answer = call[*kmsg.InitProducerIDResponse](r, request)
		return answer.ErrorCode != 14 // COORDINATOR_LOAD_IN_PROGRESS: the next block is on its way
	})
	if answer.ErrorCode != 0 {
		panic(fmt.Sprintf("producer id: error %d", answer.ErrorCode))
	}
	return answer.ProducerID, answer.ProducerEpoch
}

func stranger(n byte) uuid { return uuid{0xee, n, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16} }

func (r *run) end(topic string, partition int32) int64 {
	answer := call[*kmsg.ListOffsetsResponse](r, andOffset(listOffsets(7, topic), partition, -1))
	return answer.Topics[0].Partitions[0].Offset
}
