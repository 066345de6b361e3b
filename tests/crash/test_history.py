#!/usr/bin/env python3
"""Each kind of wrong, planted in a history that is right, is found, and nothing else is."""

import copy
import pathlib
import random
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import history as checker  # noqa: E402  pylint: disable=wrong-import-position
from history import ABORTED, COMMITTED, IN_DOUBT, History, Transaction  # noqa: E402
from tap import equal, run  # noqa: E402  pylint: disable=wrong-import-position

PARTITIONS = 3


def right(count=60, seed=1):
    """Transactions one after the other, all outcomes among them, and an observer of everything."""
    chance = random.Random(seed)
    history = History(logs={partition: [] for partition in range(PARTITIONS)})
    for number in range(count):
        writes = [(partition, f"{number}.{partition}.{at}") for partition in range(PARTITIONS)
                  for at in range(chance.randrange(1, 4))]
        outcome = chance.choice([COMMITTED, COMMITTED, ABORTED, IN_DOUBT])
        history.transactions[f"t{number}"] = Transaction(writes, outcome)
        if outcome == COMMITTED or outcome == IN_DOUBT and chance.random() < 0.5:
            for partition, value in writes:
                log = history.logs[partition]
                log.append((log[-1][0] + chance.randrange(1, 3) if log else 0, value))
                history.polls.append(("o", partition, *log[-1]))
    return history


def first(history, outcome, there=None):
    held = {value for log in history.logs.values() for _, value in log}
    return next(transaction for transaction in history.transactions.values()
                if transaction.outcome == outcome
                and (there is None or (transaction.writes[0][1] in held) == there))


def take_out(history, value):
    for partition, log in history.logs.items():
        history.logs[partition] = [entry for entry in log if entry[1] != value]
    history.polls = [poll for poll in history.polls if poll[3] != value]


def finds(kind, history):
    equal(sorted(checker.faults(history)), sorted([kind] if isinstance(kind, str) else kind),
          checker.faults(history))


def nothing_is_found_where_nothing_is_wrong():
    for seed in range(50):
        equal(checker.faults(right(seed=seed)), {})
    equal(checker.faults(History()), {})


def a_lost_record_is_found():
    history = right()
    take_out(history, first(history, COMMITTED).writes[1][1])
    finds("lost", history)


def an_unseen_record_is_found():
    history = right()
    history.polls.pop(7)
    finds("unseen", history)


def half_a_transaction_is_found():
    history = right()
    take_out(history, first(history, IN_DOUBT, there=True).writes[0][1])
    finds("torn", history)


def a_record_that_is_there_twice_is_found():
    history = right()
    offset, value = history.logs[0][-1]
    history.logs[0].append((offset + 5, value))
    history.polls.append(("o", 0, offset + 5, value))
    finds("duplicate", history)


def a_record_of_an_aborted_transaction_is_found():
    history = right()
    value = first(history, ABORTED).writes[0][1]
    end = history.logs[0][-1][0] + 1
    history.polls.append(("o", 0, end, value))
    finds("aborted read", history)
    history.logs[0].append((end, value))
    finds("aborted read", history)


def an_offset_with_two_values_is_found():
    history = right()
    partition, offset = history.polls[3][1:3]
    history.polls.insert(3, ("p", partition, offset, "else"))
    finds("divergent", history)


def a_way_back_is_found():
    history = right()
    history.polls.append(copy.copy(history.polls[4]))
    finds("non-monotonic", history)


def a_circle_of_writes_is_found():
    """Two committed transactions, the order of their records turned round in one partition."""
    history = right()
    held = [(value, offset) for offset, value in history.logs[1]]
    one, other = held[0], next(entry for entry in held
                               if entry[0].split(".")[0] != held[0][0].split(".")[0])
    turned = {one[0]: other[1], other[0]: one[1]}
    history.logs[1] = sorted((turned.get(value, offset), value)
                             for offset, value in history.logs[1])
    history.polls = [("o", partition, offset, value) for partition, log in history.logs.items()
                     for offset, value in log]
    finds("write cycle", history)


def long_histories_are_no_trouble():
    equal(checker.faults(right(count=5000)), {})


if __name__ == "__main__":
    sys.exit(run([nothing_is_found_where_nothing_is_wrong, a_lost_record_is_found,
                  an_unseen_record_is_found, half_a_transaction_is_found,
                  a_record_that_is_there_twice_is_found,
                  a_record_of_an_aborted_transaction_is_found,
                  an_offset_with_two_values_is_found, a_way_back_is_found,
                  a_circle_of_writes_is_found, long_histories_are_no_trouble]))
