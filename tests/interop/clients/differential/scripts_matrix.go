// Every request to groups, in every state of one, right and wrong in every field.
package main

import "strings"

// How a group gets there; a is the member who asks.
var groupStates = []struct{ name, lines string }{
	{"no group", ""},
	{"a group of offsets only", "commit x gen=-1 id='' at=script-t:0=3,script-u:0=4"},
	{"a group whose members are gone", "enter a;sync a assign=@a:one;commit a;leave a"},
	{"a group whose first member has an id only", "join a"},
	{"a preparing group", "enter a;sync a assign=@a:one;commit a;&enter b;until PreparingRebalance"},
	{"a completing group", "enter a"},
	{"a completing group of two", "enter a;sync a assign=@a:one;&enter b;until PreparingRebalance;" +
		"&enter a;take a;take b"},
	{"a stable group", "enter a;sync a assign=@a:one;commit a"},
	{"a stable group of two", "pair"},
	{"a stable group with a static member", "enter a instance=i;sync a instance=i assign=@a:one"},
	{"a group of another kind of client", "enter a type=connect;sync a type=connect assign=@a:one"},
	{"a consumer group", "hb a epoch=0;commit a"},
	{"an empty consumer group", "hb a epoch=0;commit a;hb a epoch=-1"},
}

// What is asked of it. Where it may change the group, each line is a script of its own.
var groupProbes = []struct {
	name, api string
	apart     bool
	lines     string
}{
	{"heartbeats", "Heartbeat", false, `
beat a group=''
beat a group=+x
beat a id=nobody
beat a id=''
beat a gen=+1
beat a gen=~1
beat a gen=-1
beat a gen=-2
beat a instance=i
beat a instance=j
beat a id=nobody instance=i
beat a instance=''
beat a`},
	{"syncs", "SyncGroup", false, `
sync a group=''
sync a group=+x
sync a id=nobody
sync a id=''
sync a gen=+1
sync a gen=-1
sync a instance=j
sync a id=nobody instance=i
sync a type=other
sync a protocol=other
sync a type=null protocol=null id=nobody
sync a gen=+1 protocol=other`},
	{"syncs that may be right", "SyncGroup", true, `
sync a assign=@a:two
sync a
sync a type=null protocol=null assign=@a:two,nobody:three
sync a assign=@a:two,@a:three
sync a assign=nobody:two`},
	{"leaves", "LeaveGroup", false, `
leave a group=''
leave a group=+x
leave a id=nobody
leave a id=''
leave a members=nobody,someone
leave a members=nobody:j
leave a members=''
leave a members=:
leave a members=nobody:i`},
	{"leaves that may be right", "LeaveGroup", true, `
leave a
leave a members=@a,@a
leave a members=:i
leave a members=@a:i,nobody
leave a members=@a:j
leave a reason=why`},
	{"commits", "OffsetCommit", false, `
commit a id=nobody
commit a id='' gen=0
commit a gen=+1
commit a gen=~1
commit a gen=-1
commit a gen=-2
commit a id='' gen=-1
commit a instance=j
commit a id=nobody instance=i
commit a at=nothing:0=1
commit a at=script-t:9=1,script-t:0=2
commit a at=script-t:-1=1
commit a at=script-t:0=-1
commit a at=script-t:0=-5
commit a chars=4097
commit a chars=4096
commit a metadata=null
commit a metadata=''
commit a epoch=0
commit a epoch=7
commit a at=script-t:0=1,script-u:0=2,script-t:1=3
commit a at=script-t:0=1,script-t:0=2
commit a at=
commit a retention=100000
fetch a at=null
commit a
fetch a at=script-t:0,script-t:1,script-u:0`},
	{"fetches", "OffsetFetch", false, `
fetch a
fetch a at=null
fetch a at=
fetch a group=+x
fetch a at=nothing:0,script-t:0
fetch a at=script-t:0,script-t:0
fetch a at=script-t:-1,script-t:99
fetch a at=script-u:0,script-t:1
fetch a at='':0,script-t:0
fetch a stable=yes at=null
fetch a id=@a gen=+0
fetch a id=nobody gen=0
fetch a id=@a gen=99
fetch a id='' gen=0
fetch a gen=0`},
	{"deletions of offsets", "OffsetDelete", false, `
forget a group=+x
forget a at=nothing:0
forget a at=script-t:77
forget a at=script-t:1,script-u:0
forget a at=script-t:0
forget a at=script-t:0
forget a at=
fetch a at=null`},
	{"descriptions", "DescribeGroups", false, `
describe a
describe a operations=yes
describe a groups=+x,+y
describe a groups=
describe a groups=+x,+x operations=yes`},
	{"lists", "ListGroups", false, `
list a
list a states=Stable
list a states=stable,EMPTY
list a states=Empty,PreparingRebalance,CompletingRebalance,Assigning,Reconciling
list a states=Dead
list a states=nonsense
list a types=classic
list a types=consumer
list a types=Consumer,nonsense
list a types=share,streams
list a states=Stable,Empty types=classic`},
	{"deletions", "DeleteGroups", false, `
delete a groups=+x
delete a groups=+x,+x
delete a groups=
delete a
delete a
fetch a at=null
list a`},
	{"consumer descriptions", "ConsumerGroupDescribe", false, `
describec a
describec a operations=yes
describec a group=''
describec a groups=+x,+y
describec a groups=`},
	{"joins", "JoinGroup", true, `
join a group=''
join a session=5999
join a session=1800001
join a id=nobody
join a id=''
join a id='' instance=i
join a id='' instance=j
join a id=nobody instance=i
join a id=nobody instance=j
join a type=other
join a type=''
join a type='' protocols=
join a protocols=
join a protocols=other:script-t
join a protocols=other:script-t,range:script-t
join a id='' protocols=other:script-t
join a id='' type=connect`},
	{"consumer heartbeats", "ConsumerGroupHeartbeat", true, `
hb a group=''
hb a epoch=0 id=''
hb a epoch=0 rebalance=-1
hb a epoch=0 rebalance=0
hb a epoch=0 topics=null
hb a epoch=0 topics=
hb a epoch=0 topics=,script-t
hb a epoch=0 owned=null
hb a epoch=0 owned=script-t:0
hb a epoch=0 regex=[
hb a epoch=0 topics=null regex=(?=x)
hb a epoch=0 topics=nothing
hb a epoch=0 assignor=range
hb a epoch=0 assignor=nonsense
hb a epoch=0 assignor=''
hb a epoch=0 instance=''
hb a epoch=0 instance=j
hb a epoch=0 rack=''
hb a epoch=0 rack=r
hb a epoch=0 id=other topics=script-u
hb a epoch=1
hb a epoch=1 id=nobody
hb a epoch=+1
hb a epoch=+1 id=@a
hb a epoch=~1
hb a epoch=-1
hb a epoch=-1 id=nobody
hb a epoch=-2
hb a epoch=-2 instance=j
hb a epoch=-3
hb a
hb a owned=
hb a owned=script-t:0
hb a topics=script-u`},
}

