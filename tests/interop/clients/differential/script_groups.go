// The verbs of groups.
package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// "t:0=5,t:1=7" as topics with partitions, in the order written.
type wanted struct {
	topic      string
	partitions []int32
	values     []int64
}

func wantedOf(text string) (all []wanted) {
	if text == "" {
		return nil
	}
	for _, item := range strings.Split(text, ",") {
		topic, rest, _ := strings.Cut(item, ":")
		partition, value, valued := strings.Cut(rest, "=")
		if last := len(all) - 1; last < 0 || all[last].topic != topic {
			all = append(all, wanted{topic: strings.Trim(topic, "'")})
		}
		w := &all[len(all)-1]
		if rest == "" {
			continue
		}
		w.partitions = append(w.partitions, number[int32](partition))
		if valued {
			w.values = append(w.values, number[int64](value))
		} else {
			w.values = append(w.values, 0)
		}
	}
	return all
}

func (s *scriptRun) idOfTopic(name string) uuid {
	switch id, there := s.b.ids[name]; {
	case there:
		return id
	case name == "":
		return uuid{}
	}
	return stranger(9)
}

// "t/0.t/1": partitions as consumers of classic groups write them.
func embeddedOf(text string) (topics []string, partitions map[string][]int32) {
	partitions = map[string][]int32{}
	for _, place := range strings.Split(text, ".") {
		topic, partition, there := strings.Cut(place, "/")
		if !there {
			continue
		}
		if partitions[topic] == nil {
			topics = append(topics, topic)
		}
		partitions[topic] = append(partitions[topic], number[int32](partition))
	}
	return topics, partitions
}

func subscriptionOf(text string) []byte {
	topics, owned, tells := strings.Cut(text, "!")
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Topics = strings.Split(topics, ".")
	if tells {
		meta.Version = 1
		names, partitions := embeddedOf(owned)
		for _, name := range names {
			meta.OwnedPartitions = append(meta.OwnedPartitions,
				kmsg.ConsumerMemberMetadataOwnedPartition{Topic: name, Partitions: partitions[name]})
		}
	}
	return meta.AppendTo(nil)
}

// "=t/0.t/1": what a consumer gets, with "!" behind it: and data of an assignor of its own. Other
// texts are bytes.
func assignmentOf(text string) []byte {
	if !strings.HasPrefix(text, "=") {
		return []byte(text)
	}
	places, _, own := strings.Cut(text[1:], "!")
	given := kmsg.NewConsumerMemberAssignment()
	if own {
		given.UserData = []byte("mine")
	}
	names, partitions := embeddedOf(places)
	for _, name := range names {
		given.Topics = append(given.Topics,
			kmsg.ConsumerMemberAssignmentTopic{Topic: name, Partitions: partitions[name]})
	}
	return given.AppendTo(nil)
}

// "range:t.u,roundrobin:t": protocols with what they subscribe to, and behind a "!" what they have;
// a version byte in front of "raw" makes bytes that are no subscription.
func protocolsOf(text string) (all []kmsg.JoinGroupRequestProtocol) {
	if text == "" {
		return []kmsg.JoinGroupRequestProtocol{}
	}
	for _, item := range strings.Split(text, ",") {
		name, topics, _ := strings.Cut(item, ":")
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Name, p.Metadata = strings.Trim(name, "'"), []byte(topics)
		if topics != "" && !strings.HasPrefix(topics, "raw") {
			p.Metadata = subscriptionOf(topics)
		}
		all = append(all, p)
	}
	return all
}

func joinVerb(s *scriptRun, who *slot, with arguments) kmsg.Request {
	request := kmsg.NewPtrJoinGroupRequest()
	request.Group, request.MemberID = s.groupOf(with), s.idNamed(with.text("id", who.id))
	request.SessionTimeoutMillis = numberFor[int32](with, "session", 1800000)
	request.RebalanceTimeoutMillis = numberFor[int32](with, "rebalance", 300000)
	request.InstanceID = with.textOrNone("instance")
	request.ProtocolType = with.text("type", "consumer")
	request.Protocols = protocolsOf(with.text("protocols", "range:script-t"))
	return request
}

func joinTook(s *scriptRun, who *slot, answer kmsg.Response) {
	joined := answer.(*kmsg.JoinGroupResponse)
	if joined.MemberID != "" && (joined.ErrorCode == 0 || joined.ErrorCode == 79) {
		who.id = joined.MemberID
	}
	if joined.ErrorCode == 0 {
		who.generation = joined.Generation
	}
}

