#include <stdio.h>
#include <stdlib.h>

#include "tests/control/group/consumer_bench.h"

#include "control/group/record_types.h"

/* A group and consumers that behave as those of Kafka do, at random: they join, give up what they
 * are told to after a while, lose answers, want something else, leave, fall silent; topics grow,
 * come and go; the coordinator is made again from its records. At no moment do two members of the
 * group consume one partition; epochs never fall; in the end everybody has what it is to have. */

enum {
    CONSUMERS = 7,
    TOPICS = 6,
    PARTITIONS_MAX = 8,
    STEPS = 1500,
    ROUNDS_TO_CONVERGE = 12,
};

struct consumer {
    char id[16];
    uint32_t lives;
    bool is_static;
    bool joined; /* It believes so. */
    bool away;   /* A static one that will be back. */
    int32_t epoch;
    uint8_t has[TOPICS]; /* Partitions that it consumes, by topic: a bit each. */
    uint8_t may[TOPICS]; /* What it was told last. */
    bool tells;          /* What it has is news. */
    bool tells_all; /* It has lost an answer: it does nothing that it was told before, and asks. */
    const char *topics;
    const char *regex;
};

struct model {
    struct group_bench *bench;
    uint64_t random;
    struct consumer consumers[CONSUMERS];
    int32_t partitions[TOPICS]; /* 0: there is no such topic. */
    int32_t group_epoch;
    uint32_t beats;
    uint32_t moved;
};

static const char *const topic_names[TOPICS] = {"t0", "t1", "t2", "u0", "u1", "u2"};
static const char *const subscriptions[] = {
    "t0", "t0 t1", "t0 t1 t2 u0 u1 u2", "u0 u1", "t2 u2 t0", "t1 u1 u2", "nothing"};
static const char *const regexes[] = {"t\\d", "u.", ".*", "[tu]0|t1"};

static uint32_t pick(struct model *model, uint32_t below)
{
    model->random ^= model->random << 13;
    model->random ^= model->random >> 7;
    model->random ^= model->random << 17;
    return (uint32_t)(model->random >> 20) % below;
}

static void nobody_shares(const struct model *model)
{
    for (uint32_t topic = 0; topic < TOPICS; topic++) {
        uint8_t seen = 0;
        for (uint32_t i = 0; i < CONSUMERS; i++) {
            assert_int_equal(seen & model->consumers[i].has[topic], 0);
            seen |= model->consumers[i].has[topic];
        }
    }
}

static void forget(struct consumer *consumer)
{
    memset(consumer->has, 0, sizeof(consumer->has));
    memset(consumer->may, 0, sizeof(consumer->may));
    consumer->joined = false;
    consumer->epoch = 0;
}

/* Who is out of the group has nothing, whether it knows or not; and epochs rise. */
static void records_read(struct model *model)
{
    const struct group_update *update = &model->bench->update;
    for (uint32_t i = 0; i < update->record_count; i++) {
        const struct group_record *record = &update->records[i];
        const uint8_t type = record->key.ptr[1];
        if (type == RECORD_CONSUMER_GROUP_MEMBER_METADATA && record->value.ptr == NULL) {
            for (uint32_t k = 0; k < CONSUMERS; k++) {
                struct consumer *consumer = &model->consumers[k];
                const uint32_t len = (uint32_t)strlen(consumer->id);
                if (record->key.len == 2 + 3 + 2 + len &&
                    memcmp(record->key.ptr + 7, consumer->id, len) == 0) {
                    memset(consumer->has, 0, sizeof(consumer->has));
                    memset(consumer->may, 0, sizeof(consumer->may));
                }
            }
        } else if (type == RECORD_CONSUMER_GROUP_METADATA && record->value.ptr != NULL) {
            const int32_t epoch = (int32_t)load_be32(record->value.ptr + 2);
            assert_true(epoch > model->group_epoch);
            model->group_epoch = epoch;
        }
    }
}

static void assignment_take(struct model *model, struct consumer *consumer,
                            const struct consumer_group_heartbeat_response *answer)
{
    memset(consumer->may, 0, sizeof(consumer->may));
    for (int32_t i = 0; i < answer->assignment.topic_partitions.count; i++) {
        const struct consumer_group_heartbeat_response_topic *row =
            &answer->assignment.topic_partitions.items[i];
        const char *name = bench_topic_name(model->bench, row->topic_id);
        for (uint32_t topic = 0; topic < TOPICS; topic++) {
            for (int32_t k = 0; strcmp(name, topic_names[topic]) == 0 && k < row->partitions.count;
                 k++) {
                consumer->may[topic] |= (uint8_t)(1u << row->partitions.items[k]);
            }
        }
    }
}

/* What it is not to have is given up; then comes what is new. */
static void consumer_adapt(struct model *model, struct consumer *consumer)
{
    for (uint32_t topic = 0; topic < TOPICS; topic++) {
        model->moved += consumer->has[topic] != consumer->may[topic];
        consumer->has[topic] = consumer->may[topic];
    }
    consumer->tells = true;
    nobody_shares(model);
}

