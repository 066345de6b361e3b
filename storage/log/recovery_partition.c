/* One partition: which bytes are its log, and everything that follows from them (H4, H13).
 *
 * The checkpoint says from where on batches must be checked. Behind it every batch counts whose
 * length, offset and CRC are right; at the first that is not, the log is cut, and the file is
 * truncated there and made durable, so that nothing old can follow what is appended next. Without
 * a checkpoint (a directory made by Kafka, a damaged file) every batch of every segment is read.
 */
#include <errno.h>
#include <stdlib.h>

#include "storage/log/producers.h"
#include "storage/log/recovery_state.h"

/* ---- The files there are -------------------------------------------------------------------- */

static bool ends_with(const char *name, const char *suffix)
{
    const size_t len = strlen(name);
    const size_t suffix_len = strlen(suffix);
    return len >= suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

static int list_file(void *context, const struct file_entry *entry)
{
    struct recovery *r = context;
    struct segment_name name;
    const struct bytes text = bytes_of_string(entry->name);
    if (entry->directory) {
        return 0;
    }
    if (!segment_name_parse(text, &name)) {
        if (ends_with(entry->name, ".tmp") || strcmp(entry->name, NEXT_FILE) == 0) {
            r->names_changed = true;
            recovery_note(r, file_unlink(r->fs, recovery_file_path(r, entry->name)));
        }
        return 0;
    }
    if (name.mark != SEGMENT_LIVE) {
        return recovery_leftover_add(r, name) ? 0 : -ENOMEM;
    }
    struct offsets *offsets = name.file == SEGMENT_LOG         ? &r->logs
                              : name.file == SEGMENT_SNAPSHOT  ? &r->snapshots
                              : name.file == SEGMENT_PRODUCERS ? &r->marks
                                                               : &r->indexes;
    return recovery_offsets_add(offsets, name.base_offset) ? 0 : -ENOMEM;
}

static void unlink_file(struct recovery *r, int64_t offset, enum segment_file file)
{
    const int error = file_unlink(r->fs, recovery_segment_path(r, offset, file));
    recovery_note(r, error == -ENOENT ? 0 : error);
    r->names_changed = true;
}

static bool offsets_have(const struct offsets *offsets, int64_t offset)
{
    return offsets->count > 0 && bsearch(&offset, offsets->at, offsets->count, sizeof(offset),
                                         recovery_by_offset) != NULL;
}

/* Indexes whose log is gone: it goes first when a segment leaves. Kafka's LogLoader does so too. */
static void remove_orphans(struct recovery *r)
{
    for (uint32_t i = 0; i < r->indexes.count; i++) {
        const int64_t base = r->indexes.at[i];
        if (!recovery_log_exists(r, base)) {
            unlink_file(r, base, SEGMENT_INDEX);
            unlink_file(r, base, SEGMENT_TIME_INDEX);
            unlink_file(r, base, SEGMENT_TXN_INDEX);
        }
    }
}

static void list_names(struct recovery *r)
{
    r->logs.count = 0;
    r->snapshots.count = 0;
    r->indexes.count = 0;
    r->marks.count = 0;
    r->leftover_count = 0;
    recovery_note(r, file_list(r->fs, recovery_directory_path(r), list_file, r));
    if (r->logs.count > 0) {
        qsort(r->logs.at, r->logs.count, sizeof(int64_t), recovery_by_offset);
    }
}

static void remove_leftovers(struct recovery *r)
{
    for (uint32_t i = 0; i < r->leftover_count; i++) {
        char name[SEGMENT_NAME_BYTES];
        segment_name_format(r->leftovers[i], name);
        recovery_note(r, file_unlink(r->fs, recovery_file_path(r, name)));
        r->names_changed = true;
    }
}

static void list_files(struct recovery *r)
{
    list_names(r);
    if (r->error == 0 && recovery_finish_swaps(r) && r->error == 0) {
        list_names(r);
    }
    if (r->error != 0) {
        return;
    }
    remove_leftovers(r);
    remove_orphans(r);
    if (r->snapshots.count > 0) {
        qsort(r->snapshots.at, r->snapshots.count, sizeof(int64_t), recovery_by_offset);
    }
    for (uint32_t i = 0; r->error == 0 && i < r->marks.count; i++) {
        if (!offsets_have(&r->snapshots, r->marks.at[i])) { /* Kafka removed what it belongs to. */
            unlink_file(r, r->marks.at[i], SEGMENT_PRODUCERS);
        }
    }
}

/* ---- One segment ---------------------------------------------------------------------------- */

static void replay(struct recovery *r, struct scan *scan)
{
    const struct batch_header *header = &scan->header;
    if (header->base_offset < r->replay_from || scan->old_magic) {
        return;
    }
    if (header->leader_epoch >= 0 && header->leader_epoch > epoch_cache_latest(&r->epochs) &&
        epoch_cache_assign(&r->epochs, header->leader_epoch, header->base_offset)) {
        r->out->epochs_dirty = true;
    }
    uint8_t bytes[BATCH_HEADER_BYTES + 64];
    struct bytes view = {bytes, 0};
    if (batch_is_control(header)) {
        const struct bytes there = scan_view(&scan->window, scan->batch_position, sizeof(bytes));
        view.len = min_u32(min_u32(there.len, header->size_bytes), sizeof(bytes));
        memcpy(bytes, there.ptr, view.len);
    }
    struct aborted_txn aborted;
    if (producers_replay(&r->producers, chain_of(&view), header, false, &aborted) != PRODUCER_OK) {
        recovery_note(r, 0); /* Bounded memory: as when it expires. */
    }
    if (aborted.last_offset >= 0) {
        recovery_note_aborted(r, &aborted);
    }
}

/* Bytes of the next window behind the cut that are not zero: what a torn write left. */
static uint64_t garbage_behind(struct scan *scan)
{
    const struct bytes view = scan_view(&scan->window, scan->position, SCAN_BUFFER_BYTES / 2);
    uint64_t count = 0;
    for (uint32_t i = 0; i < view.len; i++) {
        count += view.ptr[i] != 0;
    }
    return count;
}

static void start_at_checkpoint(struct recovery *r, struct segment_scan *at, struct scan *scan)
{
    const struct sidecar *sidecar = &r->out->sidecar;
    struct recovered_segment *s = at->segment;
    scan->position = sidecar->position;
    scan->next_offset = sidecar->recovery_offset;
    s->peak = (struct peak){sidecar->max_timestamp_ms, sidecar->max_timestamp_offset};
    s->first_timestamp_ms = sidecar->first_timestamp_ms;
    at->index_first = sidecar->index_entries;
    at->time_first = sidecar->time_entries;
    at->index_bytes_since = sidecar->index_bytes_since;
}

/* Reads the segment from where trust ends. Sets its size; *next is the offset behind it. *torn: the
 * file goes on behind the last good batch. */
static void scan_segment(struct recovery *r, struct recovered_segment *s, bool last,
                         uint32_t file_bytes, int64_t *next, bool *torn, bool *clean)
{
    const struct sidecar *sidecar = &r->out->sidecar;
    struct segment_scan at = {.segment = s, .time_last_ms = -1};
    struct scan scan = {.window = {.fs = r->fs,
                                   .buffer = r->scan_buffer,
                                   .buffer_bytes = SCAN_BUFFER_BYTES,
                                   .file_bytes = file_bytes},
                        .next_offset = s->base_offset,
                        .offset_max =
                            s->base_offset + min_i64(INT32_MAX, INT64_MAX - s->base_offset),
                        .check_crc = true};
    if (r->has_sidecar && s->base_offset == sidecar->segment_base &&
        r->replay_from >= sidecar->recovery_offset &&
        recovery_index_right(r, s->base_offset, sidecar->position, sidecar->index_entries,
                             sidecar->time_entries, &at.time_last_ms)) {
        start_at_checkpoint(r, &at, &scan);
        *clean = sidecar->sealed && sidecar->position == file_bytes;
    } else {
        r->report->rebuilt_index = true;
        at.time_last_ms = -1;
    }
    const char *path = recovery_segment_path(r, s->base_offset, SEGMENT_LOG);
    scan.window.fd = file_open_direct(r->fs, path, FILE_READ);
    if (scan.window.fd < 0) {
        recovery_note(r, scan.window.fd);
        return;
    }
    while (scan_next(&scan)) {
        recovery_note_index(r, &at, &scan);
        replay(r, &scan);
    }
    recovery_note(r, scan.window.error);
    s->size = (uint32_t)scan.position;
    *next = scan.next_offset;
    *torn = scan.position < file_bytes;
    if (*torn) {
        r->report->cut_bytes += garbage_behind(&scan);
    }
    r->report->read_bytes += scan.window.read_bytes;
    file_close(r->fs, scan.window.fd);
    if (*clean) { /* As the last stop left it: every file is whole and durable. */
        s->index_count = sidecar->index_entries;
        s->time_count = sidecar->time_entries;
    } else if (r->error == 0) {
        /* Rolled already, if the mark stands at the head of a segment that has no file yet: the
         * next start trusts its indexes to be whole. */
        const bool rolled = r->has_sidecar && sidecar->segment_base > s->base_offset;
        recovery_write_indexes(r, &at, last && !rolled);
        recovery_write_txn_index(r, s->base_offset, scan.next_offset, !last || rolled);
    }
    r->out->index_bytes_since = at.index_bytes_since;
    r->out->time_last_ms = at.time_last_ms;
}

/* Cuts the file to its data and makes both durable: nothing old may follow a new batch (H4). */
static void cut_segment(struct recovery *r, const struct recovered_segment *s)
{
    const int fd = file_open(r->fs, recovery_segment_path(r, s->base_offset, SEGMENT_LOG),
                             FILE_READ | FILE_WRITE);
    if (fd < 0) {
        recovery_note(r, fd);
        return;
    }
    int error = file_truncate(r->fs, fd, s->size);
    if (error == 0) {
        error = file_sync(r->fs, fd);
    }
    file_close(r->fs, fd);
    recovery_note(r, error);
}

/* ---- The partition -------------------------------------------------------------------------- */

void recovery_remove_segment(struct recovery *r, int64_t base)
{
    static const enum segment_file files[] = {SEGMENT_LOG, SEGMENT_INDEX, SEGMENT_TIME_INDEX,
                                              SEGMENT_TXN_INDEX};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        unlink_file(r, base, files[i]);
    }
}

