// Fetch: ranges, sizes, waiting, epochs, sessions.
package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Three batches of three records: offsets 0 to 8.
func (r *run) fetchTopic() {
	r.filled("fetch", 4, nil, records(3), records(3).with(kgo.CodecGzip), records(3))
	r.topic("fetch-empty", 2, nil)
	r.filled("fetch-too", 1, nil, records(2))
}

// Asks, observes, and observes the order of topics and partitions too.
func (r *run) seeFetch(label string, request *kmsg.FetchRequest) *kmsg.FetchResponse {
	answer := ask[*kmsg.FetchResponse](r, label, request)
	var order []string
	for _, topic := range answer.Topics {
		name := topic.Topic
		if request.Version >= 13 {
			name = r.b.named[topic.TopicID]
		}
		for _, p := range topic.Partitions {
			order = append(order, fmt.Sprint(name, "-", p.Partition))
		}
	}
	r.see(label+" order", strings.Join(order, " "))
	return answer
}

func fetchCases() {
	fetch := func(what string, body func(r *run, v int16)) {
		each(kmsg.Fetch, what, func(r *run, v int16) {
			r.fetchTopic()
			body(r, v)
		})
	}
	fetch("from every offset", func(r *run, v int16) {
		for offset := int64(-2); offset <= 11; offset++ {
			r.seeFetch(fmt.Sprint("offset ", offset), r.fetch(v, read("fetch", 0, offset)))
		}
		r.seeFetch("far beyond", r.fetch(v, read("fetch", 0, 1<<62)))
	})
	fetch("several topics in the order asked for", func(r *run, v int16) {
		r.seeFetch("one way", r.fetch(v, read("fetch", 2, 0), read("fetch", 0, 6), read("fetch-too", 0, 0),
			read("fetch-empty", 1, 0)))
		r.seeFetch("another", r.fetch(v, read("fetch-empty", 0, 0), read("fetch-too", 0, 1),
			read("fetch", 3, 8), read("fetch", 1, 3)))
	})
	fetch("topics and partitions that do not exist", func(r *run, v int16) {
		r.seeFetch("partition", r.fetch(v, read("fetch", 99, 0), read("fetch", 0, 0)))
		r.seeFetch("negative partition", r.fetch(v, read("fetch", -1, 0)))
		r.seeFateOf("topic", r.fetch(v, read("no-such-topic", 0, 0), read("fetch", 0, 0)))
		r.seeFateOf("impossible topic", r.fetch(v, read("a b", 0, 0)))
		if v >= 13 {
			request := r.fetch(v, read("fetch", 0, 0))
			request.Topics[0].TopicID = stranger(5)
			r.seeFateOf("id", request)
		}
	})
	fetch("nothing asked for", func(r *run, v int16) {
		start := time.Now()
		request := r.fetch(v)
		request.MaxWaitMillis = 1000
		r.seeFetch("no topic", request)
		r.seeWait("no topic, time", time.Since(start), time.Second)
	})
	fetch("a partition twice", func(r *run, v int16) {
		r.seeFateOf("the same offset", r.fetch(v, read("fetch", 0, 0), read("fetch", 0, 0)))
		r.seeFateOf("another offset", r.fetch(v, read("fetch", 0, 6), read("fetch", 0, 0)))
	})
	fetch("isolation levels", func(r *run, v int16) {
		for _, level := range []int8{0, 1, 2, -1} {
			request := r.fetch(v, read("fetch", 0, 0), read("fetch-empty", 0, 0), read("fetch", 77, 0))
			request.IsolationLevel = level
			r.seeFateOf(fmt.Sprint("level ", level), request)
		}
	})
	fetch("below the log's start", func(r *run, v int16) {
		if _, there := r.b.ids["fetch-cut"]; !there {
			r.filled("fetch-cut", 1, nil, records(3), records(3), records(3))
			cut := deleteRecords(1, "fetch-cut", 0, 4)
			call[*kmsg.DeleteRecordsResponse](r, cut)
		}
		for offset := int64(0); offset < 7; offset++ {
			r.seeFetch(fmt.Sprint("offset ", offset), r.fetch(v, read("fetch-cut", 0, offset)))
		}
	})
	from(kmsg.Fetch, 9, "leader epochs", func(r *run, v int16) {
		r.fetchTopic()
		for _, epoch := range []int32{-1, 0, 1, 7, -2} {
			w := read("fetch", 0, 0)
			w.leader = epoch
			r.seeFetch(fmt.Sprint("epoch ", epoch), r.fetch(v, w))
		}
	})
	from(kmsg.Fetch, 12, "last fetched epochs", func(r *run, v int16) {
		r.fetchTopic()
		for _, epoch := range []int32{-1, 0, 1, 7, -2} {
			for _, offset := range []int64{0, 5, 9, 12} {
				w := read("fetch", 0, offset)
				w.leader, w.last = 0, epoch
				r.seeFetch(fmt.Sprint("epoch ", epoch, " offset ", offset), r.fetch(v, w))
			}
		}
	})
	from(kmsg.Fetch, 11, "racks", func(r *run, v int16) {
		r.fetchTopic()
		request := r.fetch(v, read("fetch", 0, 0))
		request.Rack = "somewhere"
		r.seeFetch("rack", request)
	})
	fetch("by a replica", func(r *run, v int16) {
		for _, id := range []int32{77, -2, r.b.node} {
			request := r.fetch(v, read("fetch", 0, 0))
			request.ReplicaID = id
			if v >= 15 {
				request.ReplicaState.ID = id
			}
			label := fmt.Sprint("replica ", id)
			if id == r.b.node {
				label = "replica NODE"
			}
			r.seeFateOf(label, request)
		}
	})
	waitCases()
}

