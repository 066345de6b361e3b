// DescribeConfigs, AlterConfigs, IncrementalAlterConfigs, ListConfigResources.
package main

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	ofTopic  = kmsg.ConfigResourceTypeTopic
	ofBroker = kmsg.ConfigResourceTypeBroker
)

func describe(v int16, kind kmsg.ConfigResourceType, name string, keys []string) *kmsg.DescribeConfigsRequest {
	request := kmsg.NewPtrDescribeConfigsRequest()
	request.Version, request.IncludeSynonyms = v, true
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName, resource.ConfigNames = kind, name, keys
	request.Resources = append(request.Resources, resource)
	return request
}

func describeConfigsCases() {
	each(kmsg.DescribeConfigs, "every key of a topic", func(r *run, v int16) {
		r.topic("configured", 1, settings{"retention.ms": "7200000", "cleanup.policy": "compact,delete"})
		for i := 0; i < 4; i++ {
			request := describe(v, ofTopic, "configured", nil)
			request.IncludeSynonyms, request.IncludeDocumentation = i&1 != 0, i&2 != 0
			ask[*kmsg.DescribeConfigsResponse](r, fmt.Sprintf("synonyms %v documentation %v", i&1 != 0, i&2 != 0),
				request)
		}
	})
	each(kmsg.DescribeConfigs, "every key of a broker", func(r *run, v int16) {
		me := fmt.Sprint(r.b.node)
		request := describe(v, ofBroker, me, nil)
		request.IncludeDocumentation = true
		ask[*kmsg.DescribeConfigsResponse](r, "broker", request)
	})
	each(kmsg.DescribeConfigs, "chosen keys", func(r *run, v int16) {
		r.topic("configured", 1, settings{"retention.ms": "7200000", "cleanup.policy": "compact,delete"})
		me := fmt.Sprint(r.b.node)
		ask[*kmsg.DescribeConfigsResponse](r, "topic", describe(v, ofTopic, "configured",
			[]string{"retention.ms", "segment.bytes", "no.such.key", "retention.ms", ""}))
		ask[*kmsg.DescribeConfigsResponse](r, "topic, none", describe(v, ofTopic, "configured", []string{}))
		ask[*kmsg.DescribeConfigsResponse](r, "broker", describe(v, ofBroker, me,
			[]string{"log.retention.ms", "log.retention.hours", "message.max.bytes", "no.such.key", "retention.ms"}))
		ask[*kmsg.DescribeConfigsResponse](r, "broker, none", describe(v, ofBroker, me, []string{}))
		ask[*kmsg.DescribeConfigsResponse](r, "defaults", describe(v, ofBroker, "", nil))
		ask[*kmsg.DescribeConfigsResponse](r, "defaults chosen", describe(v, ofBroker, "", []string{"log.retention.ms"}))
	})
	each(kmsg.DescribeConfigs, "resources that do not exist", func(r *run, v int16) {
		for _, resource := range []struct {
			kind kmsg.ConfigResourceType
			name string
		}{{ofTopic, "no-such-topic"}, {ofTopic, "a b"}, {ofTopic, ""}, {ofBroker, "77"}, {ofBroker, "x"},
			{ofBroker, "-1"}, {0, "x"}, {1, "x"}, {3, "x"}, {5, "x"}, {99, "x"}, {-1, "x"},
			{8, "77"}, {16, ""}, {16, "no-such-client"}, {32, ""}, {32, "no-such-group"}} {
			r.seeFateOf(fmt.Sprintf("%d %q", resource.kind, resource.name),
				describe(v, resource.kind, resource.name, nil))
		}
	})
	each(kmsg.DescribeConfigs, "several resources, one twice", func(r *run, v int16) {
		r.topic("configured", 1, settings{"retention.ms": "7200000", "cleanup.policy": "compact,delete"})
		request := describe(v, ofTopic, "configured", []string{"retention.ms"})
		request.Resources = append(request.Resources,
			describe(v, ofTopic, "no-such-topic", nil).Resources[0], request.Resources[0])
		r.seeFateOf("three", request)
		request.Resources = nil
		r.seeFateOf("none", request)
	})
	each(kmsg.ListConfigResources, "by type", func(r *run, v int16) {
		r.topic("configured", 1, settings{"retention.ms": "7200000", "cleanup.policy": "compact,delete"})
		for _, types := range [][]int8{{}, {2}, {4}, {8}, {16}, {32}, {2, 4}, {0}, {99}, {2, 2}, {2, 99}, {-1}} {
			request := at(v, kmsg.NewPtrListConfigResourcesRequest())
			request.ResourceTypes = types
			r.seeFateOf(fmt.Sprint("types ", types), request)
		}
	})
}

