#include "tests/sim/sim_book.h"

#include <inttypes.h>
#include <stdlib.h>

#include "tests/sim/sim_book_internal.h"

/* The walkers, in the history. */
enum { OBSERVER_COMMITTED, OBSERVER_UNCOMMITTED };

struct book *book_create(struct world *world)
{
    struct book *book = calloc(1, sizeof(*book));
    ASSERT(book != NULL);
    book->world = world;
    book->topics[0] = (struct book_topic){.name = "tx-a", .first = 0, .count = 2};
    book->topics[1] = (struct book_topic){.name = "tx-b", .first = 2, .count = 3};
    book->topics[2] = (struct book_topic){.name = "keys", .first = BOOK_KEYS_FIRST, .count = 2};
    book->history = history_create();
    history_observer(book->history, OBSERVER_COMMITTED, true, false);
    history_observer(book->history, OBSERVER_UNCOMMITTED, false, false);
    for (uint32_t p = BOOK_KEYS_FIRST; p < BOOK_PARTITIONS; p++) {
        history_compacted(book->history, p);
    }
    return book;
}

void book_destroy(struct book *book)
{
    if (book == NULL) {
        return;
    }
    for (uint32_t g = 0; g < BOOK_GROUPS; g++) {
        for (uint32_t p = 0; p < BOOK_PARTITIONS; p++) {
            free(book->commits[g][p].items);
        }
    }
    for (uint32_t p = 0; p < BOOK_MOVES; p++) {
        free(book->feeds[p].records);
    }
    history_destroy(book->history);
    free(book->records);
    free(book->txns);
    free(book);
}

void *book_grow(void *items, uint32_t count, size_t size)
{
    if (count == 0 || (count & (count - 1)) == 0) {
        items = realloc(items, (count == 0 ? 1 : 2 * (size_t)count) * size);
        ASSERT(items != NULL);
    }
    memset((uint8_t *)items + count * size, 0, size);
    return items;
}

/* ---- Topics --------------------------------------------------------------------------------- */

const struct book_topic *book_topic(const struct book *book, uint32_t index)
{
    return &book->topics[index];
}

const struct book_topic *book_topic_of(const struct book *book, uint32_t partition)
{
    uint32_t at = BOOK_TOPICS - 1;
    while (book->topics[at].first > partition) {
        at--;
    }
    return &book->topics[at];
}

static int32_t partition_in(const struct book_topic *topic, int32_t index)
{
    return index >= 0 && (uint32_t)index < topic->count ? (int32_t)topic->first + index : -1;
}

int32_t book_partition_by_name(const struct book *book, struct chain name, int32_t index)
{
    uint8_t room[64];
    for (uint32_t i = 0; i < BOOK_TOPICS; i++) {
        const char *own = book->topics[i].name;
        if (name.len == strlen(own) && memcmp(chain_flat(name, room).ptr, own, name.len) == 0) {
            return partition_in(&book->topics[i], index);
        }
    }
    return -1;
}

int32_t book_partition_by_id(const struct book *book, const struct uuid *id, int32_t index)
{
    for (uint32_t i = 0; i < BOOK_TOPICS; i++) {
        if (uuid_equal(book->topics[i].id, *id)) {
            return partition_in(&book->topics[i], index);
        }
    }
    return -1;
}

void book_topic_seen(struct book *book, struct bytes name, const struct uuid *id, uint32_t count)
{
    for (uint32_t i = 0; i < BOOK_TOPICS; i++) {
        struct book_topic *topic = &book->topics[i];
        if (name.len != strlen(topic->name) || memcmp(name.ptr, topic->name, name.len) != 0) {
            continue;
        }
        /* A creation that failed on the way is taken back, and made anew. What was found may not
         * have been seen yet: nobody is told of a topic before it can be written to. */
        const bool other = !uuid_is_zero(topic->id) && !uuid_equal(topic->id, *id);
        if (count != topic->count || (book->found && other)) {
            sim_fail("%s is another topic now, or has %u partitions", topic->name, count);
        }
        topic->id = *id;
    }
}

void book_found(struct book *book)
{
    book->found = true;
}

bool book_ready(const struct book *book)
{
    bool ready = book->found;
    for (uint32_t i = 0; i < BOOK_TOPICS; i++) {
        ready = ready && !uuid_is_zero(book->topics[i].id);
    }
    return ready;
}

