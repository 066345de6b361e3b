#include "tests/control/group/bench.h"

#include <stdlib.h>

#include "storage/base/random.h"

static void members_find_everything_as_it_was(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a", .instance = "i", .version = 5);
    JOIN(.client = "b");
    bench_run_to(bench, 6000);
    SYNC(.client = "b", .member = "b#02", .generation = 1);
    SYNC(.client = "a", .member = "i#01", .generation = 1, .assign = "i#01=x b#02=y");
    COMMIT(.member = "b#02", .generation = 1, .topics = "t/0=5:note");
    bench_restart(bench);
    bench_forget(bench);
    HEARTBEAT(.member = "i#01", .instance = "i", .generation = 1);
    HEARTBEAT(.member = "b#02", .generation = 1);
    SYNC(.client = "b", .member = "b#02", .generation = 1);
    FETCH(.topics = NULL);
    bench_group(bench, GROUP_DESCRIBE, (struct said){0});
    bench_expect(bench, "a: heartbeat NONE\n"
                        "a: heartbeat NONE\n"
                        "b: sync NONE y\n"
                        "a: fetch t/0=5:note\n"
                        "a: describe NONE Stable consumer/range [i#01:m>x b#02:m>y]\n");
    JOIN(.client = "b", .member = "b#02"); /* Not the leader, and unchanged. */
    JOIN(.client = "a", .member = "i#01", .instance = "i");
    JOIN(.client = "b", .member = "b#02");
    bench_expect(bench, "b: join NONE gen 1 range leader i#01 as b#02\n"
                        "a: join NONE gen 2 range leader i#01 as i#01 [i#01=m b#02=m]\n"
                        "b: join NONE gen 2 range leader i#01 as b#02\n");
}

static void everybody_gets_a_full_session_after_a_restart(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    bench->now_ms += 100000; /* Nobody ran. */
    bench_restart(bench);
    bench_run_to(bench, 115999);
    bench_expect(bench, "");
    bench_run_to(bench, 130000);
    bench_expect(bench, "@116000\n+ group g gen 2 consumer/null leader null []\n");
}

static void time_in_which_nobody_ran_counts_against_nobody(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    bench->now_ms += 100000;
    bench_event(bench, GROUP_RESUME);
    HEARTBEAT(.member = "a#01", .generation = 1);
    HEARTBEAT(.member = "b#02", .generation = 1);
    JOIN(.client = "c");
    bench->now_ms += 200000;
    bench_event(bench, GROUP_RESUME);
    bench_run_to(bench, bench->now_ms);
    JOIN(.client = "a", .member = "a#01");
    JOIN(.client = "b", .member = "b#02");
    bench_expect(bench, "a: heartbeat NONE\n"
                        "a: heartbeat NONE\n"
                        "a: join NONE gen 2 range leader a#01 as a#01 [a#01=m b#02=m c#03=m]\n"
                        "b: join NONE gen 2 range leader a#01 as b#02\n"
                        "c: join NONE gen 2 range leader a#01 as c#03\n");
}

static void a_generation_that_was_not_agreed_on_never_was(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    JOIN(.client = "a", .member = "a#01");
    JOIN(.client = "b", .member = "b#02");
    bench_restart(bench);
    bench_forget(bench);
    SYNC(.member = "a#01", .generation = 2, .assign = "a#01=z");
    HEARTBEAT(.member = "a#01", .generation = 1);
    bench_expect(bench, "a: sync ILLEGAL_GENERATION\n"
                        "a: heartbeat NONE\n");
}

static void a_group_over_its_new_bound_rebalances(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    bench->settings.members_max = 1;
    bench_restart(bench);
    HEARTBEAT(.member = "a#01", .generation = 1);
    bench_expect(bench, "a: heartbeat REBALANCE_IN_PROGRESS\n");
}

static void tombstones_take_away(void **state)
{
    struct group_bench *bench = *state;
    COMMIT(.generation = -1, .topics = "t/0=5");
    bench_group(bench, GROUP_DELETE, (struct said){0});
    bench_restart(bench);
    assert_int_equal(group_coordinator_counts(bench->coordinator).groups, 0);
    assert_int_equal(group_coordinator_counts(bench->coordinator).offsets, 0);
}

