/* Runs a storage fuzz target without libFuzzer: its seeds and mutations of them.
 *
 *     fuzz_storage_NAME_replay ROUNDS          every seed, and ROUNDS mutations of each
 *     fuzz_storage_NAME_replay ROUNDS FILE...  files, likewise
 *     fuzz_storage_NAME_replay seeds DIR       writes the seeds: a first corpus for libFuzzer
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/random.h"
#include "tests/fuzz/storage/fuzz_target.h"

enum { INPUT_BYTES_MAX = 1 << 16 };

static uint8_t original[INPUT_BYTES_MAX];
static uint8_t mutated[INPUT_BYTES_MAX];

static size_t mutate_once(struct random *random, size_t size)
{
    static const uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0xff, '\n', ' ', '9'};
    if (size == 0) {
        return 0;
    }
    const size_t at = (size_t)random_below(random, size);
    const size_t len = (size_t)random_below(random, min_u64(size - at, 8) + 1);
    switch (random_below(random, 6)) {
    case 0: mutated[at] ^= (uint8_t)(1u << random_below(random, 8)); return size;
    case 1: mutated[at] = (uint8_t)random_u64(random); return size;
    case 2: return at;
    case 3: memset(mutated + at, edges[random_below(random, sizeof(edges))], len); return size;
    case 4: memmove(mutated + at, mutated + at + len, size - at - len); return size - len;
    default:
        if (size + len > INPUT_BYTES_MAX) {
            return size;
        }
        memmove(mutated + at + len, mutated + at, size - at);
        return size + len;
    }
}

static void replay(size_t size, uint32_t rounds)
{
    struct random random;
    random_init(&random, size);
    LLVMFuzzerTestOneInput(original, size);
    for (uint32_t round = 0; round < rounds; round++) {
        memcpy(mutated, original, size);
        size_t mutated_size = size;
        for (uint64_t i = random_below(&random, 4) + 1; i > 0; i--) {
            mutated_size = mutate_once(&random, mutated_size);
        }
        LLVMFuzzerTestOneInput(mutated, mutated_size);
    }
}

static int write_seeds(const char *folder)
{
    size_t size;
    for (uint32_t i = 0; (size = fuzz_seed(i, original, sizeof(original))) > 0; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/seed-%u", folder, i);
        FILE *file = fopen(path, "wb");
        if (file == NULL || fwrite(original, 1, size, file) != size || fclose(file) != 0) {
            perror(path);
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "seeds") == 0) {
        return write_seeds(argv[2]);
    }
    const uint32_t rounds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    if (rounds == 0) {
        fputs("usage: REPLAY ROUNDS [FILE...] | seeds DIR\n", stderr);
        return 2;
    }
    size_t size;
    for (uint32_t i = 0; (size = fuzz_seed(i, original, sizeof(original))) > 0; i++) {
        replay(size, rounds);
    }
    for (int i = 2; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (file == NULL) {
            perror(argv[i]);
            return 1;
        }
        size = fread(original, 1, sizeof(original), file);
        fclose(file);
        replay(size, rounds);
    }
    return 0;
}
