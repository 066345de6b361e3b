#include "tests/dataplane/broker/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "tests/storage/log/kafka_config.h"

enum {
    RING_BYTES = 1 << 20,
    MS_NS = 1000000,
    STEP_NS = 20000,
    TURNS_MAX = 2000000,
};

#define WALL_START_MS INT64_C(1700000000000)

/* Untouched pages cost nothing, also where malloc is told to fill what it gives. */
void *rig_map(uint64_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    return memory;
}

void rig_unmap(void *memory, uint64_t size)
{
    assert_int_equal(munmap(memory, size), 0);
}

static void *memory_make(uint64_t size)
{
    void *memory = aligned_alloc(4096, round_up(size, 4096));
    assert_non_null(memory);
    return memory;
}

uint64_t rig_now_ms(const struct rig *rig)
{
    return sim_machine_now_ns(rig->machine) / MS_NS;
}

int64_t rig_wall_ms(const struct rig *rig)
{
    return WALL_START_MS + (int64_t)rig_now_ms(rig);
}

/* ---- Making --------------------------------------------------------------------------------- */

static void core_storage(struct rig *rig, struct rig_core *core, uint64_t seed)
{
    const uint64_t arena_bytes = rig->options.arena_bytes;
    core->arena = rig_map(arena_bytes);
    core->disk = sim_disk_create(rig->process, core->arena, arena_bytes, 256, 512);
    core->housekeeping = sim_housekeeping_create(rig->process, 64);
    core->validation = sim_housekeeping_create(rig->process, 64);
    const struct log_setup setup = {
        .disk = core->disk,
        .housekeeping = core->housekeeping,
        .validation = core->validation,
        .arena = core->arena,
        .arena_bytes = arena_bytes,
        .seed = seed,
        .partition_count_max = 96,
        .producer_count_max = 1024,
        .open_file_count_max = 240,
        .segment_count_max = 600,
        /* The default is made for a broker's life: half of a start. */
        .aborted_count_max = 8192,
        .transactions = true,
        .directory_count = 1,
        .directory_paths = {"/data"},
        .flush_fds = {-1},
    };
    core->log = log_create(&setup);
    assert_non_null(core->log);
}

static void core_channel(struct rig_core *core)
{
    core->channel = channel_create();
    core->up = memory_make(byte_ring_size(RING_BYTES));
    core->down = memory_make(byte_ring_size(RING_BYTES));
}

static struct broker_limits limits_small(const struct rig *rig)
{
    struct broker_limits limits = broker_limits_default(
        rig->options.request_bytes_max, rig->options.arena_bytes,
        rig->options.transport.buffer_count == 0 ? 64 : rig->options.transport.buffer_count);
    limits.connection_count = 2048;
    limits.request_count = 1024;
    limits.operation_count = 4096;
    limits.partition_count = 256;
    limits.partition_total = 1024;
    limits.fetch_count = 1024;
    limits.fetch_item_count = 4096;
    limits.fetch_topic_count = 4096;
    limits.fetch_read_count = 256;
    limits.stash_bytes = 4 << 20;
    limits.frame_bytes = rig->options.request_bytes_max + limits.stash_bytes + 2 * FRAME_UNIT_BYTES;
    limits.output_bytes = 8 << 20;
    limits.response_bytes = 2 << 20;
    limits.scratch_bytes = 2 << 20;
    limits.unsent_bytes = 1 << 20;
    if (rig->options.limit != NULL) {
        rig->options.limit(&limits);
    }
    return limits;
}

static void core_broker(struct rig *rig, uint32_t index)
{
    struct rig_core *core = &rig->cores[index];
    const struct broker_setup setup = {
        .core = index,
        .core_count = rig->core_count,
        .log = core->log,
        .mailbox = mail_box(rig->mail, index),
        .channel = core->channel,
        .shared = &rig->shared,
        .statistics = &core->statistics,
        .directories = &rig->directory,
        .directory_count = 1,
        .seed = rig->options.seed + index,
        .clock_ns = rig->options.clock_ns,
        .limits = limits_small(rig),
    };
    core->memory_bytes = broker_memory_bytes(&setup.limits);
    core->memory = rig_map(core->memory_bytes);
    core->broker = broker_create(core->memory, &setup);
    struct sim_transport_options options = rig->options.transport;
    options.seed = rig->options.seed * 31 + index;
    core->transport = sim_transport_create(&options, broker_transport_user(), core->broker);
}

