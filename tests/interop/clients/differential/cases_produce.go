// Produce: acks, topics, checks of batches, idempotence.
package main

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func produceCases() {
	each(kmsg.Produce, "records", func(r *run, v int16) {
		r.topic("produce", 16, nil)
		p := int32(v)
		for _, acks := range []int16{-1, 1} {
			request := r.produce(v, "produce", p, records(3).bytes())
			request.Acks = acks
			ask[*kmsg.ProduceResponse](r, fmt.Sprint("acks ", acks), request)
		}
		ask[*kmsg.FetchResponse](r, "fetch", r.fetch(12, read("produce", p, 0)))
	})
	each(kmsg.Produce, "acks that do not exist", func(r *run, v int16) {
		r.topic("produce", 16, nil)
		for _, acks := range []int16{2, -2, 32767, -32768} {
			request := r.produce(v, "produce", 0, records(1).bytes())
			request.Acks = acks
			ask[*kmsg.ProduceResponse](r, fmt.Sprint("acks ", acks), request)
		}
	})
	each(kmsg.Produce, "topics and partitions that do not exist", func(r *run, v int16) {
		r.topic("produce", 16, nil)
		good := records(1).bytes()
		r.seeFateOf("unknown topic", r.produce(v, "no-such-topic", 0, good))
		r.seeFateOf("impossible topic", r.produce(v, "a b", 0, good))
		r.seeFateOf("empty topic", r.produce(v, "", 0, good))
		ask[*kmsg.ProduceResponse](r, "unknown partition", r.produce(v, "produce", 99, good))
		ask[*kmsg.ProduceResponse](r, "negative partition", r.produce(v, "produce", -1, good))
		if v >= 13 {
			request := r.produce(v, "produce", 0, good)
			request.Topics[0].TopicID = stranger(4)
			ask[*kmsg.ProduceResponse](r, "unknown id", request)
			request.Topics[0].TopicID = uuid{}
			ask[*kmsg.ProduceResponse](r, "zero id", request)
		}
	})
	each(kmsg.Produce, "good and bad partitions in one request", func(r *run, v int16) {
		r.topic("produce-mixed", 32, nil)
		r.topic("produce-other", 32, nil)
		p := int32(v)
		bad := records(1).bytes()
		bad[len(bad)-1] ^= 1
		request := r.produce(v, "produce-mixed", p, records(2).bytes())
		r.andBatch(request, "produce-mixed", p+14, bad)
		r.andBatch(request, "produce-mixed", 99, records(2).bytes())
		r.andBatch(request, "produce-other", p, records(1).bytes())
		ask[*kmsg.ProduceResponse](r, "produce", request)
		ask[*kmsg.FetchResponse](r, "fetch", r.fetch(12, read("produce-mixed", p, 0),
			read("produce-mixed", p+14, 0), read("produce-other", p, 0)))
	})
	each(kmsg.Produce, "nothing to append", func(r *run, v int16) {
		r.topic("produce", 16, nil)
		ask[*kmsg.ProduceResponse](r, "no topic", produceRequest(v, -1))
		request := r.produce(v, "produce", 0, nil)
		r.seeFateWithin("null records", request, 200*time.Millisecond)
		r.seeFateOf("empty records", r.produce(v, "produce", 0, []byte{}))
		request.Topics[0].Partitions = nil
		ask[*kmsg.ProduceResponse](r, "no partition", request)
	})
	each(kmsg.Produce, "a partition or a topic twice in one request", func(r *run, v int16) {
		r.topic("produce-twice", 32, nil)
		p := int32(v)
		request := r.produce(v, "produce-twice", p, records(1).bytes())
		r.andBatch(request, "produce-twice", p, records(2).bytes())
		r.seeFateOf("partition", request)
		request = r.produce(v, "produce-twice", p, records(1).bytes())
		request.Topics = append(request.Topics, request.Topics[0])
		r.seeFateOf("topic", request)
		ask[*kmsg.ListOffsetsResponse](r, "end", andOffset(listOffsets(7, "produce-twice"), p, -1))
	})
	each(kmsg.Produce, "a transactional id without a transaction", func(r *run, v int16) {
		r.topic("produce", 16, nil)
		request := r.produce(v, "produce", 15, records(1).bytes())
		request.TransactionID = ptr("nobody")
		r.seeFateOf("plain batch", request)
	})
	each(kmsg.Produce, "internal topics", func(r *run, v int16) {
		request := r.produce(v, "__consumer_offsets", 0, records(1).bytes())
		r.seeFateOf("offsets", request)
	})
}

