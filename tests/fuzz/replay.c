/* Runs fuzz inputs without libFuzzer: each file given, and mutations of it from fixed seeds.
 *
 *     fuzz_replay ROUNDS FILE...       every file, and ROUNDS mutations of each
 *     fuzz_replay seeds DIR            writes one input per message and version: a first corpus
 */
#include <stdlib.h>

#include "tests/dataplane/kafka/ops.h"
#include "tests/fuzz/fuzz_message.h"

enum {
    INPUT_BYTES_MAX = 1 << 14,
    MEMORY_BYTES = 1 << 20,
    PATH_BYTES = 4096,
};

static uint8_t memory[MEMORY_BYTES];
static uint8_t original[INPUT_BYTES_MAX];
static uint8_t mutated[INPUT_BYTES_MAX];

/* What parsers get wrong: the edges of lengths and counts. */
static const uint8_t interesting[][5] = {{0x00},
                                         {0x01},
                                         {0x7f},
                                         {0x80},
                                         {0xff},
                                         {0xff, 0xff, 0xff, 0xff, 0x0f},
                                         {0x80, 0x80, 0x80, 0x80},
                                         {0x7f, 0xff, 0xff, 0xff},
                                         {0x80, 0x00, 0x00, 0x00},
                                         {0xff, 0xff, 0xff, 0xff},
                                         {0x7f, 0xff}};

/* Changes one thing; returns the new size. */
static size_t mutate_once(struct random *random, size_t size)
{
    const size_t at = (size_t)random_below(random, size);
    switch (random_below(random, 5)) {
    case 0: mutated[at] ^= (uint8_t)(1u << random_below(random, 8)); return size;
    case 1: mutated[at] = (uint8_t)random_u64(random); return size;
    case 2: return max_u64(at, FUZZ_HEAD_BYTES);
    case 3:
        if (size + 1 < INPUT_BYTES_MAX) {
            memmove(mutated + at + 1, mutated + at, size - at);
            return size + 1;
        }
        return size;
    default: break;
    }
    const uint64_t which = random_below(random, ARRAY_SIZE(interesting));
    const size_t len = (size_t)min_u64(sizeof(interesting[0]), size - at);
    memcpy(mutated + at, interesting[which], len);
    return size;
}

static void replay(size_t size, uint32_t rounds)
{
    struct random random;
    random_init(&random, size);
    LLVMFuzzerTestOneInput(original, size);
    for (uint32_t round = 0; round < rounds && size > 0; round++) {
        memcpy(mutated, original, size);
        size_t mutated_size = size;
        for (uint64_t i = 0; i <= random_below(&random, 4); i++) {
            mutated_size = mutate_once(&random, mutated_size);
        }
        LLVMFuzzerTestOneInput(mutated, mutated_size);
    }
}

static bool replay_file(const char *path, uint32_t rounds)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return false;
    }
    const size_t size = fread(original, 1, sizeof(original), file);
    fclose(file);
    replay(size, rounds);
    return true;
}

/* The input for one message filled from a seed. */
static size_t make_seed(uint32_t index, int16_t version, uint64_t seed)
{
    const struct message_ops *ops = &message_ops[index];
    _Alignas(16) uint8_t message[OPS_SIZE_MAX];
    struct fill fill = {.memory = {.base = memory, .size = sizeof(memory)}};
    struct writer writer;
    random_init(&fill.random, seed);
    ops->fill(&fill, version, message);
    original[0] = (uint8_t)index;
    original[1] = (uint8_t)(version - ops->version_min);
    original[2] = (uint8_t)random_below(&fill.random, 20);
    writer_init(&writer, original + FUZZ_HEAD_BYTES, sizeof(original) - FUZZ_HEAD_BYTES);
    return ops->encode(&writer, version, message) == CODEC_OK
               ? FUZZ_HEAD_BYTES + (size_t)writer_used(&writer)
               : 0;
}

static bool write_seeds(const char *folder)
{
    for (uint32_t i = 0; i < message_ops_count; i++) {
        for (int16_t v = message_ops[i].version_min; v <= message_ops[i].version_max; v++) {
            char path[PATH_BYTES];
            snprintf(path, sizeof(path), "%s/%s-%d", folder, message_ops[i].name, v);
            const size_t size = make_seed(i, v, (uint64_t)v);
            FILE *file = fopen(path, "wb");
            if (file == NULL || fwrite(original, 1, size, file) != size || fclose(file) != 0) {
                perror(path);
                return false;
            }
        }
    }
    return true;
}

/* Every message and version as made by the schema, then the files. */
int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "seeds") == 0) {
        return write_seeds(argv[2]) ? 0 : 1;
    }
    const uint32_t rounds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    if (rounds == 0) {
        fputs("usage: fuzz_replay ROUNDS FILE... | seeds DIR\n", stderr);
        return 2;
    }
    for (uint32_t i = 0; i < message_ops_count; i++) {
        for (int16_t v = message_ops[i].version_min; v <= message_ops[i].version_max; v++) {
            const size_t size = make_seed(i, v, (uint64_t)v + 1000);
            if (size > 0) {
                replay(size, rounds);
            }
        }
    }
    bool ok = true;
    for (int i = 2; i < argc; i++) {
        ok = replay_file(argv[i], rounds) && ok;
    }
    return ok ? 0 : 1;
}
