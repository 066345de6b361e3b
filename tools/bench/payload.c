#include "tools/bench/payload.h"

#include <stdlib.h>

#include "storage/base/random.h"
#include "storage/record/record.h"

static bool batch_make(struct payload *payload, uint32_t index, uint32_t capacity, uint8_t *value,
                       uint32_t value_bytes, struct random *random)
{
    uint8_t *buffer = malloc(capacity);
    if (buffer == NULL) {
        return false;
    }
    const struct batch_options options = batch_options_none();
    struct batch_builder builder;
    batch_builder_init(&builder, buffer, capacity, &options);
    uint32_t count = 0;
    do {
        random_fill(random, value, value_bytes);
        if (!batch_builder_add(&builder, payload->timestamp_ms + index, (struct bytes){0},
                               (struct bytes){value, value_bytes}, NULL, 0)) {
            break;
        }
        count++;
    } while (payload->records_per_batch != 1);
    if (count == 0) {
        free(buffer);
        return false;
    }
    payload->records_per_batch = count;
    payload->value_bytes_per_batch = (uint64_t)count * value_bytes;
    payload->batches[index] = batch_builder_finish(&builder);
    return true;
}

bool payload_create(struct payload *payload, uint64_t batch_bytes, uint64_t record_bytes,
                    uint64_t seed, int64_t now_ms)
{
    *payload =
        (struct payload){.timestamp_ms = now_ms, .records_per_batch = batch_bytes == 0 ? 1 : 0};
    const uint32_t value_bytes = (uint32_t)record_bytes;
    uint32_t capacity = (uint32_t)batch_bytes;
    if (batch_bytes == 0) {
        capacity = BATCH_HEADER_BYTES + record_size_max(0, value_bytes);
    }
    struct random random;
    random_init(&random, seed);
    uint8_t *value = malloc(value_bytes);
    bool ok = value != NULL;
    for (uint32_t i = 0; ok && i < PAYLOAD_BATCHES; i++) {
        payload->records_per_batch = batch_bytes == 0 ? 1 : 0;
        ok = batch_make(payload, i, capacity, value, value_bytes, &random);
    }
    free(value);
    if (!ok) {
        payload_destroy(payload);
    }
    return ok;
}

void payload_destroy(struct payload *payload)
{
    for (uint32_t i = 0; i < PAYLOAD_BATCHES; i++) {
        free((void *)(uintptr_t)payload->batches[i].ptr);
        payload->batches[i] = (struct bytes){0};
    }
}

bool payload_same(const struct payload *payload, struct bytes batch)
{
    if (batch.len < BATCH_HEADER_BYTES) {
        return false;
    }
    const int64_t index =
        (int64_t)load_be64(batch.ptr + BATCH_AT_BASE_TIMESTAMP) - payload->timestamp_ms;
    if (index < 0 || index >= PAYLOAD_BATCHES) {
        return false;
    }
    const struct bytes want = payload->batches[index];
    return batch.len == want.len &&
           memcmp(batch.ptr + BATCH_AT_LENGTH, want.ptr + BATCH_AT_LENGTH, 4) == 0 &&
           memcmp(batch.ptr + BATCH_AT_MAGIC, want.ptr + BATCH_AT_MAGIC,
                  batch.len - BATCH_AT_MAGIC) == 0;
}