static void recover_segments(struct recovery *r)
{
    struct recovered_partition *out = r->out;
    int64_t next = r->logs.count > 0 ? r->logs.at[0] : out->log_start;
    bool cut = false; /* A hole: what follows is not part of the log. */
    bool gap_allowed = true;
    for (uint32_t i = 0; i < r->logs.count && r->error == 0; i++) {
        const int64_t base = r->logs.at[i];
        const bool last = i + 1 == r->logs.count;
        if (cut || base < next || (base > next && !gap_allowed)) {
            cut = true;
            recovery_remove_segment(r, base);
            continue;
        }
        const int64_t bytes = recovery_size_of(r, recovery_segment_path(r, base, SEGMENT_LOG));
        if (bytes < 0 || bytes > (int64_t)round_up(INT32_MAX, BLOCK)) { /* Reserved in blocks. */
            recovery_note(r, bytes < 0 ? (int)bytes : -EFBIG);
            return;
        }
        struct recovered_segment *s = &out->segments[out->segment_count++];
        *s = (struct recovered_segment){
            .base_offset = base, .peak = {-1, base}, .first_timestamp_ms = -1};
        const int64_t end = last ? INT64_MAX : r->logs.at[i + 1];
        const bool trusted =
            !last && r->has_sidecar && end <= out->sidecar.segment_base && end <= r->replay_from;
        if (trusted && recovery_take_on_trust(r, s, (uint32_t)bytes)) {
            next = end;
            gap_allowed = true;
            continue;
        }
        *s = (struct recovered_segment){
            .base_offset = base, .peak = {-1, base}, .first_timestamp_ms = -1};
        bool torn = false;
        bool clean = false;
        scan_segment(r, s, last, (uint32_t)bytes, &next, &torn, &clean);
        gap_allowed = !torn;
        if (r->error == 0 && !clean) {
            cut_segment(r, s);
        }
    }
    out->end = next;
}

