/* The short way of small appends is held against the long one: the same batches go to one partition
 * in one piece, and to another cut in two, which only append.c takes. */
#include <stdlib.h>

#include "storage/base/random.h"
#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

enum { WHOLE, CUT, WAYS };

static struct rig rig;
static struct bytes parts[RIG_APPENDS][2];

struct made {
    uint8_t bytes[8192];
    uint32_t len;
};

static void make(struct made *made, struct random *random, int64_t producer_id, int32_t sequence)
{
    struct batch_options options = batch_options_none();
    struct batch_builder builder;
    uint8_t value[600];
    if (producer_id >= 0) {
        options.producer_id = producer_id;
        options.base_sequence = sequence;
    }
    memset(value, (int)random_below(random, 256), sizeof(value));
    batch_builder_init(&builder, made->bytes, sizeof(made->bytes), &options);
    const uint64_t records = 1 + random_below(random, 9);
    for (uint64_t i = 0; i < records; i++) {
        const uint32_t len = (uint32_t)random_below(random, sizeof(value));
        const struct bytes key = {random_below(random, 2) == 0 ? NULL : value, len / 9};
        assert_true(batch_builder_add(&builder, rig.wall_ms + (int64_t)random_below(random, 50),
                                      key, (struct bytes){value, len}, NULL, 0));
    }
    made->len = batch_builder_finish(&builder).len;
}

/* cut 0: in one piece. */
static struct rig_append *hand_in(uint32_t partition, const struct made *made, uint32_t cut)
{
    const uint32_t at = rig.append_count++;
    struct rig_append *slot = &rig.appends[at];
    *slot = (struct rig_append){.partition = partition, .number = -2, .bytes = malloc(made->len)};
    assert_non_null(slot->bytes);
    memcpy(slot->bytes, made->bytes, made->len);
    parts[at][0] = (struct bytes){slot->bytes, cut == 0 ? made->len : cut};
    parts[at][1] = (struct bytes){slot->bytes + cut, made->len - cut};
    slot->append = (struct append){.batch = {.parts = parts[at], .len = made->len},
                                   .ack = APPEND_ACK_WRITTEN,
                                   .api_version = 9,
                                   .owner = slot};
    slot->lent = log_append(rig.log, rig.partitions[partition], &slot->append) == LOG_PENDING;
    return slot;
}

static void forget(void)
{
    rig_settle(&rig);
    for (uint32_t i = 0; i < rig.append_count; i++) {
        assert_false(rig.appends[i].lent);
        free(rig.appends[i].bytes);
        rig.appends[i].bytes = NULL;
    }
    rig.append_count = 0;
}

static void compare_answers(const struct append *whole, const struct append *cut)
{
    assert_int_equal(whole->status, cut->status);
    assert_int_equal(whole->base_offset, cut->base_offset);
    assert_int_equal(whole->log_append_time_ms, cut->log_append_time_ms);
    assert_int_equal(whole->log_start_offset, cut->log_start_offset);
    assert_int_equal(whole->error_count, cut->error_count);
    if (whole->status == LOG_BATCH_REFUSED) {
        assert_int_equal(whole->refusal, cut->refusal);
    }
}

static void compare_logs(void)
{
    uint8_t *bytes[WAYS];
    uint32_t len[WAYS];
    struct partition_producer producers[WAYS][8] = {0};
    for (uint32_t way = 0; way < WAYS; way++) {
        enum log_status status;
        bytes[way] = rig_read(&rig, way, 0, partition_end(rig.partitions[way]), 16 << 20, &len[way],
                              &status);
        assert_int_equal(status, LOG_OK);
        assert_int_equal(partition_producers(rig.partitions[way], producers[way], 8), 3);
    }
    assert_int_equal(len[WHOLE], len[CUT]);
    assert_memory_equal(bytes[WHOLE], bytes[CUT], len[CUT]);
    assert_memory_equal(producers[WHOLE], producers[CUT], sizeof(producers[CUT]));
    free(bytes[WHOLE]);
    free(bytes[CUT]);
}