func waitCases() {
	each(kmsg.Fetch, "waits for bytes that do not come", func(r *run, v int16) {
		r.fetchTopic()
		start := time.Now()
		request := r.fetch(v, read("fetch-empty", 0, 0))
		request.MaxWaitMillis = 200
		r.seeFetch("empty", request)
		r.seeWait("time", time.Since(start), 200*time.Millisecond)
	})
	for _, v := range []int16{4, 12, 18} {
		name := func(what string) string { return fmt.Sprintf("Fetch v%d: %s", v, what) }
		const full = 1500 * time.Millisecond // What is answered at once takes less on any machine.
		timed := func(r *run, label string, minBytes int32, wishes ...wish) {
			start := time.Now()
			request := r.fetch(v, wishes...)
			request.MaxWaitMillis, request.MinBytes = int32(full/time.Millisecond), minBytes
			r.seeFetch(label, request)
			r.seeWait(label+", time", time.Since(start), full)
		}
		add(name("when it waits and when not"), func(r *run) {
			r.fetchTopic()
			timed(r, "fewer bytes than wanted", 1_000_000, read("fetch", 0, 0))
			timed(r, "a partition's maximum counts", 500, wish{"fetch", 0, 0, 10, -1, -1})
			timed(r, "an error", 1_000_000, read("fetch-empty", 0, 0), read("fetch", 99, 0))
			timed(r, "out of range", 1_000_000, read("fetch", 0, 100), read("fetch-empty", 0, 0))
			timed(r, "no minimum", 0, read("fetch-empty", 0, 0))
			timed(r, "a negative minimum", -5, read("fetch-empty", 0, 0))
			timed(r, "enough in sum", 450, read("fetch", 0, 0), read("fetch", 1, 0))
		})
		add(name("wakes when records come"), func(r *run) {
			topic := fmt.Sprint("wakes-", v)
			r.topic(topic, 2, nil)
			request := r.fetch(v, read(topic, 0, 0), read(topic, 1, 0))
			request.MaxWaitMillis, request.MinBytes = 10000, 150
			start := time.Now()
			waiting := r.b.dial()
			defer waiting.c.Close()
			waiting.send(request)
			time.Sleep(100 * time.Millisecond)
			r.append(topic, 1, records(1)) // less than wanted
			time.Sleep(200 * time.Millisecond)
			r.append(topic, 0, records(3))
			answer, err := waiting.receive(request)
			if err != nil {
				panic(err)
			}
			r.see("after both", time.Since(start) > 290*time.Millisecond && time.Since(start) < 5*time.Second)
			r.seeAnswer("fetch", answer.response)
		})
	}
}

