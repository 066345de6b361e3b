// Transactions.
package main

func init() {
	scripts = append(scripts, scriptsOf(`
# a producer of no transactions @ InitProducerId
init p txn=null
init p txn=null timeout=0
init p txn=null timeout=999999999
init p txn=''
init p txn=null producer=5 epoch=0

# timeouts @ InitProducerId
init p timeout=0
init p timeout=-1
init p timeout=900001
init p timeout=900000
init p timeout=1
describet p

# a producer id without an epoch, and the other way @ InitProducerId 3-
init p producer=5
init p epoch=5
init p producer=5 epoch=5
init p keep
init p keep epoch=+1
init p keep producer=77777

# one transaction from begin to end @ EndTxn
make
init p
describet p
add p
describet p
listt p
append p
read uncommitted
read committed
end p commit
settle p
describet p
read committed
listt p

# one transaction, aborted @ EndTxn
make
init p
add p
append p
end p
settle p
describet p
read committed
read uncommitted

# an end without a transaction @ EndTxn
init p
end p commit
end p
settle p
end p
settle p
describet p

# an end twice @ EndTxn
init p
add p
end p commit
settle p
end p commit v=4
end p v=4
describet p

# an end by who is somebody else @ EndTxn
init p
add p
end p commit epoch=+1
end p commit epoch=~1
end p commit producer=77777
end p commit txn=+none
end p commit txn=''
describet p

# producers fence each other @ InitProducerId
init p
init q
add p
end p commit
addoffsets p
committxn p
add q
describet q

# a transaction in the making is aborted @ InitProducerId
init p
add p
init q
again q
describet q
add p
end p commit

# the epoch goes up on request @ InitProducerId 3-
init p
init p keep
init p keep epoch=~1
init q producer=77777 epoch=0
describet p

# the epoch goes up in a transaction @ InitProducerId 3-
init p
add p
init p keep
again p keep
describet p

# partitions @ AddPartitionsToTxn
init p
add p at=script-t:0,script-t:1,script-u:0
add p at=script-t:0
add p at=nothing:0
add p at=script-t:99
add p at=script-t:0,nothing:0,script-t:99,script-v:0
add p at=
describet p

# partitions for somebody else @ AddPartitionsToTxn
init p
add p epoch=+1
add p epoch=~1
add p producer=77777
add p txn=+none
add p txn=''
describet p

# partitions of several ids @ AddPartitionsToTxn 4-
init p txn=+one
init q txn=+two
add p txns=+one,+two,+none
describet p txns=+one,+two,+none

# partitions only looked at @ AddPartitionsToTxn 4-
init p
add p verify=yes
add p at=script-t:0
add p verify=yes at=script-t:0
add p verify=yes at=script-t:0,script-t:1
add p verify=yes at=nothing:0,script-t:0
add p verify=yes epoch=+1
add p verify=yes txn=+none
describet p

# partitions while a transaction ends @ AddPartitionsToTxn
init p
add p v=3
end p commit v=4
settle p
add p
describet p
end p commit v=4

# offsets in a transaction @ TxnOffsetCommit
init p
addoffsets p
committxn p
fetch z
fetch z stable=yes
end p commit v=4
settle p
fetch z stable=yes

# offsets in a transaction that is aborted @ TxnOffsetCommit
commit x gen=-1 id='' at=script-t:0=1
init p
addoffsets p
committxn p at=script-t:0=9
fetch z
fetch z stable=yes
end p v=4
settle p
fetch z stable=yes

# offsets of somebody else @ TxnOffsetCommit
init p
addoffsets p
committxn p epoch=+1
committxn p epoch=~1
committxn p producer=77777
committxn p txn=+none
committxn p group=''

# offsets of members @ TxnOffsetCommit 3-
enter a
sync a assign=@a:one
init p
addoffsets p
committxn p id=@a gen=1
committxn p id=@a gen=2
committxn p id=nobody gen=1
committxn p id=@a gen=1 instance=j
committxn p id='' gen=-1
committxn p id='' gen=1
fetch z stable=yes
end p commit v=4
settle p
fetch z

# offsets of static members @ TxnOffsetCommit 3-
join a instance=i
sync a instance=i assign=@a:one
init p
addoffsets p
committxn p id=@a gen=1 instance=i
committxn p id=other gen=1 instance=i
end p v=4

# offsets of members of consumer groups @ TxnOffsetCommit 3-
hb a epoch=0
init p
addoffsets p
committxn p id=@a gen=1
committxn p id=@a gen=2
committxn p id=nobody gen=1
committxn p id='' gen=-1
end p v=4

# offsets of a group that is completing @ TxnOffsetCommit 3-
enter a
init p
addoffsets p
committxn p id=@a gen=1
end p v=4

# offsets: topics that are not there, long metadata @ TxnOffsetCommit
init p
addoffsets p
committxn p at=nothing:0=1
committxn p at=script-t:99=1,script-t:0=2
committxn p chars=4097
committxn p chars=4096
committxn p at=
fetch z stable=yes at=null
end p commit v=4
settle p
fetch z at=null

# offsets of partitions that are not there, of somebody else @ TxnOffsetCommit
init p
committxn p at=nothing:0=1
committxn p at=script-t:99=1 group=''
committxn p at=script-t:99=1 producer=77777
committxn p at=nothing:0=1 epoch=+1
committxn p at=
describet p
committxn p at=script-t:99=1,script-t:0=2 epoch=+1
committxn p at=script-t:99=1,script-t:0=2 producer=77777

# offsets for a group @ AddOffsetsToTxn
init p
addoffsets p
addoffsets p group=''
addoffsets p epoch=+1
addoffsets p producer=77777
addoffsets p txn=+none
addoffsets p txn=''
describet p

# offsets pending are not deleted
init p
addoffsets p
committxn p v=4
forget z
delete z
list z
end p commit v=4
settle p
forget z

# two transactions on one group's offsets
init p txn=+one
init q txn=+two
addoffsets p txn=+one
addoffsets q txn=+two
committxn p txn=+one v=4 at=script-t:0=1
committxn q txn=+two v=4 at=script-t:0=2
end q txn=+two commit v=4
settle q txn=+two
fetch z
fetch z stable=yes
end p txn=+one commit v=4
settle p txn=+one
fetch z stable=yes

# batches of a transaction @ Produce
make
init p
append p
add p at=script-t:0 v=3
append p at=script-t:0 epoch=+1
append p at=script-t:0 producer=77777
append p plain=yes txn=null
end p commit v=4
settle p
read committed

# a batch of a producer that was fenced @ Produce
make
init p
init q
append p
append q

# a batch without a transactional id @ Produce
make
init p
append p txn=null
append p txn=+none

# descriptions of transactions @ DescribeTransactions
describet z
describet z txns=+none,''
describet z txns=
init p txn=+one
init q txn=+two
add q txn=+two
describet z txns=+one,+two,+two

# lists of transactions @ ListTransactions
init p txn=+one
init q txn=+two
add q txn=+two
listt z
listt z states=Empty
listt z states=Ongoing
listt z states=Ongoing,Empty,CompleteCommit
listt z states=nonsense
listt z states=ongoing
listt z states=nonsense,Ongoing
listt z states=Dead,PrepareEpochFence
listt z producers=@p
listt z producers=@p,@q,@none
listt z producers=nobody
listt z longer=0
listt z longer=100000000
listt z pattern=''
listt z pattern=.*two
listt z pattern=two
listt z pattern=.*(one|two)
listt z pattern=[
end q txn=+two commit v=4
settle q txn=+two
listt z
listt z states=CompleteCommit
`)...)
}