/* What batches mean to segments, index and epochs. */
static void compare_segments(void)
{
    const struct partition *whole = rig.partitions[WHOLE];
    const struct partition *cut = rig.partitions[CUT];
    struct list_node *other = cut->segments.head.next;
    assert_int_equal(whole->segment_count, cut->segment_count);
    LIST_FOR_EACH(node, &whole->segments)
    {
        const struct segment *s[WAYS] = {CONTAINER_OF(node, const struct segment, node),
                                         CONTAINER_OF(other, const struct segment, node)};
        assert_int_equal(s[WHOLE]->base_offset, s[CUT]->base_offset);
        assert_int_equal(s[WHOLE]->size, s[CUT]->size);
        assert_int_equal(s[WHOLE]->first_timestamp_ms, s[CUT]->first_timestamp_ms);
        assert_memory_equal(&s[WHOLE]->peak, &s[CUT]->peak, sizeof(struct peak));
        other = other->next;
    }
    assert_int_equal(whole->index_count, cut->index_count);
    assert_int_equal(whole->index_bytes_since, cut->index_bytes_since);
    assert_int_equal(whole->time_count, cut->time_count);
    assert_int_equal(whole->epochs.count, cut->epochs.count);
    for (uint32_t i = 0; i < whole->epochs.count; i++) {
        assert_int_equal(epoch_cache_entries(&whole->epochs)[i].start_offset,
                         epoch_cache_entries(&cut->epochs)[i].start_offset);
    }
}

/* Settings and epoch change under way, on both sides. */
static void change(struct random *random, struct rig_options *options, uint32_t round)
{
    options->config.index_interval_bytes = 500 + (uint32_t)random_below(random, 8000);
    options->config.segment_ms = 20 + (int64_t)random_below(random, 1000);
    options->config.segment_bytes = 40000 + (uint32_t)random_below(random, 200000);
    for (uint32_t way = 0; way < WAYS; way++) {
        partition_configure(rig.partitions[way], &options->config);
        partition_set_leader_epoch(rig.partitions[way], 10 + (int32_t)round);
    }
}

/* Good ones, repeats, sequences out of order, and such with a byte that is wrong. */
static void both_ways_answer_and_write_the_same(void **state)
{
    (void)state;
    enum { ROUNDS = 60, BATCHES = 24, PRODUCERS = 3 };
    struct rig_options options = rig_options(11);
    options.partitions = WAYS;
    options.config.segment_bytes = 300000; /* It rolls. */
    rig_create(&rig, &options);
    struct random random;
    random_init(&random, 7);
    int32_t sequences[PRODUCERS] = {0};
    uint64_t statuses[2] = {0};
    uint64_t plain = 0;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct rig_append *handed[WAYS][BATCHES];
        for (uint32_t i = 0; i < BATCHES; i++) {
            static struct made made;
            const int64_t producer = (int64_t)random_below(&random, PRODUCERS + 2) - 2;
            int32_t *sequence = producer < 0 ? NULL : &sequences[producer];
            make(&made, &random, producer < 0 ? -1 : producer + 100,
                 sequence == NULL ? -1 : *sequence);
            const uint64_t fate = random_below(&random, 10);
            if (fate == 0) {
                made.bytes[random_below(&random, made.len)] ^=
                    (uint8_t)(1u << random_below(&random, 8));
            }
            const uint32_t cut = 1 + (uint32_t)random_below(&random, made.len - 1);
            const struct segment *active = rig.partitions[WHOLE]->active;
            plain += active != NULL && active->size + made.len <= active->plain_to;
            if (i == round % (3 * BATCHES)) {
                change(&random, &options, round);
            }
            for (uint32_t way = 0; way < WAYS; way++) {
                handed[way][i] = hand_in(way, &made, way == CUT ? cut : 0);
            }
            const bool refused = !handed[CUT][i]->lent;
            if (sequence != NULL && !refused && fate != 1) { /* Else it comes again. */
                *sequence += (int32_t)load_be32(made.bytes + BATCH_AT_RECORD_COUNT);
            }
            statuses[refused]++;
        }
        rig_settle(&rig);
        for (uint32_t i = 0; i < BATCHES; i++) {
            compare_answers(&handed[WHOLE][i]->append, &handed[CUT][i]->append);
        }
        compare_segments();
        forget();
    }
    assert_true(plain > 100);
    assert_true(statuses[false] > 1000 && statuses[true] > 50);
    compare_logs();
    rig_destroy(&rig);
}