func fetchSizeCases() {
	sizes := func(what string, body func(r *run, v int16)) {
		each(kmsg.Fetch, what, func(r *run, v int16) {
			batch := func() *batch { return records(1).sized(1000) }
			r.filled("sizes", 4, nil, batch(), batch(), batch(), batch(), records(1).sized(20000), batch())
			r.topic("fetch-empty", 2, nil)
			body(r, v)
		})
	}
	limited := func(partition int32, offset int64, bytes int32) wish {
		return wish{"sizes", partition, offset, bytes, -1, -1}
	}
	sizes("a partition's maximum", func(r *run, v int16) {
		for _, bytes := range []int32{0, 1, 60, 61, 1000, 1086, 1087, 1090, 2200, 3000, 5000, 26000, -1} {
			r.seeFetch(fmt.Sprint("bytes ", bytes), r.fetch(v, limited(0, 0, bytes)))
		}
		r.seeFetch("a large batch", r.fetch(v, limited(0, 4, 100)))
		r.seeFetch("small ones, then a large one", r.fetch(v, limited(0, 3, 5000)))
	})
	sizes("the answer's maximum", func(r *run, v int16) {
		for _, bytes := range []int32{0, 1, 1000, 1087, 1500, 2200, 3000, 5000, 7000, 30000, -1} {
			request := r.fetch(v, limited(0, 0, 3000), limited(1, 0, 3000), limited(2, 3, 30000))
			request.MaxBytes = bytes
			r.seeFateOf(fmt.Sprint("bytes ", bytes), request)
		}
	})
	sizes("one batch at least, of the first partition that has one", func(r *run, v int16) {
		request := r.fetch(v, read("fetch-empty", 0, 0), limited(3, 6, 10), limited(2, 4, 10), limited(1, 0, 10))
		request.MaxBytes = 10
		r.seeFetch("tiny", request)
		request = r.fetch(v, limited(0, 99, 10), limited(2, 4, 10), limited(1, 0, 10))
		request.MaxBytes = 10
		r.seeFetch("after an error", request)
		request = r.fetch(v, limited(2, 4, 10), limited(1, 0, 1200), limited(0, 0, 1200))
		request.MaxBytes = 1200
		r.seeFetch("a large one fills the answer", request)
	})
}

// A session's request: everything asked for, under its id and epoch.
func (r *run) session(v int16, id, epoch int32, wishes ...wish) *kmsg.FetchRequest {
	request := r.fetch(v, wishes...)
	request.SessionID, request.SessionEpoch = id, epoch
	return request
}

func (r *run) forgetting(request *kmsg.FetchRequest, topic string, partitions ...int32) *kmsg.FetchRequest {
	request.ForgottenTopics = append(request.ForgottenTopics, kmsg.FetchRequestForgottenTopic{
		Topic: topic, TopicID: r.b.ids[topic], Partitions: partitions})
	return request
}

