/* The log of a core: its memory, its turns, its partitions by name. */
#include "storage/log/clean.h"

#include <errno.h>
#include <stdlib.h>

enum { IOS = 1024, COMMITS = 1024, JOBS = 192, DOOMED = 256, ABORTED_COUNT = 1 << 18 };

static bool pool_make(struct pool *pool, size_t object_bytes, uint32_t capacity)
{
    void *memory = NULL;
    const size_t bytes = pool_memory_bytes((uint32_t)object_bytes, capacity);
    if (posix_memalign(&memory, 64, bytes) != 0) {
        return false;
    }
    pool_init(pool, memory, (uint32_t)object_bytes, capacity);
    return true;
}

static bool stock_make(struct stock *stock, void **memory, size_t object_bytes, uint32_t capacity)
{
    if (posix_memalign(memory, 64, stock_memory_bytes((uint32_t)object_bytes, capacity)) != 0) {
        return false;
    }
    stock_init(stock, *memory, (uint32_t)object_bytes, capacity);
    return true;
}

static bool make_pools(struct log *log)
{
    const struct log_setup *setup = &log->setup;
    const uint32_t partitions = setup->partition_count_max;
    const uint32_t segments =
        setup->segment_count_max != 0 ? setup->segment_count_max : 2 * partitions + 16384;
    const uint32_t epoch_blocks = partitions / 16 + 64;
    const uint32_t aborted =
        setup->aborted_count_max != 0 ? setup->aborted_count_max : ABORTED_COUNT;
    return pool_make(&log->partition_pool, sizeof(struct partition), partitions) &&
           pool_make(&log->segment_pool, sizeof(struct segment), segments) &&
           pool_make(&log->handle_pool, sizeof(struct handle), setup->open_file_count_max) &&
           stock_make(&log->io_stock, &log->io_memory, sizeof(struct io), IOS) &&
           stock_make(&log->commit_stock, &log->commit_memory, sizeof(struct commit), COMMITS) &&
           pool_make(&log->member_pool, sizeof(struct flush_member), partitions + 256) &&
           pool_make(&log->job_pool, sizeof(struct job), JOBS) &&
           pool_make(&log->chunk_pool, sizeof(struct index_chunk), partitions + 2048) &&
           pool_make(&log->epoch_pool, sizeof(struct epoch_block), epoch_blocks) &&
           pool_make(&log->doomed_pool, sizeof(struct doomed), DOOMED) &&
           pool_make(&log->aborted_pool, sizeof(struct aborted_chunk),
                     partitions + aborted / ABORTED_CHUNK_ENTRIES);
}

static void *memory_aligned(size_t alignment, size_t bytes)
{
    void *memory = NULL;
    return posix_memalign(&memory, alignment, round_up(bytes, alignment)) == 0 ? memory : NULL;
}

static bool make_memory(struct log *log)
{
    const struct log_setup *setup = &log->setup;
    const uint32_t window =
        setup->inflate_window_max != 0 ? setup->inflate_window_max : (uint32_t)INFLATE_WINDOW_MAX;
    if (log->setup.batch_bytes_max == 0) {
        log->setup.batch_bytes_max = BATCH_BYTES_MAX;
    }
    if (log->setup.checkpoint_bytes == 0) {
        log->setup.checkpoint_bytes = CHECKPOINT_PARTITION_BYTES;
    }
    const uint32_t undos = setup->producer_count_max / 4 + 4096;
    log->producer_memory =
        memory_aligned(64, producer_pool_memory_bytes(setup->producer_count_max, undos));
    log->inflate_memory =
        memory_aligned(64, inflate_memory_bytes(min_u32(window, INFLATE_WINDOW_DEFAULT)));
    log->validation_memory = memory_aligned(64, inflate_memory_bytes(window));
    log->job_memory = memory_aligned(64, inflate_memory_bytes(window));
    log->job_scratch = memory_aligned(BLOCK, JOB_SCRATCH_BYTES);
    log->query_buffer = memory_aligned(64, log->setup.batch_bytes_max);
    log->snapshot_buffer =
        memory_aligned(64, producer_snapshot_bytes(setup->producer_count_max) +
                               producer_marks_bytes_max(setup->producer_count_max));
    uint32_t buckets = 64;
    while (buckets < setup->partition_count_max) {
        buckets *= 2;
    }
    log->bucket_mask = buckets - 1;
    log->buckets = calloc(buckets, sizeof(struct partition *));
    log->closing_capacity = 2 * setup->open_file_count_max + 64;
    log->closing_fds = calloc(log->closing_capacity, sizeof(int));
    if (log->query_buffer == NULL || log->snapshot_buffer == NULL || log->producer_memory == NULL ||
        log->inflate_memory == NULL || log->validation_memory == NULL || log->job_memory == NULL ||
        log->job_scratch == NULL || log->buckets == NULL || log->closing_fds == NULL) {
        return false;
    }
    producer_pool_init(&log->producer_pool, log->producer_memory, setup->producer_count_max, undos);
    log->inflate = inflate_init(log->inflate_memory, min_u32(window, INFLATE_WINDOW_DEFAULT));
    log->validation_inflate = inflate_init(log->validation_memory, window);
    log->job_inflate = inflate_init(log->job_memory, window);
    return true;
}