static void snapshot_begin(struct rig *rig)
{
    rig->next = (struct snapshot){
        .cluster_id = {(const uint8_t *)"abcdefghijklmnopqrstuv", 22},
        .broker = {.node_id = RIG_NODE_ID,
                   .host = {(const uint8_t *)"broker.test", 11},
                   .port = RIG_PORT},
        .finalized_features_epoch = 3,
        .metadata_version = 29,
        .group_version = 1,
        .transaction_version = 2,
        .settings = {.connections_idle_ms_max = 600000,
                     .request_bytes_max = rig->options.request_bytes_max,
                     .connection_count_max = 1u << 30,
                     .connection_per_ip_max = 1u << 30,
                     .connection_rate_max = INT32_MAX,
                     .fetch_bytes_max = 57671680,
                     .fetch_session_count_max = rig->options.fetch_sessions,
                     .partition_default_count = 1,
                     .partition_page_max = 2000,
                     .auto_create_topics = true,
                     .delete_topic_enable = true},
        .topics = rig->topics,
    };
}

static void options_fill(struct rig *rig)
{
    struct rig_options *options = &rig->options;
    options->cores = options->cores == 0 ? 1 : options->cores;
    options->arena_bytes = options->arena_bytes == 0 ? 8 << 20 : options->arena_bytes;
    options->request_bytes_max =
        options->request_bytes_max == 0 ? 2 << 20 : options->request_bytes_max;
    options->fetch_sessions = options->fetch_sessions == 0 ? 1000 : options->fetch_sessions;
    options->sim.seed = options->seed;
    options->sim.boundaries_unrecorded = true;
}

struct rig *rig_create(const struct rig_options *options)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    rig->options = *options;
    options_fill(rig);
    rig->core_count = rig->options.cores;
    rig->machine = sim_machine_create(&rig->options.sim);
    rig->process = sim_process_start(rig->machine);
    assert_int_equal(file_make_directory(sim_process_files(rig->process), "/data"), 0);
    void *mail_memory = memory_make(mail_size(rig->core_count));
    memset(mail_memory, 0, mail_size(rig->core_count));
    rig->mail = mail_init(mail_memory, rig->core_count);
    rig->directory.path = "/data";
    rig->directory.total_bytes = 1000000;
    rig->directory.usable_bytes = 400000;
    rig->producer_ids = 1000;
    for (uint32_t i = 0; i < rig->core_count; i++) {
        core_storage(rig, &rig->cores[i], rig->options.seed + i);
        core_channel(&rig->cores[i]);
        core_broker(rig, i);
    }
    snapshot_begin(rig);
    if (!options->control_away) {
        rig_control_come(rig);
    }
    return rig;
}

static void snapshots_free(struct rig *rig, bool all)
{
    for (uint32_t i = 0; i < rig->snapshot_count; i++) {
        bool used = false;
        for (uint32_t core = 0; core < rig->core_count && !all; core++) {
            used |= broker_uses_snapshot(rig->cores[core].broker, rig->snapshots[i]);
        }
        if (!used) {
            snapshot_free(rig->snapshots[i]);
            rig->snapshots[i--] = rig->snapshots[--rig->snapshot_count];
        }
    }
}

static bool all_stopped(const struct rig *rig)
{
    for (uint32_t i = 0; i < rig->core_count; i++) {
        if (!broker_stopped(rig->cores[i].broker)) {
            return false;
        }
    }
    return true;
}