type change struct {
	key   string
	op    kmsg.IncrementalAlterConfigOp
	value *string
}

const (
	set      = kmsg.IncrementalAlterConfigOpSet
	remove   = kmsg.IncrementalAlterConfigOpDelete
	extend   = kmsg.IncrementalAlterConfigOpAppend
	subtract = kmsg.IncrementalAlterConfigOpSubtract
)

func alter(v int16, kind kmsg.ConfigResourceType, name string, changes ...change) *kmsg.IncrementalAlterConfigsRequest {
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	request.Version = v
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kind, name
	for _, c := range changes {
		config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		config.Name, config.Op, config.Value = c.key, c.op, c.value
		resource.Configs = append(resource.Configs, config)
	}
	request.Resources = append(request.Resources, resource)
	return request
}

func replace(v int16, kind kmsg.ConfigResourceType, name string, pairs ...string) *kmsg.AlterConfigsRequest {
	request := kmsg.NewPtrAlterConfigsRequest()
	request.Version = v
	resource := kmsg.NewAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kind, name
	for i := 0; i < len(pairs); i += 2 {
		config := kmsg.NewAlterConfigsRequestResourceConfig()
		config.Name, config.Value = pairs[i], ptr(pairs[i+1])
		resource.Configs = append(resource.Configs, config)
	}
	request.Resources = append(request.Resources, resource)
	return request
}

// Keys that no case sets, and that cost a broker nothing.
var settleKeys = map[kmsg.ConfigResourceType][2]string{ofTopic: {"file.delete.delay.ms", "54321"},
	ofBroker: {"num.recovery.threads.per.data.dir", "3"}}

// Whether the key has a value of the resource itself.
func own(config kmsg.DescribeConfigsResponseResourceConfig) bool {
	return config.Source == kmsg.ConfigSourceDynamicTopicConfig ||
		config.Source == kmsg.ConfigSourceDynamicBrokerConfig ||
		config.Source == kmsg.ConfigSourceDynamicDefaultBrokerConfig
}

// Kafka shows changes some time after it has answered, but in their order: once another one was seen
// to come and to go, so were those before it.
func (r *run) settle(kind kmsg.ConfigResourceType, name string) {
	key, value := settleKeys[kind][0], settleKeys[kind][1]
	for _, one := range []change{{key, set, &value}, {key, remove, nil}} {
		call[*kmsg.IncrementalAlterConfigsResponse](r, alter(1, kind, name, one))
		r.eventually("configuration settles", func() bool {
			answer := call[*kmsg.DescribeConfigsResponse](r, describe(4, kind, name, []string{key}))
			shown := answer.Resources[0].Configs // Of all brokers only what is set.
			return (len(shown) > 0 && own(shown[0])) == (one.value != nil)
		})
	}
}

// The keys that are not at their default.
func (r *run) seeSet(label string, kind kmsg.ConfigResourceType, name string) {
	r.settle(kind, name)
	var lines []string
	answer := call[*kmsg.DescribeConfigsResponse](r, describe(4, kind, name, nil))
	for _, config := range answer.Resources[0].Configs {
		if own(config) && config.Value != nil {
			lines = append(lines, fmt.Sprintf("%s=%q (%v)", config.Name, *config.Value, config.Source))
		} else if own(config) {
			lines = append(lines, fmt.Sprintf("%s hidden (%v)", config.Name, config.Source))
		}
	}
	sort.Strings(lines)
	r.see(label, strings.Join(lines, " "))
}