// One batch into a partition that only ever refuses, or into one of its own.
func refuse(what string, topic string, configs settings, build func(v int16) []byte) {
	each(kmsg.Produce, what, func(r *run, v int16) {
		r.topic(topic, 16, configs)
		r.offsetBase = r.end(topic, int32(v))
		r.seeFateOf("produce", r.produce(v, topic, int32(v), build(v)))
		r.see("appended", r.end(topic, int32(v))-r.offsetBase)
	})
}

func spoiled(what string, spoil func(raw []byte) []byte) {
	refuse(what, "spoiled", nil, func(int16) []byte { return spoil(records(3).bytes()) })
}

func put16(raw []byte, at int, value uint16) []byte {
	binary.BigEndian.PutUint16(raw[at:], value)
	return seal(raw)
}

func put32(raw []byte, at int, value uint32) []byte {
	binary.BigEndian.PutUint32(raw[at:], value)
	return seal(raw)
}

func put64(raw []byte, at int, value uint64) []byte {
	binary.BigEndian.PutUint64(raw[at:], value)
	return seal(raw)
}

func produceBatchCases() {
	spoiled("two batches", func(raw []byte) []byte { return append(raw, records(1).bytes()...) })
	spoiled("a batch and some bytes", func(raw []byte) []byte { return append(raw, 1, 2, 3) })
	spoiled("a batch and many bytes", func(raw []byte) []byte { return append(raw, make([]byte, 100)...) })
	spoiled("a batch cut off", func(raw []byte) []byte { return raw[:len(raw)-1] })
	spoiled("a header cut off", func(raw []byte) []byte { return raw[:40] })
	spoiled("eleven bytes", func(raw []byte) []byte { return raw[:11] })
	spoiled("a length too short", func(raw []byte) []byte {
		binary.BigEndian.PutUint32(raw[8:], 20)
		return raw
	})
	spoiled("a negative length", func(raw []byte) []byte {
		binary.BigEndian.PutUint32(raw[8:], 0xffffff00)
		return raw
	})
	spoiled("a wrong checksum", func(raw []byte) []byte { raw[17] ^= 1; return raw })
	spoiled("a flipped payload bit", func(raw []byte) []byte { raw[len(raw)-2] ^= 4; return raw })
	spoiled("magic 3", func(raw []byte) []byte { raw[16] = 3; return raw })
	spoiled("magic -1", func(raw []byte) []byte { raw[16] = 0xff; return raw })
	spoiled("magic 0", func([]byte) []byte { return oldMessage(0) })
	spoiled("magic 1", func([]byte) []byte { return oldMessage(1) })
	spoiled("a base offset", func(raw []byte) []byte { return put64(raw, 0, 5) })
	spoiled("a negative base offset", func(raw []byte) []byte { return put64(raw, 0, 1<<63) })
	spoiled("a leader epoch of the client's", func(raw []byte) []byte { return put32(raw, 12, 9) })
	spoiled("a record count too high", func(raw []byte) []byte { return put32(raw, 57, 4) })
	spoiled("a record count too low", func(raw []byte) []byte { return put32(raw, 57, 2) })
	spoiled("a record count of zero", func(raw []byte) []byte { return put32(raw, 57, 0) })
	spoiled("a negative record count", func(raw []byte) []byte { return put32(raw, 57, 0xffffffff) })
	spoiled("a last offset too high", func(raw []byte) []byte { return put32(raw, 23, 3) })
	spoiled("a negative last offset", func(raw []byte) []byte { return put32(raw, 23, 0xffffffff) })
	spoiled("count and last offset too high", func(raw []byte) []byte {
		return put32(put32(raw, 57, 4), 23, 3)
	})
	spoiled("count and last offset too low", func(raw []byte) []byte {
		return put32(put32(raw, 57, 2), 23, 1)
	})
	spoiled("marked with log append time", func(raw []byte) []byte { return put16(raw, 21, 8) })
	spoiled("a control batch", func(raw []byte) []byte { return put16(raw, 21, 32) })
	spoiled("an unused attribute bit", func(raw []byte) []byte { return put16(raw, 21, 128) })
	spoiled("a delete horizon", func(raw []byte) []byte { return put16(raw, 21, 64) })
	spoiled("a wrong maximum timestamp", func(raw []byte) []byte { return put64(raw, 35, uint64(someTime+999)) })
	spoiled("a producer without a sequence", func(raw []byte) []byte {
		return put16(put64(raw, 43, 900001), 51, 0)
	})
	spoiled("a sequence without a producer", func(raw []byte) []byte { return put32(raw, 53, 5) })
	for codec := uint16(5); codec < 8; codec++ {
		spoiled(fmt.Sprint("codec ", codec), func(raw []byte) []byte { return put16(raw, 21, codec) })
	}
	produceRecordCases()
	produceCodecCases()
	produceRebuiltCases()
	produceTimeCases()
	produceLimitCases()
}

