// Groups that have members of the classic and of the consumer protocol, and the way from one to the
// other. Where members are told apart by what the assignor of the broker gives them, there are two
// of them: of more the order is Kafka's secret.
package main

func init() {
	scripts = append(scripts, scriptsOf(`
# a classic group is upgraded @ ConsumerGroupHeartbeat
enter a
sync a assign=@a:=script-t/0.script-t/1.script-t/2.script-t/3
hb b epoch=0
describec z
describe z
list z
beat a
join a protocols=range:script-t!script-t/0.script-t/1.script-t/2.script-t/3
sync a
beat a
describec z
join a protocols=range:script-t!script-t/0.script-t/1
sync a
beat a
hb b
hb b owned=script-t:2,script-t:3
beat a
describec z

# a group that prepares is upgraded
enter a
sync a assign=@a:=script-t/0.script-t/1
&join b v=3
until PreparingRebalance 2
hb c epoch=0
take b
beat a
sync a

# a group that completes is upgraded
enter a
hb c epoch=0 topics=script-u
sync a assign=@a:=script-t/0
beat a
join a
sync a
beat a
describec z

# a member that waits for its assignment when the group is upgraded
enter a
sync a
&join b v=3
until PreparingRebalance 2
join a v=3
take b
&sync b
hb c epoch=0 topics=script-u
take b

# a member that has an id only when the group is upgraded
enter a
sync a assign=@a:=script-t/0.script-t/1.script-t/2.script-t/3
join b v=5
hb c epoch=0
beat b gen=1
sync b gen=1

# a group of another kind of client is not upgraded @ ConsumerGroupHeartbeat
enter a type=connect protocols=default:raw
sync a type=connect protocol=default assign=@a:raw
hb b epoch=0
beat a

# a subscription that is none is not upgraded @ ConsumerGroupHeartbeat
enter a protocols=range:raw
sync a
hb b epoch=0
beat a
describe z

# an assignment that is none is not upgraded @ ConsumerGroupHeartbeat
enter a
sync a assign=@a:raw
hb b epoch=0
beat a

# an assignor with data of its own is not upgraded @ ConsumerGroupHeartbeat
enter a
sync a assign=@a:=script-t/0!
hb b epoch=0
beat a

# a partition that was given to two
enter a
sync a
&join b v=3
until PreparingRebalance 2
join a v=3
take b
sync a assign=@a:=script-t/0,@b:=script-t/0
hb c epoch=0
beat a

# heartbeats that do not join do not upgrade @ ConsumerGroupHeartbeat
enter a
sync a
hb b epoch=1
hb b epoch=-1
hb b epoch=-2 instance=i
hb b epoch=0 rebalance=-1
beat a
describe z

# topics that are gone are upgraded without @ ConsumerGroupHeartbeat
enter a protocols=range:script-t.nothing
sync a assign=@a:=script-t/0.script-t/1.nothing/0
hb b epoch=0
describec z

# a static member is upgraded in its place @ ConsumerGroupHeartbeat
enter a instance=i
sync a instance=i assign=@a:=script-t/0.script-t/1.script-t/2.script-t/3
hb b epoch=0 instance=i
describec z
beat a instance=i
commit a instance=i
hb b instance=i
join c instance=i

# a dynamic member is upgraded with its id @ ConsumerGroupHeartbeat
enter a
sync a assign=@a:=script-t/0.script-t/1.script-t/2.script-t/3
hb a epoch=0
describec z
beat a

# offsets stay when a group is upgraded and downgraded
enter a
sync a assign=@a:=script-t/0.script-t/1.script-t/2.script-t/3
commit a at=script-t:0=5,script-t:1=6
hb b epoch=0
fetch a at=null
hb b epoch=-1
fetch a at=null
describe z

# a classic member joins a consumer group @ JoinGroup
hb a epoch=0
enter b
sync b
beat b
describec z
hb a owned=script-t:0,script-t:1
beat b
join b protocols=range:script-t!
sync b
beat b
describec z

# a first join with an id @ JoinGroup
hb a epoch=0
join b id=member-b
sync b
beat b
describec z

# protocols that do not fit @ JoinGroup
hb a epoch=0
join b id=member-b
join c id=member-c protocols=other:script-t
join c id=member-c type=connect protocols=range:script-t
join c id=member-c protocols=
join c id=member-c protocols=range:raw
join c id=member-c protocols=other:script-t,range:script-t
join b id=member-b protocols=other:script-t
describec z

# a join before anybody is classic @ JoinGroup
hb a epoch=0
join b id=member-b type=connect protocols=range:script-t
join b id=member-b protocols=
join b id=member-b protocols=any:script-t,range:script-t
sync b protocol=any
sync b protocol=range

# a group is full for classic members @ JoinGroup
hb a epoch=0
join b id=member-b
join c id=member-c
join d id=member-d
join e id=member-e
join e
hb e epoch=0
join d id=member-d
leave d
join e id=member-e

# syncs to a consumer group @ SyncGroup
hb a epoch=0
join b id=member-b
sync b id=nobody
sync b id=@a gen=1
sync b gen=+1
sync b instance=i
sync b type=connect
sync b protocol=other
sync b type=null protocol=null
sync b
hb c epoch=0
sync b

# heartbeats to a consumer group @ Heartbeat
hb a epoch=0
join b id=member-b
beat b
beat b id=nobody
beat b id=@a gen=1
beat b gen=~1
beat b instance=i
hb c epoch=0
beat b
beat b

# a classic member that gives up in steps
join x id=''
hb a epoch=0 group=+o
join b id=member-b group=+o
hb a epoch=-1 group=+o
join b group=+o protocols=range:script-t!
sync b group=+o protocol=range assign=@b:=script-t/0.script-t/1.script-t/2.script-t/3
hb a epoch=0 group=+o
beat b group=+o
join b group=+o protocols=range:script-t!script-t/0.script-t/1.script-t/2.script-t/3
sync b group=+o
beat b group=+o
join b group=+o protocols=range:script-t!script-t/0.script-t/1.script-t/2
beat b group=+o
join b group=+o protocols=range:script-t!script-t/0.script-t/1
sync b group=+o
beat b group=+o
hb a group=+o
describec z groups=+o

# a classic member that does not say what it has
hb a epoch=0
join b id=member-b
hb a owned=script-t:0,script-t:1
join b protocols=range:script-t
sync b
hb c epoch=0 topics=script-u
join b protocols=range:script-t
beat b
describec z

# topics of a classic member change
hb a epoch=0 topics=script-u
join b id=member-b protocols=range:script-t
sync b
join b protocols=range:script-v
sync b
join b protocols=range:script-v.script-v
sync b
describec z
hb a topics=script-u

# a static classic member in a consumer group @ JoinGroup 5-9
hb a epoch=0
join b instance=i
sync b instance=i
join c instance=i
beat b instance=i
sync b instance=i
join b id=@b instance=i
join d id=member-d instance=j
join c id=@c instance=i
beat c instance=i
commit c instance=i
describec z

# a static member turns classic beside others @ JoinGroup 5-9
hb a epoch=0
hb b epoch=0 instance=i
join c instance=i
hb b instance=i
sync c instance=i
describec z

# a static member turns to the consumer protocol beside others
hb a epoch=0
join b instance=i
hb c epoch=0 instance=i
beat b instance=i
describec z
hb c instance=i

# a static member has left for a while and turns classic
hb a epoch=0
hb b epoch=0 instance=i
hb b epoch=-2 instance=i
join c instance=i
sync c instance=i
describec z

# the last member of the consumer protocol turns classic @ JoinGroup 5-9
hb a epoch=0 instance=i
join c instance=i
describe z
describec z
list z
sync c instance=i
beat c instance=i
commit c instance=i

# the last member of the consumer protocol turns classic beside others @ JoinGroup 5-9
hb a epoch=0 instance=i
join b id=member-b
hb a instance=i owned=script-t:0,script-t:1
join b id=member-b protocols=range:script-t
sync b
join c instance=i
list z
sync c instance=i
beat c instance=i
sync b
beat b

# the last member of the consumer protocol turns classic and wants something else
hb a epoch=0 instance=i
join b id=member-b
join c instance=i protocols=range:script-u
list z
beat b
beat c instance=i
sync c instance=i

# the last member of the consumer protocol leaves @ ConsumerGroupHeartbeat
hb a epoch=0
join b id=member-b
commit b
hb a owned=script-t:0,script-t:1
join b id=member-b protocols=range:script-t
sync b
hb a epoch=-1
describe z
describec z
list z
beat b
fetch b
join b
sync b assign=@b:=script-t/0.script-t/1.script-t/2.script-t/3
describe z
hb a epoch=0
describec z

# the last member of the consumer protocol is taken out @ LeaveGroup
hb a epoch=0
join b id=member-b
leave a
describe z
beat b

# a static member is taken out by its instance @ LeaveGroup 3-5
hb a epoch=0 instance=i
join b id=member-b
leave z members=:i
describe z

# several leave at once @ LeaveGroup 3-5
hb a epoch=0
hb b epoch=0
join c id=member-c
join d id=member-d
leave z members=member-a,member-b,nobody,member-d
describe z
beat c

# a classic member leaves a consumer group @ LeaveGroup
hb a epoch=0
join b id=member-b
leave b
leave b
describec z
beat b
hb a

# a classic member leaves by a heartbeat
hb a epoch=0
join b id=member-b
hb b epoch=-1
describec z

# all leave a mixed group
hb a epoch=0
join b id=member-b
leave b
hb a epoch=-1
list z
enter c
list z

# a member goes over by a heartbeat
hb a epoch=0
join b id=member-b
hb b epoch=2
beat b
describec z
hb b epoch=0
describec z

# a member goes over by a join
hb a epoch=0
join a id=member-a protocols=range:script-t!script-t/0
describec z
sync a
beat a
hb b epoch=0
hb b epoch=-1
describe z

# commits of both kinds of members @ OffsetCommit
hb a epoch=0
join b id=member-b
commit b
commit b gen=+1
commit b gen=~1
commit b gen=-1
commit b instance=i
commit a
commit a gen=+5
commit a gen=-1 id=''
fetch b

# fetches of both kinds of members @ OffsetFetch 9-
hb a epoch=0
join b id=member-b
commit b
fetch b id=@b gen=2
fetch b id=@b gen=1
fetch a id=@a gen=1
fetch a id=@a gen=7
fetch a id=null gen=-1

# offsets and mixed groups are deleted
hb a epoch=0
join b id=member-b protocols=range:script-u
commit b at=script-t:0=1,script-u:0=2,script-v:0=3
forget b at=script-t:0,script-u:0,script-v:0
fetch b at=null
delete z

# lists tell what a group is @ ListGroups
hb a epoch=0
join b id=member-b
list z types=consumer
list z types=classic
list z states=stable
list z states=reconciling,assigning
hb a epoch=-1
list z types=consumer
list z types=classic
list z states=preparingrebalance

# both kinds of members are described @ ConsumerGroupDescribe
hb a epoch=0 rack=r
join b id=member-b instance=null protocols=range:script-t,other:script-t
describec z
`)...)
}