func alterConfigsCases() {
	each(kmsg.IncrementalAlterConfigs, "set, delete, append, subtract", func(r *run, v int16) {
		topic := fmt.Sprint("incremental-", v)
		r.topic(topic, 1, settings{"segment.ms": "100000"})
		step := func(label string, changes ...change) {
			r.seeFateOf(label, alter(v, ofTopic, topic, changes...))
			r.seeSet(label+", then", ofTopic, topic)
		}
		step("set", change{"retention.ms", set, ptr("1000000")}, change{"cleanup.policy", set, ptr("compact")})
		step("append", change{"cleanup.policy", extend, ptr("delete")})
		step("append what is there", change{"cleanup.policy", extend, ptr("delete")})
		step("append badly", change{"cleanup.policy", extend, ptr("shred")})
		step("append to a number", change{"retention.ms", extend, ptr("5")})
		step("subtract", change{"cleanup.policy", subtract, ptr("compact")})
		step("subtract what is not there", change{"cleanup.policy", subtract, ptr("compact")})
		step("subtract the last", change{"cleanup.policy", subtract, ptr("delete")})
		step("subtract from a number", change{"retention.ms", subtract, ptr("5")})
		step("subtract from a default", change{"leader.replication.throttled.replicas", subtract, ptr("1:1")})
		step("append to a default", change{"leader.replication.throttled.replicas", extend, ptr("0:1")})
		step("append several", change{"leader.replication.throttled.replicas", extend, ptr("1:1,2:1")})
		step("delete", change{"retention.ms", remove, nil}, change{"cleanup.policy", remove, ptr("ignored")})
		step("delete what is not set", change{"retention.bytes", remove, nil})
		step("delete what does not exist", change{"no.such.key", remove, nil})
		step("a key twice", change{"retention.ms", set, ptr("5")}, change{"retention.ms", set, ptr("6")})
		step("an operation that does not exist", change{"retention.ms", 9, ptr("5")})
		step("set null", change{"retention.ms", set, nil})
		step("append null", change{"cleanup.policy", extend, nil})
		step("one good, one bad", change{"retention.bytes", set, ptr("5")}, change{"retention.ms", set, ptr("x")})
		step("nothing")
	})
	each(kmsg.IncrementalAlterConfigs, "append to the default of a list", func(r *run, v int16) {
		topic := fmt.Sprint("incremental-default-", v)
		r.topic(topic, 1, nil)
		r.seeFateOf("append", alter(v, ofTopic, topic, change{"cleanup.policy", extend, ptr("compact")}))
		r.seeSet("then", ofTopic, topic)
	})
	each(kmsg.IncrementalAlterConfigs, "only validated", func(r *run, v int16) {
		topic := fmt.Sprint("incremental-validated-", v)
		r.topic(topic, 1, nil)
		for _, value := range []string{"12345", "x"} {
			request := alter(v, ofTopic, topic, change{"retention.ms", set, ptr(value)})
			request.ValidateOnly = true
			r.seeFateOf(value, request)
		}
		r.seeSet("then", ofTopic, topic)
	})
	each(kmsg.IncrementalAlterConfigs, "resources that do not exist", func(r *run, v int16) {
		one := change{"retention.ms", set, ptr("1000")}
		for _, kind := range []kmsg.ConfigResourceType{ofTopic, ofBroker, 0, 1, 3, 8, 99, -1} {
			for _, name := range []string{"", "no-such-thing", "77", "a b"} {
				if kind == ofBroker && name == "" {
					continue
				}
				r.seeFateOf(fmt.Sprintf("%d %q", kind, name), alter(v, kind, name, one))
			}
		}
	})
	each(kmsg.IncrementalAlterConfigs, "several resources, one twice", func(r *run, v int16) {
		topic := fmt.Sprint("incremental-several-", v)
		r.topic(topic, 1, nil)
		request := alter(v, ofTopic, topic, change{"retention.ms", set, ptr("1000")})
		request.Resources = append(request.Resources,
			alter(v, ofTopic, "no-such-topic", change{"retention.ms", set, ptr("1000")}).Resources...)
		r.seeFateOf("two", request)
		request.Resources = append(request.Resources, request.Resources[0])
		r.seeFateOf("twice", request)
		request.Resources = nil
		r.seeFateOf("none", request)
		r.seeSet("then", ofTopic, topic)
	})
	each(kmsg.AlterConfigs, "replaces everything", func(r *run, v int16) {
		topic := fmt.Sprint("replaced-", v)
		r.topic(topic, 1, settings{"segment.ms": "100000", "retention.ms": "5000000"})
		step := func(label string, pairs ...string) {
			r.seeFateOf(label, replace(v, ofTopic, topic, pairs...))
			r.seeSet(label+", then", ofTopic, topic)
		}
		step("two keys", "retention.ms", "6000000", "cleanup.policy", "compact")
		step("one key", "retention.bytes", "1000000")
		step("a bad value", "retention.bytes", "x")
		step("an unknown key", "no.such.key", "1")
		step("a key twice", "retention.bytes", "1", "retention.bytes", "2")
		step("nothing")
		r.seeFateOf("unknown topic", replace(v, ofTopic, "no-such-topic", "retention.ms", "1"))
		r.seeFateOf("empty topic", replace(v, ofTopic, "", "retention.ms", "1"))
		r.seeFateOf("unknown type", replace(v, 99, topic, "retention.ms", "1"))
		null := replace(v, ofTopic, topic, "retention.ms", "1")
		null.Resources[0].Configs[0].Value = nil
		r.seeFateOf("null", null)
		only := replace(v, ofTopic, topic, "retention.ms", "123456")
		only.ValidateOnly = true
		r.seeFateOf("only validated", only)
		r.seeSet("only validated, then", ofTopic, topic)
		twice := replace(v, ofTopic, topic, "retention.ms", "1000")
		twice.Resources = append(twice.Resources, twice.Resources[0])
		r.seeFateWithin("a resource twice", twice, 2*time.Second)
	})
	actingCases()
	brokerConfigCases()
}