func produceRecordCases() {
	inner := func(what string, spoil func(b *batch)) {
		refuse("inside: "+what, "spoiled", nil, func(int16) []byte {
			b := records(3)
			spoil(b)
			return b.bytes()
		})
		refuse("inside gzip: "+what, "spoiled", nil, func(int16) []byte {
			b := records(3).with(kgo.CodecGzip)
			spoil(b)
			return b.bytes()
		})
	}
	inner("offsets that skip", func(b *batch) { b.records[2].offsetDelta = 7 })
	inner("offsets that stand still", func(b *batch) { b.records[1].offsetDelta = 0 })
	inner("offsets that fall", func(b *batch) { b.records[0].offsetDelta = 1; b.records[1].offsetDelta = 0 })
	inner("record attributes", func(b *batch) { b.records[0].attributes = 1 })
	inner("no record where three are promised", func(b *batch) { b.payload = []byte{} })
	inner("one record too many", func(b *batch) { b.records = append(b.records, record{offsetDelta: 3}) })
	inner("garbage", func(b *batch) { b.payload = []byte("this is no record at all, not even one") })
	inner("a record length past the end", func(b *batch) { b.payload = append(record{}.bytes(), 0x7e, 1) })
	inner("a negative record length", func(b *batch) { b.payload = []byte{1, 0, 0} })
	inner("bytes behind the last record", func(b *batch) {
		for _, rec := range b.records {
			b.payload = append(b.payload, rec.bytes()...)
		}
		b.payload = append(b.payload, 0, 0, 0)
	})
	inner("a key length past the record", func(b *batch) {
		b.payload = []byte{14, 0, 0, 0, 0x7e, 1, 0, 0}
	})
	inner("a negative header count", func(b *batch) {
		b.payload = []byte{12, 0, 0, 0, 1, 1, 1}
		b.count, b.lastDelta = 1, 0
	})
	inner("a header without a key", func(b *batch) {
		b.payload = []byte{16, 0, 0, 0, 1, 1, 2, 1, 1}
		b.count, b.lastDelta = 1, 0
	})
	inner("null keys, null values, many headers", func(b *batch) {
		b.records[0].key, b.records[1].value, b.records[2].headers = nil, nil, 25
		b.records[1].key = []byte{}
	})
}

var codecs = []kgo.CompressionCodecType{kgo.CodecGzip, kgo.CodecSnappy, kgo.CodecLz4, kgo.CodecZstd}
var codecNames = []string{"none", "gzip", "snappy", "lz4", "zstd"}

func produceCodecCases() {
	for _, codec := range codecs {
		name := codecNames[codec]
		each(kmsg.Produce, name, func(r *run, v int16) {
			topic := "codec-" + name
			r.topic(topic, 16, nil)
			p := int32(v)
			ask[*kmsg.ProduceResponse](r, "small", r.produce(v, topic, p, records(5).with(codec).bytes()))
			ask[*kmsg.ProduceResponse](r, "larger", r.produce(v, topic, p,
				records(50).sized(5000).with(codec).bytes()))
			ask[*kmsg.ProduceResponse](r, "cut off", r.produce(v, topic, p, func() []byte {
				raw := records(50).sized(5000).with(codec).bytes()
				return seal(raw[:len(raw)-9])
			}()))
			garbage := records(3).with(codec)
			garbage.packed = []byte("not what any compressor would write, at all")
			ask[*kmsg.ProduceResponse](r, "garbage", r.produce(v, topic, p, garbage.bytes()))
			garbage.packed = []byte{}
			ask[*kmsg.ProduceResponse](r, "no bytes", r.produce(v, topic, p, garbage.bytes()))
			count := records(3).with(codec)
			count.count, count.lastDelta = 4, 3
			ask[*kmsg.ProduceResponse](r, "too few records", r.produce(v, topic, p, count.bytes()))
			tail := records(3).with(codec)
			tail.packed = append(compress(codec, records(3).bytes()[headerBytes:]), 0, 1, 2, 3)
			ask[*kmsg.ProduceResponse](r, "bytes behind the stream", r.produce(v, topic, p, tail.bytes()))
			ask[*kmsg.FetchResponse](r, "fetch", r.fetch(12, read(topic, p, 0)))
		})
	}
}

