/* Large memory of the simulated processes, kept for their next lives, under AddressSanitizer.
 *
 * A process that dies a thousand times gives back and asks for its dozens of megabytes each time.
 * The sanitizer unmaps them and maps others, and the kernel brings in their shadow page by page:
 * nine tenths of what such a test takes. So posix_memalign and free are wrapped (meson.build): a
 * block goes to the next who asks for its size, after KEPT others. What a sanitizer finds is found:
 * outside its bytes and after its return a block is poisoned, it is a root of the leak check while
 * somebody has it, none may be left at exit. Of one thread, as simulation is.
 */
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "storage/base/check.h"

enum {
    PAGE_BYTES = 4096,
    BLOCK_BYTES_MIN = 256 * 1024, /* Smaller ones the sanitizer keeps itself. */
    SIZES = 64,
    KEPT = 16,
};

static const uint64_t region_bytes = UINT64_C(1) << 36;

/* In the page ahead of it. */
struct block {
    struct block *next;
    uint64_t bytes;
    uint32_t size;
    bool taken;
};

struct size {
    uint64_t bytes;
    struct block *first; /* The longest there. */
    struct block *last;
    uint32_t count;
};

static struct size sizes[SIZES];
static uint8_t *region;
static uint64_t region_used;
static uint32_t taken_count;

int __wrap_posix_memalign(void **to, size_t alignment, size_t bytes);
int __real_posix_memalign(void **to, size_t alignment, size_t bytes);
void __wrap_free(void *memory);
void __real_free(void *memory);

static uint8_t *memory_of(struct block *block)
{
    return (uint8_t *)block + PAGE_BYTES;
}

static uint32_t size_find(uint64_t bytes)
{
    for (uint32_t i = 0; i < SIZES; i++) {
        if (sizes[i].bytes == bytes || sizes[i].bytes == 0) {
            sizes[i].bytes = bytes;
            return i;
        }
    }
    return SIZES;
}

/* Between its page and the next block's lies one that nobody can touch. */
static struct block *block_new(uint32_t size)
{
    const uint64_t whole = round_up(sizes[size].bytes + 1, PAGE_BYTES) + PAGE_BYTES;
    if (region == NULL) {
        void *at =
            mmap(NULL, region_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        region = at == MAP_FAILED ? NULL : at;
    }
    if (region == NULL || region_used + whole + PAGE_BYTES > region_bytes ||
        mprotect(region + region_used, whole, PROT_READ | PROT_WRITE) != 0) {
        return NULL;
    }
    struct block *block = (void *)(region + region_used);
    region_used += whole + PAGE_BYTES;
    block->size = size;
    block->bytes = sizes[size].bytes;
    __asan_poison_memory_region(block + 1, PAGE_BYTES - sizeof(*block));
    return block;
}

static struct block *block_take(uint64_t bytes)
{
    const uint32_t at = size_find(bytes);
    if (at == SIZES) {
        return NULL;
    }
    struct size *size = &sizes[at];
    if (size->count <= KEPT) {
        return block_new(at);
    }
    struct block *block = size->first;
    size->first = block->next;
    size->count--;
    return block;
}

int __wrap_posix_memalign(void **to, size_t alignment, size_t bytes)
{
    struct block *block =
        bytes < BLOCK_BYTES_MIN || alignment > PAGE_BYTES ? NULL : block_take(bytes);
    if (block == NULL) {
        return __real_posix_memalign(to, alignment, bytes);
    }
    block->taken = true;
    taken_count++;
    *to = memory_of(block);
    __asan_poison_memory_region(*to, round_up(bytes + 1, PAGE_BYTES));
    __asan_unpoison_memory_region(*to, bytes);
    __lsan_register_root_region(*to, bytes);
    return 0;
}

void __wrap_free(void *memory)
{
    if (region == NULL || (uint8_t *)memory < region ||
        (uint8_t *)memory >= region + region_bytes) {
        __real_free(memory);
        return;
    }
    struct block *block = (void *)((uint8_t *)memory - PAGE_BYTES);
    ASSERT(block->taken);
    block->taken = false;
    taken_count--;
    __lsan_unregister_root_region(memory, block->bytes);
    __asan_poison_memory_region(memory, block->bytes);
    struct size *size = &sizes[block->size];
    block->next = NULL;
    if (size->count++ == 0) {
        size->first = block;
    } else {
        size->last->next = block;
    }
    size->last = block;
}

__attribute__((destructor)) static void all_came_back(void)
{
    if (taken_count > 0) {
        (void)fprintf(stderr, "%u large blocks were never given back\n", taken_count);
        _exit(1);
    }
}
