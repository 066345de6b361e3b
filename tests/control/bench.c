#include "tests/control/bench.h"

#include <stdio.h>
#include <stdlib.h>

#include "control/step.h"
#include "storage/record/batch.h"

#define SOCKET "/data0/.millrace/dataplane.sock"

/* ---- Settings ------------------------------------------------------------------------------- */

static void settings_fill(struct settings *settings, uint32_t directory_count,
                          const char *const *extra)
{
    static struct settings_problems problems; /* Large. */
    char *argv[64];
    char paths[LOG_DIRECTORIES_MAX][16];
    int argc = 0;
    for (uint32_t i = 0; i < directory_count; i++) {
        (void)snprintf(paths[i], sizeof(paths[i]), "/data%u", i);
        argv[argc++] = (char *)(uintptr_t) "--data";
        argv[argc++] = paths[i];
    }
    for (uint32_t i = 0; extra != NULL && extra[i] != NULL; i++) {
        argv[argc++] = (char *)(uintptr_t)extra[i];
    }
    char *environment[] = {NULL};
    memset(&problems, 0, sizeof(problems));
    const struct settings_input input = {
        .argc = argc, .argv = argv, .environment = environment, .program_dir = "/nowhere"};
    if (!settings_load(settings, &input, &problems)) {
        fail_msg("settings: %s", problems.error[0]);
    }
}

struct settings *bench_settings(const char *const *extra)
{
    struct settings *settings = calloc(1, sizeof(*settings));
    assert_non_null(settings);
    settings_fill(settings, 1, extra);
    return settings;
}

void bench_settings_free(struct settings *settings)
{
    settings_free(settings);
    free(settings);
}

/* ---- The two processes ----------------------------------------------------------------------- */

static bool room_of_bench(void *context, uint64_t bytes)
{
    struct bench *bench = context;
    (void)bytes;
    const uint32_t asked = bench->room_asked++;
    return asked < bench->room_refused_from || asked >= bench->room_refused_to;
}

void bench_start_control(struct bench *bench)
{
    assert_null(bench->control);
    bench->process = sim_process_start(bench->machine);
    bench->control_world = sim_link_process(bench->links);
    const struct control_setup setup = {
        .files = sim_process_files(bench->process),
        .world = bench->control_world,
        .settings = &bench->settings,
        .data_directory = "/data0",
        .socket_path = SOCKET,
        .group_walk_per_turn = bench->group_walk_per_turn,
        .seed = ++bench->seed,
        .has_room = bench->has_room != NULL ? bench->has_room : room_of_bench,
        .room_context = bench->has_room != NULL ? bench->room_context : bench};
    bench->control = control_create(&setup);
    assert_non_null(bench->control);
}

void bench_stop_control(struct bench *bench)
{
    sim_process_kill(bench->process);
    control_destroy(bench->control);
    bench->control = NULL;
    sim_process_end(bench->process);
    sim_link_process_end(bench->control_world);
}

void bench_start_dataplane(struct bench *bench)
{
    assert_null(bench->session);
    bench->dataplane_world = sim_link_process(bench->links);
    static struct session_directory directories[LOG_DIRECTORIES_MAX]; /* Large. */
    int bells[BENCH_CORES];
    memset(directories, 0, sizeof(directories));
    for (uint32_t i = 0; i < bench->directory_count; i++) {
        (void)snprintf(directories[i].path, sizeof(directories[i].path), "/data%u", i);
        directories[i].directory_id.bytes[0] = (uint8_t)(0xd0 + i);
        directories[i].clean = !bench->unclean[i];
    }
    for (uint32_t i = 0; i < BENCH_CORES; i++) {
        bells[i] = link_bell_make(bench->dataplane_world);
    }
    const int log_shared =
        link_memory_make(bench->dataplane_world, "l", sizeof(*bench->log_shared));
    bench->log_shared =
        link_memory_map(bench->dataplane_world, log_shared, sizeof(*bench->log_shared), true);
    struct session_setup setup = {.world = bench->dataplane_world,
                                  .socket_path = SOCKET,
                                  .incarnation = bench->incarnation += 1000,
                                  .cluster_id = "cluster",
                                  .node_id = 1,
                                  .listen = {.port = 9092},
                                  .core_count = BENCH_CORES,
                                  .core_bells = bells,
                                  .log_shared = log_shared,
                                  .statistics = LINK_NO_HANDLE,
                                  .directory_count = bench->directory_count,
                                  .directories = directories,
                                  .partitions = bench->files,
                                  .partition_count = bench->file_count,
                                  .ring_to_control_bytes = 2 << 20,
                                  .ring_to_core_bytes = 256 << 10};
    char reason[160];
    bench->session = session_create(&setup, reason, sizeof(reason));
    assert_non_null(bench->session);
}

