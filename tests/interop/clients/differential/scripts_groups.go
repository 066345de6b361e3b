// Groups of the classic protocol, from their first member to their last.
package main

func init() {
	scripts = append(scripts, scriptsOf(`
# a group id of no characters
commit a gen=-1 id='' group=''
fetch a group='' at=script-t:0
describe a group=''
describec a group=''
forget a group=''
fetch a group='' at=null
delete a group=''
describe a group=''

# one member from join to leave @ JoinGroup
enter a
describe z
sync a assign=@a:one
describe z
beat a
join a
describe z
sync a assign=@a:two
join a protocols=range:script-t.script-u
sync a assign=@a:three
leave a
describe z

# the id is told first @ JoinGroup 4-
join a id=''
settled
describe z
list z
beat a gen=0
sync a gen=0
join a
sync a assign=@a:one

# an id nobody was told @ JoinGroup
join a id=made-up
enter b
join a id=made-up
leave b

# a second join with an id that waits for its first @ JoinGroup 4-
join a
join b
leave c members=@a,@b
join a
describe z

# two members, one leads @ JoinGroup
pair
describe z operations=yes
beat a
beat b
leave b
beat a
enter a
sync a assign=@a:all
describe z

# two members, one leads @ SyncGroup
pair
sync a
sync b
sync b protocol=other

# the leader leaves @ LeaveGroup
pair
leave a
beat b
enter b
sync b assign=@b:all
describe z

# a follower joins again with the same metadata @ JoinGroup
pair
join b
beat a
describe z

# a follower joins again with other metadata @ JoinGroup
pair
&join b protocols=range:script-u
until PreparingRebalance
beat a
beat x id=@b gen=2
commit a
commit x id=@b gen=2
fetch x
&join a
take a
take b
describe z

# the leader joins again @ JoinGroup
pair
&join a
until PreparingRebalance
beat b
sync b
join b
take a
sync a assign=@b:all
sync b

# a member leaves while others wait for it @ LeaveGroup
pair
&join a
until PreparingRebalance
leave b
take a
sync a assign=@a:all
describe z

# a follower that never asks for its assignment leaves
enter a
sync a assign=@a:one
&enter b
until PreparingRebalance
&enter a
take b
take a
sync a assign=@a:one,@b:two
leave b
beat a

# who waits for an assignment hears of a rebalance @ SyncGroup
enter a
sync a assign=@a:one
&enter b
until PreparingRebalance
&enter a
take a
take b
&sync b
&join a protocols=range:script-u
take b
until PreparingRebalance
join b
take a

# a third member while a group waits for its leader @ JoinGroup
enter a
sync a assign=@a:one
&enter b
until PreparingRebalance
&enter a
take a
take b
&enter c
until PreparingRebalance
beat a
sync b
&join b
&join a
take a
take b
take c
describe z

# more members than a group takes @ JoinGroup
enter a
sync a assign=@a:one
&enter b
until PreparingRebalance 2
&enter c
until PreparingRebalance 3
&enter d
until PreparingRebalance 4
&enter a
take a
take b
take c
take d
join e
join e id='' instance=i
describe z

# more members than a consumer group takes @ ConsumerGroupHeartbeat
hb a epoch=0
hb b epoch=0
hb c epoch=0
hb d epoch=0
hb e epoch=0
describec z

# protocols: the one most want @ JoinGroup
enter a protocols=range:script-t,roundrobin:script-t
sync a assign=@a:one
&enter b protocols=roundrobin:script-t,sticky:script-t
until PreparingRebalance
&join a protocols=range:script-t,roundrobin:script-t
take a
take b
describe z
join c protocols=sticky:script-t
join c protocols=range:script-t,sticky:script-t
join c type=other protocols=roundrobin:script-t

# metadata that is no subscription @ JoinGroup
enter a protocols=range:raw
sync a assign=@a:one
describe z
commit a
forget a
forget a at=script-u:0

# a group of Connect workers @ JoinGroup
enter a type=connect protocols=sessioned:raw
sync a type=connect protocol=sessioned assign=@a:work
describe z
list z
commit a
forget a
join b type=consumer protocols=sessioned:raw

# offsets of subscribed topics are not deleted
enter a protocols=range:script-t
sync a assign=@a:one
commit a at=script-t:0=1,script-u:0=2
forget a at=script-t:0,script-u:0
fetch a at=null
leave a
forget a at=script-t:0
fetch a at=null

# offsets of a group that is completing are not deleted
enter a protocols=range:script-t
forget a at=script-t:0
forget a at=script-u:0

# a static member joins @ JoinGroup 5-
join a instance=i
sync a instance=i assign=@a:one
describe z
beat a instance=i
beat a instance=i id=other
beat a
beat a id=other
commit a instance=i
commit a instance=i id=other
commit a instance=j

# a static member is back, alone @ JoinGroup 5-
join a instance=i
sync a instance=i assign=@a:one
join b instance=i
describe z
beat a instance=i
beat a
beat b instance=i
sync b instance=i
sync a instance=i
commit a instance=i
leave a members=@a:i
join a id=@a instance=i

# a static member is back with other metadata @ JoinGroup 5-
join a instance=i
sync a instance=i assign=@a:one
join b instance=i protocols=range:script-u
describe z
sync b instance=i

# a static member is back with another protocol @ JoinGroup 5-
join a instance=i protocols=range:script-t,sticky:script-t
sync a instance=i assign=@a:one
join b instance=i protocols=sticky:script-t
describe z
sync b instance=i protocol=sticky assign=@b:two

# a static follower is back @ JoinGroup 5-
join a instance=i
sync a instance=i assign=@a:one
&join b instance=j
until PreparingRebalance
&join a instance=i
take a
take b
&sync b instance=j
sync a instance=i assign=@a:one,@b:two
take b
join c instance=j
beat b instance=j
beat c instance=j
sync c instance=j
describe z

# a static leader is back @ JoinGroup 5-
join a instance=i
sync a instance=i assign=@a:one
&join b instance=j
until PreparingRebalance
&join a instance=i
take a
take b
&sync b instance=j
sync a instance=i assign=@a:one,@b:two
take b
join c instance=i
beat b instance=j
sync c instance=i assign=@c:three,@b:four
sync b instance=j
describe z

# a static member is back while its group is completing @ JoinGroup 5-
join a instance=i
join b instance=i
beat a instance=i
describe z
sync b instance=i assign=@b:one

# a static member is back while its old join waits @ JoinGroup 5-
join a instance=i
sync a instance=i assign=@a:one
&join b instance=j
until PreparingRebalance
&join c instance=j
take b
&join a instance=i
take a
take c
describe z

# a static member is back while its old sync waits @ SyncGroup 3-
join a instance=i
sync a instance=i assign=@a:one
&join b instance=j
until PreparingRebalance
&join a instance=i
take a
take b
&sync b instance=j
&join c instance=j
take b
until PreparingRebalance
join a instance=i
take c

# a static member leaves by its instance @ LeaveGroup 3-
join a instance=i
sync a instance=i assign=@a:one
leave z members=:i
describe z
leave z members=:i

# several members leave at once @ LeaveGroup 3-
pair
leave z members=@a,@b,@a,nobody
describe z
leave z members=@a

# a wrong id of an instance leaves @ LeaveGroup 3-
join a instance=i
sync a instance=i assign=@a:one
leave z members=nobody:i,@a:j,@a
describe z

# a dynamic member with a static one's name @ JoinGroup 5-
join a instance=i
sync a instance=i assign=@a:one
join b id=@a
join b id=@a instance=j
join b id=nobody instance=i
join b id=nobody instance=j
describe z

# a group of offsets becomes one with members @ JoinGroup
commit x gen=-1 id='' at=script-t:0=7
enter a
commit a gen=-1 id=''
commit a
sync a assign=@a:one
commit a at=script-t:0=8
fetch a
leave a
commit x gen=-1 id='' at=script-t:0=9
fetch x

# heartbeats while members are asked to come back @ Heartbeat
pair
&join b protocols=range:script-u
until PreparingRebalance
beat a
beat x id=@b gen=2
beat a gen=+1

# generations count on after the last has left @ JoinGroup
enter a
sync a
leave a
enter b
sync b
leave b
enter c
describe z

# a group is deleted and begins anew @ DeleteGroups
enter a
sync a
commit a
delete z
leave a
delete z
delete z
fetch z
enter b
describe z

# deleted with members, without and not there, in one request @ DeleteGroups
enter a
commit x group=+empty gen=-1 id=''
delete z groups=+empty,+none,+empty
delete z groups=+none

# lists with states and types @ ListGroups
commit x group=+offsets gen=-1 id=''
hb c group=+new epoch=0
enter a
list z
list z states=Empty
list z states=CompletingRebalance,Empty
list z states=Stable
list z types=classic
list z types=consumer
list z types=unknown
list z states=Empty,Stable types=consumer

# many groups in one description @ DescribeGroups
commit x group=+offsets gen=-1 id=''
enter a
hb c group=+new epoch=0
describe z groups=+offsets,+none,+new
describec z groups=+offsets,+none,+new

# several groups in one fetch @ OffsetFetch 8-
commit x group=+one gen=-1 id='' at=script-t:0=1
commit x group=+two gen=-1 id='' at=script-u:0=2
fetch z groups=+one,+two,+none
fetch z groups=+one,+one
fetch z groups=+two,+none at=null
fetch z groups=+one,+two at=

# partitions and topics named twice @ OffsetCommit
commit x gen=-1 id='' at=script-t:0=1,script-t:0=2,script-u:0=3,script-t:0=4
fetch x at=null
fetch x at=script-t:0,script-u:0,script-t:0

# offsets beside a topic that is not there @ OffsetCommit
commit x gen=-1 id='' at=script-t:0=1,nothing:0=2,script-t:99=3,nothing:1=4
fetch x at=null

# an offset with a leader epoch @ OffsetCommit
commit x gen=-1 id='' epoch=3
fetch x
commit x gen=-1 id='' epoch=-1 metadata=''
fetch x
commit x gen=-1 id='' metadata=null
fetch x

# metadata as long as it may be @ OffsetCommit
commit x gen=-1 id='' chars=4096
commit x gen=-1 id='' chars=4097
commit x gen=-1 id='' chars=4097 at=script-t:0=9,nothing:0=1
fetch x at=script-t:1

# a topic is deleted with offsets in it @ OffsetFetch
make
drop
commit x gen=-1 id='' at=script-t:0=1

# commits of a generation that is over @ OffsetCommit
enter a
sync a assign=@a:one
commit a gen=~1
commit a gen=+1
commit a gen=-1 id=''
commit a gen=-1
commit a id='' gen=1
commit a id=nobody
describe z

# coordinators of groups @ FindCoordinator
find a
find a keys=''
find a type=2
find a type=3
find a type=-1
find a type=2 keys=no-share-key
find a type=2 keys=g:AAAAAAAAAAAAAAAAAAAAAA:0
find a type=2 keys=g:nonsense:0
find a type=1 keys=''

# several coordinators at once @ FindCoordinator 4-
find a keys=one,two,three
find a keys=one,one
find a keys=
find a keys=one,'' type=1
find a keys=one,two type=9
`)...)
}