func sessionCases() {
	session := func(what string, body func(r *run, v int16)) {
		from(kmsg.Fetch, 7, "session: "+what, func(r *run, v int16) {
			r.fetchTopic()
			body(r, v)
		})
	}
	session("full, then only what is new", func(r *run, v int16) {
		topic := fmt.Sprint("session-", v)
		r.topic(topic, 3, nil)
		r.append(topic, 0, records(2))
		id := r.seeFetch("full", r.session(v, 0, 0, read(topic, 0, 0), read(topic, 1, 0))).SessionID
		r.seeFetch("again", r.session(v, id, 1))
		r.seeFetch("position moved", r.session(v, id, 2, read(topic, 0, 2)))
		r.append(topic, 1, records(1))
		r.seeFetch("new records", r.session(v, id, 3))
		r.seeFetch("one more partition", r.session(v, id, 4, read(topic, 2, 0), read(topic, 1, 1)))
		r.append(topic, 2, records(1))
		r.append(topic, 0, records(1))
		r.seeFetch("order", r.session(v, id, 5))
		r.seeFetch("forgotten", r.forgetting(r.session(v, id, 6), topic, 0))
		r.append(topic, 0, records(1))
		r.seeFetch("not of the forgotten", r.session(v, id, 7, read(topic, 2, 1)))
		r.seeFetch("forgotten and asked for", r.forgetting(r.session(v, id, 8, read(topic, 0, 0)), topic, 2))
		r.seeFetch("closed", r.session(v, id, -1))
		r.seeFetch("after it", r.session(v, id, 9))
	})
	session("wrong ids and epochs", func(r *run, v int16) {
		id := r.seeFetch("full", r.session(v, 0, 0, read("fetch", 0, 0))).SessionID
		r.seeFetch("epoch too high", r.session(v, id, 3))
		r.seeFetch("epoch repeated", r.session(v, id, 0, read("fetch", 0, 0)))
		r.seeFetch("unknown id", r.session(v, 1, 1))
		r.seeFetch("unknown id, full", r.session(v, 12345, 0, read("fetch", 0, 9)))
		r.seeFetch("unknown id, closing", r.session(v, 12345, -1, read("fetch", 0, 9)))
		r.seeFetch("no id, epoch 1", r.session(v, 0, 1, read("fetch", 0, 9)))
		r.seeFetch("negative id", r.session(v, -5, 1))
		r.seeFetch("negative epoch", r.session(v, id, -7))
		r.seeFetch("none", r.session(v, 0, -1, read("fetch", 0, 8)))
	})
	session("a renewed one ends the old", func(r *run, v int16) {
		first := r.seeFetch("first", r.session(v, 0, 0, read("fetch", 0, 9))).SessionID
		second := r.seeFetch("second", r.session(v, first, 0, read("fetch", 0, 9))).SessionID
		r.see("another id", second != first)
		r.seeFetch("first again", r.session(v, first, 1))
		r.seeFetch("second again", r.session(v, second, 1))
	})
	session("an empty one", func(r *run, v int16) {
		id := r.seeFetch("full", r.session(v, 0, 0)).SessionID
		r.see("has an id", id != 0)
	})
	session("errors are repeated", func(r *run, v int16) {
		id := r.seeFetch("full", r.session(v, 0, 0, read("fetch", 0, 100), read("fetch", 99, 0),
			read("fetch", 1, 9))).SessionID
		r.seeFetch("again", r.session(v, id, 1))
		r.seeFetch("and again", r.session(v, id, 2, read("fetch", 0, 9)))
		r.seeFetch("one less", r.session(v, id, 3))
	})
	session("topics unknown at first", func(r *run, v int16) {
		name := fmt.Sprint("late-", v)
		request := r.session(v, 0, 0, read("fetch", 0, 9), read(name, 0, 0))
		if v >= 13 {
			request.Topics[1].TopicID = stranger(byte(v))
		}
		id := r.seeFetch("full", request).SessionID
		r.seeFetch("again", r.session(v, id, 1))
		if v < 13 {
			r.topic(name, 1, nil)
			r.append(name, 0, records(1))
			r.seeFetch("it is there", r.session(v, id, 2))
		}
	})
	session("forgetting what was never asked for", func(r *run, v int16) {
		id := r.seeFetch("full", r.session(v, 0, 0, read("fetch", 0, 9))).SessionID
		r.seeFetch("unknown partition", r.forgetting(r.session(v, id, 1), "fetch", 2, 99))
		r.seeFetch("everything", r.forgetting(r.session(v, id, 2), "fetch", 0))
		r.seeFetch("nothing left", r.session(v, id, 3))
	})
	session("long polls only for what is new", func(r *run, v int16) {
		id := r.seeFetch("full", r.session(v, 0, 0, read("fetch", 0, 9))).SessionID
		start := time.Now()
		request := r.session(v, id, 1)
		request.MaxWaitMillis = 200
		r.seeFetch("incremental", request)
		r.seeWait("time", time.Since(start), 200*time.Millisecond)
	})
	session("another maximum for a partition", func(r *run, v int16) {
		id := r.seeFetch("full", r.session(v, 0, 0, wish{"fetch", 0, 0, 10, -1, -1})).SessionID
		r.seeFetch("changed", r.session(v, id, 1, read("fetch", 0, 0)))
		r.seeFetch("kept", r.session(v, id, 2))
	})
	for _, change := range [][2]int16{{12, 13}, {13, 12}} {
		add(fmt.Sprintf("Fetch v%d: session: goes on with version %d", change[0], change[1]), func(r *run) {
			r.fetchTopic()
			id := r.seeFetch("full", r.session(change[0], 0, 0, read("fetch", 0, 9))).SessionID
			r.seeFetch("incremental", r.session(change[1], id, 1, read("fetch", 1, 0)))
		})
	}
	add("Fetch v13: session: a topic made again", func(r *run) {
		r.topic("session-reborn", 1, nil)
		r.append("session-reborn", 0, records(1))
		id := r.seeFetch("full", r.session(13, 0, 0, read("session-reborn", 0, 0))).SessionID
		r.forget("session-reborn")
		r.seeFetch("gone", r.session(13, id, 1))
		r.topic("session-reborn", 1, nil)
		r.append("session-reborn", 0, records(2))
		r.seeFetch("back", r.session(13, id, 2))
		r.seeFetch("by its new id", r.session(13, id, 3, read("session-reborn", 0, 0)))
	})
}