const char *book_group(uint32_t group)
{
    static const char *const names[BOOK_GROUPS] = {"classic", "static", "consumer", "offsets",
                                                   "movers"};
    return names[group];
}

void book_wind_up(struct book *book)
{
    book->winding_up = true;
}

bool book_winding_up(const struct book *book)
{
    return book->winding_up;
}

/* ---- Records -------------------------------------------------------------------------------- */

static struct book_record *record_of(const struct book *book, uint32_t record)
{
    ASSERT(record > 0 && record <= book->record_count);
    return &book->records[record - 1];
}

static struct book_txn *txn_of(const struct book *book, uint32_t txn)
{
    ASSERT(txn > 0 && txn <= book->txn_count);
    return &book->txns[txn - 1];
}

uint32_t book_record_make(struct book *book, uint32_t writer, uint32_t partition, uint32_t txn,
                          int32_t key, bool tombstone)
{
    book->records = book_grow(book->records, book->record_count, sizeof(*book->records));
    book->records[book->record_count++] = (struct book_record){.writer = writer,
                                                               .partition = partition,
                                                               .txn = txn,
                                                               .key = key,
                                                               .tombstone = tombstone,
                                                               .offset = -1,
                                                               .read_offset = -1};
    (void)history_write(book->history, txn, partition);
    return book->record_count;
}

void book_record_made_of(struct book *book, uint32_t record, uint32_t input)
{
    record_of(book, record)->made_of = input;
}

static void feed_add(struct book *book, uint32_t partition, uint32_t record, int64_t offset)
{
    struct book_feed *feed = &book->feeds[partition];
    if (feed->count == 0 || record_of(book, feed->records[feed->count - 1])->read_offset < offset) {
        feed->records = book_grow(feed->records, feed->count, sizeof(*feed->records));
        feed->records[feed->count++] = record;
    }
}

uint32_t book_handed(const struct book *book, uint32_t partition, uint32_t max, int64_t *next,
                     uint32_t *records)
{
    const struct book_feed *feed = &book->feeds[partition];
    uint32_t count = 0;
    for (uint32_t i = 0; i < feed->count && count < max; i++) {
        const int64_t offset = record_of(book, feed->records[i])->read_offset;
        if (offset >= *next) {
            records[count++] = feed->records[i];
            *next = offset + 1;
        }
    }
    return count;
}

int32_t book_record_key(const struct book *book, uint32_t record, bool *tombstone)
{
    *tombstone = record_of(book, record)->tombstone;
    return record_of(book, record)->key;
}

/* An unflushed record that was read may come to lie elsewhere after a power cut. */
static void place_check(const struct book *book, const struct book_record *it, uint32_t record,
                        int64_t offset)
{
    const bool read = it->read_offset >= 0 && it->read_cuts == book->world->power_cuts_seen;
    if ((it->acked && it->offset != offset) || (read && it->read_offset != offset)) {
        sim_fail("partition %u: record %u lies at offset %" PRId64 ", known was %" PRId64,
                 it->partition, record, offset, it->acked ? it->offset : it->read_offset);
    }
}

void book_record_acked(struct book *book, uint32_t record, int64_t offset)
{
    struct book_record *it = record_of(book, record);
    place_check(book, it, record, offset);
    it->acked = true;
    it->offset = offset;
    it->acked_ns = world_now_ns(book->world);
    it->acked_wall_ms = world_wall_ms(book->world);
    if (it->txn != 0) {
        int64_t *first = &txn_of(book, it->txn)->first_offsets[it->partition];
        *first = *first < 0 ? offset : min_i64(*first, offset);
    }
}

void book_pass_begin(struct book *book, struct book_pass *pass, uint32_t partition, bool committed)
{
    *pass = (struct book_pass){.partition = partition,
                               .committed = committed,
                               .number = ++book->passes,
                               .power_cuts = (uint32_t)book->world->power_cuts_seen,
                               .began_ns = world_now_ns(book->world)};
    history_seek(book->history, committed ? OBSERVER_COMMITTED : OBSERVER_UNCOMMITTED, partition);
}

