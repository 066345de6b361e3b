// Groups of the consumer protocol (KIP-848).
package main

func init() {
	scripts = append(scripts, scriptsOf(`
# one member from join to leave @ ConsumerGroupHeartbeat
hb a epoch=0
describec z
hb a
hb a owned=script-t:0,script-t:1,script-t:2,script-t:3
describec z
hb a epoch=-1
describec z
hb a epoch=1

# an id of the broker's making @ ConsumerGroupHeartbeat 0
hb a epoch=0 id=''
hb a

# a second member takes what the first gives up @ ConsumerGroupHeartbeat
hb a epoch=0
hb b epoch=0
describec z
hb a
describec z
hb b
hb a owned=script-t:0,script-t:1
describec z
hb b
hb b owned=script-t:2,script-t:3
hb a
describec z

# a second member, while the first owns everything @ ConsumerGroupHeartbeat
hb a epoch=0
hb b epoch=0
hb a owned=script-t:0,script-t:1,script-t:2,script-t:3
hb b
hb a owned=script-t:0,script-t:1
hb b

# the first member leaves before it has given up @ ConsumerGroupHeartbeat
hb a epoch=0
hb b epoch=0
hb a
hb a epoch=-1
hb b
hb b
describec z

# three members of one topic
hb a epoch=0
hb b epoch=0
hb a owned=script-t:0,script-t:1
hb b
hb c epoch=0
hb a
hb b
hb c
describec z

# the range assignor @ ConsumerGroupHeartbeat
hb a epoch=0 assignor=range topics=script-t,script-u,script-v
hb b epoch=0 assignor=range topics=script-t,script-u,script-v
describec z

# a member changes its mind about the assignor
hb a epoch=0 assignor=range
describec z
hb a assignor=uniform
describec z
hb a assignor=nonsense

# topics change @ ConsumerGroupHeartbeat
hb a epoch=0
hb a topics=script-u
describec z
hb a owned=
hb a topics=script-u,script-t
hb a topics=
describec z

# topics that are not there @ ConsumerGroupHeartbeat
hb a epoch=0 topics=nothing
describec z
hb a topics=nothing,script-u
describec z

# an epoch of before @ ConsumerGroupHeartbeat
hb a epoch=0
hb a topics=script-u
hb a epoch=1
hb a epoch=1 owned=script-t:0
hb a epoch=0
hb a epoch=99

# a member joins again with its id @ ConsumerGroupHeartbeat
hb a epoch=0
hb a epoch=0
describec z
hb a epoch=0 topics=script-u
describec z

# a static member @ ConsumerGroupHeartbeat
hb a epoch=0 instance=i
describec z
hb a instance=i
hb a
hb a instance=j
hb a epoch=-2 instance=i
describec z
hb b epoch=0 instance=i
describec z
hb a

# a static member's place is taken @ ConsumerGroupHeartbeat
hb a epoch=0 instance=i
hb b epoch=0 instance=i
hb b epoch=1 instance=i
hb a epoch=-2
hb a epoch=-2 instance=i
hb b epoch=-2 instance=i
hb a epoch=-1 instance=i
describec z

# a static member leaves for good @ ConsumerGroupHeartbeat
hb a epoch=0 instance=i
hb a epoch=-1 instance=i
hb b epoch=0 instance=i
describec z

# commits with member epochs @ OffsetCommit
hb a epoch=0
commit a
commit a gen=+1
commit a gen=-1
commit a gen=-1 id=''
commit a gen=0
commit a id=nobody
fetch a
hb a epoch=-1
commit a gen=-1 id=''
commit a

# fetches with member epochs @ OffsetFetch 9-
hb a epoch=0
commit a
fetch a id=@a gen=1
fetch a id=@a gen=2
fetch a id=@a gen=0
fetch a id=nobody gen=1
fetch a id='' gen=1
fetch a id=null gen=-1
fetch a id=null gen=1

# offsets of topics that members want are not deleted
hb a epoch=0
commit a at=script-t:0=1,script-u:0=2
forget a at=script-t:0,script-u:0
fetch a at=null
hb a epoch=-1
forget a at=script-t:0

# a consumer group is deleted @ DeleteGroups
hb a epoch=0
commit a
delete z
hb a epoch=-1
delete z
delete z
fetch z
hb a epoch=0
describec z

# requests of the classic protocol to a consumer group @ SyncGroup
hb a epoch=0
sync a gen=1
beat a gen=1
leave a

# an empty consumer group turns classic @ JoinGroup
hb a epoch=0
commit a
hb a epoch=-1
id a ''
enter a
fetch a
describe z
describec z

# an empty classic group turns to the consumer protocol @ ConsumerGroupHeartbeat
enter a
sync a
commit a
leave a
id a member-a
hb a epoch=0
fetch a
describe z
describec z

# a group of offsets only turns to the consumer protocol @ ConsumerGroupHeartbeat
commit x gen=-1 id=''
hb a epoch=0
fetch a at=null
describec z

# expressions that are none @ ConsumerGroupHeartbeat 1
hb a epoch=0 topics=null regex=[
hb a epoch=0 topics=null regex=(
hb a epoch=0 topics=null regex=*
hb a epoch=0 topics=null regex=(?<x>y)
hb a epoch=0 topics=null regex=(?!x)
hb a epoch=0 topics=null regex=a++
hb a epoch=0 topics=null regex=\1
hb a epoch=0 topics=null regex=(a){2000}

# an expression and names @ ConsumerGroupHeartbeat 1
hb a epoch=0 topics=script-u regex=nothing-.*
hb a topics= regex=''
describec z

# an expression that matches nothing @ ConsumerGroupHeartbeat 1
hb a epoch=0 topics=null regex=nothing-.*
hb a
describec z

# what is said of a member @ ConsumerGroupDescribe
hb a epoch=0 instance=i rack=r rebalance=1234 assignor=range topics=script-v,script-u
describec z operations=yes
describe z

# a group that is reconciling @ ConsumerGroupDescribe
hb a epoch=0
hb b epoch=0
describec z
list z states=reconciling
list z
`)...)
}