void bench_stop_dataplane(struct bench *bench)
{
    session_destroy(bench->session);
    bench->session = NULL;
    bench->snapshot = NULL;
    bench->held = false;
    bench->held_count = 0;
    sim_link_process_end(bench->dataplane_world);
}

struct bench *bench_new(uint32_t directory_count, const char *const *extra)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    assert_non_null(bench);
    const struct sim_options options = {.seed = 7, .flush_covers_device = true};
    bench->machine = sim_machine_create(&options);
    bench->links = sim_link_machine_create();
    bench->directory_count = directory_count;
    bench->now_ns = 1000000000;
    bench->wall_ms = 1700000000000;
    bench->files = calloc(BENCH_PARTITIONS_MAX, sizeof(*bench->files));
    assert_non_null(bench->files);
    settings_fill(&bench->settings, directory_count, extra);
    struct sim_process *maker = sim_process_start(bench->machine);
    assert_int_equal(file_make_directory(sim_process_files(maker), "/data0"), 0);
    assert_int_equal(file_sync_directory(sim_process_files(maker), "/"), 0);
    sim_process_end(maker);
    bench_start_dataplane(bench);
    bench_start_control(bench);
    bench_turns(bench, 10);
    return bench;
}

void bench_free(struct bench *bench)
{
    if (bench->control != NULL) {
        bench_stop_control(bench);
    }
    if (bench->session != NULL) {
        bench_stop_dataplane(bench);
    }
    sim_machine_destroy(bench->machine);
    sim_link_machine_destroy(bench->links);
    settings_free(&bench->settings);
    free(bench->files);
    for (uint32_t i = 0; i < bench->log_count; i++) {
        free(bench->logs[i].bytes);
    }
    free(bench->batch);
    free(bench->reply);
    free(bench);
}

int bench_down(void **state)
{
    bench_free(*state);
    return 0;
}

/* ---- The dataplane --------------------------------------------------------------------------- */

static bool file_fails(const struct bench *bench, const struct uuid *id, uint32_t index)
{
    for (uint32_t i = 0; i < bench->failure_count; i++) {
        if (uuid_equal(bench->failures[i].topic_id, *id) && bench->failures[i].index == index) {
            return true;
        }
    }
    return false;
}

static void files_make(struct bench *bench)
{
    const struct snapshot *snapshot = bench->snapshot;
    bench->file_count = 0;
    for (uint32_t i = 0; i < snapshot->topic_count; i++) {
        const struct snapshot_topic *topic = &snapshot->topics[i];
        for (uint32_t j = 0; j < topic->partition_count; j++) {
            if (topic->partitions[j].directory != SNAPSHOT_DIRECTORY_NONE &&
                !topic->partitions[j].offline && !file_fails(bench, &topic->id, j)) {
                assert_true(bench->file_count < BENCH_PARTITIONS_MAX);
                bench->files[bench->file_count++] =
                    (struct session_partition){.topic_id = topic->id,
                                               .index = j,
                                               .leader_epoch = topic->partitions[j].leader_epoch,
                                               .directory = topic->partitions[j].directory};
            }
        }
    }
}