bool book_pass_valid(const struct book *book, const struct book_pass *pass)
{
    return pass->power_cuts == book->world->power_cuts_seen;
}

static void committed_check(const struct book *book, const struct book_record *it, uint32_t record)
{
    const struct book_txn *txn = txn_of(book, it->txn);
    if (txn->state == TXN_OPEN || txn->state == TXN_ABORTED) {
        sim_fail("partition %u: record %u of transaction %u is read as committed, which is %s",
                 it->partition, record, it->txn, txn->state == TXN_OPEN ? "open" : "not committed");
    }
}

void book_pass_record(struct book *book, struct book_pass *pass, int64_t offset, uint32_t record)
{
    if (record == 0 || record > book->record_count) {
        sim_fail("partition %u: offset %" PRId64 " holds a record that nobody wrote",
                 pass->partition, offset);
    }
    struct book_record *it = record_of(book, record);
    history_poll(book->history, pass->committed ? OBSERVER_COMMITTED : OBSERVER_UNCOMMITTED,
                 pass->partition, (uint32_t)book->world->power_cuts_seen, offset, record);
    if (it->partition != pass->partition) {
        sim_fail("partition %u: record %u was written to partition %u", pass->partition, record,
                 it->partition);
    }
    if (record <= pass->newest[it->writer]) {
        sim_fail("partition %u: record %u of writer %u is read at %" PRId64 " after record %u",
                 pass->partition, record, it->writer, offset, pass->newest[it->writer]);
    }
    pass->newest[it->writer] = record;
    place_check(book, it, record, offset);
    it->read_offset = offset;
    it->read_cuts = (uint32_t)book->world->power_cuts_seen;
    it->read_passes[pass->committed] = pass->number;
    if (it->key >= 0) {
        pass->of_key[it->key] = record;
    }
    if (pass->committed) {
        it->seen_last = it->seen_last || book->winding_up;
        if (it->txn != 0) {
            committed_check(book, it, record);
        }
        if (pass->partition < BOOK_MOVES) {
            feed_add(book, pass->partition, record, offset);
        }
    }
}

void book_pass_stable(struct book *book, struct book_pass *pass, int64_t stable, int64_t mark)
{
    const uint32_t cuts = (uint32_t)book->world->power_cuts_seen;
    const uint32_t p = pass->partition;
    if (stable > mark) {
        sim_fail("partition %u: LSO %" PRId64 " above the high watermark %" PRId64, p, stable,
                 mark);
    }
    if (stable < pass->stable) {
        sim_fail("partition %u: LSO %" PRId64 ", the same reader has heard %" PRId64, p, stable,
                 pass->stable);
    }
    pass->stable = stable;
    book->stable[p] = book->stable_cuts[p] == cuts ? max_i64(book->stable[p], stable) : stable;
    book->stable_cuts[p] = cuts;
    for (uint32_t i = 0; i < book->txn_count; i++) {
        const struct book_txn *txn = &book->txns[i];
        if (txn->state == TXN_OPEN && !txn->fickle && txn->first_offsets[p] >= 0 &&
            stable > txn->first_offsets[p]) {
            sim_fail("partition %u: LSO %" PRId64 " passes transaction %u, open from %" PRId64, p,
                     stable, i + 1, txn->first_offsets[p]);
        }
    }
}

/* It counts, for sure, for this reader. */
static bool is_effective(const struct book *book, const struct book_record *it,
                         const struct book_pass *pass)
{
    return it->partition == pass->partition && it->acked && it->offset < pass->position &&
           (it->txn == 0 || txn_of(book, it->txn)->state == TXN_COMMITTED);
}

/* It may have replaced what is older, and this reader has not come to it: the files may have been
 * compacted between the moment that says how far a reader may go and the one that reads. */
static bool may_replace(const struct book *book, const struct book_record *it,
                        const struct book_pass *pass)
{
    const bool ahead = !it->acked || it->offset >= pass->position;
    return it->partition == pass->partition && ahead &&
           (it->txn == 0 || txn_of(book, it->txn)->state == TXN_COMMITTED ||
            txn_of(book, it->txn)->state == TXN_COMMITTING);
}