// What a changed key does, from the next request on.
func actingCases() {
	change1 := func(r *run, topic, key, value string) {
		call[*kmsg.IncrementalAlterConfigsResponse](r, alter(1, ofTopic, topic, change{key, set, ptr(value)}))
	}
	add("IncrementalAlterConfigs: a changed max.message.bytes acts", func(r *run) {
		r.topic("acting-size", 1, nil)
		change1(r, "acting-size", "max.message.bytes", "500")
		big := r.produce(9, "acting-size", 0, records(1).sized(600).bytes())
		r.eventually("refused", func() bool {
			return call[*kmsg.ProduceResponse](r, big).Topics[0].Partitions[0].ErrorCode == 10
		})
		change1(r, "acting-size", "max.message.bytes", "5000")
		r.eventually("accepted", func() bool {
			return call[*kmsg.ProduceResponse](r, big).Topics[0].Partitions[0].ErrorCode == 0
		})
	})
	add("IncrementalAlterConfigs: a changed message.timestamp.type acts", func(r *run) {
		r.topic("acting-time", 1, nil)
		change1(r, "acting-time", "message.timestamp.type", "LogAppendTime")
		one := r.produce(9, "acting-time", 0, records(1).bytes())
		r.eventually("stamped", func() bool {
			return call[*kmsg.ProduceResponse](r, one).Topics[0].Partitions[0].LogAppendTime > 0
		})
	})
	add("IncrementalAlterConfigs: a changed cleanup.policy acts", func(r *run) {
		r.topic("acting-policy", 1, nil)
		change1(r, "acting-policy", "cleanup.policy", "compact")
		b := records(1)
		b.records[0].key = nil
		one := r.produce(9, "acting-policy", 0, b.bytes())
		r.eventually("null keys are refused", func() bool {
			return call[*kmsg.ProduceResponse](r, one).Topics[0].Partitions[0].ErrorCode == 87
		})
	})
	add("IncrementalAlterConfigs: a changed timestamp window acts", func(r *run) {
		r.topic("acting-window", 1, nil)
		change1(r, "acting-window", "message.timestamp.before.max.ms", "1000")
		one := r.produce(9, "acting-window", 0, records(1).bytes())
		r.eventually("old records are refused", func() bool {
			return call[*kmsg.ProduceResponse](r, one).Topics[0].Partitions[0].ErrorCode == 32
		})
	})
}

