/* Large memory for a core: huge pages where there are free ones, ordinary pages otherwise.
 *
 * One mapping per core holds what both the disks and the network read and write, so that it can be
 * registered with io_uring and with DPDK as a whole (H15). Zeroed. Not on a core.
 */
#ifndef DATAPLANE_MEMORY_H
#define DATAPLANE_MEMORY_H

#include "storage/base/check.h"

enum {
    MEMORY_PAGE_BYTES = 4096, /* Of ordinary pages. */
};

struct memory_area {
    uint8_t *base;
    uint64_t size;       /* What was asked for, rounded up to whole pages. */
    uint64_t page_bytes; /* 4096, or the huge page size. */
};

enum memory_pages {
    MEMORY_PAGES_ANY,      /* Huge ones if there are enough, else transparent or ordinary ones. */
    MEMORY_PAGES_ORDINARY, /* No huge pages, whatever there is. */
};

/* 0 or -errno. With huge pages all of them are taken at once, so that no core meets a missing one
 * later; ordinary pages cost nothing until they are touched. */
MUST_USE int memory_take(struct memory_area *area, uint64_t size, enum memory_pages pages);
void memory_give(struct memory_area *area);

/* The NUMA node of a CPU, by the tree of /sys below root ("": this host); -1: not known. */
int memory_node_of_cpu(const char *root, uint32_t cpu);
/* How a thread was told to place its pages, by numactl for one. */
struct memory_policy {
    bool kept; /* It was not changed. */
    int mode;
    unsigned long nodes[16];
};
/* Pages that this thread makes the kernel find lie on that node, if it has some left, until what
 * was found is restored; -1: as found. For huge pages, which are taken at once: others come to
 * where the core is that touches them first. */
MUST_USE struct memory_policy memory_prefer_node(int node);
void memory_policy_restore(const struct memory_policy *found);

/* Takes parts of an area one after the other; align is a power of two. NULL when it is used up. */
struct memory_cursor {
    struct memory_area area;
    uint64_t used;
};
void *memory_part(struct memory_cursor *cursor, uint64_t size, uint64_t align);

#endif