void bench_apply(struct bench *bench)
{
    assert_true(bench->held);
    bench->held = false;
    files_make(bench);
    session_applied(bench->session, bench->failures, bench->failure_count);
}

/* Whoever asked wants the rest of a long answer too, unless the test says otherwise. */
static void more_ask(struct bench *bench, uint32_t core, const struct slow_fragment *fragment)
{
    const struct slow_header header = {.kind = SLOW_MORE,
                                       .request_number = fragment->header.request_number};
    bench->reply_pieces++;
    if (!bench->asks_no_more) {
        assert_true(channel_send(session_channel(bench->session, core), &header, CHAIN_EMPTY));
    }
}

struct bench_log *bench_log(struct bench *bench, const struct uuid *topic_id, uint32_t partition)
{
    for (uint32_t i = 0; i < bench->log_count; i++) {
        struct bench_log *log = &bench->logs[i];
        if (uuid_equal(log->id.topic_id, *topic_id) && log->id.index == partition) {
            return log;
        }
    }
    assert_true(bench->log_count < BENCH_LOGS_MAX);
    struct bench_log *log = &bench->logs[bench->log_count++];
    log->id = (struct partition_id){*topic_id, partition};
    return log;
}

static void batch_append(struct bench *bench, struct slow_header *answer)
{
    struct bench_log *log = bench_log(bench, &answer->topic_id, answer->partition);
    struct batch_header batch;
    struct bytes whole = {bench->batch, bench->batch_len};
    assert_int_equal(batch_parse(chain_of(&whole), &batch), BATCH_OK);
    assert_int_equal(batch_check_crc(chain_of(&whole), &batch), BATCH_OK);
    assert_int_equal(batch.size_bytes, bench->batch_len);
    batch_stamp(bench->batch, log->end_offset, 0);
    log->bytes = realloc(log->bytes, log->len + bench->batch_len);
    assert_non_null(log->bytes);
    memcpy(log->bytes + log->len, bench->batch, bench->batch_len);
    log->len += bench->batch_len;
    answer->offset = log->end_offset;
    log->end_offset += batch.last_offset_delta + 1;
    log->appends++;
}

static void append_take(struct bench *bench, uint32_t core, const struct slow_fragment *fragment)
{
    if (fragment->offset == 0) {
        bench->batch = realloc(bench->batch, fragment->total_len);
        bench->batch_len = 0;
    }
    memcpy(bench->batch + bench->batch_len, fragment->payload.ptr, fragment->payload.len);
    bench->batch_len += fragment->payload.len;
    if (!fragment->last) {
        return;
    }
    struct slow_header answer = fragment->header;
    answer.kind = SLOW_APPENDED;
    answer.error_code = bench->append_error;
    if (bench->append_error == ERROR_NONE) {
        batch_append(bench, &answer);
    }
    if (bench->holds_appends) {
        assert_true(bench->held_count < BENCH_HELD_MAX);
        bench->held_appends[bench->held_count++] = (struct bench_held){core, answer};
    } else {
        assert_true(channel_send(session_channel(bench->session, core), &answer, CHAIN_EMPTY));
    }
}

void bench_release(struct bench *bench)
{
    for (uint32_t i = 0; i < bench->held_count; i++) {
        const struct bench_held *held = &bench->held_appends[i];
        assert_true(
            channel_send(session_channel(bench->session, held->core), &held->answer, CHAIN_EMPTY));
    }
    bench->held_count = 0;
}

enum { READ_BYTES = 700 }; /* Cuts batches off. */