static const char *owned_text(const struct consumer *consumer, char *text, uint32_t room)
{
    uint32_t used = 0;
    text[0] = '\0';
    for (uint32_t topic = 0; topic < TOPICS; topic++) {
        for (uint32_t k = 0; k < PARTITIONS_MAX; k++) {
            if ((consumer->has[topic] >> k & 1) != 0) {
                used += (uint32_t)snprintf(text + used, room - used, "%s%s/%u", used > 0 ? " " : "",
                                           topic_names[topic], k);
            }
        }
    }
    return text;
}

static void wish_choose(struct model *model, struct consumer *consumer)
{
    const bool by_regex = pick(model, 3) == 0;
    consumer->topics = by_regex ? "" : subscriptions[pick(model, 7)];
    consumer->regex = by_regex ? regexes[pick(model, 4)] : "";
}

static void beat_send(struct model *model, struct consumer *consumer, bool changes, bool loses)
{
    char owned[512];
    struct beat_said said = {
        .member = consumer->id,
        .epoch = consumer->joined ? consumer->epoch : 0,
        .instance = consumer->is_static ? consumer->id : NULL,
        .rebalance_ms = consumer->joined && !consumer->tells_all ? 0 : 15000,
    };
    char instance[16];
    snprintf(instance, sizeof(instance), "i%c", consumer->id[1]);
    said.instance = consumer->is_static ? instance : NULL;
    if (!consumer->joined) {
        memset(consumer->has, 0, sizeof(consumer->has));
    }
    if (!consumer->joined || changes) {
        wish_choose(model, consumer);
    }
    if (!consumer->joined || changes || consumer->tells_all) {
        said.topics = consumer->topics;
        said.regex = consumer->regex;
    }
    if (consumer->joined && (consumer->tells || consumer->tells_all)) {
        said.owned = owned_text(consumer, owned, sizeof(owned));
    }
    bench_beat(model->bench, said);
    model->beats++;
    records_read(model);
    nobody_shares(model);
    assert_int_equal(model->bench->update.reply_count, 1);
    const struct consumer_group_heartbeat_response *answer = model->bench->update.replies[0].answer;
    if (loses) {
        consumer->tells_all = true;
        memcpy(consumer->may, consumer->has, sizeof(consumer->may));
        return;
    }
    consumer->tells_all = false;
    if (answer->error_code != ERROR_NONE) {
        assert_true(answer->error_code == ERROR_FENCED_MEMBER_EPOCH ||
                    answer->error_code == ERROR_UNKNOWN_MEMBER_ID ||
                    answer->error_code == ERROR_UNRELEASED_INSTANCE_ID ||
                    answer->error_code == ERROR_FENCED_INSTANCE_ID);
        forget(consumer);
        return;
    }
    assert_true(!consumer->joined || answer->member_epoch >= consumer->epoch);
    assert_true(answer->member_epoch <= model->group_epoch);
    consumer->joined = true;
    consumer->epoch = answer->member_epoch;
    consumer->tells = false;
    if (answer->has_assignment) {
        assignment_take(model, consumer, answer);
    }
}

static void leave(struct model *model, struct consumer *consumer)
{
    const bool will_be_back = consumer->is_static && pick(model, 2) == 0;
    char instance[16];
    snprintf(instance, sizeof(instance), "i%c", consumer->id[1]);
    bench_beat(model->bench, (struct beat_said){.member = consumer->id,
                                                .epoch = will_be_back ? -2 : -1,
                                                .instance = consumer->is_static ? instance : NULL});
    records_read(model);
    forget(consumer);
    snprintf(consumer->id + 2, sizeof(consumer->id) - 2, "-%u", ++consumer->lives);
}

static void topics_change(struct model *model)
{
    const uint32_t topic = pick(model, TOPICS);
    int32_t *partitions = &model->partitions[topic];
    if (*partitions > 0 && topic >= 3 && pick(model, 2) == 0) {
        *partitions = 0;
        for (uint32_t i = 0; i < CONSUMERS; i++) { /* What is gone nobody can consume. */
            model->consumers[i].has[topic] = 0;
            model->consumers[i].may[topic] = 0;
        }
    } else if (*partitions < PARTITIONS_MAX) {
        *partitions += 1 + (int32_t)pick(model, 2);
        *partitions = *partitions > PARTITIONS_MAX ? PARTITIONS_MAX : *partitions;
    } else {
        return;
    }
    bench_topic(model->bench, topic_names[topic], *partitions);
}