static void open_transactions_are_known_after_a_restart(void **state)
{
    struct group_bench *bench = *state;
    COMMIT(.generation = -1, .topics = "t/0=1");
    TXN(.generation = -1, .topics = "t/0=2", .producer_id = 9);
    bench_restart(bench);
    bench_forget(bench);
    FETCH(.topics = "t/0", .require_stable = true);
    bench_txn_end(bench, 9, true);
    FETCH(.topics = "t/0", .require_stable = true);
    bench_restart(bench);
    FETCH(.topics = "t/0", .require_stable = true);
    bench_expect(bench, "a: fetch t/0=-1 UNSTABLE_OFFSET_COMMIT\n"
                        "a: fetch t/0=2\n"
                        "a: fetch t/0=2\n");
}

/* --- what others have written -------------------------------------------------------------------
 */

static uint8_t key_bytes[256];
static uint8_t value_bytes[512];

static struct bytes offset_key(int16_t type)
{
    const struct offset_commit_key key = {CHAIN_TEXT("g"), CHAIN_TEXT("t"), 0};
    struct writer writer;
    writer_init(&writer, key_bytes, sizeof(key_bytes));
    writer_i16(&writer, type);
    assert_int_equal(offset_commit_key_encode(&writer, 0, &key), CODEC_OK);
    return (struct bytes){key_bytes, writer_used(&writer)};
}

static struct bytes group_key(void)
{
    const struct group_metadata_key key = {CHAIN_TEXT("g")};
    struct writer writer;
    writer_init(&writer, key_bytes, sizeof(key_bytes));
    writer_i16(&writer, 2);
    assert_int_equal(group_metadata_key_encode(&writer, 0, &key), CODEC_OK);
    return (struct bytes){key_bytes, writer_used(&writer)};
}

static void every_version_of_an_offset_is_read(void **state)
{
    struct group_bench *bench = *state;
    for (int16_t version = 0; version <= 4; version++) {
        const struct offset_commit_value value = {.offset = 100 + version,
                                                  .leader_epoch = -1,
                                                  .metadata = CHAIN_EMPTY,
                                                  .expire_timestamp = -1};
        struct writer writer;
        writer_init(&writer, value_bytes, sizeof(value_bytes));
        writer_i16(&writer, version);
        assert_int_equal(offset_commit_value_encode(&writer, version, &value), CODEC_OK);
        assert_int_equal(group_replay(bench->coordinator, offset_key(version == 0 ? 0 : 1),
                                      (struct bytes){value_bytes, writer_used(&writer)}, -1),
                         GROUP_REPLAYED);
        FETCH(.topics = "t/0");
    }
    bench_expect(bench, "a: fetch t/0=100\na: fetch t/0=101\na: fetch t/0=102\n"
                        "a: fetch t/0=103\na: fetch t/0=104\n");
}

static void every_version_of_a_group_is_read(void **state)
{
    struct group_bench *bench = *state;
    for (int16_t version = 0; version <= 4; version++) {
        const struct group_metadata_value_member member = {.member_id = CHAIN_TEXT("m"),
                                                           .client_id = CHAIN_TEXT("c"),
                                                           .client_host = CHAIN_TEXT("h"),
                                                           .rebalance_timeout = -1,
                                                           .session_timeout = 9000,
                                                           .subscription = CHAIN_TEXT("s"),
                                                           .assignment = CHAIN_TEXT("x")};
        const struct group_metadata_value value = {.protocol_type = CHAIN_TEXT("consumer"),
                                                   .generation = version,
                                                   .protocol = CHAIN_TEXT("range"),
                                                   .leader = CHAIN_TEXT("m"),
                                                   .current_state_timestamp = -1,
                                                   .members = {.items = &member, .count = 1}};
        struct writer writer;
        writer_init(&writer, value_bytes, sizeof(value_bytes));
        writer_i16(&writer, version);
        assert_int_equal(group_metadata_value_encode(&writer, version, &value), CODEC_OK);
        assert_int_equal(group_replay(bench->coordinator, group_key(),
                                      (struct bytes){value_bytes, writer_used(&writer)}, -1),
                         GROUP_REPLAYED);
        HEARTBEAT(.member = "m", .generation = version);
    }
    bench_group(bench, GROUP_DESCRIBE, (struct said){0});
    bench_expect(bench, "a: heartbeat NONE\na: heartbeat NONE\na: heartbeat NONE\n"
                        "a: heartbeat NONE\na: heartbeat NONE\n"
                        "a: describe NONE Stable consumer/range [m:s>x]\n");
}

