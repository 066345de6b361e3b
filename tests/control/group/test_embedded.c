#include "control/group/embedded.h"

#include "tests/control/group/mixed_bench.h"

static bool reads(struct group_bench *bench, const char *bytes, uint32_t len,
                  struct embedded_subscription *to)
{
    const struct bytes from = {(const uint8_t *)bytes, len};
    bench_event(bench, GROUP_EXPIRE); /* So that it knows the topics. */
    return embedded_subscription_read(bench->coordinator, bench_begin(bench), &from, to);
}

static void a_later_version_begins_like_the_last_that_is_known(void **state)
{
    struct group_bench *bench = *state;
    struct embedded_subscription to;
    bench_topic(bench, "t", 2);
    /* Version 9: t; no data; t/1; generation 5; rack r; and what nobody knows. */
    static const char later[] = "\0\x09\0\0\0\x01\0\x01t\xff\xff\xff\xff\0\0\0\x01\0\x01t"
                                "\0\0\0\x01\0\0\0\x01\0\0\0\x05\0\x01rmore";
    assert_true(reads(bench, later, sizeof(later) - 1, &to));
    assert_int_equal(to.topics.count, 1);
    assert_int_equal(to.owned.count, 1);
    assert_true(partition_set_has(to.owned, bench_topic_id(bench, "t"), 1));
    assert_true(bytes_equal(to.rack_id, bytes_of_string("r")));
}

static void bytes_of_others_are_no_subscription(void **state)
{
    struct group_bench *bench = *state;
    struct embedded_subscription to;
    static const char negative[] = "\xff\xff\0\0\0\0\xff\xff\xff\xff";
    static const char cut[] = "\0\x01\0\0\0\x01\0\x01t\xff\xff\xff\xff\0\0";
    assert_false(reads(bench, "", 0, &to));
    assert_false(reads(bench, "m", 1, &to));
    assert_false(reads(bench, negative, sizeof(negative) - 1, &to));
    assert_false(reads(bench, cut, sizeof(cut) - 1, &to));
}

static void topics_that_are_gone_are_left_out(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    bench_topic(bench, "u", 2);
    bench_event(bench, GROUP_EXPIRE);
    struct arena arena = {0};
    const struct bytes given = arena_flat(&arena, bench_assignment(&arena, "t/0+u/1+nothing/3"));
    struct partition_set set;
    assert_int_equal(embedded_assignment_read(bench->coordinator, &arena, &given, &set),
                     EMBEDDED_READ);
    assert_int_equal(set.count, 2);
    bench_topic(bench, "u", 0);
    bench_event(bench, GROUP_EXPIRE);
    static const uint8_t version[] = {0, 3}; /* Of what the member wants. */
    const struct bytes wanted = {version, sizeof(version)};
    const struct bytes written =
        embedded_assignment_write(bench->coordinator, &arena, set, &wanted);
    assert_int_equal(written.ptr[1], 3);
    bench_put_assignment(bench, chain_of(&written));
    bench_expect(bench, "<t/0>");
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_later_version_begins_like_the_last_that_is_known),
        CASE(bytes_of_others_are_no_subscription),
        CASE(topics_that_are_gone_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
