#include "tests/control/bench.h"

#include <stdlib.h>

#include "control/reconcile.h"

struct world {
    struct image image;
    struct changes changes;
    struct directories directories;
    struct reconcile_report report;
};

static struct uuid directory_id(uint32_t index)
{
    return (struct uuid){.bytes = {(uint8_t)(0xd0 + index)}};
}

static const struct uuid topic_id = {.bytes = {7}};

static void world_apply(struct world *world)
{
    size_t at = 0;
    struct bytes record;
    char reason[256];
    while (changes_next(&world->changes, &at, &record)) {
        assert_int_equal(image_replay(&world->image, record, reason, sizeof(reason)), METADATA_OK);
    }
    changes_reset(&world->changes);
}

/* A topic of four partitions: 0 and 1 in directory 0, 2 in directory 1, 3 never made. */
static int world_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    image_init(&world->image, 1);
    world->directories.count = 3;
    for (uint32_t i = 0; i < 3; i++) {
        world->directories.id[i] = directory_id(i);
        world->directories.clean[i] = true;
    }
    changes_topic(&world->changes, bytes_of_string("t"), topic_id);
    for (int32_t i = 0; i < 4; i++) {
        const struct partition_row row = {.topic_id = topic_id,
                                          .index = i,
                                          .node_id = 1,
                                          .leader_epoch = 5,
                                          .directory = i == 3 ? (struct uuid){{0}}
                                                              : directory_id(i == 2 ? 1 : 0)};
        changes_partition(&world->changes, &row);
    }
    world_apply(world);
    *state = world;
    return 0;
}

static int world_down(void **state)
{
    struct world *world = *state;
    image_free(&world->image);
    changes_free(&world->changes);
    free(world);
    return 0;
}

static struct image_partition *partition_of(struct world *world, uint32_t index)
{
    return &world->image.topics[0]->partitions[index];
}

static void start(struct world *world, const struct session_partition *found, uint32_t count)
{
    reconcile_start(&world->image, &world->directories, found, count, &world->changes,
                    &world->report);
}

static struct session_partition found_at(uint32_t index, uint16_t directory, int32_t epoch)
{
    return (struct session_partition){
        .topic_id = topic_id, .index = index, .leader_epoch = epoch, .directory = directory};
}

static void what_is_as_recorded_needs_no_record(void **state)
{
    struct world *world = *state;
    const struct session_partition found[] = {found_at(0, 0, 5), found_at(1, 0, 4),
                                              found_at(2, 1, -1)};
    start(world, found, 3);
    assert_int_equal(world->changes.count, 0);
    assert_int_equal(world->report.found, 3);
    assert_int_equal(world->report.unplaced, 1);
    assert_int_equal(partition_of(world, 2)->placed, 1);
    assert_false(partition_of(world, 2)->offline);
    assert_int_equal(partition_of(world, 3)->placed, SNAPSHOT_DIRECTORY_NONE);
}

static void a_known_partition_that_vanished_is_fenced(void **state)
{
    struct world *world = *state;
    const struct session_partition found[] = {found_at(0, 0, 5), found_at(2, 1, 5)};
    start(world, found, 2);
    assert_int_equal(world->report.vanished, 1);
    assert_true(partition_of(world, 1)->offline);
    assert_int_equal(partition_of(world, 1)->placed, 0); /* Shown where it was. */
    reconcile_place(&world->image, &world->directories);
    assert_int_equal(partition_of(world, 1)->placed, 0); /* And not made anew elsewhere. */
    assert_true(partition_of(world, 1)->offline);
}

static void an_unknown_directory_is_counted_as_a_stray(void **state)
{
    struct world *world = *state;
    struct session_partition found[] = {found_at(9, 0, 5), found_at(0, 0, 5)};
    found[1].topic_id = directory_id(0);
    start(world, found, 2);
    assert_int_equal(world->report.strays, 2);
}

static void after_an_unclean_stop_every_epoch_of_that_directory_rises(void **state)
{
    struct world *world = *state;
    world->directories.clean[0] = false;
    const struct session_partition found[] = {found_at(0, 0, 5), found_at(1, 0, 5),
                                              found_at(2, 1, 5)};
    start(world, found, 3);
    world_apply(world);
    assert_int_equal(world->report.epochs_raised, 2);
    assert_int_equal(partition_of(world, 0)->leader_epoch, 6);
    assert_int_equal(partition_of(world, 1)->leader_epoch, 6);
    assert_int_equal(partition_of(world, 2)->leader_epoch, 5);
}

