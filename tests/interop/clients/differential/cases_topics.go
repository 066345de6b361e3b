// CreateTopics, DeleteTopics, CreatePartitions.
package main

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func assigned(name string, replicas ...[]int32) kmsg.CreateTopicsRequestTopic {
	topic := newTopic(name, -1, nil)
	topic.ReplicationFactor = -1
	for i, nodes := range replicas {
		topic.ReplicaAssignment = append(topic.ReplicaAssignment,
			kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: int32(i), Replicas: nodes})
	}
	return topic
}

// Creates, observes, and learns the ids of what came to be.
func (r *run) create(label string, request *kmsg.CreateTopicsRequest) {
	correlation := r.conn().send(request)
	answer, err := r.conn().receive(request)
	if err != nil || answer.correlation != correlation {
		panic(fmt.Sprint(label, ": ", err))
	}
	response := answer.response.(*kmsg.CreateTopicsResponse)
	for _, topic := range response.Topics {
		if topic.ErrorCode == 0 && !request.ValidateOnly && request.Version >= 7 {
			r.known(topic.Topic, topic.TopicID)
		}
	}
	r.see(label+" encodes again to the same bytes", answer.exact)
	r.seeAnswer(label, response)
}

func createTopicsCases() {
	each(kmsg.CreateTopics, "a topic", func(r *run, v int16) {
		name := fmt.Sprint("create-", v)
		r.create("create", createRequest(v, newTopic(name, 3, nil)))
		r.usable(name, 3)
		ask[*kmsg.MetadataResponse](r, "metadata", metadataOf(9, name))
		r.create("again", createRequest(v, newTopic(name, 3, nil)))
	})
	each(kmsg.CreateTopics, "with configuration", func(r *run, v int16) {
		name := fmt.Sprint("create-configs-", v)
		r.create("create", createRequest(v, newTopic(name, 1, settings{"retention.ms": "1234567",
			"cleanup.policy": "compact,delete", "max.message.bytes": "4096",
			"min.cleanable.dirty.ratio": "0.25", "compression.type": "producer"})))
	})
	each(kmsg.CreateTopics, "names", func(r *run, v int16) {
		for _, name := range []string{"", ".", "..", "a b", "ä", "a/b", "a:b", strings.Repeat("x", 250)} {
			r.create(fmt.Sprintf("%.10q", name), createRequest(v, newTopic(name, 1, nil)))
		}
		long := fmt.Sprint(v, strings.Repeat("y", 248))
		r.create("249 characters", createRequest(v, newTopic(long, 1, nil)))
		r.usable(long, 1)
		r.forget(long)
	})
	each(kmsg.CreateTopics, "names that collide", func(r *run, v int16) {
		with := func(middle string) string { return fmt.Sprint("collide", middle, "x", middle, v) }
		r.create("dots", createRequest(v, newTopic(with("."), 1, nil)))
		r.create("underscores", createRequest(v, newTopic(with("_"), 1, nil)))
		r.create("in one request", createRequest(v, newTopic(fmt.Sprint("both.of", v), 1, nil),
			newTopic(fmt.Sprint("both_of", v), 1, nil)))
		r.create("dash", createRequest(v, newTopic(with("-"), 1, nil)))
	})
	each(kmsg.CreateTopics, "twice in one request", func(r *run, v int16) {
		twin := newTopic(fmt.Sprint("twin-", v), 1, nil)
		r.create("create", createRequest(v, twin, newTopic(fmt.Sprint("not-twin-", v), 1, nil), twin))
	})
	each(kmsg.CreateTopics, "numbers of partitions and replicas", func(r *run, v int16) {
		for i, counts := range [][2]int{{0, 1}, {-2, 1}, {1, 0}, {1, 2}, {1, -2}, {1, 3}, {-1, 1}, {1, -1},
			{-1, -1}, {200000, 1}, {2147483647, 1}} {
			topic := newTopic(fmt.Sprint("counts-", v, "-", i), int32(counts[0]), nil)
			topic.ReplicationFactor = int16(counts[1])
			request := createRequest(v, topic)
			request.ValidateOnly = counts[0] > 1
			r.create(fmt.Sprint(counts), request)
		}
	})
	each(kmsg.CreateTopics, "assigned by hand", func(r *run, v int16) {
		me := r.b.node
		good := assigned(fmt.Sprint("assigned-", v), []int32{me}, []int32{me})
		r.create("good", createRequest(v, good))
		for label, topic := range map[string]kmsg.CreateTopicsRequestTopic{
			"unknown broker":     assigned("a", []int32{me + 77}),
			"replica twice":      assigned("a", []int32{me, me}),
			"no replica":         assigned("a", []int32{}),
			"different lengths":  assigned("a", []int32{me}, []int32{}),
			"negative broker":    assigned("a", []int32{-1}),
			"second one unknown": assigned("a", []int32{me}, []int32{me + 77}),
		} {
			topic.Topic = fmt.Sprint("assigned-badly-", v)
			r.create(label, createRequest(v, topic))
		}
		gap := assigned(fmt.Sprint("assigned-gap-", v), []int32{me}, []int32{me})
		gap.ReplicaAssignment[1].Partition = 2
		r.create("a gap", createRequest(v, gap))
		gap.ReplicaAssignment[1].Partition = 0
		r.create("a partition twice", createRequest(v, gap))
		gap.ReplicaAssignment[1].Partition = -1
		r.create("a negative partition", createRequest(v, gap))
		for i, counts := range [][2]int{{2, -1}, {-1, 1}, {2, 1}, {0, -1}} {
			both := assigned(fmt.Sprint("assigned-both-", v, "-", i), []int32{me}, []int32{me})
			both.NumPartitions, both.ReplicationFactor = int32(counts[0]), int16(counts[1])
			r.create(fmt.Sprint("counts too ", counts), createRequest(v, both))
		}
	})
	each(kmsg.CreateTopics, "only validated", func(r *run, v int16) {
		name := fmt.Sprint("validated-", v)
		request := createRequest(v, newTopic(name, 2, settings{"segment.bytes": "2000000"}),
			newTopic("a b", 1, nil), newTopic(name+"-bad", 1, settings{"retention.ms": "x"}))
		request.ValidateOnly = true
		r.create("validate", request)
		ask[*kmsg.MetadataResponse](r, "is not there", metadataOf(9, name))
	})
	each(kmsg.CreateTopics, "configuration that is refused", func(r *run, v int16) {
		for i, configs := range []settings{{"no.such.key": "1"}, {"retention.ms": "x"}, {"retention.ms": "-2"},
			{"cleanup.policy": "shred"}, {"compression.type": "rar"}, {"segment.bytes": "1"}, {"": "1"},
			{"retention.ms": "1000", "no.such.key": "1"}, {"log.retention.ms": "1000"},
			{"message.format.version": "3.0"}, {"remote.storage.enable": "true"}} {
			r.create(fmt.Sprint(configs), createRequest(v, newTopic(fmt.Sprint("refused-", v, "-", i), 1, configs)))
		}
		null := newTopic(fmt.Sprint("refused-null-", v), 1, settings{"retention.ms": "1"})
		null.Configs[0].Value = nil
		r.create("null", createRequest(v, null))
		double := newTopic(fmt.Sprint("double-", v), 1, settings{"retention.ms": "1000"})
		double.Configs = append(double.Configs, double.Configs[0])
		double.Configs[1].Value = ptr("2000")
		r.create("a key twice", createRequest(v, double))
	})
	each(kmsg.CreateTopics, "compression.type", func(r *run, v int16) {
		for _, kind := range []string{"producer", "gzip", "snappy", "lz4", "zstd", "uncompressed"} {
			request := createRequest(v, newTopic(fmt.Sprint("compressed-", v), 1,
				settings{"compression.type": kind}))
			request.ValidateOnly = true
			r.create(kind, request)
		}
	})
	each(kmsg.CreateTopics, "no topic at all", func(r *run, v int16) {
		r.create("none", createRequest(v))
	})
}

