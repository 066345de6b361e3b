#include "storage/log/producer_snapshot.h"

#include "storage/base/crc32c.h"

enum { VERSION = 1, AT_CRC = 2, AT_COUNT = 6 };

void producer_snapshot_write(uint8_t *to, uint32_t at, const struct producer_snapshot_entry *entry)
{
    uint8_t *place = to + producer_snapshot_bytes(at);
    store_be64(place, (uint64_t)entry->producer_id);
    store_be16(place + 8, (uint16_t)entry->epoch);
    store_be32(place + 10, (uint32_t)entry->last_sequence);
    store_be64(place + 14, (uint64_t)entry->last_offset);
    store_be32(place + 22, (uint32_t)entry->offset_delta);
    store_be64(place + 26, (uint64_t)entry->timestamp_ms);
    store_be32(place + 34, (uint32_t)entry->coordinator_epoch);
    store_be64(place + 38, (uint64_t)entry->txn_first_offset);
}

void producer_snapshot_seal(uint8_t *to, uint32_t count)
{
    store_be16(to, VERSION);
    store_be32(to + AT_COUNT, count);
    store_be32(to + AT_CRC,
               crc32c_extend(0, to + AT_COUNT, producer_snapshot_bytes(count) - AT_COUNT));
}

enum producer_snapshot_status producer_snapshot_check(struct bytes file, uint32_t *count)
{
    if (file.len < 2) {
        return PRODUCER_SNAPSHOT_CUT;
    }
    if (load_be16(file.ptr) != VERSION) {
        return PRODUCER_SNAPSHOT_FOREIGN;
    }
    if (file.len < PRODUCER_SNAPSHOT_HEADER_BYTES) {
        return PRODUCER_SNAPSHOT_CUT;
    }
    const uint32_t found = load_be32(file.ptr + AT_COUNT);
    if (found > INT32_MAX || file.len != producer_snapshot_bytes(found)) {
        return PRODUCER_SNAPSHOT_CUT;
    }
    if (load_be32(file.ptr + AT_CRC) !=
        crc32c_extend(0, file.ptr + AT_COUNT, file.len - AT_COUNT)) {
        return PRODUCER_SNAPSHOT_BAD_CRC;
    }
    *count = found;
    return PRODUCER_SNAPSHOT_OK;
}

uint32_t producer_snapshot_crc(const uint8_t *file)
{
    return load_be32(file + AT_CRC);
}

struct producer_snapshot_entry producer_snapshot_read(struct bytes file, uint32_t at)
{
    ASSERT(producer_snapshot_bytes(at + 1) <= file.len);
    const uint8_t *place = file.ptr + producer_snapshot_bytes(at);
    return (struct producer_snapshot_entry){
        .producer_id = (int64_t)load_be64(place),
        .epoch = (int16_t)load_be16(place + 8),
        .last_sequence = (int32_t)load_be32(place + 10),
        .last_offset = (int64_t)load_be64(place + 14),
        .offset_delta = (int32_t)load_be32(place + 22),
        .timestamp_ms = (int64_t)load_be64(place + 26),
        .coordinator_epoch = (int32_t)load_be32(place + 34),
        .txn_first_offset = (int64_t)load_be64(place + 38),
    };
}

const char *producer_snapshot_status_name(enum producer_snapshot_status status)
{
    switch (status) {
    case PRODUCER_SNAPSHOT_OK: return "ok";
    case PRODUCER_SNAPSHOT_CUT: return "wrong size";
    case PRODUCER_SNAPSHOT_FOREIGN: return "foreign version";
    case PRODUCER_SNAPSHOT_BAD_CRC: return "wrong checksum";
    }
    return "unknown";
}
