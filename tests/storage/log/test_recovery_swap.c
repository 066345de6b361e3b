/* What a crash of Kafka's in the midst of a compaction leaves, at our start. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

enum {
    BATCHES = 12, /* Three a segment; the first three segments are compacted, or two of them. */
    KEPT = 3,
    OLD_SEGMENTS = 4,
};

static const int64_t kept_offsets[KEPT] = {0, 4, 8}; /* The last is the last of the old ones. */

enum old_state { OLD_LIVE, OLD_DELETED, OLD_GONE };

struct scene {
    const char *name;
    enum old_state old[3]; /* Segments 0, 3 and 6. */
    bool log_renamed;      /* The new log has its name already, its indexes have not. */
    bool cleaned;          /* A .cleaned file of offset 0: not all is swapped. */
    bool damaged;          /* A bit of the new log is flipped. */
    bool compacted;        /* The log is the new one afterwards. */
};

static const struct scene scenes[] = {
    {.name = "all old ones marked", {OLD_DELETED, OLD_DELETED, OLD_DELETED}, .compacted = true},
    {.name = "no old one marked", {OLD_LIVE, OLD_LIVE, OLD_LIVE}, .compacted = true},
    {.name = "one marked", {OLD_DELETED, OLD_LIVE, OLD_LIVE}, .compacted = true},
    {.name = "old ones unlinked", {OLD_GONE, OLD_GONE, OLD_GONE}, .compacted = true},
    {.name = "the log has its name",
     {OLD_DELETED, OLD_DELETED, OLD_DELETED},
     .log_renamed = true,
     .compacted = true},
    {.name = "not all swapped", {OLD_LIVE, OLD_LIVE, OLD_LIVE}, .cleaned = true},
    {.name = "damaged", {OLD_LIVE, OLD_LIVE, OLD_LIVE}, .damaged = true},
};

static const char *path_of(int64_t base, const char *suffix)
{
    static char path[2][128];
    static uint32_t turn;
    turn ^= 1;
    (void)snprintf(path[turn], sizeof(path[turn]), "/data0/orders-0/%020ld.%s", (long)base, suffix);
    return path[turn];
}

static int64_t size_of(const struct rig *rig, int64_t base, const char *suffix)
{
    return sim_machine_file_size(rig->machine, path_of(base, suffix));
}

static void put(struct rig *rig, int64_t base, const char *suffix, const void *bytes, uint32_t len)
{
    assert_int_equal(file_replace(rig->fs, path_of(base, suffix), bytes, len, true), 0);
}

static uint32_t fill(struct rig *rig)
{
    const struct rig_batch batch = {.records = 1, .value_bytes = 1000, .ack = APPEND_ACK_FLUSHED};
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < BATCHES; i++) {
        bytes = rig_append_wait(rig, &batch)->piece.len;
    }
    rig_settle(rig);
    assert_int_equal(rig->partitions[0]->segment_count, OLD_SEGMENTS);
    return bytes;
}

static void set_old(struct rig *rig, int64_t base, enum old_state old)
{
    static const char *const suffixes[] = {"log", "index", "timeindex"};
    for (size_t i = 0; old != OLD_LIVE && i < ARRAY_SIZE(suffixes); i++) {
        char deleted[32];
        (void)snprintf(deleted, sizeof(deleted), "%s.deleted", suffixes[i]);
        const int error = old == OLD_DELETED ? file_rename(rig->fs, path_of(base, suffixes[i]),
                                                           path_of(base, deleted))
                                             : file_unlink(rig->fs, path_of(base, suffixes[i]));
        assert_int_equal(error, 0);
    }
}

/* The directory as Kafka's crash leaves it; batch_bytes: of each batch. */
static void set_scene(struct rig *rig, const struct scene *scene, uint32_t batch_bytes)
{
    static uint8_t compacted[KEPT * 2048];
    assert_true(batch_bytes <= 2048);
    for (uint32_t i = 0; i < KEPT; i++) {
        uint32_t len;
        const int64_t offset = kept_offsets[i];
        uint8_t *old = rig_file(rig, path_of(offset / 3 * 3, "log"), &len);
        assert_non_null(old);
        memcpy(compacted + (size_t)i * batch_bytes, old + (size_t)(offset % 3) * batch_bytes,
               batch_bytes);
        free(old);
    }
    if (scene->damaged) {
        compacted[batch_bytes + 200] ^= 4;
    }
    for (uint32_t i = 0; i < 3; i++) {
        set_old(rig, i * 3, scene->old[i]);
    }
    put(rig, 0, scene->log_renamed ? "log" : "log.swap", compacted, KEPT * batch_bytes);
    put(rig, 0, "index.swap", "", 0);
    put(rig, 0, "timeindex.swap", "", 0);
    if (scene->cleaned) {
        put(rig, 0, "txnindex.cleaned", "", 0);
    }
    assert_int_equal(file_sync_directory(rig->fs, "/data0/orders-0"), 0);
}