static void init_lists(struct log *log)
{
    struct list *lists[] = {
        &log->partitions,     &log->handles_unused,  &log->work,         &log->starved,
        &log->dirty,          &log->flushing,        &log->busy,         &log->jobs_out,
        &log->validation_out, &log->rebuilds,        &log->reads_ready,  &log->reads_starved,
        &log->done_appends,   &log->done_reads,      &log->done_queries, &log->done_operations,
        &log->advanced,       &log->queries_waiting, &log->doomed};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        list_init(lists[i]);
    }
}

struct log *log_create(const struct log_setup *setup)
{
    ASSERT(setup->directory_count > 0 && setup->directory_count <= LOG_DIRECTORIES_MAX);
    ASSERT(setup->partition_count_max > 0 && setup->open_file_count_max > 0);
    struct log *log = calloc(1, sizeof(*log));
    if (log == NULL) {
        return NULL;
    }
    log->setup = *setup;
    log->shared = setup->shared != NULL ? setup->shared : &log->shared_own;
    log->disk = setup->disk;
    init_lists(log);
    for (uint32_t i = 0; i < setup->directory_count; i++) {
        const int fd = setup->flush_fds[i];
        log->devices[i].path = setup->directory_paths[i];
        log->devices[i].quiet = (struct handle){
            .fd = fd, .slot = fd >= 0 ? disk_add_file(log->disk, fd, false) : -1, .refs = 1};
        log->devices[i].failures_heard = atomic_load(&log->shared->flushes_failed[i]);
        list_init(&log->devices[i].settling);
        list_init(&log->devices[i].settling_now);
    }
    random_init(&log->random, setup->seed);
    const uint64_t arena_bytes = round_down(setup->arena_bytes, ARENA_PAGE_BYTES);
    if (!make_pools(log) || !make_memory(log) || !clean_make(log) ||
        !arena_init(&log->arena, setup->arena, arena_bytes)) {
        log_destroy(log);
        return NULL;
    }
    return log;
}

void log_destroy(struct log *log)
{
    if (log == NULL) {
        return;
    }
    clean_destroy(log);
    append_destroy(log);
    const struct pool *pools[] = {
        &log->partition_pool, &log->segment_pool, &log->handle_pool,
        &log->member_pool,    &log->job_pool,     &log->chunk_pool,
        &log->epoch_pool,     &log->doomed_pool,  &log->aborted_pool,
    };
    for (size_t i = 0; i < ARRAY_SIZE(pools); i++) {
        free(pools[i]->objects);
    }
    void *memories[] = {log->io_memory,       log->commit_memory,     log->producer_memory,
                        log->inflate_memory,  log->validation_memory, log->job_memory,
                        log->job_scratch,     (void *)log->buckets,   log->closing_fds,
                        log->snapshot_buffer, log->query_buffer};
    for (size_t i = 0; i < ARRAY_SIZE(memories); i++) {
        free(memories[i]);
    }
    arena_finish(&log->arena);
    free(log);
}

/* ---- Small shared things -------------------------------------------------------------------- */

enum log_status log_status_of(int error)
{
    switch (-error) {
    case 0: return LOG_OK;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return LOG_NO_SPACE;
    case EROFS: return LOG_READ_ONLY;
    default: return LOG_IO_ERROR;
    }
}

void log_kick(struct partition *p)
{
    if (!list_linked(&p->work_node)) {
        list_push_back(&p->log->work, &p->work_node);
    }
}

void log_starve(struct partition *p)
{
    if (!list_linked(&p->work_node)) {
        list_push_back(&p->log->starved, &p->work_node);
    }
}

void log_announce(struct partition *p)
{
    if (p->watched && !list_linked(&p->advanced_node)) {
        list_push_back(&p->log->advanced, &p->advanced_node);
    }
}

LINK_INLINE struct io *log_io_take(struct log *log)
{
    if (disk_room(log->disk) == 0) {
        return NULL;
    }
    struct io *io = stock_take(&log->io_stock);
    if (io != NULL) {
        *io = (struct io){.op.owner = io};
    }
    return io;
}

/* The device that its failure may be one of; NULL: of none. */
static struct device *io_flushes(struct log *log, const struct io *io)
{
    if (io->kind == IO_DEVICE_FLUSH) {
        return io->device;
    }
    return io->covers_device ? &log->devices[io->partition->directory] : NULL;
}

LINK_INLINE void log_io_submit(struct log *log, struct io *io)
{
    struct device *device = io_flushes(log, io);
    if (device != NULL) {
        io->flush_round = device->flush_round;
        device->flushing[io->flush_round]++;
    }
    handle_use(log, io->handle);
    io->op.slot = io->handle->slot;
    if (io->partition != NULL) {
        io->partition->io_count++;
    }
    disk_submit(log->disk, &io->op);
}