func syncVerb(s *scriptRun, who *slot, with arguments) kmsg.Request {
	request := kmsg.NewPtrSyncGroupRequest()
	request.Group, request.MemberID = s.groupOf(with), s.idNamed(with.text("id", who.id))
	request.Generation = numberFor(with, "gen", who.generation)
	request.InstanceID = with.textOrNone("instance")
	request.ProtocolType = with.textOrNone("type")
	request.Protocol = with.textOrNone("protocol")
	if _, told := with["type"]; !told {
		request.ProtocolType = ptr("consumer")
	}
	if _, told := with["protocol"]; !told {
		request.Protocol = ptr("range")
	}
	for _, item := range with.list("assign", nil) {
		member, text, _ := strings.Cut(item, ":")
		one := kmsg.NewSyncGroupRequestGroupAssignment()
		one.MemberID, one.MemberAssignment = s.idNamed(member), assignmentOf(text)
		request.GroupAssignment = append(request.GroupAssignment, one)
	}
	return request
}

func beatVerb(s *scriptRun, who *slot, with arguments) kmsg.Request {
	request := kmsg.NewPtrHeartbeatRequest()
	request.Group, request.MemberID = s.groupOf(with), s.idNamed(with.text("id", who.id))
	request.Generation = numberFor(with, "gen", who.generation)
	request.InstanceID = with.textOrNone("instance")
	return request
}

// members=id:instance,id:instance; without, who leaves is the slot.
func leaveVerb(s *scriptRun, who *slot, with arguments) kmsg.Request {
	request := kmsg.NewPtrLeaveGroupRequest()
	request.Group, request.MemberID = s.groupOf(with), s.idNamed(with.text("id", who.id))
	for _, item := range with.list("members", []string{request.MemberID}) {
		id, instance, static := strings.Cut(item, ":")
		member := kmsg.NewLeaveGroupRequestMember()
		member.MemberID = s.idNamed(id)
		if static {
			member.InstanceID = ptr(instance)
		}
		member.Reason = with.textOrNone("reason")
		request.Members = append(request.Members, member)
	}
	return request
}

func metadataFor(with arguments) *string {
	if chars, there := with["chars"]; there {
		return ptr(strings.Repeat("m", int(number[int32](chars))))
	}
	if with["metadata"] == "null" {
		return nil
	}
	return ptr(with.text("metadata", "m"))
}

func commitVerb(s *scriptRun, who *slot, with arguments) kmsg.Request {
	request := kmsg.NewPtrOffsetCommitRequest()
	request.Group, request.MemberID = s.groupOf(with), s.idNamed(with.text("id", who.id))
	request.Generation = numberFor(with, "gen", who.generation)
	request.InstanceID = with.textOrNone("instance")
	request.RetentionTimeMillis = numberFor[int64](with, "retention", -1)
	for _, w := range wantedOf(with.text("at", "script-t:0=5")) {
		topic := kmsg.NewOffsetCommitRequestTopic()
		topic.Topic, topic.TopicID = w.topic, s.idOfTopic(w.topic)
		for i := range w.partitions {
			p := kmsg.NewOffsetCommitRequestTopicPartition()
			p.Partition, p.Offset, p.Metadata = w.partitions[i], w.values[i], metadataFor(with)
			p.LeaderEpoch = numberFor[int32](with, "epoch", -1)
			topic.Partitions = append(topic.Partitions, p)
		}
		request.Topics = append(request.Topics, topic)
	}
	return request
}

// groups=x,y asks for several; at=null for everything.
func fetchVerb(s *scriptRun, who *slot, with arguments) kmsg.Request {
	request := kmsg.NewPtrOffsetFetchRequest()
	request.RequireStable = with.text("stable", "") != ""
	everything := with["at"] == "null"
	wants := wantedOf(with.text("at", "script-t:0,script-t:1"))
	request.Group = s.groupOf(with)
	for _, name := range with.list("groups", []string{request.Group}) {
		group := kmsg.NewOffsetFetchRequestGroup()
		group.Group = s.named(name)
		group.MemberEpoch = numberFor[int32](with, "gen", -1)
		if id, there := with["id"]; there && id != "null" {
			group.MemberID = ptr(s.idNamed(strings.Trim(id, "'")))
		}
		group.Topics = []kmsg.OffsetFetchRequestGroupTopic{}
		for _, w := range wants {
			topic := kmsg.NewOffsetFetchRequestGroupTopic()
			topic.Topic, topic.TopicID, topic.Partitions = w.topic, s.idOfTopic(w.topic), w.partitions
			group.Topics = append(group.Topics, topic)
		}
		if everything {
			group.Topics = nil
		}
		request.Groups = append(request.Groups, group)
	}
	request.Topics = []kmsg.OffsetFetchRequestTopic{}
	for _, w := range wants {
		topic := kmsg.NewOffsetFetchRequestTopic()
		topic.Topic, topic.Partitions = w.topic, w.partitions
		request.Topics = append(request.Topics, topic)
	}
	if everything {
		request.Topics = nil
	}
	return request
}