/* A mark at the head of a segment whose file does not exist yet: the log ends there. */
static void honour_head_mark(struct recovery *r)
{
    struct recovered_partition *out = r->out;
    const struct sidecar *sidecar = &out->sidecar;
    if (r->has_sidecar && !recovery_log_exists(r, sidecar->segment_base) &&
        sidecar->segment_base > out->end && sidecar->position == 0) {
        out->end = sidecar->segment_base;
    }
}

static void drop_everything(struct recovery *r)
{
    struct recovered_partition *out = r->out;
    for (uint32_t i = 0; i < out->segment_count; i++) {
        recovery_remove_segment(r, out->segments[i].base_offset);
    }
    out->segment_count = 0;
    out->end = out->log_start;
    out->aborted_count = 0;
    producer_state_clear(&r->producers, out->end);
    out->snapshot_offset = -1;
}

static void settle_bounds(struct recovery *r)
{
    struct recovered_partition *out = r->out;
    if (out->segment_count > 0 && out->segments[0].base_offset > out->log_start) {
        out->log_start = out->segments[0].base_offset;
    }
    if (out->log_start > out->end) { /* As Kafka: the deleted part reached beyond what is left. */
        drop_everything(r);
    }
    if (out->segment_count == 0 && out->log_start < out->end) {
        out->log_start = out->end;
    }
    const bool end_moved = epoch_cache_truncate_end(&r->epochs, out->end);
    const bool start_moved = epoch_cache_truncate_start(&r->epochs, out->log_start);
    out->epochs_dirty = out->epochs_dirty || end_moved || start_moved;
    if (r->has_sidecar && out->end < out->sidecar.recovery_offset) {
        recovery_forget_mark(r, out->log_start);
        recovery_default_sidecar(r);
    }
    for (uint32_t i = 0; i < r->snapshots.count; i++) {
        if (r->snapshots.at[i] > out->end) {
            unlink_file(r, r->snapshots.at[i], SEGMENT_SNAPSHOT);
            unlink_file(r, r->snapshots.at[i], SEGMENT_PRODUCERS);
        }
    }
    if (r->names_changed) {
        recovery_note(r, file_sync_directory(r->fs, recovery_directory_path(r)));
    }
    recovery_cut_aborted(r, out->end);
    out->marked = r->has_sidecar;
    out->unread_bytes = 0;
    for (uint32_t i = 0; i < out->segment_count; i++) {
        const struct recovered_segment *s = &out->segments[i];
        if (s->base_offset > out->sidecar.segment_base) {
            out->unread_bytes += s->size;
        } else if (s->base_offset == out->sidecar.segment_base) {
            out->unread_bytes += s->size - min_u32(s->size, out->sidecar.position);
        }
    }
}

