// Metadata and DescribeTopicPartitions.
package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func metadataCases() {
	each(kmsg.Metadata, "topics by name", func(r *run, v int16) {
		r.topic("meta-one", 1, nil)
		r.topic("meta-three", 3, nil)
		ask[*kmsg.MetadataResponse](r, "metadata", metadataOf(v, "meta-three", "meta-one"))
	})
	each(kmsg.Metadata, "an empty list", func(r *run, v int16) {
		ask[*kmsg.MetadataResponse](r, "metadata", metadataOf(v))
	})
	from(kmsg.Metadata, 1, "every topic", func(r *run, v int16) {
		r.topic("meta-one", 1, nil)
		request := metadataOf(v)
		request.Topics = nil
		ask[*kmsg.MetadataResponse](r, "metadata", request)
	})
	each(kmsg.Metadata, "the same name twice", func(r *run, v int16) {
		r.topic("meta-one", 1, nil)
		ask[*kmsg.MetadataResponse](r, "metadata", metadataOf(v, "meta-one", "meta-one"))
	})
	each(kmsg.Metadata, "names no topic can have", func(r *run, v int16) {
		for _, name := range []string{"", ".", "..", "a b", "ä", "a/b", strings.Repeat("x", 250)} {
			request := metadataOf(v, name)
			for _, create := range []bool{false, true} {
				request.AllowAutoTopicCreation = create
				ask[*kmsg.MetadataResponse](r, fmt.Sprintf("%.10q %v", name, create), request)
			}
		}
	})
	from(kmsg.Metadata, 4, "unknown names without auto creation", func(r *run, v int16) {
		r.topic("meta-one", 1, nil)
		ask[*kmsg.MetadataResponse](r, "metadata", metadataOf(v, "no-such-topic", "meta-one"))
	})
	each(kmsg.Metadata, "auto creation", func(r *run, v int16) {
		name := fmt.Sprint("auto-", v)
		request := metadataOf(v, name)
		request.AllowAutoTopicCreation = true
		ask[*kmsg.MetadataResponse](r, "first", request)
		r.eventually(name+" exists", func() bool {
			answer := call[*kmsg.MetadataResponse](r, metadataOf(12, name))
			if answer.Topics[0].ErrorCode != 0 {
				return false
			}
			r.known(name, answer.Topics[0].TopicID)
			return true
		})
		r.usable(name, 1)
		ask[*kmsg.MetadataResponse](r, "later", request)
	})
	from(kmsg.Metadata, 8, "authorized operations", func(r *run, v int16) {
		r.topic("meta-one", 1, nil)
		for i := 0; i < 4; i++ {
			request := metadataOf(v, "meta-one", "no-such-topic")
			request.IncludeTopicAuthorizedOperations = i&1 != 0
			request.IncludeClusterAuthorizedOperations = i&2 != 0
			ask[*kmsg.MetadataResponse](r, fmt.Sprint("flags ", i), request)
		}
	})
	from(kmsg.Metadata, 10, "topics by id", func(r *run, v int16) {
		id := r.topic("meta-one", 1, nil)
		for name, topic := range map[string]kmsg.MetadataRequestTopic{
			"known id":       {TopicID: id},
			"unknown id":     {TopicID: stranger(1)},
			"zero id":        {},
			"id and name":    {TopicID: id, Topic: ptr("meta-one")},
			"zero id, name":  {Topic: ptr("meta-one")},
			"id, other name": {TopicID: id, Topic: ptr("no-such-topic")},
		} {
			request := metadataOf(v)
			request.Topics = append(request.Topics, topic)
			if v < 12 && topic.Topic == nil {
				topic.Topic = ptr("") // null is not encodable before version 10
			}
			r.seeFateOf(name, request)
		}
	})
	from(kmsg.Metadata, 12, "ids and names mixed", func(r *run, v int16) {
		id, other := r.topic("meta-one", 1, nil), r.topic("meta-three", 3, nil)
		request := metadataOf(v, "meta-three")
		request.Topics = append(request.Topics, kmsg.MetadataRequestTopic{TopicID: id})
		r.seeFateOf("mixed", request)
		request = metadataOf(v)
		request.Topics = []kmsg.MetadataRequestTopic{{TopicID: id}, {TopicID: other}, {TopicID: stranger(2)}}
		ask[*kmsg.MetadataResponse](r, "several ids", request)
	})
}

