#include "tests/sim/sim_memory.h"

#include <sys/mman.h>

#include "storage/base/check.h"

/* A block: a page that knows its length, a guard, the memory, another guard. */
enum { PAGE_BYTES = 4096, AHEAD_BYTES = 2 * PAGE_BYTES, AROUND_BYTES = AHEAD_BYTES + PAGE_BYTES };

void *sim_memory_take(uint64_t bytes)
{
    const uint64_t inner = round_up(bytes, PAGE_BYTES);
    uint8_t *block = mmap(NULL, inner + AROUND_BYTES, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT(block != MAP_FAILED);
    const bool open = mprotect(block, PAGE_BYTES, PROT_READ | PROT_WRITE) == 0 &&
                      mprotect(block + AHEAD_BYTES, inner, PROT_READ | PROT_WRITE) == 0;
    ASSERT(open);
    *(uint64_t *)(void *)block = inner + AROUND_BYTES;
    return block + AHEAD_BYTES;
}

void sim_memory_give(void *memory)
{
    if (memory == NULL) {
        return;
    }
    uint8_t *block = (uint8_t *)memory - AHEAD_BYTES;
    /* The pages go, their addresses stay taken. */
    const void *gone = mmap(block, *(uint64_t *)(void *)block, PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    ASSERT(gone == block);
}
