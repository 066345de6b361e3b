// Which script reaches which error of groups and transactions (B36-B53). The run itself checks
// that Kafka answers that error there.
package main

import (
	"fmt"
	"strings"
)

type reachedRow struct {
	code   string // as observed
	script string // the beginning of its name
}

type reachedTable struct {
	found map[reachedRow]bool
}

func newReachedTable() *reachedTable {
	return &reachedTable{found: map[reachedRow]bool{}}
}

func (t *reachedTable) look(c testCase, results [2]result) {
	for _, row := range reached {
		if !strings.HasPrefix(c.script, row.script) || c.script == "" {
			continue
		}
		for path, text := range results[0].seen {
			if strings.HasSuffix(path, ".ErrorCode") && strings.HasSuffix(text, " "+row.code) {
				t.found[row] = true
			}
		}
	}
}

func (t *reachedTable) missing() (lines []string) {
	for _, row := range reached {
		if !t.found[row] {
			lines = append(lines, fmt.Sprintf("%s is not reached by %q", row.code, row.script))
		}
	}
	return lines
}

var reached = []reachedRow{
	// B36: coordinators.
	{"COORDINATOR_NOT_AVAILABLE", "coordinators of groups"},
	{"INVALID_REQUEST", "coordinators of groups"},
	// B37, B38: states and joins.
	{"INVALID_GROUP_ID", "no group: join a group=''"},
	{"INVALID_SESSION_TIMEOUT", "no group: join a session=5999"},
	{"UNKNOWN_MEMBER_ID", "an id nobody was told"},
	{"MEMBER_ID_REQUIRED", "the id is told first"},
	{"INCONSISTENT_GROUP_PROTOCOL", "protocols: the one most want"},
	{"GROUP_MAX_SIZE_REACHED", "more members than a group takes"},
	{"REBALANCE_IN_PROGRESS", "heartbeats while members are asked to come back"},
	{"ILLEGAL_GENERATION", "a stable group: heartbeats"},
	// B41: static members.
	{"FENCED_INSTANCE_ID", "a static member is back, alone"},
	// B42: offsets.
	{"OFFSET_METADATA_TOO_LARGE", "metadata as long as it may be"},
	{"UNKNOWN_TOPIC_OR_PARTITION", "offsets beside a topic that is not there"},
	{"UNKNOWN_TOPIC_ID", "offsets beside a topic that is not there"},
	{"UNSTABLE_OFFSET_COMMIT", "offsets in a transaction"},
	// B43, B44: what is told of groups, and groups that go.
	{"GROUP_SUBSCRIBED_TO_TOPIC", "offsets of subscribed topics are not deleted"},
	{"GROUP_ID_NOT_FOUND", "no group: descriptions"},
	{"NON_EMPTY_GROUP", "a group is deleted and begins anew"},
	// B45: the consumer protocol.
	{"FENCED_MEMBER_EPOCH", "an epoch of before"},
	{"STALE_MEMBER_EPOCH", "commits with member epochs"},
	{"UNRELEASED_INSTANCE_ID", "a static member's place is taken"},
	{"UNSUPPORTED_ASSIGNOR", "a member changes its mind about the assignor"},
	{"INVALID_REGULAR_EXPRESSION", "expressions that are none"},
	{"UNSUPPORTED_VERSION", "commits with member epochs"},
	// B49: producer ids.
	{"INVALID_REQUEST", "a producer id without an epoch"},
	{"INVALID_TRANSACTION_TIMEOUT", "timeouts"},
	{"CONCURRENT_TRANSACTIONS", "a transaction in the making is aborted"},
	{"PRODUCER_FENCED", "producers fence each other"},
	{"INVALID_PRODUCER_EPOCH", "producers fence each other"},
	// B50: ends.
	{"INVALID_TXN_STATE", "an end twice"},
	{"INVALID_PRODUCER_ID_MAPPING", "an end by who is somebody else"},
	// B51: TV2.
	{"TRANSACTION_ABORTABLE", "partitions only looked at"},
	{"INVALID_TXN_STATE", "batches of a transaction"},
	// B52: partitions.
	{"OPERATION_NOT_ATTEMPTED", "partitions"},
	// What is told of transactions.
	{"TRANSACTIONAL_ID_NOT_FOUND", "descriptions of transactions"},
}
