// The one table of differences that are meant, each with its reason. A row that covers nothing
// any more fails the run: the table says what is, not what was.
package main

import (
	"fmt"
	"regexp"
)

type intendedRow struct {
	cases, path string // expressions on the case's name and the field's path
	ours        string // expression on what ours shows; empty: anything
	reason      string
}

type intendedTable struct {
	rows []intendedRow
	used map[int]bool
}

var compiled = map[string]*regexp.Regexp{}

func matches(expression, text string) bool {
	if compiled[expression] == nil {
		compiled[expression] = regexp.MustCompile(expression)
	}
	return compiled[expression].MatchString(text)
}

func (t *intendedTable) covers(name, path, ours string) bool {
	for i, row := range t.rows {
		if matches(row.cases, name) && matches(row.path, path) && matches(row.ours, ours) {
			t.used[i] = true
			return true
		}
	}
	return false
}

func (t *intendedTable) stale() (lines []string) {
	for i, row := range t.rows {
		if !t.used[i] {
			lines = append(lines, fmt.Sprintf("no difference any more: %q %q (%s)", row.cases,
				row.path, row.reason))
		}
	}
	return lines
}

var intended = []intendedRow{
	{"", `ApiKeys( length|\[(AddRaft|Alter(ClientQuotas|ReplicaLogDirs|ShareGroup|UserSC)|CreateDeleg|` +
		`DeleteShare|Describe(ClientQ|Deleg|Quorum|Share|UserS)|Expire|` +
		`InitializeShare|ReadShare|RemoveRaft|Renew|SASL|Share|Streams|Unregister|UpdateFeatures|Write))`,
		"", "security, quotas, share groups and quorum are not served yet, and so not advertised"},
	{"ApiVersions", `(SupportedFeatures|FinalizedFeatures)`, "",
		"a feature that is not implemented is neither supported nor finalised"},
	{"^Produce", `ErrorMessage$`, "^text$", "we say what is wrong where Kafka leaves the message out"},
	{"^script a partition that was given to two", `ErrorMessage$`, "^text$",
		"we say what is wrong where Kafka fails internally"},
	{"Produce .*(nothing to append)", `^null records`, "", "Kafka never answers null records"},
	{"AlterConfigs .*replaces", `^a resource twice`, "", "Kafka never answers a resource named twice"},
	{"(Produce .*nothing|ListOffsets .*several)", `^no partition.Topics`, "",
		"a topic named without partitions is answered without partitions; Kafka leaves the topic out"},
	{"a partition or a topic twice", "", "",
		"Kafka keeps the last batch for a partition named twice and loses the others; we append each"},
	{"marked with log append time", "", "", "a client's batch must not claim the log's own timestamps"},
	{"Produce .*inside( gzip)?: offsets", "", "", "offsets inside a batch that are not dense would be read as they are"},
	{"DescribeConfigs .*(every key of a broker|chosen keys)", `Configs\["(advertised.listeners|broker.id|controller.(listener.names|quorum.bootstrap.servers)|` +
		`listener.security.protocol.map|listeners|offsets.topic.replication.factor|process.roles|` +
		`(share.coordinator.state.topic|transaction.state.log).(min.isr|replication.factor))"\]`, "",
		"one listener and the defaults of a single node here, more listeners and settings in the file there"},
	{"DescribeConfigs .*(every key of a broker|chosen keys)", `Configs\["(log.dir|metric.reporters|principal.builder.class)"\]`, "",
		"no default directory, and no Java classes"},
	{"DescribeConfigs", `Configs( length|\["offsets.retention.minutes"\])`, "", "a group's own retention is a key of ours"},
	{"DescribeTopicPartitions", "^empty name", "INVALID_TOPIC_EXCEPTION|3576|3", "Kafka fails internally on an empty name"},
	{"Fetch", " order$", "", "we answer in the order asked; Kafka puts partitions it does not know last"},
	{"Fetch .*(answer|partition)'s maximum", "^bytes -1", "", "a negative limit is as no limit left; Kafka fails internally"},
	{"(Fetch|ListOffsets) .*isolation levels", "^level (2|-1)", "",
		"a level that does not exist reads as uncommitted; Kafka fails internally"},
	{"Metadata v1[23]: topics by id", "^zero id", "", "Kafka fails internally on a topic with neither name nor id"},
	{"IncrementalAlterConfigs .*set, delete, append", "^an operation that does not exist.Resources", "42 INVALID_REQUEST|text",
		"the client's mistake is called so; Kafka fails internally"},
	{"^script", `^\d+ (commit|committxn|add) .*(Topics( length|\[.*\]\.Partitions( length|\[))|Topics\[.* again 2\])`, "",
		"a topic named twice is answered twice; Kafka puts its partitions together where one is refused"},
	{"^script .*", `^\d+ fetch a( id=null)? gen=[01]\.Groups.*ErrorCode`, "UNKNOWN_MEMBER_ID",
		"a member epoch without a member is refused; Kafka fails internally"},
	{"^script .* expressions that are none", `regex=\(\?<x>y\)`, "",
		"a group's name is written (?P<name>), the other way is newer than RE2's library here"},
	{"^script .* an empty consumer group: join", `^\d+ fetch z stable=yes at=null`, "",
		"a join that is refused leaves the group and its offsets; Kafka forgets them until it is started anew"},
	{"^script .* coordinators of groups", `AAAA:0"\]\.ErrorCode`, "INVALID_REQUEST", "share groups are not served yet"},
}