func deleteRequest(version int16, names ...string) *kmsg.DeleteTopicsRequest {
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.Version, request.TimeoutMillis, request.TopicNames = version, 15000, names
	for _, name := range names {
		request.Topics = append(request.Topics, kmsg.DeleteTopicsRequestTopic{Topic: ptr(name)})
	}
	return request
}

func deleteTopicsCases() {
	each(kmsg.DeleteTopics, "by name", func(r *run, v int16) {
		name := fmt.Sprint("delete-", v)
		r.topic(name, 2, nil)
		ask[*kmsg.DeleteTopicsResponse](r, "delete", deleteRequest(v, name, "no-such-topic"))
		r.eventually("gone", func() bool {
			return call[*kmsg.MetadataResponse](r, metadataOf(9, name)).Topics[0].ErrorCode == 3
		})
		ask[*kmsg.DeleteTopicsResponse](r, "again", deleteRequest(v, name))
		delete(r.b.ids, name)
	})
	each(kmsg.DeleteTopics, "nothing, impossible names, a name twice", func(r *run, v int16) {
		ask[*kmsg.DeleteTopicsResponse](r, "nothing", deleteRequest(v))
		ask[*kmsg.DeleteTopicsResponse](r, "impossible", deleteRequest(v, "", "a b"))
		name := fmt.Sprint("delete-twice-", v)
		r.topic(name, 1, nil)
		ask[*kmsg.DeleteTopicsResponse](r, "twice", deleteRequest(v, name, name))
		ask[*kmsg.DeleteTopicsResponse](r, "unknown twice", deleteRequest(v, "no-such", "no-such"))
	})
	from(kmsg.DeleteTopics, 6, "by id", func(r *run, v int16) {
		id, other := r.topic("delete-id", 1, nil), r.topic("delete-id-name", 1, nil)
		for i, topics := range [][]kmsg.DeleteTopicsRequestTopic{{{TopicID: stranger(3)}}, {{}},
			{{TopicID: other, Topic: ptr("delete-id-name")}}, {{TopicID: other, Topic: ptr("no-such")}},
			{{TopicID: other}, {Topic: ptr("delete-id-name")}}, {{TopicID: other}, {TopicID: other}},
			{{TopicID: id}}} {
			request := deleteRequest(v)
			request.Topics = topics
			ask[*kmsg.DeleteTopicsResponse](r, fmt.Sprint("delete ", i), request)
		}
	})
	add("DeleteTopics: a topic made again has a new id", func(r *run) {
		old := r.topic("reborn", 1, nil)
		r.append("reborn", 0, records(2))
		r.forget("reborn")
		r.see("new id", r.topic("reborn", 1, nil) != old)
		r.b.ids["reborn"], old = old, r.b.ids["reborn"]
		for _, v := range []int16{13, 15, 18} {
			ask[*kmsg.FetchResponse](r, fmt.Sprint("fetch v", v), r.fetch(v, read("reborn", 0, 0)))
		}
		ask[*kmsg.ProduceResponse](r, "produce", r.produce(13, "reborn", 0, records(1).bytes()))
		stale := metadataOf(12)
		stale.Topics = append(stale.Topics, kmsg.MetadataRequestTopic{TopicID: r.b.ids["reborn"]})
		ask[*kmsg.MetadataResponse](r, "metadata", stale)
		r.b.ids["reborn"] = old
		ask[*kmsg.FetchResponse](r, "fetch by the new id", r.fetch(13, read("reborn", 0, 0)))
	})
}