/* H4: behind the last byte of the log a block holds zeros. */
static void nothing_lies_behind(const struct partition *p)
{
    const struct arena *arena = &p->log->arena;
    const struct extent *extent = arena_find(arena, &p->active->extents, p->copied);
    for (uint32_t at = extent->used; at < extent->zeros_to; at++) {
        assert_int_equal(extent_memory(arena, extent)[at], 0);
    }
}

/* What the short way takes, and what it leaves as it was. */
static bool takes(struct partition *p, struct made *made, uint32_t cut, bool internal)
{
    const struct bytes pieces[] = {{made->bytes, cut}, {made->bytes + cut, made->len - cut}};
    static struct append append;
    append = (struct append){.batch = {.parts = cut == 0 ? pieces + 1 : pieces, .len = made->len},
                             .ack = APPEND_ACK_WRITTEN,
                             .internal = internal,
                             .api_version = 9,
                             .status = LOG_PENDING};
    const int64_t end = p->end;
    const uint32_t copied = p->copied;
    const bool taken = append_usual(p, &append);
    assert_int_equal(p->end > end, taken);
    assert_int_equal(p->copied, copied + (taken ? made->len : 0));
    if (taken) {
        list_remove(&append.node); /* Nobody waits for it. */
    }
    nothing_lies_behind(p);
    return taken;
}

static void seal(struct made *made, uint32_t at, uint8_t value)
{
    made->bytes[at] = value;
    batch_seal(made->bytes, made->len);
}

static void only_what_is_ordinary_goes_the_short_way(void **state)
{
    (void)state;
    const struct rig_options options = rig_options(12);
    rig_create(&rig, &options);
    struct partition *p = rig.partitions[0];
    (void)rig_put(&rig, 100, APPEND_ACK_WRITTEN); /* The segment is open, the tail there. */
    forget();
    struct random random;
    random_init(&random, 9);
    static struct made good;
    static struct made odd;
    do {
        make(&good, &random, -1, -1);
    } while (good.len > 2000);
    assert_true(takes(p, &good, 0, false));
    assert_false(takes(p, &good, 1, false));
    assert_false(takes(p, &good, good.len - 1, false));
    assert_false(takes(p, &good, 0, true));
    static const uint8_t attributes[] = {
        1, 2, 3, 4, 7, BATCH_LOG_APPEND_TIME, BATCH_TRANSACTIONAL, BATCH_CONTROL};
    for (uint32_t i = 0; i < ARRAY_SIZE(attributes); i++) {
        odd = good;
        seal(&odd, BATCH_AT_ATTRIBUTES + 1, attributes[i]);
        assert_false(takes(p, &odd, 0, false));
    }
    odd = good;
    odd.bytes[BATCH_AT_BASE_OFFSET + 7] = 1;
    assert_false(takes(p, &odd, 0, false));
    odd = good;
    odd.bytes[BATCH_AT_MAGIC] = 1;
    assert_false(takes(p, &odd, 0, false));
    odd = good;
    odd.len++; /* Something behind it. */
    assert_false(takes(p, &odd, 0, false));
    odd.len -= 2;
    assert_false(takes(p, &odd, 0, false));
    for (uint32_t at = BATCH_AT_CRC; at < good.len; at++) { /* A wrong CRC, of a wrong byte. */
        odd = good;
        odd.bytes[at] ^= 4;
        assert_false(takes(p, &odd, 0, false));
    }
    assert_true(takes(p, &good, 0, false));
    rig_settle(&rig);
    rig_destroy(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways_answer_and_write_the_same),
        cmocka_unit_test(only_what_is_ordinary_goes_the_short_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