void rig_destroy(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->core_count; i++) {
        broker_stop(rig->cores[i].broker);
    }
    for (uint32_t turn = 0; turn < 200000 && !all_stopped(rig); turn++) {
        rig_turn(rig);
    }
    for (uint32_t i = 0; i < rig->core_count; i++) {
        assert_true(broker_stopped(rig->cores[i].broker));
        assert_true(broker_pools_full(rig->cores[i].broker));
        assert_int_equal(sim_transport_held(rig->cores[i].transport), 0);
    }
    sim_process_end(rig->process);
    for (uint32_t i = 0; i < rig->core_count; i++) {
        struct rig_core *core = &rig->cores[i];
        sim_transport_destroy(core->transport);
        log_destroy(core->log);
        channel_destroy(core->channel);
        rig_unmap(core->memory, core->memory_bytes);
        rig_unmap(core->arena, rig->options.arena_bytes);
        free(core->up);
        free(core->down);
    }
    snapshots_free(rig, true);
    sim_machine_destroy(rig->machine);
    free(rig->mail);
    free(rig);
}

/* ---- Snapshots ------------------------------------------------------------------------------ */

static int topic_order(const void *a, const void *b)
{
    const struct snapshot_topic *left = a;
    const struct snapshot_topic *right = b;
    const uint32_t len = min_u32(left->name.len, right->name.len);
    const int order = memcmp(left->name.ptr, right->name.ptr, len);
    return order != 0 ? order
                      : (left->name.len > right->name.len) - (left->name.len < right->name.len);
}

struct snapshot_topic *rig_find(struct rig *rig, const char *name)
{
    for (uint32_t i = 0; i < rig->next.topic_count; i++) {
        struct snapshot_topic *topic = &rig->topics[i];
        if (topic->name.len == strlen(name) &&
            memcmp(topic->name.ptr, name, topic->name.len) == 0) {
            return topic;
        }
    }
    return NULL;
}

struct snapshot_topic *rig_topic(struct rig *rig, const char *name, uint32_t partition_count)
{
    static uint64_t ids;
    const uint32_t at = rig->next.topic_count++;
    assert_true(at < RIG_TOPICS_MAX && partition_count <= RIG_PARTITIONS_MAX);
    uint32_t store = 0; /* A name's place that nobody uses. */
    while (rig->names[store][0] != 0) {
        store++;
    }
    (void)snprintf(rig->names[store], sizeof(rig->names[store]), "%s", name);
    struct snapshot_topic *topic = &rig->topics[at];
    *topic = (struct snapshot_topic){
        .name = {(const uint8_t *)rig->names[store], (uint32_t)strlen(name)},
        .partition_count = partition_count,
        .partitions = rig->partitions[store],
        .config = kafka_config(),
    };
    store_be64(topic->id.bytes, ++ids * UINT64_C(0x9e3779b97f4a7c15));
    store_be64(topic->id.bytes + 8, ids);
    for (uint32_t i = 0; i < partition_count; i++) {
        topic->partitions[i] = (struct snapshot_partition){.leader_epoch = 5};
    }
    qsort(rig->topics, rig->next.topic_count, sizeof(rig->topics[0]), topic_order);
    return rig_find(rig, name);
}

void rig_remove(struct rig *rig, const char *name)
{
    struct snapshot_topic *topic = rig_find(rig, name);
    assert_non_null(topic);
    ((char *)(uintptr_t)topic->name.ptr)[0] = 0;
    const uint32_t at = (uint32_t)(topic - rig->topics);
    memmove(topic, topic + 1, (rig->next.topic_count - at - 1) * sizeof(*topic));
    rig->next.topic_count--;
}

void rig_publish_only(struct rig *rig)
{
    rig->next.version++;
    rig->next.partition_count = 0;
    for (uint32_t i = 0; i < rig->next.topic_count; i++) {
        rig->next.partition_count += rig->topics[i].partition_count;
    }
    const uint64_t size = snapshot_encode(&rig->next, NULL, 0);
    uint8_t *image = malloc(size);
    assert_non_null(image);
    assert_int_equal(snapshot_encode(&rig->next, image, size), size);
    const char *reason = NULL;
    struct snapshot *snapshot = snapshot_decode((struct bytes){image, (uint32_t)size}, &reason);
    if (snapshot == NULL) {
        (void)fprintf(stderr, "%s\n", reason);
    }
    assert_non_null(snapshot);
    free(image);
    assert_true(rig->snapshot_count < RIG_SNAPSHOTS_MAX);
    rig->snapshots[rig->snapshot_count++] = snapshot;
    for (uint32_t i = 0; i < rig->core_count; i++) {
        broker_set_snapshot(rig->cores[i].broker, snapshot);
    }
}