func brokerConfigCases() {
	each(kmsg.IncrementalAlterConfigs, "keys of a broker", func(r *run, v int16) {
		me := fmt.Sprint(r.b.node)
		for _, name := range []string{me, ""} {
			step := func(label string, changes ...change) {
				who := map[bool]string{true: "all", false: "one"}[name == ""]
				r.seeFateOf(who+" "+label, alter(v, ofBroker, name, changes...))
				r.seeSet(who+" "+label+", then", ofBroker, name)
			}
			step("log.retention.ms", change{"log.retention.ms", set, ptr("9999999")})
			step("a bad value", change{"log.retention.ms", set, ptr("x")})
			step("a topic's key", change{"retention.ms", set, ptr("5")})
			step("an unknown key", change{"no.such.key", set, ptr("5")})
			step("a rate of replication", change{"leader.replication.throttled.rate", set, ptr("5000")})
			step("a bad rate", change{"follower.replication.throttled.rate", set, ptr("-1")})
			step("threads", change{"num.io.threads", set, ptr("12")})
			step("too many threads", change{"num.io.threads", set, ptr("100")})
			step("too few threads", change{"background.threads", set, ptr("4")})
			step("too many cleaners", change{"log.cleaner.threads", set, ptr("3")})
			step("a secret of all listeners", change{"ssl.keystore.password", set, ptr("5")})
			step("a secret of a listener", change{"listener.name.other.ssl.key.password", set, ptr("5")})
			step("connections of a listener", change{"listener.name.other.max.connections", set, ptr("5")})
			step("a bad number of a listener", change{"listener.name.other.max.connections", set, ptr("x")})
			ask[*kmsg.DescribeConfigsResponse](r, map[bool]string{true: "all", false: "one"}[name == ""]+" described",
				describe(4, ofBroker, name, []string{"no.such.key", "leader.replication.throttled.rate", "num.io.threads",
					"listener.name.other.ssl.key.password", "listener.name.other.max.connections"}))
			step("a key fixed at start", change{"node.id", set, ptr("5")})
			step("another fixed at start", change{"num.partitions", set, ptr("5")})
			step("log.segment.bytes", change{"log.segment.bytes", set, ptr("5000000")})
			step("message.max.bytes", change{"message.max.bytes", set, ptr("2000000")})
			if name == "" {
				r.topic("configured", 1, settings{"retention.ms": "7200000", "cleanup.policy": "compact,delete"})
				r.topic("unconfigured", 1, nil)
				for _, topic := range []string{"configured", "unconfigured"} {
					ask[*kmsg.DescribeConfigsResponse](r, "seen in "+topic, describe(4, ofTopic, topic,
						[]string{"retention.ms", "segment.bytes", "max.message.bytes", "segment.ms"}))
				}
			}
			step("delete all", change{"log.retention.ms", remove, nil}, change{"log.segment.bytes", remove, nil},
				change{"message.max.bytes", remove, nil}, change{"num.io.threads", remove, nil},
				change{"leader.replication.throttled.rate", remove, nil}, change{"no.such.key", remove, nil},
				change{"retention.ms", remove, nil}, change{"listener.name.other.max.connections", remove, nil},
				change{"listener.name.other.ssl.key.password", remove, nil})
		}
	})
	each(kmsg.AlterConfigs, "keys of a broker", func(r *run, v int16) {
		me := fmt.Sprint(r.b.node)
		r.seeFateOf("set", replace(v, ofBroker, me, "log.retention.ms", "8888888"))
		r.seeSet("set, then", ofBroker, me)
		r.seeFateOf("unknown", replace(v, ofBroker, me, "no.such.key", "1"))
		r.seeFateOf("none", replace(v, ofBroker, me))
		r.seeSet("none, then", ofBroker, me)
		r.seeFateOf("another broker", replace(v, ofBroker, "77", "log.retention.ms", "1"))
	})
}

