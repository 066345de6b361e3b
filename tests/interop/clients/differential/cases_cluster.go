// DescribeCluster, DescribeLogDirs, DescribeProducers, ElectLeaders, reassignments.
package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func clusterCases() {
	aclCases()
	each(kmsg.DescribeCluster, "the cluster", func(r *run, v int16) {
		for _, endpoint := range []int8{1, 2, 0, 3, -1} {
			for i := 0; i < 4; i++ {
				request := at(v, kmsg.NewPtrDescribeClusterRequest())
				request.EndpointType = endpoint
				request.IncludeClusterAuthorizedOperations, request.IncludeFencedBrokers = i&1 != 0, i&2 != 0
				r.seeFateOf(fmt.Sprint("endpoint ", endpoint, " flags ", i), request)
			}
		}
	})
	dirs := func(v int16, names ...string) *kmsg.DescribeLogDirsRequest {
		request := at(v, kmsg.NewPtrDescribeLogDirsRequest())
		request.Topics = []kmsg.DescribeLogDirsRequestTopic{}
		for _, name := range names {
			request.Topics = append(request.Topics, kmsg.DescribeLogDirsRequestTopic{Topic: name,
				Partitions: []int32{0, 1, 99}})
		}
		return request
	}
	each(kmsg.DescribeLogDirs, "sizes of partitions", func(r *run, v int16) {
		r.filled("dirs", 3, nil, records(3), records(40))
		r.topic("dirs-empty", 2, nil)
		ask[*kmsg.DescribeLogDirsResponse](r, "two topics", dirs(v, "dirs", "dirs-empty"))
		ask[*kmsg.DescribeLogDirsResponse](r, "unknown", dirs(v, "no-such-topic"))
		ask[*kmsg.DescribeLogDirsResponse](r, "none", dirs(v))
		ask[*kmsg.DescribeLogDirsResponse](r, "twice", dirs(v, "dirs", "dirs"))
		all := dirs(v)
		all.Topics = nil
		answer := call[*kmsg.DescribeLogDirsResponse](r, all)
		for _, topic := range answer.Dirs[0].Topics {
			if topic.Topic == "dirs" || topic.Topic == "dirs-empty" {
				r.see("all: partitions of "+topic.Topic, len(topic.Partitions))
			}
		}
	})
	each(kmsg.DescribeLogDirs, "sizes after records were deleted", func(r *run, v int16) {
		r.filled("dirs-cut", 1, nil, records(3), records(40))
		call[*kmsg.DeleteRecordsResponse](r, deleteRecords(1, "dirs-cut", 0, 5))
		ask[*kmsg.DescribeLogDirsResponse](r, "cut", dirs(v, "dirs-cut"))
	})
	producers := func(topic string, partitions ...int32) *kmsg.DescribeProducersRequest {
		request := kmsg.NewPtrDescribeProducersRequest()
		request.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: topic, Partitions: partitions}}
		return request
	}
	each(kmsg.DescribeProducers, "active producers", func(r *run, _ int16) {
		r.topic("producers", 3, nil)
		id, epoch := r.newProducer()
		other, _ := r.newProducer()
		r.symbol("producer", id)
		r.append("producers", 0, records(3).from(id, epoch, 0), records(2).from(id, epoch, 3), records(1))
		r.append("producers", 1, records(1).from(other, 4, 0), records(1).from(id, epoch, 0))
		ask[*kmsg.DescribeProducersResponse](r, "three partitions", producers("producers", 0, 1, 2))
	})
	each(kmsg.DescribeProducers, "topics and partitions that do not exist", func(r *run, _ int16) {
		r.topic("producers", 3, nil)
		ask[*kmsg.DescribeProducersResponse](r, "partition", producers("producers", 99, -1))
		ask[*kmsg.DescribeProducersResponse](r, "topic", producers("no-such-topic", 0))
		ask[*kmsg.DescribeProducersResponse](r, "impossible topic", producers("a b", 0))
		ask[*kmsg.DescribeProducersResponse](r, "no partition", producers("producers"))
		ask[*kmsg.DescribeProducersResponse](r, "nothing", kmsg.NewPtrDescribeProducersRequest())
	})
}

