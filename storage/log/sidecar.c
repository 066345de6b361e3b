#include "storage/log/sidecar.h"

#include <xxhash.h>

enum { VERSION = 1, SEALED = 1, HASHED_BYTES = 96 };

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
    store_be64(to + HASHED_BYTES, XXH3_64bits(to, HASHED_BYTES));
}

static bool plausible(const struct sidecar *sidecar)
{
    return sidecar->log_start >= 0 && sidecar->segment_base >= 0 &&
           sidecar->recovery_offset >= sidecar->segment_base && sidecar->snapshot_offset >= -1 &&
           sidecar->snapshot_offset <= sidecar->recovery_offset && sidecar->position <= INT32_MAX;
}

bool sidecar_read(struct bytes file, struct sidecar *sidecar)
{
    const uint8_t *from = file.ptr;
    if (file.len != SIDECAR_BYTES || memcmp(from, magic, sizeof(magic)) != 0 ||
        load_be16(from + 4) != VERSION ||
        load_be64(from + HASHED_BYTES) != XXH3_64bits(from, HASHED_BYTES)) {
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
    };
    return plausible(sidecar);
}