// Values tried with every key: what is a number to one is a list to another.
var anyValues = []string{"", " ", "x", "-1", "-2", "-3", "0", "1", "2", "9", "10", "17", "18", "22", "23",
	"1.5", "0.5", "1.0", "1.1", "-0.1", "1e3", "0x10", "+5", " 7 ", "1_000", "true", "false", "TRUE", "yes",
	"13", "14", "1048575", "1048576", "2147483647", "2147483648", "-131072", "-131073",
	"9223372036854775807", "9223372036854775808", "-9223372036854775808", "producer", "gzip", "GZIP", "snappy",
	"lz4", "zstd", "uncompressed", "none", "delete", "compact", "delete,compact", "compact, delete",
	"delete,delete", "delete,", ",", "shred", "CreateTime", "LogAppendTime", "createtime", "*", "0:1", "0:1,1:2",
	"0:1,0:1", "0:x", "0", "0:", "NaN", "Infinity"}

var topicKeys = []string{"cleanup.policy", "compression.gzip.level", "compression.lz4.level",
	"compression.type", "compression.zstd.level", "delete.retention.ms", "file.delete.delay.ms", "flush.messages",
	"flush.ms", "follower.replication.throttled.replicas", "index.interval.bytes",
	"leader.replication.throttled.replicas", "local.retention.bytes", "local.retention.ms", "max.compaction.lag.ms",
	"max.message.bytes", "message.timestamp.after.max.ms", "message.timestamp.before.max.ms",
	"message.timestamp.type", "min.cleanable.dirty.ratio", "min.compaction.lag.ms", "min.insync.replicas",
	"preallocate", "remote.copy.lag.bytes", "remote.copy.lag.ms", "remote.log.copy.disable",
	"remote.log.delete.on.disable", "remote.storage.enable", "retention.bytes", "retention.ms", "segment.bytes",
	"segment.index.bytes", "segment.jitter.ms", "segment.ms", "unclean.leader.election.enable",
	"message.format.version", "message.downconversion.enable", "no.such.key"}

func configValueCases() {
	for _, key := range topicKeys {
		add("IncrementalAlterConfigs v1: values of "+key, func(r *run) {
			r.topic("values", 1, nil)
			for _, value := range anyValues {
				request := alter(1, ofTopic, "values", change{key, set, ptr(value)})
				request.ValidateOnly = true
				answer := call[*kmsg.IncrementalAlterConfigsResponse](r, request)
				resource := answer.Resources[0]
				text := fmt.Sprint("error ", resource.ErrorCode)
				if resource.ErrorMessage != nil && resource.ErrorCode != 0 {
					text += fmt.Sprint(", message names the key: ", strings.Contains(*resource.ErrorMessage, key))
				}
				r.see(fmt.Sprintf("%q", value), text)
			}
		})
	}
	add("IncrementalAlterConfigs v1: keys that depend on each other", func(r *run) {
		r.topic("values", 1, nil)
		for i, pairs := range [][]string{{"min.compaction.lag.ms", "1000", "max.compaction.lag.ms", "10"},
			{"segment.ms", "10", "segment.jitter.ms", "1000"}, {"local.retention.ms", "1000", "retention.ms", "10"},
			{"local.retention.bytes", "1000", "retention.bytes", "10"},
			{"max.message.bytes", "3000000", "segment.bytes", "1048576"},
			{"cleanup.policy", "compact", "remote.storage.enable", "true"}} {
			request := alter(1, ofTopic, "values", change{pairs[0], set, ptr(pairs[1])}, change{pairs[2], set, ptr(pairs[3])})
			request.ValidateOnly = true
			ask[*kmsg.IncrementalAlterConfigsResponse](r, fmt.Sprint(i, pairs), request)
		}
	})
	add("IncrementalAlterConfigs v1: values are shown as they were written", func(r *run) {
		r.topic("as-written", 1, nil)
		for _, pair := range [][2]string{{"retention.ms", " 7 "}, {"preallocate", "TRUE"}, {"preallocate", " true "},
			{"cleanup.policy", "compact, delete"}, {"min.cleanable.dirty.ratio", "5e-1"},
			{"segment.bytes", "+1048577"}, {"cleanup.policy", ""}, {"compression.type", " gzip"}} {
			r.seeFateOf(fmt.Sprint("set ", pair), alter(1, ofTopic, "as-written", change{pair[0], set, ptr(pair[1])}))
			r.seeSet(fmt.Sprint("after ", pair), ofTopic, "as-written")
		}
	})
}