// An answer, observed whole, or a closed connection: for requests that may end either way.
func (r *run) seeFateOf(label string, request kmsg.Request) {
	r.seeFateWithin(label, request, answerTimeout)
}

func (r *run) seeFateWithin(label string, request kmsg.Request, patience time.Duration) {
	r.close()
	correlation := r.conn().send(request)
	frame, err := r.conn().frame(patience)
	if err != nil {
		r.see(label, err)
		r.close()
		return
	}
	answer, err := decode(request, frame)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", label, err))
	}
	r.see(label+" correlation", answer.correlation == correlation)
	r.see(label+" encodes again to the same bytes", answer.exact)
	r.seeAnswer(label, answer.response)
}

func describeTopics(limit int32, names ...string) *kmsg.DescribeTopicPartitionsRequest {
	request := kmsg.NewPtrDescribeTopicPartitionsRequest()
	request.ResponsePartitionLimit = limit
	for _, name := range names {
		request.Topics = append(request.Topics, kmsg.DescribeTopicPartitionsRequestTopic{Topic: name})
	}
	return request
}

func topicPartitionsCases() {
	describe := func(what string, body func(*run)) {
		each(kmsg.DescribeTopicPartitions, what, func(r *run, _ int16) {
			r.topic("meta-one", 1, nil)
			r.topic("meta-three", 3, nil)
			r.topic("meta-seven", 7, nil)
			body(r)
		})
	}
	see := func(r *run, label string, request *kmsg.DescribeTopicPartitionsRequest) {
		answer := ask[*kmsg.DescribeTopicPartitionsResponse](r, label, request)
		for i, topic := range answer.Topics {
			if topic.Topic != nil {
				r.see(fmt.Sprint(label, " order ", i), *topic.Topic)
			}
		}
	}
	describe("topics by name", func(r *run) {
		see(r, "all", describeTopics(2000, "meta-three", "meta-one", "meta-seven"))
	})
	describe("unknown and impossible names", func(r *run) {
		see(r, "unknown", describeTopics(2000, "no-such-topic", "meta-one", "a b"))
		see(r, "empty name", describeTopics(2000, ""))
		see(r, "twice", describeTopics(2000, "meta-one", "meta-one"))
	})
	describe("a limit cuts the answer, the cursor goes on", func(r *run) {
		for _, limit := range []int32{1, 2, 3, 4, 5, 8, 11, 5000} {
			see(r, fmt.Sprint("limit ", limit), describeTopics(limit, "meta-three", "meta-one", "meta-seven"))
		}
		for _, cursor := range []kmsg.DescribeTopicPartitionsRequestCursor{{Topic: "meta-seven", Partition: 5},
			{Topic: "meta-one", Partition: 0}, {Topic: "meta-seven", Partition: 9}, {Topic: "meta-three", Partition: 1},
			{Topic: "meta-p", Partition: 0}, {Topic: "zzz", Partition: 0}} {
			request := describeTopics(2, "meta-three", "meta-one", "meta-seven")
			request.Cursor = &cursor
			see(r, fmt.Sprint("cursor ", cursor.Topic, " ", cursor.Partition), request)
		}
	})
	describe("limits and cursors that make no sense", func(r *run) {
		for _, limit := range []int32{0, -1, -2147483648} {
			r.seeFateOf(fmt.Sprint("limit ", limit), describeTopics(limit, "meta-three"))
		}
		request := describeTopics(2000, "meta-seven")
		request.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: "meta-seven", Partition: -1}
		r.seeFateOf("negative partition", request)
		request.Cursor.Topic = ""
		r.seeFateOf("empty topic", request)
	})
	describe("every topic", func(r *run) {
		see(r, "all", describeTopics(2000))
		see(r, "five partitions", describeTopics(5))
	})
}
