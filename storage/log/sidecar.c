#include "storage/log/sidecar.h"

#include <xxhash.h>

enum {
    VERSION = 2,
    VERSION_BEFORE = 1, /* Without txn_entries: no log had a transaction then. */
    SEALED = 1,
    HASH_BYTES = 8,
    HASHED_BYTES = SIDECAR_BYTES - HASH_BYTES,
    BYTES_BEFORE = SIDECAR_BYTES - 4,
};

static const uint8_t magic[4] = {'M', 'R', 'C', 'P'};

void sidecar_write(const struct sidecar *sidecar, uint8_t to[SIDECAR_BYTES])
{
    memcpy(to, magic, sizeof(magic));
    store_be16(to + 4, VERSION);
    store_be16(to + 6, sidecar->sealed ? SEALED : 0);
    store_be64(to + 8, (uint64_t)sidecar->log_start);
    store_be64(to + 16, (uint64_t)sidecar->recovery_offset);
    store_be64(to + 24, (uint64_t)sidecar->segment_base);
    store_be32(to + 32, sidecar->position);
    store_be64(to + 36, (uint64_t)sidecar->snapshot_offset);
    store_be64(to + 44, (uint64_t)sidecar->max_timestamp_ms);
    store_be64(to + 52, (uint64_t)sidecar->max_timestamp_offset);
    store_be64(to + 60, (uint64_t)sidecar->first_timestamp_ms);
    store_be32(to + 68, sidecar->index_entries);
    store_be32(to + 72, sidecar->time_entries);
    store_be32(to + 76, sidecar->index_bytes_since);
    store_be64(to + 80, (uint64_t)sidecar->leader_epoch);
    store_be64(to + 88, sidecar->bytes_before);
    store_be32(to + 96, sidecar->txn_entries);
    store_be64(to + HASHED_BYTES, XXH3_64bits(to, HASHED_BYTES));
}

struct sidecar sidecar_blank(int64_t log_start, int64_t base)
{
    return (struct sidecar){.log_start = log_start,
                            .recovery_offset = base,
                            .segment_base = base,
                            .snapshot_offset = -1,
                            .max_timestamp_ms = -1,
                            .max_timestamp_offset = base,
                            .first_timestamp_ms = -1,
                            .leader_epoch = -1};
}

static bool plausible(const struct sidecar *sidecar)
{
    return sidecar->log_start >= 0 && sidecar->segment_base >= 0 &&
           sidecar->recovery_offset >= sidecar->segment_base && sidecar->snapshot_offset >= -1 &&
           sidecar->snapshot_offset <= sidecar->recovery_offset && sidecar->position <= INT32_MAX;
}

static bool whole(struct bytes file)
{
    if ((file.len != SIDECAR_BYTES && file.len != BYTES_BEFORE) ||
        memcmp(file.ptr, magic, sizeof(magic)) != 0 ||
        load_be16(file.ptr + 4) != (file.len == SIDECAR_BYTES ? VERSION : VERSION_BEFORE)) {
        return false;
    }
    const uint32_t hashed = file.len - HASH_BYTES;
    return load_be64(file.ptr + hashed) == XXH3_64bits(file.ptr, hashed);
}

bool sidecar_read(struct bytes file, struct sidecar *sidecar)
{
    const uint8_t *from = file.ptr;
    if (!whole(file)) {
        return false;
    }
    *sidecar = (struct sidecar){
        .sealed = (load_be16(from + 6) & SEALED) != 0,
        .log_start = (int64_t)load_be64(from + 8),
        .recovery_offset = (int64_t)load_be64(from + 16),
        .segment_base = (int64_t)load_be64(from + 24),
        .position = load_be32(from + 32),
        .snapshot_offset = (int64_t)load_be64(from + 36),
        .max_timestamp_ms = (int64_t)load_be64(from + 44),
        .max_timestamp_offset = (int64_t)load_be64(from + 52),
        .first_timestamp_ms = (int64_t)load_be64(from + 60),
        .index_entries = load_be32(from + 68),
        .time_entries = load_be32(from + 72),
        .index_bytes_since = load_be32(from + 76),
        .leader_epoch = (int64_t)load_be64(from + 80),
        .bytes_before = load_be64(from + 88),
        .txn_entries = file.len == SIDECAR_BYTES ? load_be32(from + 96) : 0,
    };
    return plausible(sidecar);
}