static void
what_stayed_away_at_an_unclean_start_rises_when_it_comes_after_a_stop_in_order(void **state)
{
    struct world *world = *state;
    const struct session_partition found[] = {found_at(0, 0, 5), found_at(1, 0, 5),
                                              found_at(2, 1, 5)};
    world->directories.clean[0] = world->directories.clean[1] = false;
    world->directories.failed[1] = true;
    start(world, found, 2);
    world_apply(world);
    assert_int_equal(partition_of(world, 0)->leader_epoch, 6);
    assert_int_equal(partition_of(world, 2)->leader_epoch, 5);
    assert_true(partition_of(world, 2)->offline);
    world->directories.clean[0] = true; /* The dead one got no mark. */
    world->directories.failed[1] = false;
    start(world, found, 3);
    world_apply(world);
    assert_int_equal(partition_of(world, 0)->leader_epoch, 6);
    assert_int_equal(partition_of(world, 2)->leader_epoch, 6);
    assert_false(partition_of(world, 2)->offline);
}

static void files_that_are_ahead_of_the_records_set_the_epoch(void **state)
{
    struct world *world = *state;
    const struct session_partition found[] = {found_at(0, 0, 9), found_at(1, 0, 5),
                                              found_at(2, 1, 30)};
    world->directories.clean[1] = false;
    start(world, found, 3);
    world_apply(world);
    assert_int_equal(partition_of(world, 0)->leader_epoch, 9);
    assert_int_equal(partition_of(world, 1)->leader_epoch, 5);
    assert_int_equal(partition_of(world, 2)->leader_epoch, 31);
    assert_true(uuid_equal(partition_of(world, 2)->directory, directory_id(1)));
}

static void files_made_just_before_a_crash_are_recorded_now(void **state)
{
    struct world *world = *state;
    const struct session_partition found[] = {found_at(0, 0, 5), found_at(1, 0, 5),
                                              found_at(2, 1, 5), found_at(3, 2, -1)};
    start(world, found, 4);
    assert_int_equal(world->changes.count, 1);
    world_apply(world);
    assert_true(uuid_equal(partition_of(world, 3)->directory, directory_id(2)));
    assert_int_equal(world->report.moved, 0);
}

static void what_a_crash_may_have_left_half_made_is_recorded_when_it_is_made_anew(void **state)
{
    struct world *world = *state;
    struct session_partition found[] = {found_at(0, 0, 5), found_at(1, 0, 5), found_at(2, 1, 5),
                                        found_at(3, 2, -1)};
    found[1].fresh = 1; /* Recorded long ago: it is durable. */
    found[3].fresh = 1;
    start(world, found, 4);
    assert_int_equal(world->changes.count, 0);
    assert_int_equal(world->report.vanished, 0);
    reconcile_place(&world->image, &world->directories);
    struct image_partition *partition = partition_of(world, 3);
    assert_int_equal(partition->placed, 2); /* Where it lies. */
    assert_false(partition->offline);
    partition->placed_version = 1;
    assert_int_equal(reconcile_assign(&world->image, &world->directories, 0, &world->changes), 0);
    assert_int_equal(reconcile_assign(&world->image, &world->directories, 1, &world->changes), 1);
    world_apply(world);
    assert_true(uuid_equal(partition->directory, directory_id(2)));
}

static void a_moved_partition_counts_where_it_is_unless_it_is_also_where_it_was(void **state)
{
    struct world *world = *state;
    const struct session_partition found[] = {found_at(0, 2, 5), found_at(1, 2, 5),
                                              found_at(1, 0, 5), found_at(2, 1, 5),
                                              found_at(2, 2, 5)};
    start(world, found, 5);
    world_apply(world);
    assert_int_equal(world->report.moved, 1);
    assert_true(uuid_equal(partition_of(world, 0)->directory, directory_id(2)));
    assert_int_equal(partition_of(world, 1)->placed, 0);
    assert_int_equal(partition_of(world, 2)->placed, 1);
}

static void new_partitions_go_to_the_emptiest_live_directory(void **state)
{
    struct world *world = *state;
    const struct session_partition found[] = {found_at(0, 0, 5), found_at(1, 0, 5),
                                              found_at(2, 1, 5)};
    start(world, found, 3);
    reconcile_place(&world->image, &world->directories);
    assert_int_equal(partition_of(world, 3)->placed, 2);
    partition_of(world, 3)->placed = SNAPSHOT_DIRECTORY_NONE;
    world->directories.failed[2] = true;
    reconcile_place(&world->image, &world->directories);
    assert_int_equal(partition_of(world, 3)->placed, 1);
    partition_of(world, 3)->placed = SNAPSHOT_DIRECTORY_NONE;
    world->directories.failed[0] = true;
    world->directories.failed[1] = true;
    reconcile_place(&world->image, &world->directories);
    assert_int_equal(partition_of(world, 3)->placed, SNAPSHOT_DIRECTORY_NONE);
}

