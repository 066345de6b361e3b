// The verbs of transactions. A slot is a producer; all of a script's have one transactional id,
// unless a line says another one (txn=+x).
package main

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func (s *scriptRun) txnOf(with arguments) string {
	return s.named(with.text("txn", s.group))
}

// keep: with the producer id and epoch that the slot has; else those given, or none.
func initVerb(s *scriptRun, who *slot, with arguments) kmsg.Request {
	request := kmsg.NewPtrInitProducerIDRequest()
	request.TransactionalID = ptr(s.txnOf(with))
	if with["txn"] == "null" {
		request.TransactionalID = nil
	}
	request.TransactionTimeoutMillis = numberFor[int32](with, "timeout", 60000)
	request.ProducerID, request.ProducerEpoch = -1, -1
	if _, keep := with["keep"]; keep {
		request.ProducerID, request.ProducerEpoch = who.producer, who.epoch
	}
	request.ProducerID = numberFor(with, "producer", request.ProducerID)
	request.ProducerEpoch = numberFor(with, "epoch", request.ProducerEpoch)
	return request
}

func initTook(s *scriptRun, who *slot, answer kmsg.Response) {
	if got := answer.(*kmsg.InitProducerIDResponse); got.ErrorCode == 0 {
		who.producer, who.epoch = got.ProducerID, got.ProducerEpoch
	}
}

func (who *slot) drives(with arguments) (int64, int16) {
	return numberFor(with, "producer", who.producer), numberFor(with, "epoch", who.epoch)
}

// verify: only asks; with it, or from version 4 on, several ids (txns=+x,+y) may be named.
func addVerb(s *scriptRun, who *slot, with arguments) kmsg.Request {
	request := kmsg.NewPtrAddPartitionsToTxnRequest()
	request.TransactionalID = s.txnOf(with)
	request.ProducerID, request.ProducerEpoch = who.drives(with)
	var topics []kmsg.AddPartitionsToTxnRequestTransactionTopic
	for _, w := range wantedOf(with.text("at", "script-t:0")) {
		old := kmsg.NewAddPartitionsToTxnRequestTopic()
		old.Topic, old.Partitions = w.topic, w.partitions
		request.Topics = append(request.Topics, old)
		topic := kmsg.NewAddPartitionsToTxnRequestTransactionTopic()
		topic.Topic, topic.Partitions = w.topic, w.partitions
		topics = append(topics, topic)
	}
	for _, name := range with.list("txns", []string{request.TransactionalID}) {
		one := kmsg.NewAddPartitionsToTxnRequestTransaction()
		one.TransactionalID, one.Topics = s.named(name), topics
		one.ProducerID, one.ProducerEpoch = request.ProducerID, request.ProducerEpoch
		_, one.VerifyOnly = with["verify"]
		request.Transactions = append(request.Transactions, one)
	}
	return request
}

func addOffsetsVerb(s *scriptRun, who *slot, with arguments) kmsg.Request {
	request := kmsg.NewPtrAddOffsetsToTxnRequest()
	request.TransactionalID, request.Group = s.txnOf(with), s.groupOf(with)
	request.ProducerID, request.ProducerEpoch = who.drives(with)
	return request
}

func endVerb(s *scriptRun, who *slot, with arguments) kmsg.Request {
	request := kmsg.NewPtrEndTxnRequest()
	request.TransactionalID = s.txnOf(with)
	request.ProducerID, request.ProducerEpoch = who.drives(with)
	_, request.Commit = with["commit"]
	return request
}

func endTook(s *scriptRun, who *slot, answer kmsg.Response) {
	if got := answer.(*kmsg.EndTxnResponse); got.Version >= 5 && got.ErrorCode == 0 {
		who.producer, who.epoch = got.ProducerID, got.ProducerEpoch
	}
}

func txnCommitVerb(s *scriptRun, who *slot, with arguments) kmsg.Request {
	request := kmsg.NewPtrTxnOffsetCommitRequest()
	request.TransactionalID, request.Group = s.txnOf(with), s.groupOf(with)
	request.ProducerID, request.ProducerEpoch = who.drives(with)
	request.MemberID = s.idNamed(with.text("id", ""))
	request.Generation = numberFor[int32](with, "gen", -1)
	request.InstanceID = with.textOrNone("instance")
	for _, w := range wantedOf(with.text("at", "script-t:0=5")) {
		topic := kmsg.NewTxnOffsetCommitRequestTopic()
		topic.Topic, topic.TopicID = w.topic, s.idOfTopic(w.topic)
		for i := range w.partitions {
			p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
			p.Partition, p.Offset, p.Metadata = w.partitions[i], w.values[i], metadataFor(with)
			topic.Partitions = append(topic.Partitions, p)
		}
		request.Topics = append(request.Topics, topic)
	}
	return request
}

func txnDescribeVerb(s *scriptRun, who *slot, with arguments) kmsg.Request {
	request := kmsg.NewPtrDescribeTransactionsRequest()
	for _, name := range with.list("txns", []string{s.txnOf(with)}) {
		request.TransactionalIDs = append(request.TransactionalIDs, s.named(name))
	}
	return request
}