static void publish_wait(struct rig *rig)
{
    rig_publish_only(rig);
    const struct snapshot *wanted = rig->snapshots[rig->snapshot_count - 1];
    for (uint32_t i = 0; i < rig->core_count; i++) {
        uint32_t turns = 0;
        while (broker_applied_snapshot(rig->cores[i].broker) != wanted) {
            rig_turn(rig);
            assert_true(turns++ < 200000);
        }
    }
    snapshots_free(rig, false);
}

/* Plays control's part: what was made is recorded. True when that is news. */
static bool made_record(struct rig *rig)
{
    bool news = false;
    for (uint32_t i = 0; i < rig->next.topic_count; i++) {
        const struct snapshot_topic *topic = &rig->topics[i];
        for (uint32_t j = 0; j < topic->partition_count; j++) {
            const struct partition_id id = {topic->id, j};
            const uint32_t core = snapshot_partition_core(&topic->id, j, rig->core_count);
            if (!topic->partitions[j].exists && log_find(rig->cores[core].log, &id) != NULL) {
                topic->partitions[j].exists = true;
                news = true;
            }
        }
    }
    return news;
}

void rig_publish(struct rig *rig)
{
    publish_wait(rig);
    if (made_record(rig)) {
        publish_wait(rig);
    }
}

struct rig *rig_with_topic(uint32_t cores, const char *name, uint32_t partition_count)
{
    struct rig *rig = rig_create(&(struct rig_options){.cores = cores, .seed = 1});
    rig_topic(rig, name, partition_count);
    rig_publish(rig);
    return rig;
}

struct rig *rig_with_unrecorded_topic(uint32_t cores, const char *name, uint32_t partition_count)
{
    struct rig *rig = rig_create(&(struct rig_options){.cores = cores, .seed = 1});
    rig_topic(rig, name, partition_count);
    rig_publish_only(rig);
    rig_run_ms(rig, 500); /* Its files are there by now. */
    return rig;
}

/* ---- Turns ---------------------------------------------------------------------------------- */

static void grant_producer_ids(struct rig *rig, uint32_t core);

static void core_turn(struct rig *rig, struct rig_core *core)
{
    const uint64_t now_ns = sim_machine_now_ns(rig->machine);
    struct broker *broker = core->broker;
    broker_turn_begin(broker, now_ns, rig_wall_ms(rig));
    (void)log_done_turn(core->log, now_ns, rig_wall_ms(rig), 64);
    (void)broker_log_turn(broker, 256);
    (void)broker_mail_turn(broker, 256);
    (void)sim_transport_receive_turn(core->transport);
    (void)broker_frame_turn(broker, 256);
    (void)broker_slow_turn(broker, 64);
    (void)broker_timer_turn(broker, 256);
    (void)log_timer_turn(core->log, now_ns, rig_wall_ms(rig));
    (void)broker_send_turn(broker);
    (void)log_submit_turn(core->log, now_ns);
    (void)sim_transport_send_turn(core->transport);
    const uint64_t sleepers = mail_flush(mail_box(rig->mail, (uint32_t)(core - rig->cores)));
    (void)sleepers;
    broker_invariants(broker);
}

void rig_turn(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->core_count; i++) {
        core_turn(rig, &rig->cores[i]);
        if (rig->session != 0 && !rig->options.no_producer_ids) {
            grant_producer_ids(rig, i);
        }
    }
    rig->turns++;
    sim_machine_advance(rig->machine, sim_machine_now_ns(rig->machine) + STEP_NS);
}

