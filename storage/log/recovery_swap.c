/* A compaction that a crash interrupted, ours or Kafka's, brought to its end (LogLoader.java).
 *
 * Both write the new segments as .cleaned, flush them and name them .swap; from then on they
 * count. Then the old ones become .deleted, and only then the new ones take their names. Found in
 * between, the new ones are all there is. A .cleaned file says that the names .swap were not all
 * given yet: those at its offset and above are dropped. */
#include <errno.h>
#include <stdlib.h>

#include "storage/log/recovery_state.h"

/* The log segments that come in. */
struct incoming {
    int64_t lowest; /* Base offset. */
    int64_t end;    /* The segments in [lowest, end) are what they replace. */
    bool whole;     /* All of them, to their last byte. */
};

static const char *path_of(struct recovery *r, struct segment_name name, enum segment_mark mark)
{
    char text[SEGMENT_NAME_BYTES];
    name.mark = mark;
    segment_name_format(name, text);
    return recovery_file_path(r, text);
}

static void sync_names(struct recovery *r)
{
    if (r->error == 0) {
        recovery_note(r, file_sync_directory(r->fs, recovery_directory_path(r)));
    }
}

static int by_offset(const void *a, const void *b)
{
    const struct segment_name *x = a;
    const struct segment_name *y = b;
    if (x->base_offset != y->base_offset) {
        return x->base_offset < y->base_offset ? -1 : 1;
    }
    return (int)x->file - (int)y->file;
}

static void measure(struct recovery *r, struct segment_name name, struct incoming *in)
{
    const char *path = path_of(r, name, SEGMENT_SWAP);
    const int64_t size = recovery_size_of(r, path);
    if (size < 0) {
        recovery_note(r, (int)size);
        return;
    }
    struct scan scan;
    const int error = recovery_scan_open(r, path, name.base_offset, (uint64_t)size, &scan);
    if (error != 0) {
        recovery_note(r, error);
        return;
    }
    recovery_scan_all(r, &scan);
    recovery_note(r, scan.window.error);
    in->lowest = min_i64(in->lowest, name.base_offset);
    /* One without a batch replaces that of its name. */
    in->end = max_i64(in->end, max_i64(scan.next_offset, name.base_offset + 1));
    in->whole = in->whole && scan.position == (uint64_t)size;
}

/* Drops the files at limit and above. Those of .cleaned go last, by the caller: without them the
 * next start would believe what is dropped here. */
static void drop(struct recovery *r, int64_t limit)
{
    bool dropped = false;
    for (uint32_t i = 0; i < r->leftover_count; i++) {
        const struct segment_name name = r->leftovers[i];
        if (name.mark == SEGMENT_SWAP && name.base_offset >= limit) {
            recovery_note(r, file_unlink(r->fs, path_of(r, name, SEGMENT_SWAP)));
            dropped = true;
        }
    }
    if (dropped) {
        sync_names(r);
    }
}

static void remove_replaced(struct recovery *r, const struct offsets *bases,
                            const struct incoming *in)
{
    for (uint32_t i = 0; i < bases->count; i++) {
        if (bases->at[i] >= in->lowest && bases->at[i] < in->end) {
            recovery_remove_segment(r, bases->at[i]);
        }
    }
}

/* Our mark speaks of the segments as they were, unless it stands behind all of them. */
static void drop_mark(struct recovery *r, const struct incoming *in)
{
    uint32_t len = 0;
    uint8_t *file =
        recovery_read_whole(r, recovery_file_path(r, SIDECAR_FILE), SIDECAR_BYTES, &len);
    struct sidecar sidecar;
    const bool readable = file != NULL && sidecar_read((struct bytes){file, len}, &sidecar);
    free(file);
    if (!readable) {
        const int error = file_unlink(r->fs, recovery_file_path(r, SIDECAR_FILE));
        recovery_note(r, error == -ENOENT ? 0 : error);
    } else if (in->end > sidecar.segment_base) {
        recovery_forget_mark(r, sidecar.log_start);
    }
}

/* What they replace is durably gone before the first has its name, and each before the one above:
 * two segments never hold the same offsets. */
static void take_in(struct recovery *r, int64_t limit, const struct incoming *in)
{
    if (in->lowest < in->end) {
        remove_replaced(r, &r->logs, in);
        remove_replaced(r, &r->indexes, in);
        drop_mark(r, in);
        sync_names(r);
    }
    for (uint32_t i = 0; i < r->leftover_count && r->error == 0; i++) {
        const struct segment_name name = r->leftovers[i];
        if (name.mark == SEGMENT_SWAP && name.base_offset < limit) {
            char from[PATH_BYTES];
            memcpy(from, path_of(r, name, SEGMENT_SWAP), sizeof(from));
            recovery_note(r, file_rename(r->fs, from, path_of(r, name, SEGMENT_LIVE)));
            sync_names(r);
        }
    }
}

bool recovery_finish_swaps(struct recovery *r)
{
    int64_t limit = INT64_MAX;
    bool any = false;
    for (uint32_t i = 0; i < r->leftover_count; i++) {
        any = any || r->leftovers[i].mark == SEGMENT_SWAP;
        if (r->leftovers[i].mark == SEGMENT_CLEANED) {
            limit = min_i64(limit, r->leftovers[i].base_offset);
        }
    }
    if (!any) {
        return false;
    }
    qsort(r->leftovers, r->leftover_count, sizeof(*r->leftovers), by_offset);
    struct incoming in = {.lowest = INT64_MAX, .end = -1, .whole = true};
    for (uint32_t i = 0; i < r->leftover_count && r->error == 0; i++) {
        const struct segment_name name = r->leftovers[i];
        if (name.mark == SEGMENT_SWAP && name.file == SEGMENT_LOG && name.base_offset < limit) {
            measure(r, name, &in);
        }
    }
    if (!in.whole && recovery_log_exists(r, in.lowest)) {
        limit = in.lowest; /* Damaged, and what it replaces is still there: the better one. */
        in = (struct incoming){.lowest = INT64_MAX, .end = -1};
    }
    drop(r, limit);
    take_in(r, limit, &in);
    return true;
}