func txnListVerb(s *scriptRun, who *slot, with arguments) kmsg.Request {
	request := kmsg.NewPtrListTransactionsRequest()
	request.StateFilters = with.list("states", []string{})
	request.ProducerIDFilters = []int64{}
	for _, name := range with.list("producers", nil) {
		id := int64(77777)
		if strings.HasPrefix(name, "@") {
			id = s.slot(name[1:]).producer
		}
		request.ProducerIDFilters = append(request.ProducerIDFilters, id)
	}
	request.DurationFilterMillis = numberFor[int64](with, "longer", -1)
	if pattern, there := with["pattern"]; there {
		request.TransactionalIDPattern = ptr(strings.Trim(pattern, "'"))
	}
	return request
}

func txnListTook(s *scriptRun, who *slot, answer kmsg.Response) {
	list := answer.(*kmsg.ListTransactionsResponse)
	list.TransactionStates = ownOf(s, list.TransactionStates,
		func(one kmsg.ListTransactionsResponseTransactionState) string { return one.TransactionalID })
}

// One batch of one record; plain: not of a transaction. The topic is the script's own (make).
func appendVerb(s *scriptRun, who *slot, with arguments) kmsg.Request {
	producer, epoch := who.drives(with)
	b := records(1).from(producer, epoch, numberFor[int32](with, "sequence", 0))
	if _, plain := with["plain"]; !plain {
		b.attributes |= 0x10
	}
	request := produceRequest(0, -1)
	request.TransactionID = ptr(s.txnOf(with))
	if with["txn"] == "null" {
		request.TransactionID = nil
	}
	w := wantedOf(with.text("at", s.group+":0"))[0]
	return s.andBatch(request, w.topic, w.partitions[0], b.bytes())
}

// Waits until the markers of the slot's transaction are written; not observed.
func settleSpecial(s *scriptRun, words []string, label string, waits bool) {
	s.eventually(label, func() bool {
		answer := s.quiet("describet", "until", argumentsOf(words))
		state := answer.(*kmsg.DescribeTransactionsResponse).TransactionStates[0].State
		return !strings.HasPrefix(state, "Prepare") && state != "Ongoing"
	})
}

// A topic of the script's own, named as its group: offsets in it start at 0.
func makeSpecial(s *scriptRun, words []string, label string, waits bool) {
	s.topic(s.group, 2, nil)
}

func dropSpecial(s *scriptRun, words []string, label string, waits bool) {
	s.forget(s.group)
}

// Asks as long as the broker waits for its next block of producer ids.
func initSpecial(s *scriptRun, words []string, label string, waits bool) {
	s.eventually(label, func() bool {
		answer := s.quiet("init", words[0], argumentsOf(words[1:])).(*kmsg.InitProducerIDResponse)
		if answer.ErrorCode != 14 {
			s.seeAnswer(label, answer)
		}
		return answer.ErrorCode != 14
	})
}

// Asks for a producer id as long as the last transaction is being ended.
func againSpecial(s *scriptRun, words []string, label string, waits bool) {
	who, with := s.slot(words[0]), argumentsOf(words[1:])
	s.eventually(label, func() bool {
		answer := s.quiet("init", who.name, with).(*kmsg.InitProducerIDResponse)
		if answer.ErrorCode != 51 {
			s.seeAnswer(label, answer)
		}
		return answer.ErrorCode != 51
	})
}

// What a committed or uncommitted reader sees of the script's topic.
func readSpecial(s *scriptRun, words []string, label string, waits bool) {
	request := s.fetch(16, read(s.group, 0, 0))
	if words[0] == "committed" {
		request.IsolationLevel = 1
	}
	answer := call[*kmsg.FetchResponse](s.run, request)
	s.seeAnswer(label, answer)
}

// Kafka's exceptions have texts of their own, in some versions.
func appendTook(s *scriptRun, who *slot, answer kmsg.Response) {
	for i := range answer.(*kmsg.ProduceResponse).Topics {
		topic := &answer.(*kmsg.ProduceResponse).Topics[i]
		for j := range topic.Partitions {
			topic.Partitions[j].ErrorMessage = nil
		}
	}
}

func init() {
	for name, v := range map[string]verb{
		"init":       {kmsg.InitProducerID, initVerb, initTook},
		"add":        {kmsg.AddPartitionsToTxn, addVerb, nil},
		"addoffsets": {kmsg.AddOffsetsToTxn, addOffsetsVerb, nil},
		"end":        {kmsg.EndTxn, endVerb, endTook},
		"committxn":  {kmsg.TxnOffsetCommit, txnCommitVerb, nil},
		"describet":  {kmsg.DescribeTransactions, txnDescribeVerb, nil},
		"listt":      {kmsg.ListTransactions, txnListVerb, txnListTook},
		"append":     {kmsg.Produce, appendVerb, appendTook},
	} {
		verbs[name] = v
	}
	for name, s := range map[string]special{"settle": settleSpecial, "make": makeSpecial,
		"drop": dropSpecial, "again": againSpecial, "init": initSpecial, "read": readSpecial} {
		specials[name] = s
	}
}