static void a_partition_is_assigned_once_its_snapshot_is_applied(void **state)
{
    struct world *world = *state;
    const struct session_partition found[] = {found_at(0, 0, 5), found_at(1, 0, 5),
                                              found_at(2, 1, 5)};
    start(world, found, 3);
    reconcile_place(&world->image, &world->directories);
    assert_int_equal(reconcile_assign(&world->image, &world->directories, 9, &world->changes), 0);
    partition_of(world, 3)->placed_version = 4; /* As publish_build notes. */
    assert_int_equal(reconcile_assign(&world->image, &world->directories, 3, &world->changes), 0);
    assert_int_equal(reconcile_assign(&world->image, &world->directories, 4, &world->changes), 1);
    world_apply(world);
    assert_true(uuid_equal(partition_of(world, 3)->directory, directory_id(2)));
    assert_int_equal(reconcile_assign(&world->image, &world->directories, 4, &world->changes), 0);
}

static void what_could_not_be_made_waits_without_a_place_until_it_is_tried_again(void **state)
{
    struct world *world = *state;
    start(world, NULL, 0);
    reconcile_place(&world->image, &world->directories);
    const struct session_failure fresh = {
        .topic_id = topic_id, .index = 3, .status = LOG_NO_SPACE, .directory = LOG_DIRECTORY_NONE};
    const struct session_failure known = {.topic_id = topic_id, .index = 2, .status = LOG_IO_ERROR};
    const struct session_failure gone = {.topic_id = directory_id(0), .index = 0};
    assert_true(reconcile_partition_failed(&world->image, &fresh));
    assert_false(reconcile_partition_failed(&world->image, &known));
    assert_false(reconcile_partition_failed(&world->image, &gone));
    assert_true(partition_of(world, 3)->offline);
    reconcile_place(&world->image, &world->directories);
    assert_int_equal(partition_of(world, 3)->placed, SNAPSHOT_DIRECTORY_NONE);
    const uint64_t before = world->image.visible_changes;
    assert_int_equal(reconcile_retry(&world->image), 1);
    assert_true(world->image.visible_changes > before);
    reconcile_place(&world->image, &world->directories);
    assert_int_not_equal(partition_of(world, 3)->placed, SNAPSHOT_DIRECTORY_NONE);
    assert_true(partition_of(world, 2)->offline); /* Files that were there are not made anew. */
}

static void what_broke_before_it_was_recorded_is_recorded_where_its_files_are(void **state)
{
    struct world *world = *state;
    const struct session_partition found[] = {found_at(0, 0, 5), found_at(1, 0, 5),
                                              found_at(2, 1, 5)};
    start(world, found, 3);
    reconcile_place(&world->image, &world->directories);
    partition_of(world, 3)->placed_version = 4;
    /* Control began anew since it was made, and chose another place. */
    partition_of(world, 3)->placed = 0;
    const struct session_failure broken = {
        .topic_id = topic_id, .index = 3, .status = LOG_IO_ERROR, .directory = 2};
    assert_false(reconcile_partition_failed(&world->image, &broken));
    assert_true(partition_of(world, 3)->offline);
    assert_int_equal(reconcile_retry(&world->image), 0);
    assert_int_equal(reconcile_assign(&world->image, &world->directories, 4, &world->changes), 1);
    world_apply(world);
    assert_true(uuid_equal(partition_of(world, 3)->directory, directory_id(2)));
    assert_true(partition_of(world, 3)->offline);
}

static void a_dead_directory_takes_its_own_partitions_offline_only(void **state)
{
    struct world *world = *state;
    const struct session_partition found[] = {found_at(0, 0, 5), found_at(1, 0, 5),
                                              found_at(2, 1, 5)};
    start(world, found, 3);
    assert_int_equal(reconcile_directory_failed(&world->image, 0), 2);
    assert_int_equal(reconcile_directory_failed(&world->image, 0), 0);
    assert_true(partition_of(world, 0)->offline);
    assert_false(partition_of(world, 2)->offline);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_up, world_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_as_recorded_needs_no_record),
        TEST(a_known_partition_that_vanished_is_fenced),
        TEST(an_unknown_directory_is_counted_as_a_stray),
        TEST(after_an_unclean_stop_every_epoch_of_that_directory_rises),
        TEST(what_stayed_away_at_an_unclean_start_rises_when_it_comes_after_a_stop_in_order),
        TEST(files_that_are_ahead_of_the_records_set_the_epoch),
        TEST(files_made_just_before_a_crash_are_recorded_now),
        TEST(what_a_crash_may_have_left_half_made_is_recorded_when_it_is_made_anew),
        TEST(a_moved_partition_counts_where_it_is_unless_it_is_also_where_it_was),
        TEST(new_partitions_go_to_the_emptiest_live_directory),
        TEST(a_partition_is_assigned_once_its_snapshot_is_applied),
        TEST(what_could_not_be_made_waits_without_a_place_until_it_is_tried_again),
        TEST(what_broke_before_it_was_recorded_is_recorded_where_its_files_are),
        TEST(a_dead_directory_takes_its_own_partitions_offline_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