func listOffsetsCases() {
	list := func(r *run, v int16, label, topic string, partition int32, timestamps ...int64) {
		for _, timestamp := range timestamps {
			ask[*kmsg.ListOffsetsResponse](r, fmt.Sprint(label, " ", timestamp),
				andOffset(listOffsets(v, topic), partition, timestamp))
		}
	}
	fill := func(r *run) {
		later := func(n int64, codec kgo.CompressionCodecType) *batch {
			return records(3).at(someTime + n).with(codec)
		}
		r.filled("times", 2, nil, later(0, 0), later(100, kgo.CodecGzip), later(50, 0), later(200, kgo.CodecZstd),
			later(150, kgo.CodecLz4))
		r.topic("times-empty", 1, nil)
	}
	each(kmsg.ListOffsets, "special timestamps", func(r *run, v int16) {
		fill(r)
		special := []int64{-1, -2, -3, -4, -5, -6, -7, -100, -9223372036854775808}
		list(r, v, "filled", "times", 0, special...)
		list(r, v, "empty", "times-empty", 0, special...)
	})
	each(kmsg.ListOffsets, "by timestamp", func(r *run, v int16) {
		fill(r)
		for n := int64(-1); n < 206; n += 1 + (n+1)%3 {
			list(r, v, "at", "times", 0, someTime+n)
		}
		list(r, v, "at", "times", 0, 0, 1, 9223372036854775807)
		list(r, v, "empty", "times-empty", 0, 0, someTime)
	})
	each(kmsg.ListOffsets, "after records were deleted", func(r *run, v int16) {
		if _, there := r.b.ids["times-cut"]; !there {
			r.filled("times-cut", 1, nil, records(3), records(3).at(someTime+100), records(3).at(someTime+50))
			call[*kmsg.DeleteRecordsResponse](r, deleteRecords(1, "times-cut", 0, 4))
		}
		list(r, v, "cut", "times-cut", 0, -1, -2, -3, -4, 0, someTime, someTime+100, someTime+101, someTime+51)
	})
	each(kmsg.ListOffsets, "log append time", func(r *run, v int16) {
		if _, there := r.b.ids["times-stamped"]; !there {
			r.topic("times-stamped", 1, settings{"message.timestamp.type": "LogAppendTime"})
			r.append("times-stamped", 0, records(3))
			time.Sleep(20 * time.Millisecond) // or both have the same time
			r.append("times-stamped", 0, records(2))
		}
		list(r, v, "stamped", "times-stamped", 0, -1, -2, -3, 0, someTime)
	})
	each(kmsg.ListOffsets, "topics and partitions that do not exist", func(r *run, v int16) {
		fill(r)
		list(r, v, "partition", "times", 99, -1, -2, 0)
		list(r, v, "negative partition", "times", -1, -1)
		list(r, v, "topic", "no-such-topic", 0, -1, 0)
		list(r, v, "impossible topic", "a b", 0, -1)
	})
	each(kmsg.ListOffsets, "several partitions, some twice", func(r *run, v int16) {
		fill(r)
		request := andOffset(andOffset(listOffsets(v, "times"), 1, -1), 0, -2)
		ask[*kmsg.ListOffsetsResponse](r, "two", request)
		ask[*kmsg.ListOffsetsResponse](r, "twice", andOffset(request, 1, -2))
		request = andOffset(listOffsets(v, "times"), 0, -1)
		request.Topics = append(request.Topics, request.Topics[0])
		ask[*kmsg.ListOffsetsResponse](r, "topic twice", request)
		none := listOffsets(v, "times")
		ask[*kmsg.ListOffsetsResponse](r, "no partition", none)
		none.Topics = nil
		ask[*kmsg.ListOffsetsResponse](r, "no topic", none)
	})
	from(kmsg.ListOffsets, 2, "isolation levels and replica ids", func(r *run, v int16) {
		fill(r)
		for _, level := range []int8{0, 1, 2, -1} {
			for _, replica := range []int32{-1, -2, -3, 77} {
				request := andOffset(andOffset(listOffsets(v, "times"), 0, -1), 1, someTime+100)
				request.IsolationLevel, request.ReplicaID = level, replica
				r.seeFateOf(fmt.Sprint("level ", level, " replica ", replica), request)
			}
		}
	})
	from(kmsg.ListOffsets, 4, "leader epochs", func(r *run, v int16) {
		fill(r)
		for _, epoch := range []int32{-1, 0, 1, -2, 99} {
			for _, timestamp := range []int64{-1, -2, someTime} {
				request := andOffset(listOffsets(v, "times"), 0, timestamp)
				request.Topics[0].Partitions[0].CurrentLeaderEpoch = epoch
				ask[*kmsg.ListOffsetsResponse](r, fmt.Sprint("epoch ", epoch, " at ", timestamp), request)
			}
		}
	})
}