func forgetVerb(s *scriptRun, who *slot, with arguments) kmsg.Request {
	request := kmsg.NewPtrOffsetDeleteRequest()
	request.Group = s.groupOf(with)
	for _, w := range wantedOf(with.text("at", "script-t:0")) {
		topic := kmsg.NewOffsetDeleteRequestTopic()
		topic.Topic = w.topic
		for _, partition := range w.partitions {
			topic.Partitions = append(topic.Partitions,
				kmsg.OffsetDeleteRequestTopicPartition{Partition: partition})
		}
		request.Topics = append(request.Topics, topic)
	}
	return request
}

func (s *scriptRun) groupsOf(with arguments) (names []string) {
	for _, name := range with.list("groups", []string{s.groupOf(with)}) {
		names = append(names, s.named(name))
	}
	return names
}

func describeVerb(s *scriptRun, who *slot, with arguments) kmsg.Request {
	request := kmsg.NewPtrDescribeGroupsRequest()
	request.Groups = s.groupsOf(with)
	request.IncludeAuthorizedOperations = with.text("operations", "") != ""
	return request
}

func listVerb(s *scriptRun, who *slot, with arguments) kmsg.Request {
	request := kmsg.NewPtrListGroupsRequest()
	request.StatesFilter = with.list("states", []string{})
	request.TypesFilter = with.list("types", []string{})
	return request
}

func listTook(s *scriptRun, who *slot, answer kmsg.Response) {
	list := answer.(*kmsg.ListGroupsResponse)
	list.Groups = ownOf(s, list.Groups,
		func(one kmsg.ListGroupsResponseGroup) string { return one.Group })
}

func deleteVerb(s *scriptRun, who *slot, with arguments) kmsg.Request {
	request := kmsg.NewPtrDeleteGroupsRequest()
	request.Groups = s.groupsOf(with)
	return request
}

func findVerb(s *scriptRun, who *slot, with arguments) kmsg.Request {
	request := kmsg.NewPtrFindCoordinatorRequest()
	request.CoordinatorType = int8(numberFor[int16](with, "type", 0))
	request.CoordinatorKeys = with.list("keys", []string{s.group})
	request.CoordinatorKey = s.group
	if len(request.CoordinatorKeys) > 0 {
		request.CoordinatorKey = request.CoordinatorKeys[0]
	}
	return request
}

// topics=, regex=, owned=t:0,t:1, assignor=, instance=, rebalance=, epoch=; what is not given is
// null, but that a join says all it must.
func consumerBeatVerb(s *scriptRun, who *slot, with arguments) kmsg.Request {
	request := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	request.Group = s.groupOf(with)
	if who.id == "" {
		who.id = "member-" + who.name
	}
	request.MemberID = s.idNamed(with.text("id", who.id))
	request.MemberEpoch = numberFor(with, "epoch", max(who.generation, 0))
	joins := request.MemberEpoch == 0
	request.RebalanceTimeoutMillis = -1
	var topics []string
	if joins {
		request.RebalanceTimeoutMillis = 300000
		request.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		topics = []string{"script-t"}
	}
	request.RebalanceTimeoutMillis = numberFor(with, "rebalance", request.RebalanceTimeoutMillis)
	request.InstanceID, request.RackID = with.textOrNone("instance"), with.textOrNone("rack")
	request.ServerAssignor = with.textOrNone("assignor")
	request.SubscribedTopicRegex = with.textOrNone("regex")
	request.SubscribedTopicNames = with.list("topics", topics)
	if owned, told := with["owned"]; told {
		request.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		for _, w := range wantedOf(owned) {
			request.Topics = append(request.Topics, kmsg.ConsumerGroupHeartbeatRequestTopic{
				TopicID: s.idOfTopic(w.topic), Partitions: w.partitions})
		}
		if owned == "null" {
			request.Topics = nil
		}
	}
	return request
}

func consumerBeatTook(s *scriptRun, who *slot, answer kmsg.Response) {
	beat := answer.(*kmsg.ConsumerGroupHeartbeatResponse)
	if beat.ErrorCode == 0 && beat.MemberID != nil {
		who.id, who.generation = *beat.MemberID, beat.MemberEpoch
	}
}