static void export_state(struct recovery *r)
{
    struct recovered_partition *out = r->out;
    out->epoch_count = r->epochs.count;
    out->epochs = calloc(r->epochs.count + 1u, sizeof(*out->epochs));
    out->producers = calloc(r->producers.count + 1u, sizeof(*out->producers));
    if (out->epochs == NULL || out->producers == NULL) {
        recovery_note(r, -ENOMEM);
        return;
    }
    memcpy(out->epochs, epoch_cache_entries(&r->epochs), r->epochs.count * sizeof(*out->epochs));
    uint32_t cursor = 0;
    while (out->producer_count < r->producers.count &&
           producer_state_next(&r->producers, &cursor, &out->producers[out->producer_count])) {
        out->producer_count++;
    }
}

static bool prepare(struct recovery *r)
{
    void *scan_buffer = NULL;
    if (posix_memalign(&r->epoch_memory, 64, pool_memory_bytes(sizeof(struct epoch_block), 1)) !=
            0 ||
        posix_memalign(&scan_buffer, BLOCK, SCAN_BUFFER_BYTES) != 0) {
        return false;
    }
    r->scan_buffer = scan_buffer;
    pool_init(&r->epoch_pool, r->epoch_memory, sizeof(struct epoch_block), 1);
    epoch_cache_init(&r->epochs, &r->epoch_pool);
    r->out = calloc(1, sizeof(*r->out));
    return r->out != NULL;
}