// Topics whose compression.type is not the producer's.
func produceRebuiltCases() {
	sources := append([]kgo.CompressionCodecType{kgo.CodecNone}, codecs...)
	for _, target := range append([]string{"uncompressed"}, codecNames[1:]...) {
		each(kmsg.Produce, "into a topic of "+target, func(r *run, v int16) {
			r.rebuilt = true
			topic, p := "rebuilt-"+target, int32(v)
			r.topic(topic, 16, settings{"compression.type": target})
			for _, source := range sources {
				name := codecNames[source]
				ask[*kmsg.ProduceResponse](r, name, r.produce(v, topic, p, records(5).with(source).bytes()))
				ask[*kmsg.ProduceResponse](r, "larger, "+name, r.produce(v, topic, p,
					records(50).sized(5000).with(source).bytes()))
				wrong := records(3).with(source)
				wrong.maxTimestamp = someTime + 999
				ask[*kmsg.ProduceResponse](r, "a maximum to repair, "+name, r.produce(v, topic, p, wrong.bytes()))
				short := records(3).with(source)
				short.count, short.lastDelta = 4, 3
				ask[*kmsg.ProduceResponse](r, "too few records, "+name, r.produce(v, topic, p, short.bytes()))
			}
			ask[*kmsg.FetchResponse](r, "fetch", r.fetch(12, read(topic, p, 0)))
		})
		each(kmsg.Produce, "into a stamped, small topic of "+target, func(r *run, v int16) {
			r.rebuilt = true
			topic, p := "stamped-"+target, int32(v)
			r.topic(topic, 16, settings{"compression.type": target, "message.timestamp.type": "LogAppendTime",
				"max.message.bytes": "1000"})
			for _, source := range []kgo.CompressionCodecType{kgo.CodecNone, kgo.CodecGzip} {
				name := codecNames[source]
				ask[*kmsg.ProduceResponse](r, name, r.produce(v, topic, p, records(5).with(source).bytes()))
				ask[*kmsg.ProduceResponse](r, "large before, "+name, r.produce(v, topic, p,
					records(10).sized(1000).with(source).bytes()))
				marked := records(2).with(source)
				marked.attributes = 8
				ask[*kmsg.ProduceResponse](r, "marked already, "+name, r.produce(v, topic, p, marked.bytes()))
			}
			ask[*kmsg.FetchResponse](r, "fetch", r.fetch(12, read(topic, p, 0)))
		})
	}
}

func produceTimeCases() {
	now := time.Now().UnixMilli()
	timed := settings{"message.timestamp.before.max.ms": "600000000",
		"message.timestamp.after.max.ms": "500000000", "retention.ms": "-1"}
	untimed := settings{"retention.ms": "-1"}
	at := func(what string, ms int64) {
		refuse("timestamp "+what, "timed", timed, func(int16) []byte { return records(2).at(ms).bytes() })
		refuse("timestamp by default "+what, "untimed", untimed, func(int16) []byte { return records(2).at(ms).bytes() })
	}
	at("within the window", now-500_000_000)
	at("too old", now-700_000_000)
	at("just ahead", now+400_000_000)
	at("too far ahead", now+600_000_000)
	at("two hours ahead", now+7_200_000)
	at("zero", 0)
	refuse("timestamp -1", "timed", timed, func(int16) []byte {
		b := records(1).at(-1)
		return b.bytes()
	})
	refuse("timestamp -2", "timed", timed, func(int16) []byte { return records(1).at(-2).bytes() })
	refuse("timestamp by default -2", "untimed", untimed, func(int16) []byte { return records(1).at(-2).bytes() })
	refuse("timestamp of one record too old", "timed", timed, func(int16) []byte {
		b := records(3).at(now - 1000)
		b.records[1].timestampDelta = -700_000_000
		return b.bytes()
	})
	refuse("timestamp of one record too old, gzip", "timed", timed, func(int16) []byte {
		b := records(3).at(now - 1000).with(kgo.CodecGzip)
		b.records[1].timestampDelta = -700_000_000
		return b.bytes()
	})
	stamped := settings{"message.timestamp.type": "LogAppendTime"}
	for _, codec := range []kgo.CompressionCodecType{kgo.CodecNone, kgo.CodecGzip} {
		each(kmsg.Produce, "log append time, "+codecNames[codec], func(r *run, v int16) {
			r.topic("stamped", 32, stamped)
			p := int32(v) + 14*int32(codec)
			ask[*kmsg.ProduceResponse](r, "produce", r.produce(v, "stamped", p, records(3).with(codec).bytes()))
			marked := records(2).with(codec)
			marked.attributes = 8
			ask[*kmsg.ProduceResponse](r, "marked already", r.produce(v, "stamped", p, marked.bytes()))
			far := records(2).with(codec).at(now + 900_000_000)
			ask[*kmsg.ProduceResponse](r, "far ahead", r.produce(v, "stamped", p, far.bytes()))
			ask[*kmsg.FetchResponse](r, "fetch", r.fetch(12, read("stamped", p, 0)))
		})
	}
	wrongMax := func(codec kgo.CompressionCodecType) {
		each(kmsg.Produce, "a maximum timestamp to repair, "+codecNames[codec], func(r *run, v int16) {
			r.topic("repaired", 32, nil)
			p := int32(v) + 14*int32(codec)
			for i, ms := range []int64{someTime + 999, someTime, -1, 0} {
				b := records(3).with(codec)
				b.maxTimestamp = ms
				ask[*kmsg.ProduceResponse](r, fmt.Sprint("produce ", i), r.produce(v, "repaired", p, b.bytes()))
			}
			ask[*kmsg.FetchResponse](r, "fetch", r.fetch(12, read("repaired", p, 0)))
		})
	}
	wrongMax(kgo.CodecNone)
	wrongMax(kgo.CodecGzip)
}