func consumerDescribeVerb(s *scriptRun, who *slot, with arguments) kmsg.Request {
	request := kmsg.NewPtrConsumerGroupDescribeRequest()
	request.Groups = s.groupsOf(with)
	request.IncludeAuthorizedOperations = with.text("operations", "") != ""
	return request
}

// Joins until it is in, or waits for the others.
func enterSpecial(s *scriptRun, words []string, label string, waits bool) {
	who, with := s.slot(words[0]), argumentsOf(words[1:])
	s.send(verbs["join"], who, with, label)
	if with["instance"] == "" && s.versionOf(kmsg.JoinGroup, with) >= 4 && who.id == "" {
		s.take(who, verbs["join"], false)
		s.send(verbs["join"], who, with, label)
	}
	if waits {
		s.take(who, verbs["join"], true)
	}
}

// until Stable 2: the group's state, and how many members it has; not observed.
func untilSpecial(s *scriptRun, words []string, label string, waits bool) {
	s.eventually(label, func() bool {
		group := s.quiet("describe", "until", nil).(*kmsg.DescribeGroupsResponse).Groups[0]
		return group.State == words[0] &&
			(len(words) < 2 || fmt.Sprint(len(group.Members)) == words[1])
	})
}

func takeSpecial(s *scriptRun, words []string, label string, waits bool) {
	who := s.slot(words[0])
	if who.waits == nil {
		panic("nothing to take for " + who.name)
	}
	who.label = fmt.Sprintf("%s, asked by %s", label, who.label)
	s.take(who, verbOfRequest(who.waits), true)
}

// Takes the answer if there is one. No clock says so: a side that has none waits for good when the
// other side has one, and only when both were patient for a while does the request count as one
// that waits for others.
func soonSpecial(s *scriptRun, words []string, label string, waits bool) {
	const patience = 700 * time.Millisecond
	who := s.slot(words[0])
	began := time.Now()
	for !who.c.answered(20 * time.Millisecond) {
		if s.both.waits(label, s.side, time.Since(began) > patience) {
			s.see(label, "waits")
			return
		}
		if time.Since(began) > answerTimeout {
			panic(label + ": no answer, and the other broker answers")
		}
	}
	if s.both.answers(label) {
		takeSpecial(s, words, label, true)
	} else {
		s.see(label, "waits")
	}
}

// Two members, of which a leads, with an assignment each.
func pairSpecial(s *scriptRun, words []string, label string, waits bool) {
	for _, line := range []string{"enter a", "sync a assign=@a:one", "&enter b",
		"until PreparingRebalance", "&enter a", "take a", "take b", "&sync b",
		"sync a assign=@a:one,@b:two", "take b"} {
		s.line(line)
	}
}

// Kafka describes a group, and tells its offsets, as its log last was when all of it was durable,
// and some answers go out before that. Stable offsets are told behind all that was written before.
func settledSpecial(s *scriptRun, words []string, label string, waits bool) {
	s.quiet("fetch", "settled", arguments{"stable": "yes"})
}

// The slot with another id than it has.
func idSpecial(s *scriptRun, words []string, label string, waits bool) {
	s.slot(words[0]).id = s.idNamed(strings.Trim(words[1], "'"))
}

func init() {
	for name, v := range map[string]verb{
		"join":      {kmsg.JoinGroup, joinVerb, joinTook},
		"sync":      {kmsg.SyncGroup, syncVerb, nil},
		"beat":      {kmsg.Heartbeat, beatVerb, nil},
		"leave":     {kmsg.LeaveGroup, leaveVerb, nil},
		"commit":    {kmsg.OffsetCommit, commitVerb, nil},
		"fetch":     {kmsg.OffsetFetch, fetchVerb, nil},
		"forget":    {kmsg.OffsetDelete, forgetVerb, nil},
		"describe":  {kmsg.DescribeGroups, describeVerb, nil},
		"list":      {kmsg.ListGroups, listVerb, listTook},
		"delete":    {kmsg.DeleteGroups, deleteVerb, nil},
		"find":      {kmsg.FindCoordinator, findVerb, nil},
		"hb":        {kmsg.ConsumerGroupHeartbeat, consumerBeatVerb, consumerBeatTook},
		"describec": {kmsg.ConsumerGroupDescribe, consumerDescribeVerb, nil},
	} {
		verbs[name] = v
	}
	for name, s := range map[string]special{"enter": enterSpecial, "until": untilSpecial,
		"take": takeSpecial, "soon": soonSpecial, "pair": pairSpecial, "id": idSpecial,
		"settled": settledSpecial} {
		specials[name] = s
	}
}