void rig_run_ms(struct rig *rig, uint64_t ms)
{
    const uint64_t until_ns = sim_machine_now_ns(rig->machine) + ms * MS_NS;
    while (sim_machine_now_ns(rig->machine) < until_ns) {
        rig_turn(rig);
        if (ms > 100 && rig->turns % 16 == 0) { /* Long waits in larger steps. */
            sim_machine_advance(rig->machine, sim_machine_now_ns(rig->machine) + 2 * MS_NS);
        }
    }
}

/* ---- Control -------------------------------------------------------------------------------- */

void rig_control_come(struct rig *rig)
{
    const uint64_t size = byte_ring_size(RING_BYTES);
    rig->session++;
    for (uint32_t i = 0; i < rig->core_count; i++) {
        struct rig_core *core = &rig->cores[i];
        byte_ring_format(core->up, RING_BYTES);
        byte_ring_format(core->down, RING_BYTES);
        core->attachment = (struct channel_attachment){
            .session = rig->session,
            .to_control = core->up,
            .to_control_bytes = size,
            .to_core = core->down,
            .to_core_bytes = size,
        };
        assert_true(fragment_reader_init(&core->from_core, core->up, size, false, 1 << 20));
        assert_true(fragment_writer_init(&core->to_core, core->down, size));
        channel_attach(core->channel, &core->attachment);
    }
}

void rig_control_go(struct rig *rig)
{
    rig->session++;
    for (uint32_t i = 0; i < rig->core_count; i++) {
        channel_detach(rig->cores[i].channel);
    }
    rig_turn(rig);
}

/* Serves the wishes for producer ids in front of the ring; others stay for the test. */
static void grant_producer_ids(struct rig *rig, uint32_t index)
{
    struct rig_core *core = &rig->cores[index];
    struct fragment_reader ahead = core->from_core;
    struct slow_fragment fragment;
    if (fragment_receive(&ahead, &fragment) != BYTE_RING_OK ||
        fragment.header.kind != SLOW_PRODUCER_IDS_WANTED) {
        return;
    }
    assert_int_equal(fragment_receive(&core->from_core, &fragment), BYTE_RING_OK);
    fragment_release(&core->from_core);
    struct slow_header header;
    memset(&header, 0, sizeof(header));
    header.kind = SLOW_PRODUCER_IDS;
    header.producer_id_first = rig->producer_ids;
    header.producer_id_count = 10;
    rig->producer_ids += 10;
    assert_true(fragment_send_whole(&core->to_core, &header, CHAIN_EMPTY, 0));
}

bool rig_control_next(struct rig *rig, uint32_t core, struct slow_header *header, uint8_t *payload,
                      uint32_t capacity, uint32_t *len)
{
    struct slow_fragment fragment;
    *len = 0;
    do {
        if (fragment_receive(&rig->cores[core].from_core, &fragment) != BYTE_RING_OK) {
            assert_int_equal(*len, 0); /* Messages are sent whole. */
            return false;
        }
        *header = fragment.header;
        assert_true(fragment.offset + fragment.payload.len <= capacity);
        if (fragment.payload.len > 0) {
            memcpy(payload + fragment.offset, fragment.payload.ptr, fragment.payload.len);
        }
        *len += fragment.payload.len;
        fragment_release(&rig->cores[core].from_core);
    } while (!fragment.last);
    return true;
}

void rig_control_wait(struct rig *rig, uint32_t core, struct slow_header *header, uint8_t *payload,
                      uint32_t capacity, uint32_t *len)
{
    for (uint32_t turns = 0; turns < 10000; turns++) {
        if (rig_control_next(rig, core, header, payload, capacity, len)) {
            return;
        }
        rig_turn(rig);
    }
    fail_msg("nothing came for control");
}

void rig_control_answer(struct rig *rig, uint32_t core, const struct slow_header *header,
                        struct bytes payload)
{
    uint32_t offset = 0;
    do {
        const struct bytes rest = {payload.ptr + offset, payload.len - offset};
        const int64_t sent = fragment_send_piece(&rig->cores[core].to_core, header, chain_of(&rest),
                                                 offset, payload.len);
        if (sent < 0) {
            rig_turn(rig);
        } else {
            offset += (uint32_t)sent;
        }
    } while (offset < payload.len);
}
