#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/arena.h"
#include "control/metadata/log_scan.h"
#include "storage/record/record.h"

static uint32_t batch_put(uint8_t *to, int64_t base, uint32_t records, uint16_t attributes,
                          enum record_control_type type)
{
    struct batch_options options = batch_options_none();
    options.base_offset = base;
    options.leader_epoch = 3;
    options.attributes = attributes;
    struct batch_builder builder;
    uint8_t key[RECORD_CONTROL_KEY_BYTES];
    record_control_key_write(key, type);
    batch_builder_init(&builder, to, 4096, &options);
    for (uint32_t i = 0; i < records; i++) {
        const struct bytes control = {key, sizeof(key)};
        assert_true(batch_builder_add(
            &builder, 5, (attributes & BATCH_CONTROL) != 0 ? control : (struct bytes){0},
            bytes_of_string("value"), NULL, 0));
    }
    return batch_builder_finish(&builder).len;
}

static void sound_batches_are_walked(void **state)
{
    (void)state;
    uint8_t file[6000];
    uint32_t used = batch_put(file, 0, 2, 0, 0);
    used += batch_put(file + used, 2, 1, 0, 0);
    struct bytes rest = {file, used};
    struct batch_header header;
    struct bytes batch;
    assert_int_equal(scan_batch(&rest, &header, &batch), BATCH_OK);
    assert_int_equal(scan_batch(&rest, &header, &batch), BATCH_OK);
    assert_int_equal(header.base_offset, 2);
    assert_int_equal(rest.len, 0);
}

static void a_flipped_bit_anywhere_is_noticed(void **state)
{
    (void)state;
    uint8_t file[4096];
    const uint32_t used = batch_put(file, 9, 2, 0, 0);
    struct batch_header header;
    struct bytes batch;
    uint32_t unnoticed = 0;
    for (uint32_t bit = 0; bit < used * 8; bit++) {
        file[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct bytes rest = {file, used};
        const enum batch_status status = scan_batch(&rest, &header, &batch);
        /* Offset and epoch lie outside the CRC: their order is checked by who reads the log. */
        const bool outside = bit / 8 < 8 || (bit / 8 >= 12 && bit / 8 < 16);
        unnoticed += status == BATCH_OK && !outside;
        file[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(unnoticed, 0);
}

static void a_checkpoint_counts_only_as_a_whole(void **state)
{
    (void)state;
    uint8_t file[6000];
    uint32_t used = batch_put(file, 0, 1, BATCH_CONTROL, RECORD_CONTROL_SNAPSHOT_HEADER);
    const uint32_t header_end = used;
    used += batch_put(file + used, 1, 3, 0, 0);
    const uint32_t state_end = used;
    used += batch_put(file + used, 4, 1, BATCH_CONTROL, RECORD_CONTROL_SNAPSHOT_FOOTER);
    assert_true(scan_checkpoint((struct bytes){file, used}));
    assert_false(scan_checkpoint((struct bytes){file, used - 1}));
    assert_false(scan_checkpoint((struct bytes){file, state_end}));
    assert_false(scan_checkpoint((struct bytes){file + header_end, used - header_end}));
    assert_false(scan_checkpoint((struct bytes){file, 0}));
    file[state_end - 1] ^= 1;
    assert_false(scan_checkpoint((struct bytes){file, used}));
    file[state_end - 1] ^= 1;
    used += batch_put(file + used, 5, 1, 0, 0); /* Something behind the footer. */
    assert_false(scan_checkpoint((struct bytes){file, used}));
}

static void a_whole_batch_is_found_behind_damage(void **state)
{
    (void)state;
    uint8_t file[6000];
    memset(file, 2, 100); /* Every byte could be a magic. */
    const uint32_t used = 100 + batch_put(file + 100, 50, 1, 0, 0);
    assert_true(scan_finds_batch((struct bytes){file, used}, 50));
    assert_false(scan_finds_batch((struct bytes){file, used}, 51)); /* Left from before. */
    assert_false(scan_finds_batch((struct bytes){file, used - 1}, 50));
    assert_false(scan_finds_batch((struct bytes){file, 0}, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_batches_are_walked),
        cmocka_unit_test(a_flipped_bit_anywhere_is_noticed),
        cmocka_unit_test(a_checkpoint_counts_only_as_a_whole),
        cmocka_unit_test(a_whole_batch_is_found_behind_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