// Its group is in memory only: Kafka sees such a one once something else was written to its partition
// of __consumer_offsets, and calls it Dead until then.
const seenByChance = "a group whose first member has an id only"

func looksOnly(api string) bool {
	return api == "DescribeGroups" || api == "ListGroups" || api == "ConsumerGroupDescribe"
}

func matrixScripts() {
	for _, state := range groupStates {
		setup := strings.Split(state.lines, ";")
		if state.lines == "" {
			setup = nil
		}
		for _, probe := range groupProbes {
			lines := strings.Split(strings.TrimSpace(probe.lines), "\n")
			if state.name == seenByChance && looksOnly(probe.api) {
				continue
			}
			title := "# " + state.name + ": " + probe.name + " @ " + probe.api
			if !probe.apart {
				sc := newScript(title)
				sc.lines = append(append(sc.lines, setup...), lines...)
				scripts = append(scripts, sc)
				continue
			}
			for _, line := range lines {
				sc := newScript("# " + state.name + ": " + line + " @ " + probe.api)
				sc.lines = append(append(sc.lines, setup...), "&"+line, "soon a",
					"fetch z stable=yes at=null")
				if state.name != seenByChance {
					sc.lines = append(sc.lines, "describe z")
				}
				scripts = append(scripts, sc)
			}
		}
	}
}

func init() { matrixScripts() }