func growRequest(version int16, name string, count int32, assignment ...[]int32) *kmsg.CreatePartitionsRequest {
	request := kmsg.NewPtrCreatePartitionsRequest()
	request.Version, request.TimeoutMillis = version, 15000
	topic := kmsg.NewCreatePartitionsRequestTopic()
	topic.Topic, topic.Count = name, count
	for _, replicas := range assignment {
		topic.Assignment = append(topic.Assignment,
			kmsg.CreatePartitionsRequestTopicAssignment{Replicas: replicas})
	}
	request.Topics = append(request.Topics, topic)
	return request
}

func createPartitionsCases() {
	each(kmsg.CreatePartitions, "more", func(r *run, v int16) {
		name := fmt.Sprint("grow-", v)
		r.topic(name, 1, nil)
		ask[*kmsg.CreatePartitionsResponse](r, "grow", growRequest(v, name, 3))
		r.usable(name, 3)
		ask[*kmsg.MetadataResponse](r, "metadata", metadataOf(9, name))
		ask[*kmsg.CreatePartitionsResponse](r, "by hand", growRequest(v, name, 4, []int32{r.b.node}))
	})
	each(kmsg.CreatePartitions, "what is refused", func(r *run, v int16) {
		r.topic("grow-not", 2, nil)
		for _, count := range []int32{2, 1, 0, -1} {
			ask[*kmsg.CreatePartitionsResponse](r, fmt.Sprint("to ", count), growRequest(v, "grow-not", count))
		}
		ask[*kmsg.CreatePartitionsResponse](r, "unknown topic", growRequest(v, "no-such-topic", 3))
		ask[*kmsg.CreatePartitionsResponse](r, "impossible name", growRequest(v, "a b", 3))
		me := r.b.node
		for i, assignment := range [][][]int32{{{me}, {me}}, {{me + 77}}, {{me, me}}, {{}}, {{me, me + 1}},
			{{-1}}} {
			ask[*kmsg.CreatePartitionsResponse](r, fmt.Sprint("assignment ", i),
				growRequest(v, "grow-not", 3, assignment...))
		}
		twice := growRequest(v, "grow-not", 3)
		twice.Topics = append(twice.Topics, twice.Topics[0])
		ask[*kmsg.CreatePartitionsResponse](r, "twice", twice)
		none := growRequest(v, "grow-not", 3)
		none.Topics = nil
		ask[*kmsg.CreatePartitionsResponse](r, "none", none)
	})
	each(kmsg.CreatePartitions, "only validated", func(r *run, v int16) {
		r.topic("grow-not", 2, nil)
		request := growRequest(v, "grow-not", 5)
		request.ValidateOnly = true
		ask[*kmsg.CreatePartitionsResponse](r, "validate", request)
		ask[*kmsg.MetadataResponse](r, "metadata", metadataOf(9, "grow-not"))
	})
}