static void restart(struct model *model)
{
    struct group_bench *bench = model->bench;
    bench->quiet = false;
    bench_forget(bench);
    bench_consumer_describe(bench, "g");
    char *before = malloc(bench->trace_used + 1);
    assert_non_null(before);
    memcpy(before, bench->trace, bench->trace_used + 1);
    bench->quiet = true;
    bench_restart(bench);
    bench->quiet = false;
    bench_forget(bench);
    bench_consumer_describe(bench, "g");
    bench_expect(bench, before);
    bench->quiet = true;
    free(before);
}

static void time_passes(struct model *model, uint64_t ms)
{
    struct group_bench *bench = model->bench;
    const uint64_t end_ms = bench->now_ms + ms;
    while (group_coordinator_deadline_ms(bench->coordinator) <= end_ms) {
        bench->now_ms = max_u64(bench->now_ms, group_coordinator_deadline_ms(bench->coordinator));
        bench_event(bench, GROUP_TIME);
        records_read(model);
    }
    bench->now_ms = end_ms;
}

static void step_random(struct model *model)
{
    struct consumer *consumer = &model->consumers[pick(model, CONSUMERS)];
    const uint32_t what = pick(model, 100);
    if (what < 60) {
        beat_send(model, consumer, pick(model, 12) == 0, pick(model, 10) == 0);
    } else if (what < 85) {
        consumer_adapt(model, consumer);
    } else if (what < 89) {
        leave(model, consumer);
    } else if (what < 92) {
        topics_change(model);
    } else if (what < 93) {
        restart(model);
    } else {
        time_passes(model, 200 + pick(model, what < 95 ? 20000 : 2000));
    }
    nobody_shares(model);
}

/* All beat in turn; then nothing is left to do. */
static void converge(struct model *model)
{
    struct group_bench *bench = model->bench;
    time_passes(model, 60000); /* Who left to come back and did not is out. */
    for (uint32_t round = 0; round < ROUNDS_TO_CONVERGE; round++) {
        for (uint32_t i = 0; i < CONSUMERS; i++) {
            model->consumers[i].tells = true;
            beat_send(model, &model->consumers[i], false, false);
            consumer_adapt(model, &model->consumers[i]);
        }
        time_passes(model, 5000);
    }
    bench->quiet = false;
    bench_forget(bench);
    bench_consumer_describe(bench, "g");
    assert_non_null(strstr(bench->trace, "describe NONE Stable "));
    bench->quiet = true;
    const struct consumer_group_describe_response_group *group = bench->update.replies[0].answer;
    assert_int_equal(group->members.count, CONSUMERS);
    assert_int_equal(group->group_epoch, group->assignment_epoch);
    uint32_t assigned = 0;
    for (int32_t i = 0; i < group->members.count; i++) {
        const struct consumer_group_describe_response_topic_array rows =
            group->members.items[i].assignment.topic_partitions;
        for (int32_t k = 0; k < rows.count; k++) {
            assigned += (uint32_t)rows.items[k].partitions.count;
        }
    }
    uint32_t consumed = 0;
    for (uint32_t i = 0; i < CONSUMERS; i++) {
        for (uint32_t topic = 0; topic < TOPICS; topic++) {
            consumed += (uint32_t)__builtin_popcount(model->consumers[i].has[topic]);
        }
    }
    assert_int_equal(consumed, assigned);
}

static void run(uint64_t seed)
{
    struct model model = {.bench = group_bench_new(), .random = seed * 0x9e3779b97f4a7c15u};
    model.bench->quiet = true;
    for (uint32_t i = 0; i < CONSUMERS; i++) {
        snprintf(model.consumers[i].id, sizeof(model.consumers[i].id), "m%u", i);
        model.consumers[i].is_static = i % 3 == 2;
    }
    model.partitions[0] = 4;
    bench_topic(model.bench, topic_names[0], 4);
    for (uint32_t step = 0; step < STEPS; step++) {
        step_random(&model);
    }
    converge(&model);
    restart(&model);
    assert_true(model.moved > 20 && model.group_epoch > 20);
    group_bench_free(model.bench);
}

static void nobody_shares_a_partition_and_all_converge(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        print_message("seed %u\n", (uint32_t)seed);
        run(seed);
    }
}

static void hundreds_of_members_share_a_thousand_partitions(void **state)
{
    struct group_bench *bench = *state;
    enum { MEMBERS = 300 };
    bench->quiet = true;
    bench_topic(bench, "t", 1000);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        char id[16];
        snprintf(id, sizeof(id), "m%u", i);
        bench_beat(bench, (struct beat_said){.member = id});
    }
    assert_int_equal(group_coordinator_counts(bench->coordinator).members, MEMBERS);
    bench_restart(bench);
    assert_int_equal(group_coordinator_counts(bench->coordinator).members, MEMBERS);
    bench_run_to(bench, 50000);
    assert_int_equal(group_coordinator_counts(bench->coordinator).members, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_shares_a_partition_and_all_converge),
        cmocka_unit_test_setup_teardown(hundreds_of_members_share_a_thousand_partitions,
                                        group_bench_up, group_bench_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