static void read_take(struct bench *bench, uint32_t core, const struct slow_header *header)
{
    const struct bench_log *log = bench_log(bench, &header->topic_id, header->partition);
    struct slow_header answer = *header;
    struct bytes rest = {log->bytes, log->len};
    struct batch_header batch;
    bench->reads++;
    answer.kind = SLOW_RECORDS;
    answer.offset = header->offset < 0 ? 0 : header->offset;
    answer.end_offset = log->end_offset;
    rest.len = header->offset == SLOW_READ_BOUNDS ? 0 : rest.len;
    while (rest.len > 0) {
        assert_int_equal(batch_parse(chain_of(&rest), &batch), BATCH_OK);
        if (batch_last_offset(&batch) >= answer.offset) {
            break;
        }
        rest = (struct bytes){rest.ptr + batch.size_bytes, rest.len - batch.size_bytes};
    }
    rest = (struct bytes){rest.ptr + header->skip_bytes, rest.len - header->skip_bytes};
    rest.len = min_u32(rest.len, READ_BYTES);
    assert_true(channel_send(session_channel(bench->session, core), &answer, chain_of(&rest)));
}

/* True when it was a call. */
static bool call_take(struct bench *bench, uint32_t core, const struct slow_fragment *fragment)
{
    switch (fragment->header.kind) {
    case SLOW_APPEND: append_take(bench, core, fragment); return true;
    case SLOW_READ: read_take(bench, core, &fragment->header); return true;
    case SLOW_ALIVE: bench->alive[core]++; return true;
    default: return false;
    }
}

static void fragment_take(struct bench *bench, uint32_t core, const struct slow_fragment *fragment)
{
    if (call_take(bench, core, fragment)) {
        return;
    }
    if (fragment->header.kind == SLOW_PRODUCER_IDS) {
        bench->grant_first[core] = fragment->header.producer_id_first;
        bench->grants[core]++;
        assert_int_equal(fragment->header.producer_id_count, 1000);
        return;
    }
    if (fragment->offset == 0 && fragment->header.request_number != bench->piece_number) {
        bench->reply_len = 0;
        bench->reply_pieces = 0;
        bench->piece_number = fragment->header.request_number;
        bench->reply = realloc(bench->reply, fragment->total_len + fragment->header.more_bytes + 1);
    }
    if (fragment->payload.len > 0) {
        memcpy(bench->reply + bench->reply_len, fragment->payload.ptr, fragment->payload.len);
    }
    bench->reply_len += fragment->payload.len;
    if (fragment->last && fragment->header.more_bytes > 0) {
        more_ask(bench, core, fragment);
    } else if (fragment->last) {
        bench->reply_number = fragment->header.request_number;
        bench->reply_error = fragment->header.error_code;
        bench->reply_error_count = fragment->header.error_count;
        bench->replies++;
    }
}

static void cores_turn(struct bench *bench)
{
    for (uint32_t i = 0; i < BENCH_CORES; i++) {
        struct slow_channel *channel = session_channel(bench->session, i);
        struct slow_fragment fragment;
        channel_turn(channel);
        while (channel_receive(channel, &fragment)) {
            fragment_take(bench, i, &fragment);
            channel_release(channel);
        }
    }
}

void bench_turn(struct bench *bench)
{
    bench->now_ns += 1000000;
    bench->wall_ms += 1;
    if (bench->control != NULL) {
        (void)control_turn(bench->control, bench->now_ns, bench->wall_ms);
    }
    if (bench->session == NULL) {
        return;
    }
    (void)session_turn(bench->session);
    cores_turn(bench);
    const struct snapshot *snapshot = session_snapshot(bench->session);
    if (snapshot != NULL) {
        bench->snapshot = snapshot;
        bench->held = true;
        bench->snapshots_seen++;
    }
    if (bench->held && !bench->holds_snapshots) {
        bench_apply(bench);
    }
}

void bench_turns(struct bench *bench, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        bench_turn(bench);
    }
}