func reassignCases() {
	elect := func(v int16, kind int8, topic string, partitions ...int32) *kmsg.ElectLeadersRequest {
		request := at(v, kmsg.NewPtrElectLeadersRequest())
		request.ElectionType, request.TimeoutMillis = kind, 10000
		request.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: topic, Partitions: partitions}}
		return request
	}
	each(kmsg.ElectLeaders, "on a single node", func(r *run, v int16) {
		r.topic("elect", 2, nil)
		for _, kind := range []int8{0, 1, 2, -1} {
			if v == 0 && kind != 0 {
				continue
			}
			label := fmt.Sprint("type ", kind, " ")
			r.seeFateOf(label+"partitions", elect(v, kind, "elect", 0, 1))
			r.seeFateOf(label+"unknown partition", elect(v, kind, "elect", 0, 99))
			r.seeFateOf(label+"unknown topic", elect(v, kind, "no-such-topic", 0))
			r.seeFateOf(label+"impossible topic", elect(v, kind, "a b", 0))
			r.seeFateOf(label+"no partition", elect(v, kind, "elect"))
			all := elect(v, kind, "elect")
			all.Topics = nil
			r.seeFateOf(label+"everything", all)
			all.Topics = []kmsg.ElectLeadersRequestTopic{}
			r.seeFateOf(label+"nothing", all)
		}
	})
	move := func(v int16, topic string, partition int32, replicas []int32) *kmsg.AlterPartitionAssignmentsRequest {
		request := at(v, kmsg.NewPtrAlterPartitionAssignmentsRequest())
		request.TimeoutMillis, request.AllowReplicationFactorChange = 10000, true
		request.Topics = []kmsg.AlterPartitionAssignmentsRequestTopic{{Topic: topic,
			Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{Partition: partition,
				Replicas: replicas}}}}
		return request
	}
	each(kmsg.AlterPartitionAssignments, "on a single node", func(r *run, v int16) {
		r.topic("elect", 2, nil)
		me := r.b.node
		for _, free := range []bool{true, false} {
			for _, try := range []struct {
				label     string
				topic     string
				partition int32
				replicas  []int32
			}{{"to where it is", "elect", 0, []int32{me}}, {"cancelled", "elect", 0, nil},
				{"to an unknown broker", "elect", 0, []int32{me + 77}}, {"to none", "elect", 0, []int32{}},
				{"twice the same", "elect", 0, []int32{me, me}}, {"to two", "elect", 0, []int32{me, me + 1}},
				{"a negative broker", "elect", 0, []int32{-1}},
				{"unknown partition", "elect", 99, []int32{me}}, {"unknown topic", "no-such-topic", 0, []int32{me}},
				{"cancelled, unknown partition", "elect", 99, nil},
				{"cancelled, unknown topic", "no-such-topic", 0, nil}} {
				request := move(v, try.topic, try.partition, try.replicas)
				request.AllowReplicationFactorChange = free
				r.seeFateOf(fmt.Sprint(try.label, " ", free), request)
			}
		}
		both := move(v, "elect", 0, []int32{me})
		both.Topics[0].Partitions = append(both.Topics[0].Partitions, both.Topics[0].Partitions[0])
		r.seeFateOf("a partition twice", both)
		both.Topics = nil
		r.seeFateOf("nothing", both)
	})
	each(kmsg.ListPartitionReassignments, "none is running", func(r *run, v int16) {
		r.topic("elect", 2, nil)
		list := func(topic string, partitions ...int32) *kmsg.ListPartitionReassignmentsRequest {
			request := at(v, kmsg.NewPtrListPartitionReassignmentsRequest())
			request.TimeoutMillis = 10000
			request.Topics = []kmsg.ListPartitionReassignmentsRequestTopic{{Topic: topic, Partitions: partitions}}
			return request
		}
		r.seeFateOf("partitions", list("elect", 0, 1))
		r.seeFateOf("unknown partition", list("elect", 99))
		r.seeFateOf("unknown topic", list("no-such-topic", 0))
		r.seeFateOf("no partition", list("elect"))
		all := list("elect")
		all.Topics = nil
		r.seeFateOf("everything", all)
		all.Topics = []kmsg.ListPartitionReassignmentsRequestTopic{}
		r.seeFateOf("nothing", all)
	})
}

// Without an authorizer.
func aclCases() {
	name, principal := "t", "User:anna"
	each(kmsg.DescribeACLs, "access rules that match", func(r *run, v int16) {
		for _, kind := range []int8{1, 2, 3, 0, 99, -1} {
			for _, field := range []string{"type", "pattern", "operation", "permission"} {
				request := at(v, kmsg.NewPtrDescribeACLsRequest())
				request.ResourceType, request.Operation, request.PermissionType = 1, 1, 1
				switch field {
				case "type":
					request.ResourceType = kmsg.ACLResourceType(kind)
				case "pattern":
					request.ResourcePatternType = kmsg.ACLResourcePatternType(kind)
				case "operation":
					request.Operation = kmsg.ACLOperation(kind)
				case "permission":
					request.PermissionType = kmsg.ACLPermissionType(kind)
				}
				r.seeFateOf(fmt.Sprint("any ", field, " ", kind), request)
				request.ResourceName, request.Principal, request.Host = &name, &principal, &name
				r.seeFateOf(fmt.Sprint("named ", field, " ", kind), request)
			}
		}
	})
	each(kmsg.CreateACLs, "access rules", func(r *run, v int16) {
		for _, kinds := range [][]int8{{}, {2}, {2, 4}, {2, 0}, {7}, {99}} {
			request := at(v, kmsg.NewPtrCreateACLsRequest())
			for _, kind := range kinds {
				creation := kmsg.NewCreateACLsRequestCreation()
				creation.ResourceType, creation.ResourceName = kmsg.ACLResourceType(kind), name
				creation.Principal, creation.Host = principal, "*"
				creation.Operation, creation.PermissionType = 3, 3
				request.Creations = append(request.Creations, creation)
			}
			r.seeFateOf(fmt.Sprint("types ", kinds), request)
		}
	})
	each(kmsg.DeleteACLs, "access rules", func(r *run, v int16) {
		for _, kinds := range [][]int8{{}, {1}, {2, 4}, {2, 0}, {99}} {
			request := at(v, kmsg.NewPtrDeleteACLsRequest())
			for _, kind := range kinds {
				filter := kmsg.NewDeleteACLsRequestFilter()
				filter.ResourceType, filter.ResourceName = kmsg.ACLResourceType(kind), &name
				filter.Operation, filter.PermissionType = 1, 1
				request.Filters = append(request.Filters, filter)
			}
			r.seeFateOf(fmt.Sprint("types ", kinds), request)
		}
	})
}