/* Nobody was told of its end: a tombstone of it may have replaced what is older, and be gone. */
static bool is_doubtful(const struct book *book, const struct book_record *it,
                        const struct book_pass *pass)
{
    return it->partition == pass->partition && it->txn != 0 &&
           txn_of(book, it->txn)->state == TXN_COMMITTING;
}

static void key_check(const struct book *book, const struct book_pass *pass, uint32_t newest)
{
    const struct book_record *it = record_of(book, newest);
    const uint32_t read = pass->of_key[it->key];
    const uint64_t walked_ms = (world_now_ns(book->world) - pass->began_ns) / 1000000;
    if (read >= newest) {
        return;
    }
    if (!it->tombstone) {
        sim_fail("partition %u: the last value of key %d, record %u at %" PRId64
                 ", is missing; read was record %u",
                 it->partition, it->key, newest, it->offset, read);
    }
    if (read != 0 && walked_ms < BOOK_DELETE_RETENTION_MS) {
        sim_fail("partition %u: key %d was deleted by record %u, the older record %u is read",
                 it->partition, it->key, newest, read);
    }
    const int64_t age_ms = world_wall_ms(book->world) - it->acked_wall_ms;
    if (age_ms < BOOK_DELETE_RETENTION_MS && !book->world->wall_jumped) {
        sim_fail("partition %u: the tombstone of key %d, record %u, is gone after %" PRId64 " ms",
                 it->partition, it->key, newest, age_ms);
    }
}

void book_pass_check(struct book *book, const struct book_pass *pass, uint64_t asked_ns,
                     int64_t high_watermark)
{
    uint32_t newest[BOOK_KEYS] = {0};
    uint32_t doubtful[BOOK_KEYS] = {0};
    bool replaced[BOOK_KEYS] = {0};
    for (uint32_t i = 0; i < book->record_count; i++) {
        const struct book_record *it = &book->records[i];
        if (it->partition == pass->partition && it->acked && it->acked_ns < asked_ns &&
            it->offset >= high_watermark) {
            sim_fail("partition %u: record %u was acknowledged at %" PRId64
                     ", the high watermark is %" PRId64,
                     pass->partition, i + 1, it->offset, high_watermark);
        }
        if (it->key >= 0 && may_replace(book, it, pass)) {
            replaced[it->key] = true;
        }
        if (it->key >= 0 && is_doubtful(book, it, pass)) {
            doubtful[it->key] = i + 1;
        }
        if (!is_effective(book, it, pass)) {
            continue;
        }
        if (it->key >= 0) {
            newest[it->key] = i + 1;
        } else if (it->read_passes[pass->committed] != pass->number) {
            sim_fail("partition %u: record %u at offset %" PRId64 " (transaction %u) is lost",
                     pass->partition, i + 1, it->offset, it->txn);
        }
    }
    for (uint32_t key = 0; key < BOOK_KEYS; key++) {
        if (newest[key] > doubtful[key] && !replaced[key]) {
            key_check(book, pass, newest[key]);
        }
    }
}

/* ---- Transactions --------------------------------------------------------------------------- */

uint32_t book_txn_begin(struct book *book, uint32_t tid, bool fickle)
{
    book->txns = book_grow(book->txns, book->txn_count, sizeof(*book->txns));
    struct book_txn *txn = &book->txns[book->txn_count++];
    txn->tid = tid;
    txn->fickle = fickle;
    for (uint32_t p = 0; p < BOOK_PARTITIONS; p++) {
        txn->first_offsets[p] = -1;
    }
    (void)history_transaction(book->history, tid >= BOOK_TIDS_OF_MOVERS);
    return book->txn_count;
}

void book_txn_end_sent(struct book *book, uint32_t txn, bool commit)
{
    struct book_txn *it = txn_of(book, txn);
    it->state = commit ? TXN_COMMITTING : TXN_ABORTED;
}

void book_txn_end_acked(struct book *book, uint32_t txn, bool commit)
{
    struct book_txn *it = txn_of(book, txn);
    it->over = true;
    if (commit) {
        it->state = TXN_COMMITTED;
        it->end_acked_ns = world_now_ns(book->world);
    }
}

void book_txn_given_up(struct book *book, uint32_t txn)
{
    struct book_txn *it = txn_of(book, txn);
    it->over = true;
    it->state = it->state == TXN_OPEN ? TXN_ABORTED : it->state;
}