uint64_t bench_send(struct bench *bench, int16_t api, int16_t version, struct bytes body)
{
    const struct slow_header header = {.kind = SLOW_REQUEST,
                                       .api_key = api,
                                       .api_version = version,
                                       .request_number = ++bench->next_number};
    assert_true(channel_send(session_channel(bench->session, 0), &header, chain_of(&body)));
    return header.request_number;
}

void bench_tell(struct bench *bench, enum slow_kind kind, struct bytes payload)
{
    const struct slow_header header = {.kind = (uint16_t)kind};
    assert_true(channel_send(session_channel(bench->session, 1), &header, chain_of(&payload)));
}

bool bench_ask(struct bench *bench, int16_t api, int16_t version, struct bytes body)
{
    const uint64_t number = bench_send(bench, api, version, body);
    for (uint32_t i = 0; i < 100; i++) {
        bench_turn(bench);
        if (bench->reply_number == number) {
            return bench->reply_error == ERROR_NONE;
        }
    }
    fail_msg("no answer came");
    return false;
}

/* ---- Requests ------------------------------------------------------------------------------- */

struct bytes bench_create_body(const char *name, int32_t partitions, uint8_t *buffer,
                               uint32_t capacity)
{
    struct writer writer;
    const struct bytes text = bytes_of_string(name);
    struct create_topics_request_topic topic = create_topics_request_topic_default;
    topic.name = chain_of(&text);
    topic.num_partitions = partitions;
    topic.replication_factor = -1;
    struct create_topics_request request = create_topics_request_default;
    request.topics.items = &topic;
    request.topics.count = 1;
    writer_init(&writer, buffer, capacity);
    assert_int_equal(create_topics_request_encode(&writer, 7, &request), CODEC_OK);
    return (struct bytes){buffer, writer_used(&writer)};
}

int16_t bench_create_topic(struct bench *bench, const char *name, int32_t partitions)
{
    uint8_t buffer[1024];
    if (!bench_ask(bench, API_CREATE_TOPICS, 7,
                   bench_create_body(name, partitions, buffer, sizeof(buffer)))) {
        return bench->reply_error;
    }
    struct reader reader;
    struct create_topics_response response;
    struct create_topics_response_topic item;
    const struct bytes reply = {bench->reply, bench->reply_len};
    reader_init(&reader, chain_of(&reply));
    assert_int_equal(create_topics_response_decode(&reader, 7, &response), CODEC_OK);
    assert_true(create_topics_response_topic_array_next(&response.topics, &item));
    return item.error_code;
}

int16_t bench_delete_topic(struct bench *bench, const char *name)
{
    uint8_t body[1024];
    struct writer writer;
    const struct bytes text = bytes_of_string(name);
    struct delete_topics_request_topic topic = delete_topics_request_topic_default;
    topic.name = chain_of(&text);
    struct delete_topics_request request = delete_topics_request_default;
    request.topics.items = &topic;
    request.topics.count = 1;
    writer_init(&writer, body, sizeof(body));
    assert_int_equal(delete_topics_request_encode(&writer, 6, &request), CODEC_OK);
    if (!bench_ask(bench, API_DELETE_TOPICS, 6, (struct bytes){body, writer_used(&writer)})) {
        return bench->reply_error;
    }
    struct reader reader;
    struct delete_topics_response response;
    struct delete_topics_response_topic item;
    const struct bytes reply = {bench->reply, bench->reply_len};
    reader_init(&reader, chain_of(&reply));
    assert_int_equal(delete_topics_response_decode(&reader, 6, &response), CODEC_OK);
    assert_true(delete_topics_response_topic_array_next(&response.responses, &item));
    return item.error_code;
}