func produceLimitCases() {
	small := settings{"max.message.bytes": "1000"}
	exactly := func(size int) []byte {
		b := records(1).sized(size - headerBytes - 20)
		for len(b.bytes()) < size {
			b.records[0].value = append(b.records[0].value, 'v')
		}
		return b.bytes()
	}
	refuse("the largest batch", "small", small, func(int16) []byte { return exactly(1000) })
	refuse("a batch one byte too large", "small", small, func(int16) []byte { return exactly(1001) })
	refuse("a batch large before compression", "small", small, func(int16) []byte {
		return records(10).sized(1000).with(kgo.CodecGzip).bytes()
	})
	refuse("a batch too large by default", "spoiled", nil, func(int16) []byte {
		return records(1).sized(1048588).bytes()
	})
	refuse("a batch larger than a segment", "narrow",
		settings{"segment.bytes": "1048576", "max.message.bytes": "3000000"},
		func(int16) []byte { return records(1).sized(1048577).bytes() })
	refuse("null keys in a compacted topic", "compacted", settings{"cleanup.policy": "compact"},
		func(int16) []byte {
			b := records(4)
			b.records[1].key, b.records[3].key = nil, nil
			return b.bytes()
		})
	refuse("null keys in a compacted topic, gzip", "compacted", settings{"cleanup.policy": "compact"},
		func(int16) []byte {
			b := records(4).with(kgo.CodecGzip)
			b.records[1].key, b.records[3].key = nil, nil
			return b.bytes()
		})
	refuse("keys in a compacted topic", "compacted", settings{"cleanup.policy": "compact"},
		func(int16) []byte { return records(2).bytes() })
	refuse("null keys where cleanup is compact and delete", "compacted-too",
		settings{"cleanup.policy": "compact,delete"}, func(int16) []byte {
			b := records(2)
			b.records[0].key = nil
			return b.bytes()
		})
	refuse("min.insync.replicas above the replicas there are", "insync",
		settings{"min.insync.replicas": "2"}, func(int16) []byte { return records(2).bytes() })
}

