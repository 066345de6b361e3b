/* Batches as a client sends them: the verdict must not depend on how the bytes are cut. */
#include "storage/record/validate.h"
#include "tests/fuzz/storage/fuzz_target.h"

enum { INPUT_BYTES_MAX = 1 << 16, NOW_MS = 1000000 };

static uint8_t copy[INPUT_BYTES_MAX];
static struct bytes parts[FUZZ_PARTS];

static enum validate_status validate_cut(const struct validate_rules *rules, struct chain chain,
                                         uint64_t budget, struct validate_outcome *outcome)
{
    struct batch_header header;
    enum validate_status status = validate_framing(rules, chain, &header);
    if (status != VALIDATE_OK) {
        return status;
    }
    status = validate_header(rules, &header);
    if (status != VALIDATE_OK) {
        return status;
    }
    struct validate_walk walk;
    validate_records_begin(&walk, rules, chain, &header, NOW_MS, fuzz_inflate());
    do {
        status = validate_records_step(&walk, budget);
    } while (status == VALIDATE_MORE);
    *outcome = walk.outcome;
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > INPUT_BYTES_MAX) {
        return 0;
    }
    const uint8_t choice = data[0];
    const uint32_t piece = data[1] % 64 + 1;
    const uint32_t len = (uint32_t)size - 2;
    memcpy(copy, data + 2, len);
    struct bytes rest = {copy, len};
    struct batch_header header;
    struct bytes batch;
    while (batch_next(&rest, &header, &batch) == BATCH_OK) {
        ASSERT(batch.len >= BATCH_HEADER_BYTES);
    }
    struct validate_rules rules = validate_rules_default();
    rules.inflated_bytes_max = 1 << 20;
    rules.compacted = (choice & 1) != 0;
    rules.log_append_time = (choice & 2) != 0;
    rules.internal = (choice & 4) != 0;
    rules.transactions_refused = (choice & 8) == 0;
    struct validate_outcome whole = {0};
    struct validate_outcome cut = {0};
    const struct bytes flat = {copy, len};
    const enum validate_status a = validate_cut(&rules, chain_of(&flat), UINT64_MAX, &whole);
    const enum validate_status b =
        validate_cut(&rules, fuzz_chain(copy, len, piece, parts), 1, &cut);
    /* Of two things wrong with a compressed batch, either may be met first; for zstd see
     * fuzz_compress.c. */
    const uint32_t codec = len >= BATCH_HEADER_BYTES ? copy[BATCH_AT_ATTRIBUTES + 1] & 7 : 0;
    ASSERT(codec == BATCH_CODEC_NONE
               ? a == b
               : codec == BATCH_CODEC_ZSTD || (a == VALIDATE_OK) == (b == VALIDATE_OK));
    if (a == VALIDATE_OK && b == VALIDATE_OK) {
        ASSERT(whole.max_timestamp_ms == cut.max_timestamp_ms);
        ASSERT(whole.inflated_bytes == cut.inflated_bytes);
        ASSERT(batch_parse(chain_of(&flat), &header) == BATCH_OK);
        batch_seal(copy, header.size_bytes);
        (void)batch_set_timestamps(copy, whole.log_append_time, whole.max_timestamp_ms);
        ASSERT(batch_parse(chain_of(&flat), &header) == BATCH_OK);
        ASSERT(batch_check_crc(chain_of(&flat), &header) == BATCH_OK);
    }
    return 0;
}

size_t fuzz_seed(uint32_t index, uint8_t *to, size_t capacity)
{
    static uint8_t plain[4096];
    const struct batch_options options = batch_options_none();
    const struct bytes key = {(const uint8_t *)"key", 3};
    const struct record_header record_header = {key, key};
    struct batch_builder builder;
    struct bytes batch;
    if (index >= 2 * BATCH_CODECS) {
        return 0;
    }
    batch_builder_init(&builder, plain, sizeof(plain), &options);
    for (int32_t i = 0; i < 5; i++) {
        (void)batch_builder_add(&builder, NOW_MS - i, i == 3 ? (struct bytes){0} : key,
                                (struct bytes){plain, (uint32_t)i * 30}, &record_header, i % 2);
    }
    to[0] = (uint8_t)index;
    to[1] = (uint8_t)(index * 7);
    ASSERT(batch_builder_finish_compressed(&builder, (enum batch_codec)(index % BATCH_CODECS),
                                           INT32_MIN, to + 2, (uint32_t)capacity - 2, &batch));
    return batch.len + 2;
}
