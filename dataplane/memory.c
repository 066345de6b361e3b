#include "dataplane/memory.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <linux/mman.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    HUGE_PAGE_BYTES = 2 << 20, /* The size MAP_HUGE_2MB asks for. */
    NODES_MAX = 64,            /* That one of them may be preferred. */
    PATH_BYTES = 512,
};

static int huge_take(struct memory_area *area, uint64_t size)
{
    size = round_up(size, HUGE_PAGE_BYTES);
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, -1, 0);
    if (base == MAP_FAILED) {
        return -errno;
    }
    /* The pages are reserved, but a cgroup limit or another NUMA node's pool shows only now; the
     * kernel then says so here, where a core's first touch would be killed. */
    if (madvise(base, size, MADV_POPULATE_WRITE) != 0 && errno != EINVAL) {
        const int error = -errno;
        (void)munmap(base, size);
        return error;
    }
    *area = (struct memory_area){.base = base, .size = size, .page_bytes = HUGE_PAGE_BYTES};
    return 0;
}

/* Aligned, so that the kernel can use its transparent huge pages where it has some: fewer misses of
 * the TLB, and a registered buffer of 100 KB is one piece for the disk instead of 25. */
static int transparent_take(struct memory_area *area, uint64_t size)
{
    const uint64_t mapped = size + HUGE_PAGE_BYTES;
    uint8_t *base = mmap(NULL, mapped, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        return -errno;
    }
    const uint64_t before = round_up((uintptr_t)base, HUGE_PAGE_BYTES) - (uintptr_t)base;
    if (before > 0) {
        (void)munmap(base, before);
    }
    base += before;
    if (mapped - before > size) {
        (void)munmap(base + size, mapped - before - size);
    }
    (void)madvise(base, size, MADV_HUGEPAGE); /* Only faster. */
    *area = (struct memory_area){.base = base, .size = size, .page_bytes = MEMORY_PAGE_BYTES};
    return 0;
}

int memory_take(struct memory_area *area, uint64_t size, enum memory_pages pages)
{
    if (pages == MEMORY_PAGES_ANY && huge_take(area, size) == 0) {
        return 0;
    }
    const uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    size = round_up(size, page_bytes);
    if (pages == MEMORY_PAGES_ANY && size >= HUGE_PAGE_BYTES) {
        return transparent_take(area, size);
    }
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        return -errno;
    }
    *area = (struct memory_area){.base = base, .size = size, .page_bytes = page_bytes};
    return 0;
}

void memory_give(struct memory_area *area)
{
    (void)munmap(area->base, area->size);
    *area = (struct memory_area){0};
}

int memory_node_of_cpu(const char *root, uint32_t cpu)
{
    char path[PATH_BYTES];
    for (int node = 0; node < NODES_MAX; node++) {
        const int len =
            snprintf(path, sizeof(path), "%s/sys/devices/system/cpu/cpu%u/node%d", root, cpu, node);
        if (len > 0 && (size_t)len < sizeof(path) && access(path, F_OK) == 0) {
            return node;
        }
    }
    return -1;
}

/* Without NUMA, or in a container that forbids it, memory is where it is. */
struct memory_policy memory_prefer_node(int node)
{
    struct memory_policy found = {.mode = MPOL_DEFAULT};
    const long got =
        syscall(SYS_get_mempolicy, &found.mode, found.nodes, 8 * sizeof(found.nodes), NULL, 0);
    found.kept = got != 0 || node < 0 || node >= NODES_MAX;
    if (!found.kept) {
        const unsigned long nodes = 1ul << node;
        (void)syscall(SYS_set_mempolicy, MPOL_PREFERRED, &nodes, NODES_MAX + 1);
    }
    return found;
}

void memory_policy_restore(const struct memory_policy *found)
{
    if (!found->kept) {
        (void)syscall(SYS_set_mempolicy, found->mode, found->nodes, 8 * sizeof(found->nodes));
    }
}

void *memory_part(struct memory_cursor *cursor, uint64_t size, uint64_t align)
{
    const uint64_t start = round_up(cursor->used, align);
    if (start > cursor->area.size || size > cursor->area.size - start) {
        return NULL;
    }
    cursor->used = start + size;
    return cursor->area.base + start;
}