bool book_txn_fickle(const struct book *book, uint32_t txn)
{
    return txn_of(book, txn)->fickle;
}

void book_init_sent(struct book *book, uint32_t tid)
{
    for (uint32_t i = 0; i < book->txn_count; i++) {
        if (book->txns[i].tid == tid) {
            book->txns[i].fickle = true;
        }
    }
}

void book_epoch_begun(struct book *book, uint32_t tid, int64_t producer_id, int16_t epoch,
                      uint64_t asked_ns)
{
    struct book_tid *it = &book->tids[tid];
    for (uint32_t i = 0; i < it->init_count; i++) {
        const struct book_init *known = &it->inits[i];
        if (known->acked_ns < asked_ns && known->producer_id != producer_id) {
            sim_fail("transactional id %u has producer id %" PRId64 " now, it had %" PRId64, tid,
                     producer_id, known->producer_id);
        }
        if (known->producer_id == producer_id && known->epoch == epoch) {
            sim_fail("transactional id %u: epoch %d of %" PRId64 " was given out twice", tid, epoch,
                     producer_id);
        }
        if (known->acked_ns < asked_ns && known->epoch > epoch) {
            sim_fail("transactional id %u: epoch %d after %d", tid, epoch, known->epoch);
        }
    }
    ASSERT(it->init_count < BOOK_INITS_MAX);
    it->inits[it->init_count++] = (struct book_init){producer_id, epoch, world_now_ns(book->world)};
}

void book_epoch_served(const struct book *book, uint32_t tid, int16_t epoch, uint64_t asked_ns,
                       const char *what)
{
    const struct book_tid *it = &book->tids[tid];
    for (uint32_t i = 0; i < it->init_count; i++) {
        if (it->inits[i].acked_ns < asked_ns && it->inits[i].epoch > epoch) {
            sim_fail("%s of epoch %d of transactional id %u was accepted after epoch %d began",
                     what, epoch, tid, it->inits[i].epoch);
        }
    }
}

static void fault_tell(void *context, enum history_fault fault, const char *words)
{
    (void)context;
    sim_fail("the history shows something %s: %s", history_fault_name(fault), words);
}

/* What is moved, up to the last of it that was. Nothing more is written by now. */
static void inputs_tell(struct book *book)
{
    for (uint32_t i = 0; i < book->record_count; i++) {
        const struct book_record *it = &book->records[i];
        if (it->made_of != 0 && it->seen_last) {
            record_of(book, it->made_of)->input = 1;
        }
    }
    for (uint32_t p = 0; p < BOOK_MOVES; p++) {
        uint32_t count = book->feeds[p].count;
        while (count > 0 && record_of(book, book->feeds[p].records[count - 1])->input == 0) {
            count--;
        }
        for (uint32_t i = 0; i < count; i++) {
            record_of(book, book->feeds[p].records[i])->input = history_input(book->history, p);
        }
    }
    for (uint32_t i = 0; i < book->record_count; i++) {
        const struct book_record *it = &book->records[i];
        if (it->made_of != 0) {
            history_write_of(book->history, i + 1, record_of(book, it->made_of)->input);
        }
    }
    book->inputs_told = true;
}

static void history_judge(struct book *book)
{
    if (!book->inputs_told) {
        inputs_tell(book);
    }
    static const enum history_outcome outcomes[] = {[TXN_OPEN] = HISTORY_IN_DOUBT,
                                                    [TXN_COMMITTING] = HISTORY_IN_DOUBT,
                                                    [TXN_COMMITTED] = HISTORY_COMMITTED,
                                                    [TXN_ABORTED] = HISTORY_ABORTED};
    for (uint32_t i = 0; i < book->txn_count; i++) {
        history_outcome(book->history, i + 1, outcomes[book->txns[i].state]);
    }
    history_log_of(book->history, OBSERVER_COMMITTED);
    (void)history_check(book->history, fault_tell, book);
}

void book_txns_settle(struct book *book)
{
    history_judge(book);
    for (uint32_t i = 0; i < book->record_count; i++) {
        const struct book_record *it = &book->records[i];
        if (it->txn != 0 && it->seen_last && it->key < 0) {
            txn_of(book, it->txn)->state = TXN_COMMITTED;
        }
    }
}