static void check(struct rig *rig, const struct scene *scene, uint32_t batch_bytes)
{
    static const char *const gone[] = {"log.swap",        "index.swap",    "timeindex.swap",
                                       "log.deleted",     "index.deleted", "timeindex.deleted",
                                       "txnindex.cleaned"};
    const struct partition *p = rig->partitions[0];
    if (p->segment_count != (scene->compacted ? 2 : OLD_SEGMENTS) || p->log_start != 0) {
        fail_msg("%s: %u segments from %ld on", scene->name, p->segment_count, (long)p->log_start);
    }
    assert_int_equal(partition_end(p), BATCHES);
    for (int64_t base = 0; base <= 6; base += 3) {
        const bool there = !scene->compacted || base == 0;
        assert_int_equal(size_of(rig, base, "log"), there ? (int64_t)3 * batch_bytes : -ENOENT);
        assert_int_equal(size_of(rig, base, "index") >= 0, there);
        assert_int_equal(size_of(rig, base, "timeindex") >= 0, there);
        for (size_t i = 0; i < ARRAY_SIZE(gone); i++) {
            assert_true(size_of(rig, base, gone[i]) < 0);
        }
    }
    for (int64_t i = 0; i < BATCHES; i++) { /* An offset taken out leads to the next one kept. */
        const int64_t next = i > 8 || !scene->compacted ? i : (i + 3) / 4 * 4;
        uint32_t len;
        enum log_status status;
        uint8_t *bytes = rig_read(rig, 0, i, BATCHES, 100, &len, &status);
        struct batch_header header;
        const struct bytes view = {bytes, len};
        assert_int_equal(status, LOG_OK);
        assert_true(len >= BATCH_HEADER_BYTES);
        assert_int_equal(batch_parse_header(chain_of(&view), &header), BATCH_OK);
        assert_int_equal(header.base_offset, next);
        free(bytes);
    }
}

static void make(struct rig *rig, const struct scene *scene, uint32_t *batch_bytes)
{
    struct rig_options options = rig_options(1);
    options.config.segment_bytes = 4096;
    rig_create(rig, &options);
    *batch_bytes = fill(rig);
    set_scene(rig, scene, *batch_bytes);
    rig_kill(rig);
}

static void a_compaction_that_kafka_did_not_finish_is_finished_or_undone(void **state)
{
    (void)state;
    static struct rig rig;
    for (size_t i = 0; i < ARRAY_SIZE(scenes); i++) {
        uint32_t batch_bytes;
        make(&rig, &scenes[i], &batch_bytes);
        assert_true(rig_start(&rig));
        check(&rig, &scenes[i], batch_bytes);
        rig_power_cut(&rig); /* It was durable. */
        assert_true(rig_start(&rig));
        check(&rig, &scenes[i], batch_bytes);
        rig_stop(&rig);
        rig_destroy(&rig);
    }
}

/* The start that finishes it dies itself, before any of its steps. */
static bool die_finishing(const struct scene *scene, uint64_t at, enum sim_crash crash)
{
    static struct rig rig;
    uint32_t batch_bytes;
    make(&rig, scene, &batch_bytes);
    sim_machine_crash_at(rig.machine, sim_machine_boundary_count(rig.machine) + at, crash);
    const bool died = !rig_start(&rig);
    sim_machine_crash_at(rig.machine, UINT64_MAX, crash);
    if (died) {
        rig_kill(&rig);
        assert_true(rig_start(&rig));
    }
    check(&rig, scene, batch_bytes);
    rig_kill(&rig);
    rig_destroy(&rig);
    return died;
}

static void a_crash_while_it_is_finished_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(scenes); i++) {
        for (enum sim_crash crash = SIM_CRASH_KILL; crash <= SIM_CRASH_POWER; crash++) {
            uint64_t at = 0;
            while (die_finishing(&scenes[i], at, crash)) {
                at++;
            }
            assert_true(at > 10);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_compaction_that_kafka_did_not_finish_is_finished_or_undone),
        cmocka_unit_test(a_crash_while_it_is_finished_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
