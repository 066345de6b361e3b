#include "storage/log/clean.h"
#include "tests/storage/log/rig.h"

#include <stdlib.h>

static int64_t offset_of(struct rig *rig, const char *partition)
{
    int64_t offset = 0;
    assert_int_equal(clean_offsets_read(rig->fs, "/data0", partition, &offset), 0);
    return offset;
}

static int write_one(struct rig *rig, const char *partition, int64_t offset)
{
    static struct job job;
    job = (struct job){.log = rig->log};
    return clean_offsets_write(&job, rig->fs, partition, offset);
}

static void the_file_is_kafkas_and_holds_a_line_for_each_partition(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(1);
    rig_create(&rig, &options);
    assert_int_equal(offset_of(&rig, "orders-0"), -1);
    assert_int_equal(write_one(&rig, "orders-0", 40), 0);
    assert_int_equal(write_one(&rig, "orders-1", 7), 0);
    assert_int_equal(write_one(&rig, "a-b-10", 9), 0);
    assert_int_equal(write_one(&rig, "orders-0", 41), 0);
    uint32_t len;
    uint8_t *file = rig_file(&rig, "/data0/" CLEANER_OFFSETS_FILE, &len);
    static const char expected[] = "0\n3\norders 1 7\na-b 10 9\norders 0 41\n";
    assert_int_equal(len, sizeof(expected) - 1);
    assert_memory_equal(file, expected, len);
    free(file);
    assert_int_equal(offset_of(&rig, "orders-0"), 41);
    assert_int_equal(offset_of(&rig, "orders-1"), 7);
    assert_int_equal(offset_of(&rig, "orders-2"), -1);
    assert_int_equal(write_one(&rig, "orders-1", -1), 0);
    assert_int_equal(offset_of(&rig, "orders-1"), -1);
    assert_int_equal(offset_of(&rig, "a-b-10"), 9);
    rig_destroy(&rig);
}

static void of_a_damaged_file_nothing_is_believed(void **state)
{
    (void)state;
    static const char *const files[] = {"", "0\n2\norders 0 41\n", "0\n1\norders 0 41", "7\n0\n",
                                        "0\n2\norders 0 41\nwrong\n"};
    static struct rig rig;
    const struct rig_options options = rig_options(1);
    rig_create(&rig, &options);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        assert_int_equal(
            file_replace(rig.fs, "/data0/" CLEANER_OFFSETS_FILE, files[i], strlen(files[i]), true),
            0);
        assert_int_equal(offset_of(&rig, "orders-0"), -1);
        assert_int_equal(write_one(&rig, "orders-0", 5), 0);
        assert_int_equal(offset_of(&rig, "orders-0"), 5);
    }
    rig_destroy(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_is_kafkas_and_holds_a_line_for_each_partition),
        cmocka_unit_test(of_a_damaged_file_nothing_is_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
