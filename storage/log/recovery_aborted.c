/* .txnindex files: read where the mark vouches for them, else made anew from the log. A damaged one
 * would let a consumer see what was aborted: then every batch of the partition is read. */
#include <errno.h>
#include <stdlib.h>

#include "storage/log/recovery_state.h"

enum { TXN_INDEX_BYTES_MAX = 256 << 20 };

static struct aborted_txn *aborted_place(struct recovery *r)
{
    struct recovered_partition *out = r->out;
    if (out->aborted_count == out->aborted_capacity) {
        const uint32_t capacity = out->aborted_capacity == 0 ? 64 : 2 * out->aborted_capacity;
        void *grown = realloc(out->aborted, capacity * sizeof(*out->aborted));
        if (grown == NULL) {
            recovery_note(r, -ENOMEM);
            return NULL;
        }
        out->aborted = grown;
        out->aborted_capacity = capacity;
    }
    return &out->aborted[out->aborted_count++];
}

void recovery_note_aborted(struct recovery *r, const struct aborted_txn *txn)
{
    struct aborted_txn *place = aborted_place(r);
    if (place != NULL) {
        *place = *txn;
    }
}

void recovery_cut_aborted(struct recovery *r, int64_t offset)
{
    struct recovered_partition *out = r->out;
    while (out->aborted_count > 0 && out->aborted[out->aborted_count - 1].last_offset >= offset) {
        out->aborted_count--;
    }
}

/* Entries of one file. entries: how many there must be; UINT32_MAX: all of the file. */
static bool take_file(struct recovery *r, int64_t base, int64_t end, uint32_t entries)
{
    const char *path = recovery_segment_path(r, base, SEGMENT_TXN_INDEX);
    if (entries == 0 || (entries == UINT32_MAX && recovery_size_of(r, path) == -ENOENT)) {
        return true;
    }
    uint32_t len = 0;
    uint8_t *file = recovery_read_whole(r, path, TXN_INDEX_BYTES_MAX, &len);
    struct bytes right = {file, len};
    bool good = file != NULL;
    if (good && entries != UINT32_MAX) { /* What follows was not durable. */
        good = len / TXN_INDEX_ENTRY_BYTES >= entries;
        right.len = good ? entries * TXN_INDEX_ENTRY_BYTES : 0;
    }
    good = good && txn_index_right(right, base, end);
    for (uint32_t at = 0; good && at < right.len; at += TXN_INDEX_ENTRY_BYTES) {
        const struct aborted_txn txn = txn_index_read(right.ptr + at);
        recovery_note_aborted(r, &txn);
    }
    free(file);
    return good;
}

static bool take_files(struct recovery *r)
{
    const struct sidecar *sidecar = &r->out->sidecar;
    for (uint32_t i = 0; i < r->logs.count && r->logs.at[i] <= sidecar->segment_base; i++) {
        const int64_t base = r->logs.at[i];
        const bool marked = base == sidecar->segment_base;
        const int64_t next = i + 1 < r->logs.count ? r->logs.at[i + 1] : sidecar->recovery_offset;
        if (!take_file(r, base, marked ? sidecar->recovery_offset : next,
                       marked ? sidecar->txn_entries : UINT32_MAX)) {
            return false;
        }
    }
    return true;
}

void recovery_read_aborted(struct recovery *r)
{
    if (!r->has_sidecar || take_files(r)) {
        return;
    }
    r->out->aborted_count = 0;
    recovery_forget_mark(r, r->out->log_start);
    recovery_default_sidecar(r);
}

static uint32_t first_behind(const struct recovered_partition *out, int64_t offset)
{
    uint32_t at = out->aborted_count;
    while (at > 0 && out->aborted[at - 1].last_offset >= offset) {
        at--;
    }
    return at;
}

void recovery_write_txn_index(struct recovery *r, int64_t base, int64_t end, bool durable)
{
    const struct recovered_partition *out = r->out;
    const uint32_t first = first_behind(out, base);
    const uint32_t count = first_behind(out, end) - first;
    const char *path = recovery_segment_path(r, base, SEGMENT_TXN_INDEX);
    if (count == 0) { /* Only segments with an aborted transaction have one. */
        const int error = file_unlink(r->fs, path);
        r->names_changed = r->names_changed || error == 0;
        recovery_note(r, error == -ENOENT ? 0 : error);
        return;
    }
    uint8_t *bytes = malloc((size_t)count * TXN_INDEX_ENTRY_BYTES);
    const int fd =
        bytes == NULL ? -ENOMEM : file_open(r->fs, path, FILE_READ | FILE_WRITE | FILE_CREATE);
    int error = fd < 0 ? fd : 0;
    for (uint32_t i = 0; i < count && error == 0; i++) {
        txn_index_write(bytes + (size_t)i * TXN_INDEX_ENTRY_BYTES, &out->aborted[first + i]);
    }
    const uint64_t len = (uint64_t)count * TXN_INDEX_ENTRY_BYTES;
    if (error == 0) {
        const int64_t written = file_write(r->fs, fd, bytes, len, 0);
        error = written < 0 ? (int)written : file_truncate(r->fs, fd, len);
    }
    if (error == 0 && durable) {
        error = file_sync(r->fs, fd);
    }
    if (fd >= 0) {
        file_close(r->fs, fd);
    }
    r->names_changed = true;
    recovery_note(r, error);
    free(bytes);
}
