/* Writes what the coordinator of transactions records, as a segment of __transaction_state:
 *
 *     golden_txns FILE
 */
#include <stdio.h>

#include "storage/record/record.h"
#include "tests/control/txn/bench.h"

enum { BATCH_BYTES_MAX = 1 << 16 };

static void txns_live(struct txn_bench *bench)
{
    bench->settings.version = 0;
    bench_init(bench, "old", -1, -1);
    bench_add(bench, 3, "old", 1000, 0, "t/0 t/1 u/2");
    bench_end(bench, 3, "old", 1000, 0, false);
    bench_written(bench);
    bench->settings.version = 2;
    bench_init(bench, "new", -1, -1);
    bench_add(bench, 5, "new", 1001, 0, "t/0");
    bench_end(bench, 5, "new", 1001, 0, true);
    bench_written(bench);
    bench->wall_ms += bench->settings.id_expiration_ms;
    bench_event(bench, TXN_EXPIRE);
}

int main(int argc, char **argv)
{
    static uint8_t buffer[BATCH_BYTES_MAX];
    struct txn_bench *bench = txn_bench_new();
    struct batch_builder builder;
    struct batch_options options = batch_options_none();
    options.leader_epoch = 0;
    txns_live(bench);
    batch_builder_init(&builder, buffer, sizeof(buffer), &options);
    for (uint32_t i = 0; i < bench->log_count; i++) {
        const struct txn_record *record = &bench->log[i];
        ASSERT(batch_builder_add(&builder, bench->wall_ms, record->key, record->value, NULL, 0));
    }
    const struct bytes batch = batch_builder_finish(&builder);
    FILE *file = argc == 2 ? fopen(argv[1], "wb") : NULL;
    const bool good = file != NULL && fwrite(batch.ptr, 1, batch.len, file) == batch.len;
    txn_bench_free(bench);
    return file != NULL && fclose(file) == 0 && good ? 0 : 1;
}
