"""What a history of transactions may not show, in the manner of Jepsen's checkers for Kafka.

A history is what clients did and saw: transactions with what they wrote, whether they were told
that they are committed, what observers were handed while all that went on, and what the logs hold
for a committed reader in the end. Values are unique: each attempt to write has its own.

    faults(history) -> {"lost": ["..."], ...}; empty: nothing is wrong

lost          written by a transaction that is committed, and not in the log
unseen        in the log, and never handed to an observer, though it was read to its end
torn          a transaction in doubt of which the log holds a part
duplicate     a value that the log holds twice
aborted read  a value of an aborted transaction, in the log or handed to somebody
divergent     one offset, two values
non-monotonic an observer was led back in a partition
write cycle   transactions of which each wrote before the next somewhere, in a circle
"""

import collections
import dataclasses

COMMITTED, ABORTED, IN_DOUBT = "committed", "aborted", "in doubt"


@dataclasses.dataclass
class Transaction:
    writes: list  # (partition, value)
    outcome: str = IN_DOUBT


@dataclasses.dataclass
class History:
    transactions: dict = dataclasses.field(default_factory=dict)  # By name.
    logs: dict = dataclasses.field(default_factory=dict)  # partition -> [(offset, value)]
    polls: list = dataclasses.field(default_factory=list)  # (observer, partition, offset, value)

    def outcome_of(self):
        """value -> outcome of the transaction that wrote it."""
        return {value: transaction.outcome for transaction in self.transactions.values()
                for _, value in transaction.writes}


def lost(history):
    there = {(partition, value) for partition, log in history.logs.items() for _, value in log}
    return [f"{name}: {value} in {partition}"
            for name, transaction in history.transactions.items()
            if transaction.outcome == COMMITTED
            for partition, value in transaction.writes if (partition, value) not in there]


def unseen(history):
    handed = {(partition, offset) for _, partition, offset, _ in history.polls}
    return [f"{value} at {partition}:{offset}" for partition, log in history.logs.items()
            for offset, value in log if (partition, offset) not in handed]


def torn(history):
    there = {(partition, value) for partition, log in history.logs.items() for _, value in log}
    found = []
    for name, transaction in history.transactions.items():
        held = sum(write in there for write in map(tuple, transaction.writes))
        if transaction.outcome == IN_DOUBT and 0 < held < len(transaction.writes):
            found.append(f"{name}: {held} of {len(transaction.writes)}")
    return found


def duplicate(history):
    times = collections.Counter(value for log in history.logs.values() for _, value in log)
    return [f"{value}: {count} times" for value, count in times.items() if count > 1]


def aborted_read(history):
    outcome = history.outcome_of()
    seen = [(partition, offset, value, "the log") for partition, log in history.logs.items()
            for offset, value in log]
    seen += [(partition, offset, value, who) for who, partition, offset, value in history.polls]
    return [f"{value} at {partition}:{offset}, by {who}" for partition, offset, value, who in seen
            if outcome.get(value) == ABORTED]


def divergent(history):
    values = collections.defaultdict(set)
    for partition, log in history.logs.items():
        for offset, value in log:
            values[partition, offset].add(value)
    for _, partition, offset, value in history.polls:
        values[partition, offset].add(value)
    return [f"{partition}:{offset}: {sorted(map(str, held))}"
            for (partition, offset), held in values.items() if len(held) > 1]


def non_monotonic(history):
    last = {}
    found = []
    for who, partition, offset, _ in history.polls:
        before = last.get((who, partition), -1)
        if offset <= before:
            found.append(f"{who}: {partition}:{offset} behind {before}")
        last[who, partition] = offset
    return found


def write_order(history):
    """name -> names of transactions that wrote next behind it, in some partition."""
    writer = {value: name for name, transaction in history.transactions.items()
              for _, value in transaction.writes}
    after = {name: set() for name in history.transactions}
    for log in history.logs.values():
        names = [writer[value] for _, value in sorted(log) if value in writer]
        for name, following in zip(names, names[1:]):
            if name != following:
                after[name].add(following)
    return after


def circles(after):
    """Strongly connected parts of more than one node (Tarjan, without recursion)."""
    number, low, found, path, on_path = {}, {}, [], [], set()
    for root in after:
        if root in number:
            continue
        work = [(root, iter(after[root]))]
        number[root] = low[root] = len(number)
        path.append(root)
        on_path.add(root)
        while work:
            node, rest = work[-1]
            following = next(rest, None)
            if following is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == number[node]:
                    at = path.index(node)
                    part, path[at:] = path[at:], []
                    on_path.difference_update(part)
                    if len(part) > 1:
                        found.append(part)
            elif following not in number:
                number[following] = low[following] = len(number)
                path.append(following)
                on_path.add(following)
                work.append((following, iter(after[following])))
            elif following in on_path:
                low[node] = min(low[node], number[following])
    return found


def write_cycle(history):
    return [" -> ".join(map(str, part)) for part in circles(write_order(history))]


CHECKS = {"lost": lost, "unseen": unseen, "torn": torn, "duplicate": duplicate,
          "aborted read": aborted_read, "divergent": divergent, "non-monotonic": non_monotonic,
          "write cycle": write_cycle}


def faults(history):
    told = {kind: check(history) for kind, check in CHECKS.items()}
    return {kind: found for kind, found in told.items() if found}