func epochCases() {
	endOf := func(v int16, topic string, partition, current, epoch, replica int32) *kmsg.OffsetForLeaderEpochRequest {
		request := kmsg.NewPtrOffsetForLeaderEpochRequest()
		request.Version, request.ReplicaID = v, replica
		p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		p.Partition, p.CurrentLeaderEpoch, p.LeaderEpoch = partition, current, epoch
		t := kmsg.NewOffsetForLeaderEpochRequestTopic()
		t.Topic, t.Partitions = topic, []kmsg.OffsetForLeaderEpochRequestTopicPartition{p}
		request.Topics = append(request.Topics, t)
		return request
	}
	each(kmsg.OffsetForLeaderEpoch, "epochs known and unknown", func(r *run, v int16) {
		r.fetchTopic()
		for _, topic := range []string{"fetch", "fetch-empty"} {
			for _, epoch := range []int32{0, 1, 5, -1, -2} {
				for _, current := range []int32{-1, 0, 1, -2} {
					r.seeFateOf(fmt.Sprint(topic, " epoch ", epoch, " current ", current),
						endOf(v, topic, 0, current, epoch, -1))
				}
			}
		}
	})
	each(kmsg.OffsetForLeaderEpoch, "after records were deleted", func(r *run, v int16) {
		topic := fmt.Sprint("epochs-cut-", v)
		r.filled(topic, 1, nil, records(3), records(3))
		call[*kmsg.DeleteRecordsResponse](r, deleteRecords(1, topic, 0, 4))
		ask[*kmsg.OffsetForLeaderEpochResponse](r, "cut", endOf(v, topic, 0, -1, 0, -1))
		call[*kmsg.DeleteRecordsResponse](r, deleteRecords(1, topic, 0, -1))
		ask[*kmsg.OffsetForLeaderEpochResponse](r, "all cut", endOf(v, topic, 0, -1, 0, -1))
	})
	each(kmsg.OffsetForLeaderEpoch, "topics, partitions, replicas that do not exist", func(r *run, v int16) {
		r.fetchTopic()
		r.seeFateOf("partition", endOf(v, "fetch", 99, -1, 0, -1))
		r.seeFateOf("negative partition", endOf(v, "fetch", -1, -1, 0, -1))
		r.seeFateOf("topic", endOf(v, "no-such-topic", 0, -1, 0, -1))
		r.seeFateOf("impossible topic", endOf(v, "a b", 0, -1, 0, -1))
		r.seeFateOf("replica -2", endOf(v, "fetch", 0, -1, 0, -2))
		r.seeFateOf("replica 77", endOf(v, "fetch", 0, -1, 0, 77))
		none := endOf(v, "fetch", 0, -1, 0, -1)
		none.Topics = nil
		r.seeFateOf("nothing", none)
	})
}