void log_operation_end(struct log *log, struct log_operation *operation, enum log_status status)
{
    operation->status = status;
    list_push_back(&log->done_operations, &operation->node);
}

/* ---- The turn ------------------------------------------------------------------------------- */

static void io_done(struct log *log, struct disk_op *op)
{
    struct io *io = op->owner;
    struct partition *p = io->partition;
    if (p != NULL) {
        ASSERT(p->io_count > 0);
        p->io_count--;
    }
    if (op->result < 0) {
        log->counters.io_errors++;
    }
    struct device *device = io_flushes(log, io);
    if (device != NULL) {
        device->flushing[io->flush_round]--;
    }
    handle_unuse(log, io->handle);
    switch (io->kind) {
    case IO_COMMIT: commit_io_done(io); break;
    case IO_LOAD: read_loaded(io); break;
    case IO_FLUSH:
    case IO_DEVICE_FLUSH: commit_flush_done(io); break;
    default: ASSERT(false);
    }
    stock_give(&log->io_stock, io);
    if (p != NULL && p->io_count == 0 && partition_waits(p)) {
        log_kick(p);
    }
}

/* Looks at every partition that was kicked; those kicked meanwhile come in the next pass. */
static uint32_t work_turn(struct log *log)
{
    enum { STARVED_PER_TURN = 64 };
    for (uint32_t i = 0; i < STARVED_PER_TURN && !list_empty(&log->starved); i++) {
        list_push_back(&log->work, list_pop_front(&log->starved));
    }
    struct list now;
    list_init(&now);
    list_append_all(&now, &log->work);
    uint32_t work = 0;
    struct list_node *node;
    while ((node = list_pop_front(&now)) != NULL) {
        partition_progress(CONTAINER_OF(node, struct partition, work_node));
        work++;
    }
    if (!list_empty(&log->reads_ready) || !list_empty(&log->reads_starved)) {
        read_progress(log);
    }
    if (!list_empty(&log->queries_waiting)) {
        query_progress(log);
    }
    return work;
}

static bool work_waits(const struct log *log)
{
    return !list_empty(&log->work) || !list_empty(&log->starved) ||
           !list_empty(&log->reads_ready) || !list_empty(&log->reads_starved) ||
           !list_empty(&log->queries_waiting);
}

uint32_t log_done_turn(struct log *log, uint64_t now_ns, int64_t wall_ms, uint32_t budget)
{
    log->now_ns = now_ns;
    log->wall_ms = wall_ms;
    uint32_t work = 0;
    struct disk_op *op;
    commit_hear_failures(log); /* Before a flush of ours claims what another core's has lost. */
    while (work < budget && (op = disk_done(log->disk)) != NULL) {
        io_done(log, op);
        work++;
    }
    work += jobs_turn(log);
    if (work_waits(log)) {
        work += work_turn(log);
    }
    return work;
}

uint32_t log_submit_turn(struct log *log, uint64_t now_ns)
{
    log->now_ns = now_ns;
    uint32_t work = 0;
    if (!list_empty(&log->work)) {
        work += work_turn(log);
    }
    work += commit_plan_all(log);
    handle_submit_closes(log);
    jobs_submit(log);
    return work;
}

/* ---- What came back ------------------------------------------------------------------------- */

struct append *log_append_done(struct log *log)
{
    struct list_node *node = list_take_front(&log->done_appends);
    return node == NULL ? NULL : CONTAINER_OF(node, struct append, node);
}

LINK_INLINE const struct append *log_append_next(const struct log *log)
{
    struct list_node *node = list_first(&log->done_appends);
    return node == NULL ? NULL : CONTAINER_OF(node, const struct append, node);
}

struct log_read *log_read_done(struct log *log)
{
    struct list_node *node = list_pop_front(&log->done_reads);
    return node == NULL ? NULL : CONTAINER_OF(node, struct log_read, node);
}

struct log_query *log_query_done(struct log *log)
{
    struct list_node *node = list_pop_front(&log->done_queries);
    return node == NULL ? NULL : CONTAINER_OF(node, struct log_query, node);
}

struct log_operation *log_operation_done(struct log *log)
{
    struct list_node *node = list_pop_front(&log->done_operations);
    return node == NULL ? NULL : CONTAINER_OF(node, struct log_operation, node);
}

struct partition *log_advanced(struct log *log)
{
    struct list_node *node = list_pop_front(&log->advanced);
    return node == NULL ? NULL : CONTAINER_OF(node, struct partition, advanced_node);
}

struct partition *log_find(struct log *log, const struct partition_id *id)
{
    struct partition *p = log->buckets[partition_hash(id) & log->bucket_mask];
    while (p != NULL && (p->id.index != id->index || !uuid_equal(p->id.topic_id, id->topic_id))) {
        p = p->hash_next;
    }
    return p;
}

const struct log_counters *log_counters(const struct log *log)
{
    return &log->counters;
}