int16_t bench_set_config(struct bench *bench, enum resource_type type, const char *name,
                         const char *key, const char *value)
{
    uint8_t body[1024];
    struct writer writer;
    const struct bytes texts[] = {bytes_of_string(name), bytes_of_string(key),
                                  bytes_of_string(value)};
    struct incremental_alter_configs_request_config config =
        incremental_alter_configs_request_config_default;
    config.name = chain_of(&texts[1]);
    config.value = chain_of(&texts[2]);
    struct incremental_alter_configs_request_resource resource =
        incremental_alter_configs_request_resource_default;
    resource.resource_type = (int8_t)type;
    resource.resource_name = chain_of(&texts[0]);
    resource.configs.items = &config;
    resource.configs.count = 1;
    struct incremental_alter_configs_request request = incremental_alter_configs_request_default;
    request.resources.items = &resource;
    request.resources.count = 1;
    writer_init(&writer, body, sizeof(body));
    assert_int_equal(incremental_alter_configs_request_encode(&writer, 1, &request), CODEC_OK);
    if (!bench_ask(bench, API_INCREMENTAL_ALTER_CONFIGS, 1,
                   (struct bytes){body, writer_used(&writer)})) {
        return bench->reply_error;
    }
    struct reader reader;
    struct incremental_alter_configs_response response;
    struct incremental_alter_configs_response_resource item;
    const struct bytes reply = {bench->reply, bench->reply_len};
    reader_init(&reader, chain_of(&reply));
    assert_int_equal(incremental_alter_configs_response_decode(&reader, 1, &response), CODEC_OK);
    assert_true(incremental_alter_configs_response_resource_array_next(&response.responses, &item));
    return item.error_code;
}

const struct image_topic *bench_topic(const struct bench *bench, const char *name)
{
    return image_topic_by_name(control_image(bench->control), bytes_of_string(name));
}

/* ---- Steps ---------------------------------------------------------------------------------- */

struct step_bench *step_bench_new(const char *const *extra)
{
    struct step_bench *bench = calloc(1, sizeof(*bench));
    assert_non_null(bench);
    image_init(&bench->image, 1);
    bench->settings = bench_settings(extra);
    random_init(&bench->random, 42);
    return bench;
}

void step_bench_free(struct step_bench *bench)
{
    image_free(&bench->image);
    bench_settings_free(bench->settings);
    arena_free(&bench->arena);
    changes_free(&bench->changes);
    free(bench);
}

int step_bench_down(void **state)
{
    step_bench_free(*state);
    return 0;
}

struct step step_bench_step(struct step_bench *bench, int16_t version, const struct writer *writer)
{
    assert_int_equal(writer->status, CODEC_OK);
    bench->piece = (struct bytes){bench->body, writer_used(writer)};
    struct step step = {.view = config_view_of(&bench->image, bench->settings),
                        .version = version,
                        .random = &bench->random,
                        .arena = &bench->arena,
                        .changes = &bench->changes,
                        .logger_level = "INFO"};
    reader_init(&step.body, chain_of(&bench->piece));
    return step;
}

void step_bench_apply(struct step_bench *bench)
{
    size_t at = 0;
    struct bytes record;
    char reason[256];
    while (changes_next(&bench->changes, &at, &record)) {
        assert_int_equal(image_replay(&bench->image, record, reason, sizeof(reason)), METADATA_OK);
    }
    changes_reset(&bench->changes);
}

void step_bench_topic(struct step_bench *bench, const char *name, uint32_t partitions)
{
    const struct uuid id = uuid_random(&bench->random);
    changes_topic(&bench->changes, bytes_of_string(name), id);
    for (uint32_t i = 0; i < partitions; i++) {
        const struct partition_row row = {.topic_id = id, .index = (int32_t)i, .node_id = 1};
        changes_partition(&bench->changes, &row);
    }
    step_bench_apply(bench);
}

bool chain_is(struct chain chain, const char *text)
{
    return chain_equals(chain, bytes_of_string(text));
}

bool chain_has(struct chain chain, const char *text)
{
    char flat[2048];
    assert_true(chain.len < sizeof(flat));
    chain_copy(chain, flat, chain.len);
    flat[chain.len] = '\0';
    return strstr(flat, text) != NULL;
}