static void forget(struct recovery *r)
{
    free(r->pool_memory);
    free(r->epoch_memory);
    free(r->scan_buffer);
    free(r->logs.at);
    free(r->snapshots.at);
    free(r->indexes.at);
    free(r->marks.at);
    free(r->leftovers);
    free(r->offset_index.at);
    free(r->time_index.at);
}

static void recover(struct recovery *r)
{
    list_files(r);
    if (r->error == 0) {
        recovery_read_sidecar(r);
    }
    if (r->error == 0) {
        recovery_read_epochs(r);
        recovery_read_aborted(r);
        recovery_make_producers(r);
    }
    if (r->error == 0) {
        recovery_start_producers(r);
        recovery_cut_aborted(r, r->replay_from);
        r->out->segments = calloc(r->logs.count + 1u, sizeof(*r->out->segments));
        recovery_note(r, r->out->segments == NULL ? -ENOMEM : 0);
    }
    if (r->error == 0) {
        recover_segments(r);
    }
    if (r->error == 0) {
        honour_head_mark(r);
        settle_bounds(r);
    }
    if (r->error == 0) {
        export_state(r);
    }
    r->report->segment_count = r->out->segment_count;
}

enum log_status partition_recover(struct file_system *fs, const struct data_directory *directory,
                                  const struct found_partition *found,
                                  struct recovered_partition **out, struct recovery_report *report)
{
    struct recovery r = {.fs = fs, .directory = directory, .report = report};
    *out = NULL;
    *report = (struct recovery_report){0};
    struct text text;
    text_init(&text, r.path, sizeof(r.path));
    text_string(&text, directory->path);
    text_char(&text, '/');
    text_string(&text, found->name);
    if (text.full || text.len + SEGMENT_NAME_BYTES >= sizeof(r.path)) {
        return LOG_IO_ERROR;
    }
    r.path_bytes = text.len;
    if (prepare(&r)) {
        r.out->id = found->id;
        memcpy(r.out->name, found->name, sizeof(r.out->name));
        recover(&r);
    } else {
        r.error = -ENOMEM;
    }
    forget(&r);
    if (r.error != 0) {
        recovered_partition_free(r.out);
        return log_status_of(r.error);
    }
    *out = r.out;
    return LOG_OK;
}

void recovered_partition_free(struct recovered_partition *recovered)
{
    if (recovered != NULL) {
        free(recovered->segments);
        free(recovered->epochs);
        free(recovered->producers);
        free(recovered->aborted);
        free(recovered);
    }
}

int32_t recovered_partition_epoch(const struct recovered_partition *recovered)
{
    return recovered->epoch_count == 0 ? -1 : recovered->epochs[recovered->epoch_count - 1].epoch;
}

bool recovered_partition_fresh(const struct recovered_partition *recovered)
{
    return recovered->segment_count == 0 && recovered->end == 0 && recovered->epoch_count == 0;
}
