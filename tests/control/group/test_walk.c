#include <stdio.h>

#include "tests/control/group/bench.h"

enum { PARTITIONS = 60, TOPICS = 3, WALK = 7 };

/* What a fetch of all offsets was told, by topic and partition. */
struct told {
    uint32_t times[TOPICS][PARTITIONS];
    int64_t offsets[TOPICS][PARTITIONS];
    uint32_t replies;
    uint32_t in_all;
    bool over;
};

static void told_take(void *context, const struct group_reply *reply)
{
    struct told *told = context;
    const struct offset_fetch_response_group *answer = reply->answer;
    if (reply->kind != GROUP_OFFSET_FETCH) {
        return;
    }
    assert_false(told->over);
    told->replies++;
    told->over = !reply->more;
    for (int32_t i = 0; i < answer->topics.count; i++) {
        const struct offset_fetch_response_group_topic *topic = &answer->topics.items[i];
        uint8_t name;
        assert_int_equal(topic->name.len, 1);
        chain_copy(topic->name, &name, 1);
        for (int32_t k = 0; k < topic->partitions.count; k++) {
            const struct offset_fetch_response_group_partition *at = &topic->partitions.items[k];
            assert_int_equal(at->error_code, ERROR_NONE);
            told->times[name - 'a'][at->partition_index]++;
            told->offsets[name - 'a'][at->partition_index] = at->committed_offset;
            told->in_all++;
        }
    }
}

static void commit(struct group_bench *bench, char topic, int32_t partition, int64_t offset)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "%c/%d=%d", topic, (int)partition, (int)offset);
    COMMIT(.generation = -1, .topics = text);
}

/* A topic's offsets come between those of others. */
static void all_commit(struct group_bench *bench)
{
    bench->quiet = true;
    for (int32_t partition = 0; partition < PARTITIONS; partition++) {
        for (int32_t topic = 0; topic < TOPICS; topic++) {
            commit(bench, (char)('a' + topic), partition, 100 * topic + partition);
        }
    }
}

static uint64_t fetch_begin(struct group_bench *bench, struct told *told, uint32_t walk_max)
{
    *told = (struct told){.over = false};
    bench->on_reply = told_take;
    bench->on_reply_context = told;
    bench->walk_max = walk_max;
    FETCH(.topics = NULL);
    return bench->token;
}

static void fetch_end(struct group_bench *bench, const struct told *told, uint64_t token)
{
    for (uint32_t i = 0; !told->over; i++) {
        assert_true(i < TOPICS * PARTITIONS);
        bench_more(bench, token);
    }
}

static void what_is_told_in_parts_is_what_is_told_at_once(void **state)
{
    struct group_bench *bench = *state;
    struct told whole;
    struct told parts;
    all_commit(bench);
    TXN(.generation = -1, .topics = "c/99=1", .producer_id = 1); /* Told to nobody. */
    fetch_begin(bench, &whole, 0);
    assert_int_equal(whole.replies, 1);
    assert_int_equal(whole.in_all, TOPICS * PARTITIONS);
    fetch_end(bench, &parts, fetch_begin(bench, &parts, WALK));
    assert_memory_equal(whole.times, parts.times, sizeof(whole.times));
    assert_memory_equal(whole.offsets, parts.offsets, sizeof(whole.offsets));
}

static void no_step_walks_further_than_it_may(void **state)
{
    struct group_bench *bench = *state;
    struct told told;
    uint32_t steps = 0;
    all_commit(bench);
    const uint64_t token = fetch_begin(bench, &told, WALK);
    assert_int_equal(bench->update.walked, 0);
    for (; !told.over; steps++) {
        bench_more(bench, token);
        assert_true(bench->update.walked <= WALK);
    }
    assert_int_equal(steps, (TOPICS * PARTITIONS + WALK - 1) / WALK);
    assert_int_equal(told.in_all, TOPICS * PARTITIONS);
    bench_more(bench, token); /* There is no such request any more. */
    assert_int_equal(bench->update.reply_count, 0);
}

/* What is to be copied counts, too. */
static void long_metadata_is_told_in_smaller_parts(void **state)
{
    enum { NOTE_BYTES = 900, LONG = 20 };
    struct group_bench *bench = *state;
    static char text[NOTE_BYTES + 64];
    struct told told;
    bench->quiet = true;
    for (int32_t i = 0; i < LONG; i++) {
        const int at = snprintf(text, sizeof(text), "a/%d=1:", (int)i);
        memset(text + at, 'x', NOTE_BYTES);
        text[at + NOTE_BYTES] = '\0';
        COMMIT(.generation = -1, .topics = text);
    }
    const uint64_t token = fetch_begin(bench, &told, 100);
    while (!told.over) {
        const uint32_t before = told.in_all;
        bench_more(bench, token);
        assert_in_range(told.in_all - before, 1, 7);
    }
    assert_int_equal(told.in_all, LONG);
}

static void few_are_told_at_once(void **state)
{
    struct group_bench *bench = *state;
    struct told told;
    all_commit(bench);
    fetch_begin(bench, &told, TOPICS * PARTITIONS + 1);
    assert_true(told.over);
    assert_int_equal(told.in_all, TOPICS * PARTITIONS);
}

