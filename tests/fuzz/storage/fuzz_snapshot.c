/* Producer snapshots and indexes as found on a disk. */
#include "storage/base/crc32c.h"
#include "storage/log/index_format.h"
#include "storage/log/producer_state.h"
#include "tests/fuzz/storage/fuzz_target.h"

enum { INPUT_BYTES_MAX = 1 << 16, ENTRIES = 16, ENTRY_BYTES_GUESS = 512 };

static uint8_t copy[INPUT_BYTES_MAX];
static uint8_t exported[INPUT_BYTES_MAX];

/* Whatever a snapshot says, the state stays whole and its own snapshot loads again. */
static void load_and_export(struct bytes file, uint32_t count)
{
    static _Alignas(64) uint8_t memory[ENTRIES * ENTRY_BYTES_GUESS];
    struct producer_pool pool;
    struct producer_state state;
    ASSERT(producer_pool_memory_bytes(ENTRIES, 0) <= sizeof(memory));
    producer_pool_init(&pool, memory, ENTRIES, 0);
    producer_state_init(&state, &pool, 0);
    for (uint32_t i = 0; i < count; i++) {
        const struct producer_snapshot_entry entry = producer_snapshot_read(file, i);
        const enum producer_status status = producer_state_load(&state, &entry);
        ASSERT(status == PRODUCER_OK || status == PRODUCER_NO_ROOM);
    }
    ASSERT(producer_pool_invariants(&pool));
    (void)producer_state_first_open_txn(&state);
    producer_state_export(&state, exported);
    const struct bytes again = {exported, (uint32_t)producer_snapshot_bytes(state.count)};
    uint32_t exported_count;
    ASSERT(producer_snapshot_check(again, &exported_count) == PRODUCER_SNAPSHOT_OK);
    ASSERT(exported_count == state.count);
    producer_state_clear(&state, 0);
    ASSERT(pool.entry_used == 0);
}

static void search_indexes(struct bytes file, int64_t key)
{
    const struct bytes offsets = {file.ptr, offset_index_valid_bytes(file, 1 << 30)};
    const struct bytes times = {file.ptr, time_index_valid_bytes(file)};
    ASSERT(offset_index_truncated_bytes(offsets, 0, key) <= offsets.len);
    ASSERT(time_index_truncated_bytes(times, 0, key) <= times.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < PRODUCER_SNAPSHOT_HEADER_BYTES || size > INPUT_BYTES_MAX) {
        return 0;
    }
    memcpy(copy, data, size);
    const struct bytes file = {copy, (uint32_t)size};
    uint32_t count;
    search_indexes(file, (int64_t)load_be64(copy + 2));
    if (producer_snapshot_check(file, &count) == PRODUCER_SNAPSHOT_OK) {
        load_and_export(file, count);
    }
    store_be32(copy + 2, crc32c_extend(0, copy + 6, size - 6)); /* So that damage gets further. */
    if (producer_snapshot_check(file, &count) == PRODUCER_SNAPSHOT_OK) {
        load_and_export(file, count);
    }
    return 0;
}

size_t fuzz_seed(uint32_t index, uint8_t *to, size_t capacity)
{
    if (index >= 4 || producer_snapshot_bytes(8 * index) > capacity) {
        return 0;
    }
    for (uint32_t i = 0; i < 8 * index; i++) {
        const struct producer_snapshot_entry entry = {
            .producer_id = i % 20,
            .last_sequence = (int32_t)i,
            .last_offset = (int64_t)i * 10 - 1,
            .timestamp_ms = i,
            .coordinator_epoch = -1,
            .txn_first_offset = i % 5 == 0 ? (int64_t)i : -1,
        };
        producer_snapshot_write(to, i, &entry);
    }
    producer_snapshot_seal(to, 8 * index);
    return producer_snapshot_bytes(8 * index);
}