func producerIDCases() {
	ids := func(v int16, transaction *string, timeout int32, id int64, epoch int16) *kmsg.InitProducerIDRequest {
		request := kmsg.NewPtrInitProducerIDRequest()
		request.Version, request.TransactionalID, request.TransactionTimeoutMillis = v, transaction, timeout
		request.ProducerID, request.ProducerEpoch = id, epoch
		return request
	}
	each(kmsg.InitProducerID, "a fresh id each time", func(r *run, v int16) {
		r.newProducer() // there is a block to take from
		first := ask[*kmsg.InitProducerIDResponse](r, "first", ids(v, nil, 60000, -1, -1))
		second := ask[*kmsg.InitProducerIDResponse](r, "second", ids(v, nil, 0, -1, -1))
		third := ask[*kmsg.InitProducerIDResponse](r, "third", ids(v, nil, -1, -1, -1))
		r.see("rising", first.ProducerID < second.ProducerID && second.ProducerID < third.ProducerID)
		r.seeFateOf("a huge timeout", ids(v, nil, 2147483647, -1, -1))
	})
	each(kmsg.InitProducerID, "an empty transactional id", func(r *run, v int16) {
		r.seeFateOf("empty", ids(v, ptr(""), 60000, -1, -1))
	})
	from(kmsg.InitProducerID, 3, "an id of one's own", func(r *run, v int16) {
		id, epoch := r.newProducer()
		r.symbol("producer", id)
		r.seeFateOf("its id", ids(v, nil, 60000, id, epoch))
		r.seeFateOf("only the epoch", ids(v, nil, 60000, -1, 3))
		r.seeFateOf("only the id", ids(v, nil, 60000, id, -1))
		r.seeFateOf("a stranger's", ids(v, nil, 60000, 1<<40, 0))
	})
	add("InitProducerId: many ids, none twice", func(r *run) {
		seen := map[int64]bool{}
		for i := 0; i < 2500; i++ {
			id, _ := r.newProducer()
			seen[id] = true
		}
		r.see("ids", len(seen))
	})
}

func deleteRecords(v int16, topic string, partition int32, offset int64) *kmsg.DeleteRecordsRequest {
	request := kmsg.NewPtrDeleteRecordsRequest()
	request.Version, request.TimeoutMillis = v, 10000
	t := kmsg.NewDeleteRecordsRequestTopic()
	t.Topic = topic
	t.Partitions = []kmsg.DeleteRecordsRequestTopicPartition{{Partition: partition, Offset: offset}}
	request.Topics = append(request.Topics, t)
	return request
}

func deleteRecordsCases() {
	each(kmsg.DeleteRecords, "offsets within and outside", func(r *run, v int16) {
		topic := fmt.Sprint("shorten-", v)
		r.filled(topic, 2, nil, records(3), records(3), records(3))
		for _, offset := range []int64{0, 2, 1, 5, 10, -2, -9223372036854775808, 9, 9, 3} {
			ask[*kmsg.DeleteRecordsResponse](r, fmt.Sprint("offset ", offset), deleteRecords(v, topic, 0, offset))
			ask[*kmsg.ListOffsetsResponse](r, fmt.Sprint("start after ", offset),
				andOffset(andOffset(listOffsets(7, topic), 0, -2), 1, -2))
		}
		ask[*kmsg.DeleteRecordsResponse](r, "all", deleteRecords(v, topic, 1, -1))
		ask[*kmsg.FetchResponse](r, "fetch", r.fetch(12, read(topic, 0, 9), read(topic, 1, 8)))
		r.append(topic, 1, records(1))
		ask[*kmsg.FetchResponse](r, "fetch new", r.fetch(12, read(topic, 1, 9)))
	})
	each(kmsg.DeleteRecords, "topics and partitions that do not exist", func(r *run, v int16) {
		r.fetchTopic()
		ask[*kmsg.DeleteRecordsResponse](r, "partition", deleteRecords(v, "fetch", 99, 0))
		ask[*kmsg.DeleteRecordsResponse](r, "negative partition", deleteRecords(v, "fetch", -1, 0))
		ask[*kmsg.DeleteRecordsResponse](r, "topic", deleteRecords(v, "no-such-topic", 0, 0))
		ask[*kmsg.DeleteRecordsResponse](r, "impossible topic", deleteRecords(v, "a b", 0, 0))
		none := deleteRecords(v, "fetch", 0, 0)
		none.Topics = nil
		ask[*kmsg.DeleteRecordsResponse](r, "nothing", none)
		mixed := deleteRecords(v, "fetch", 0, 100)
		mixed.Topics = append(mixed.Topics, deleteRecords(v, "no-such-topic", 0, 0).Topics...)
		ask[*kmsg.DeleteRecordsResponse](r, "two errors", mixed)
	})
	each(kmsg.DeleteRecords, "cleanup policies", func(r *run, v int16) {
		for i, policy := range []string{"compact", "compact,delete", "delete", ""} {
			topic := fmt.Sprint("policy-", i)
			r.filled(topic, 1, settings{"cleanup.policy": policy}, records(2))
			ask[*kmsg.DeleteRecordsResponse](r, fmt.Sprintf("%q", policy), deleteRecords(v, topic, 0, 1))
		}
	})
}