/* Each is told once, as it was at some time between the request and its answer; and what was there
 * all the time is told. */
static void what_changes_between_the_parts_is_told_as_it_was_at_one_time(void **state)
{
    struct group_bench *bench = *state;
    struct told told;
    all_commit(bench);
    const uint64_t token = fetch_begin(bench, &told, WALK);
    for (int32_t round = 0; !told.over; round++) {
        bench_more(bench, token);
        const int32_t partition = round * 17 % PARTITIONS;
        char text[64];
        commit(bench, 'a', partition, 1000 + partition);
        (void)snprintf(text, sizeof(text), "b/%d=0", (int)partition);
        bench_offset_delete(bench, (struct said){.topics = text}); /* The next one, now and then. */
        if (round % 3 == 0) {
            commit(bench, 'b', partition, 2000 + partition); /* It comes again, behind all. */
        }
    }
    for (int32_t i = 0; i < PARTITIONS; i++) {
        assert_int_equal(told.times[0][i], 1);
        assert_true(told.offsets[0][i] == i || told.offsets[0][i] == 1000 + i);
        assert_true(told.times[1][i] <= 1);
        assert_true(told.times[1][i] == 0 || told.offsets[1][i] == 100 + i);
        assert_int_equal(told.times[2][i], 1);
        assert_int_equal(told.offsets[2][i], 200 + i);
    }
}

static void a_group_that_goes_ends_the_walk(void **state)
{
    struct group_bench *bench = *state;
    struct told told;
    for (uint32_t begun = 0; begun < 2; begun++) {
        all_commit(bench);
        const uint64_t token = fetch_begin(bench, &told, WALK);
        if (begun > 0) {
            bench_more(bench, token);
        }
        bench_group(bench, GROUP_DELETE, (struct said){0});
        commit(bench, 'c', 5, 17); /* Another group of that name. */
        bench_more(bench, token);
        assert_true(told.over);
        assert_int_equal(told.in_all, begun > 0 ? WALK : 1);
        assert_int_equal(told.times[2][5], begun == 0);
        bench_group(bench, GROUP_DELETE, (struct said){0});
    }
}

/* Names of the groups of a list, as they come. */
static void list_take(void *context, const struct group_reply *reply)
{
    struct told *told = context;
    const struct list_groups_response *answer = reply->answer;
    if (reply->kind != GROUP_LIST) {
        return;
    }
    told->over = !reply->more;
    told->replies++;
    for (int32_t i = 0; i < answer->groups.count; i++) {
        uint8_t name;
        assert_int_equal(answer->groups.items[i].group_id.len, 1);
        chain_copy(answer->groups.items[i].group_id, &name, 1);
        told->times[0][name - 'a']++;
        told->in_all++;
    }
}

static void many_groups_are_listed_in_parts_each_once(void **state)
{
    enum { GROUPS = 26 };
    struct group_bench *bench = *state;
    struct told told = {.over = false};
    bench->quiet = true;
    for (char name = 'a'; name < 'a' + GROUPS; name++) {
        COMMIT(.group = (const char[]){name, '\0'}, .generation = -1, .topics = "t/0=1");
    }
    bench->on_reply = list_take;
    bench->on_reply_context = &told;
    bench->walk_max = 4;
    bench_list(bench, "empty", NULL);
    const uint64_t token = bench->token;
    assert_false(told.over);
    for (uint32_t round = 0; !told.over; round++) {
        bench_more(bench, token);
        assert_true(bench->update.walked <= 4);
        if (round == 1) { /* One that is told, one that is next, and one of later on. */
            bench_group(bench, GROUP_DELETE, (struct said){.group = "b"});
            bench_group(bench, GROUP_DELETE, (struct said){.group = "i"});
            bench_group(bench, GROUP_DELETE, (struct said){.group = "y"});
            COMMIT(.group = "b", .generation = -1, .topics = "t/0=1");
        }
    }
    assert_int_equal(told.replies, 1 + GROUPS / 4);
    for (uint32_t i = 0; i < GROUPS; i++) {
        assert_int_equal(told.times[0][i], i != 'i' - 'a' && i != 'y' - 'a');
    }
}

static void a_coordinator_goes_with_its_walks(void **state)
{
    struct group_bench *bench = *state;
    struct told told;
    all_commit(bench);
    bench_more(bench, fetch_begin(bench, &told, WALK));
    fetch_begin(bench, &told, WALK);
    assert_false(told.over);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_is_told_in_parts_is_what_is_told_at_once),
        CASE(no_step_walks_further_than_it_may),
        CASE(long_metadata_is_told_in_smaller_parts),
        CASE(few_are_told_at_once),
        CASE(what_changes_between_the_parts_is_told_as_it_was_at_one_time),
        CASE(a_group_that_goes_ends_the_walk),
        CASE(many_groups_are_listed_in_parts_each_once),
        CASE(a_coordinator_goes_with_its_walks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