static void what_cannot_be_read_is_told(void **state)
{
    struct group_bench *bench = *state;
    static const uint8_t unknown[] = {0, 99, 0, 0};
    static const uint8_t share[] = {0, 11, 0, 1, 'g'};
    static const uint8_t version[] = {0, 9, 0, 0, 0, 0, 0, 0, 0, 0};
    const struct bytes nothing = {0};
    assert_int_equal(group_replay(bench->coordinator, nothing, nothing, -1), GROUP_CORRUPT);
    assert_int_equal(group_replay(bench->coordinator, (struct bytes){unknown, 4}, nothing, -1),
                     GROUP_UNKNOWN);
    assert_int_equal(group_replay(bench->coordinator, (struct bytes){share, 5}, nothing, -1),
                     GROUP_UNKNOWN);
    const struct bytes key = offset_key(1);
    assert_int_equal(
        group_replay(bench->coordinator, (struct bytes){key.ptr, key.len - 1}, nothing, -1),
        GROUP_CORRUPT);
    assert_int_equal(group_replay(bench->coordinator, key, (struct bytes){version, 10}, -1),
                     GROUP_CORRUPT);
    assert_int_equal(group_replay(bench->coordinator, group_key(), (struct bytes){version, 10}, -1),
                     GROUP_CORRUPT);
    assert_int_equal(group_coordinator_counts(bench->coordinator).groups, 0);
}

/* Changes some bytes of a copy, which the sanitizer bounds. */
static struct bytes damaged(struct random *random, struct bytes from)
{
    if (from.ptr == NULL) {
        return from;
    }
    const uint32_t len =
        random_one_in(random, 4) ? (uint32_t)random_below(random, from.len + 1ULL) : from.len;
    uint8_t *to = malloc(len == 0 ? 1 : len);
    assert_non_null(to);
    memcpy(to, from.ptr, len);
    for (uint64_t i = random_below(random, 4); i > 0 && len > 0; i--) {
        to[random_below(random, len)] = (uint8_t)random_u64(random);
    }
    return (struct bytes){to, len};
}

static void no_damage_of_records_harms(void **state)
{
    struct group_bench *bench = *state;
    struct random random;
    random_init(&random, 1);
    bench_stable(bench);
    JOIN(.group = "h", .client = "c", .instance = "i", .version = 5, .protocols = "range:@t+u");
    bench_run_to(bench, 9000);
    SYNC(.group = "h", .member = "i#03", .generation = 1, .assign = "i#03=x");
    COMMIT(.generation = -1, .group = "k", .topics = "t/0=5:note t/1=6");
    TXN(.generation = -1, .group = "k", .topics = "t/0=7 t/2=8", .producer_id = 3);
    bench_group(bench, GROUP_DELETE, (struct said){.group = "k"});
    const uint32_t records = bench->log_count;
    bench->quiet = true;
    uint32_t read = 0;
    for (uint32_t round = 0; round < 3000; round++) {
        struct group_coordinator *coordinator = group_coordinator_new(&bench->settings, round);
        for (uint32_t i = 0; i < records; i++) {
            const struct bytes key = damaged(&random, bench->log[i].key);
            const struct bytes value = damaged(&random, bench->log[i].value);
            read +=
                group_replay(coordinator, key, value, bench->log[i].producer_id) == GROUP_REPLAYED;
            free((void *)(uintptr_t)key.ptr);
            free((void *)(uintptr_t)value.ptr);
        }
        struct group_coordinator *whole = bench->coordinator;
        bench->coordinator = coordinator;
        bench_event(bench, GROUP_RESUME);
        bench_event(bench, GROUP_EXPIRE);
        group_coordinator_free(coordinator);
        bench->coordinator = whole;
        bench_drop_records(bench, records);
    }
    assert_true(read > 3000);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(members_find_everything_as_it_was),
        CASE(everybody_gets_a_full_session_after_a_restart),
        CASE(time_in_which_nobody_ran_counts_against_nobody),
        CASE(a_generation_that_was_not_agreed_on_never_was),
        CASE(a_group_over_its_new_bound_rebalances),
        CASE(tombstones_take_away),
        CASE(open_transactions_are_known_after_a_restart),
        CASE(every_version_of_an_offset_is_read),
        CASE(every_version_of_a_group_is_read),
        CASE(what_cannot_be_read_is_told),
        CASE(no_damage_of_records_harms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