func idempotenceCases() {
	sequence := func(what string, body func(r *run, send func(label string, b *batch), id int64, epoch int16)) {
		each(kmsg.Produce, "idempotent: "+what, func(r *run, v int16) {
			r.topic("idempotent", 16, nil)
			id, epoch := r.newProducer()
			r.symbol("producer", id)
			r.offsetBase = r.end("idempotent", int32(v))
			send := func(label string, b *batch) {
				ask[*kmsg.ProduceResponse](r, label, r.produce(v, "idempotent", int32(v), b.bytes()))
			}
			body(r, send, id, epoch)
			ask[*kmsg.FetchResponse](r, "fetch", r.fetch(12,
				read("idempotent", int32(v), r.offsetBase)))
		})
	}
	sequence("in order", func(r *run, send func(string, *batch), id int64, epoch int16) {
		for i := int32(0); i < 4; i++ {
			send(fmt.Sprint("batch ", i), records(3).from(id, epoch, i*3))
		}
	})
	sequence("repeats of the last five, and older", func(r *run, send func(string, *batch), id int64, epoch int16) {
		for i := int32(0); i < 7; i++ {
			send(fmt.Sprint("batch ", i), records(2).from(id, epoch, i*2))
		}
		for i := int32(6); i >= 0; i-- {
			send(fmt.Sprint("repeat ", i), records(2).from(id, epoch, i*2))
		}
		send("next", records(1).from(id, epoch, 14))
	})
	sequence("repeats that are not quite", func(r *run, send func(string, *batch), id int64, epoch int16) {
		send("three", records(3).from(id, epoch, 0))
		send("two of three", records(2).from(id, epoch, 0))
		send("four", records(4).from(id, epoch, 0))
		send("overlap", records(3).from(id, epoch, 2))
		send("the same, other content", records(3).sized(50).from(id, epoch, 0))
	})
	sequence("gaps", func(r *run, send func(string, *batch), id int64, epoch int16) {
		send("one", records(1).from(id, epoch, 0))
		send("two ahead", records(1).from(id, epoch, 2))
		send("far ahead", records(1).from(id, epoch, 1000000))
		send("the next", records(1).from(id, epoch, 1))
	})
	sequence("a first sequence that is not zero", func(r *run, send func(string, *batch), id int64, epoch int16) {
		send("five", records(2).from(id, epoch, 5))
		send("seven", records(1).from(id, epoch, 7))
		send("zero", records(1).from(id, epoch, 0))
	})
	sequence("epochs", func(r *run, send func(string, *batch), id int64, epoch int16) {
		send("epoch 0", records(2).from(id, epoch, 0))
		send("epoch 2 in the middle", records(2).from(id, epoch+2, 2))
		send("epoch 2 from zero", records(2).from(id, epoch+2, 0))
		send("epoch 1", records(2).from(id, epoch+1, 0))
		send("epoch 0 again", records(2).from(id, epoch, 2))
		send("repeat of epoch 0", records(2).from(id, epoch, 0))
		send("repeat of epoch 2", records(2).from(id, epoch+2, 0))
	})
	sequence("a sequence that wraps", func(r *run, send func(string, *batch), id int64, epoch int16) {
		send("up to the end", records(3).from(id, epoch, 2147483644))
		send("over the end", records(3).from(id, epoch, 2147483647))
		send("repeat", records(3).from(id, epoch, 2147483647))
		send("after it", records(1).from(id, epoch, 2))
	})
	sequence("a negative epoch and a negative sequence", func(r *run, send func(string, *batch), id int64, epoch int16) {
		send("epoch -1", records(1).from(id, -1, 0))
		send("sequence -1", records(1).from(id, epoch, -1))
		send("sequence -5", records(1).from(id, epoch, -5))
	})
	sequence("an id nobody gave out", func(r *run, send func(string, *batch), id int64, epoch int16) {
		send("unknown id", records(1).from(id+1_000_000_000, 0, 0))
		send("its next", records(1).from(id+1_000_000_000, 0, 1))
		send("negative id", records(1).from(-2, 0, 0))
	})
	each(kmsg.Produce, "idempotent: repeats keep the time of log append", func(r *run, v int16) {
		r.topic("idempotent-stamped", 16, settings{"message.timestamp.type": "LogAppendTime"})
		id, epoch := r.newProducer()
		request := r.produce(v, "idempotent-stamped", int32(v), records(2).from(id, epoch, 0).bytes())
		first := ask[*kmsg.ProduceResponse](r, "first", request)
		time.Sleep(5 * time.Millisecond)
		again := ask[*kmsg.ProduceResponse](r, "again", request)
		r.see("the same time", first.Topics[0].Partitions[0].LogAppendTime ==
			again.Topics[0].Partitions[0].LogAppendTime)
	})
	each(kmsg.Produce, "a transactional batch without a transaction", func(r *run, v int16) {
		r.topic("idempotent", 16, nil)
		id, epoch := r.newProducer()
		b := records(1).from(id, epoch, 0)
		b.attributes = 16
		r.seeFateOf("no transactional id", r.produce(v, "idempotent", int32(v), b.bytes()))
		request := r.produce(v, "idempotent", int32(v), b.bytes())
		request.TransactionID = ptr("nobody")
		r.seeFateOf("a transactional id", request)
	})
}
