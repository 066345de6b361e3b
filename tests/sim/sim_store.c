#include <string.h>

#include "tests/sim/sim_internal.h"

static struct sim_chunk *chunk_find(const struct sim_inode *inode, uint64_t index)
{
    const uint64_t at = index / SIM_CHUNK_PAGES;
    return at < inode->chunk_count ? inode->chunks[at] : NULL;
}

static struct sim_page *page_find(const struct sim_inode *inode, uint64_t index)
{
    const struct sim_chunk *chunk = chunk_find(inode, index);
    return chunk == NULL ? NULL : chunk->pages[index % SIM_CHUNK_PAGES];
}

static struct sim_chunk *chunk_get(struct sim_inode *inode, uint64_t index)
{
    const uint64_t at = index / SIM_CHUNK_PAGES;
    if (at >= inode->chunk_count) {
        const uint64_t count = max_u64(at + 1, inode->chunk_count * 2);
        inode->chunks = realloc(inode->chunks, count * sizeof(*inode->chunks));
        ASSERT(inode->chunks != NULL);
        memset(&inode->chunks[inode->chunk_count], 0,
               (count - inode->chunk_count) * sizeof(*inode->chunks));
        inode->chunk_count = count;
    }
    if (inode->chunks[at] == NULL) {
        inode->chunks[at] = sim_allocate(sizeof(struct sim_chunk));
    }
    return inode->chunks[at];
}

static struct sim_page *page_get(struct sim_inode *inode, uint64_t index)
{
    struct sim_chunk *chunk = chunk_get(inode, index);
    struct sim_page **at = &chunk->pages[index % SIM_CHUNK_PAGES];
    if (*at == NULL) {
        *at = sim_allocate(sizeof(**at));
        (*at)->index = index;
    }
    return *at;
}

static void page_drop_versions(struct sim_page *page, uint64_t up_to_seq)
{
    while (page->versions != NULL && page->versions->seq <= up_to_seq) {
        struct sim_version *version = page->versions;
        page->versions = version->next;
        free(version);
    }
    if (page->versions == NULL && list_linked(&page->dirty_node)) {
        list_remove(&page->dirty_node);
    }
}

static void page_free(struct sim_page *page)
{
    page_drop_versions(page, UINT64_MAX);
    free(page->now);
    free(page->durable);
    free(page);
}

void store_free(struct sim_inode *inode)
{
    for (uint64_t i = 0; i < inode->chunk_count; i++) {
        for (uint32_t p = 0; inode->chunks[i] != NULL && p < SIM_CHUNK_PAGES; p++) {
            if (inode->chunks[i]->pages[p] != NULL) {
                page_free(inode->chunks[i]->pages[p]);
            }
        }
        free(inode->chunks[i]);
    }
    free(inode->chunks);
    free(inode->events);
}

void store_read(const struct sim_inode *inode, uint8_t *to, uint64_t size, uint64_t offset)
{
    while (size > 0) {
        const uint64_t within = offset % SIM_PAGE_BYTES;
        const uint64_t here = min_u64(size, SIM_PAGE_BYTES - within);
        const struct sim_page *page = page_find(inode, offset / SIM_PAGE_BYTES);
        if (page == NULL || page->now == NULL) {
            memset(to, 0, here);
        } else {
            memcpy(to, page->now + within, here);
        }
        to += here;
        offset += here;
        size -= here;
    }
}

/* Takes the space of one page. 0 or the capacity's errno. */
static int page_reserve(struct sim_machine *machine, struct sim_inode *inode, uint64_t index)
{
    struct sim_chunk *chunk = chunk_get(inode, index);
    if (chunk->reserved[index % SIM_CHUNK_PAGES]) {
        return 0;
    }
    struct sim_device *device = &machine->devices[inode->device];
    if (device->used_bytes + SIM_PAGE_BYTES > device->capacity_bytes) {
        machine->counters.failed_operations++;
        return device->full_error;
    }
    device->used_bytes += SIM_PAGE_BYTES;
    chunk->reserved[index % SIM_CHUNK_PAGES] = true;
    inode->reserved_pages++;
    return 0;
}

static void page_unreserve(struct sim_machine *machine, struct sim_inode *inode, uint64_t index)
{
    struct sim_chunk *chunk = chunk_find(inode, index);
    if (chunk != NULL && chunk->reserved[index % SIM_CHUNK_PAGES]) {
        chunk->reserved[index % SIM_CHUNK_PAGES] = false;
        machine->devices[inode->device].used_bytes -= SIM_PAGE_BYTES;
        inode->reserved_pages--;
    }
}

void store_free_space(struct sim_machine *machine, struct sim_inode *inode)
{
    machine->devices[inode->device].used_bytes -= inode->reserved_pages * SIM_PAGE_BYTES;
    inode->reserved_pages = 0;
    for (uint64_t i = 0; i < inode->chunk_count; i++) {
        if (inode->chunks[i] != NULL) {
            memset(inode->chunks[i]->reserved, 0, sizeof(inode->chunks[i]->reserved));
        }
    }
}

/* A metadata change: durable together with everything before it, or not at all. */
static uint64_t event_add(struct sim_machine *machine, struct sim_inode *inode, uint64_t size)
{
    if (inode->event_count == inode->event_capacity) {
        inode->event_capacity = inode->event_capacity == 0 ? 4 : inode->event_capacity * 2;
        inode->events = realloc(inode->events, inode->event_capacity * sizeof(*inode->events));
        ASSERT(inode->events != NULL);
    }
    inode->size = size;
    const uint64_t seq = ++machine->seq;
    inode->events[inode->event_count++] = (struct sim_size_event){seq, size};
    return seq;
}

void store_set_size(struct sim_machine *machine, struct sim_inode *inode, uint64_t size)
{
    (void)event_add(machine, inode, size);
}

int store_reserve(struct sim_machine *machine, struct sim_inode *inode, uint64_t offset,
                  uint64_t size)
{
    const uint64_t end = offset + size;
    for (uint64_t i = offset / SIM_PAGE_BYTES; i * SIM_PAGE_BYTES < end; i++) {
        const int error = page_reserve(machine, inode, i);
        if (error != 0) {
            return error;
        }
    }
    (void)event_add(machine, inode, max_u64(inode->size, end));
    return 0;
}

static struct sim_version *version_add(struct sim_inode *inode, struct sim_page *page, uint64_t seq,
                                       uint8_t mask, bool meta)
{
    struct sim_version *version = malloc(sizeof(*version));
    ASSERT(version != NULL);
    version->next = NULL;
    version->seq = seq;
    version->mask = mask;
    version->meta = meta;
    version->doomed = false;
    struct sim_version **last = &page->versions;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = version;
    if (!list_linked(&page->dirty_node)) {
        list_push_back(&inode->dirty, &page->dirty_node);
    }
    return version;
}

static void sectors_copy(uint8_t *to, const uint8_t *from, uint8_t mask)
{
    for (uint32_t s = 0; s < SIM_PAGE_SECTORS; s++) {
        if ((mask >> s & 1) != 0) {
            memcpy(to + s * SIM_SECTOR_BYTES, from + s * SIM_SECTOR_BYTES, SIM_SECTOR_BYTES);
        }
    }
}

int store_land_page(struct sim_machine *machine, struct sim_inode *inode, uint64_t index,
                    uint8_t mask, const uint8_t *data)
{
    const int error = page_reserve(machine, inode, index);
    if (error != 0) {
        return error;
    }
    struct sim_page *page = page_get(inode, index);
    if (page->now == NULL) {
        page->now = sim_allocate(SIM_PAGE_BYTES);
    }
    sectors_copy(page->now, data, mask);
    struct sim_version *version = version_add(inode, page, ++machine->seq, mask, false);
    memcpy(version->data, page->now, SIM_PAGE_BYTES);
    return 0;
}

int store_write(struct sim_machine *machine, struct sim_inode *inode, const uint8_t *from,
                uint64_t size, uint64_t offset)
{
    while (size > 0) {
        const uint64_t index = offset / SIM_PAGE_BYTES;
        const uint32_t within = (uint32_t)(offset % SIM_PAGE_BYTES);
        const uint32_t here = (uint32_t)min_u64(size, SIM_PAGE_BYTES - within);
        uint8_t data[SIM_PAGE_BYTES];
        store_read(inode, data, SIM_PAGE_BYTES, index * SIM_PAGE_BYTES);
        memcpy(data + within, from, here);
        const uint32_t first = within / SIM_SECTOR_BYTES;
        const uint32_t last = (within + here - 1) / SIM_SECTOR_BYTES;
        const uint32_t mask = ((2u << last) - 1) & ~((1u << first) - 1);
        const int error = store_land_page(machine, inode, index, (uint8_t)mask, data);
        if (error != 0) {
            return error;
        }
        from += here;
        offset += here;
        size -= here;
        if (offset > inode->size) {
            (void)event_add(machine, inode, offset);
        }
    }
    return 0;
}

/* Makes a whole page zero by metadata. */
static void page_zero(struct sim_inode *inode, struct sim_page *page, uint64_t seq)
{
    free(page->now);
    page->now = NULL;
    if (page->durable != NULL || page->versions != NULL) {
        struct sim_version *version = version_add(inode, page, seq, SIM_ALL_SECTORS, true);
        memset(version->data, 0, SIM_PAGE_BYTES);
    }
}

/* The part of [offset, end) that is less than a page at offset; 0 when offset is aligned. */
static int zero_edge(struct sim_machine *machine, struct sim_inode *inode, uint64_t offset,
                     uint64_t end)
{
    static const uint8_t zeros[SIM_PAGE_BYTES];
    const uint64_t size = min_u64(end, round_up(offset, SIM_PAGE_BYTES)) - offset;
    const struct sim_page *page = page_find(inode, offset / SIM_PAGE_BYTES);
    if (size == 0 || page == NULL || page->now == NULL) {
        return 0;
    }
    return store_write(machine, inode, zeros, size, offset);
}

void store_truncate(struct sim_machine *machine, struct sim_inode *inode, uint64_t size)
{
    const uint64_t old = inode->size;
    if (size < old && zero_edge(machine, inode, size, old) != 0) {
        ASSERT(false); /* The page exists, so it has its space. */
    }
    const uint64_t seq = event_add(machine, inode, size);
    for (uint64_t i = round_up(size, SIM_PAGE_BYTES) / SIM_PAGE_BYTES;
         i < inode->chunk_count * SIM_CHUNK_PAGES; i++) {
        if (chunk_find(inode, i) == NULL) {
            i += SIM_CHUNK_PAGES - 1 - i % SIM_CHUNK_PAGES;
            continue;
        }
        page_unreserve(machine, inode, i);
        struct sim_page *page = page_find(inode, i);
        if (page != NULL) {
            page_zero(inode, page, seq);
        }
    }
}

/* ---- Becoming durable ----------------------------------------------------------------------- */

/* Older versions of these sectors can no longer come up. */
static void page_supersede(struct sim_page *page, uint64_t seq, uint8_t mask)
{
    struct sim_version **at = &page->versions;
    while (*at != NULL && (*at)->seq < seq) {
        struct sim_version *version = *at;
        if (!version->meta) {
            version->mask &= (uint8_t)~mask;
        }
        if (version->mask == 0) {
            *at = version->next;
            free(version);
        } else {
            at = &version->next;
        }
    }
}

static void page_commit_meta(struct sim_page *page, uint64_t seq)
{
    uint64_t last = 0;
    for (struct sim_version *v = page->versions; v != NULL && v->seq <= seq; v = v->next) {
        last = v->meta ? v->seq : last;
    }
    if (last != 0) {
        free(page->durable);
        page->durable = NULL;
        page_drop_versions(page, last);
    }
}

static void page_commit_data(struct sim_page *page, uint64_t seq)
{
    struct sim_version **at = &page->versions;
    while (*at != NULL && (*at)->seq <= seq) {
        struct sim_version *version = *at;
        if (version->meta) {
            break; /* What came after it needs it first. */
        }
        if (version->doomed) {
            at = &version->next;
            continue;
        }
        if (page->durable == NULL) {
            page->durable = sim_allocate(SIM_PAGE_BYTES);
        }
        sectors_copy(page->durable, version->data, version->mask);
        page_supersede(page, version->seq, version->mask);
        at = &page->versions; /* The walk starts over: older ones may be gone. */
        while (*at != version) {
            at = &(*at)->next;
        }
        *at = version->next;
        free(version);
    }
    if (page->versions == NULL && list_linked(&page->dirty_node)) {
        list_remove(&page->dirty_node);
    }
}

static void commit_events(struct sim_inode *inode, uint64_t seq)
{
    uint32_t count = 0;
    while (count < inode->event_count && inode->events[count].seq <= seq) {
        inode->durable_size = inode->events[count].size;
        count++;
    }
    if (count > 0) {
        inode->event_count -= count;
        memmove(inode->events, inode->events + count, inode->event_count * sizeof(*inode->events));
    }
}

void store_commit(struct sim_inode *inode, uint64_t seq, bool overwrites_only)
{
    if (!overwrites_only) {
        commit_events(inode, seq);
    }
    LIST_FOR_EACH(node, &inode->dirty)
    {
        struct sim_page *page = CONTAINER_OF(node, struct sim_page, dirty_node);
        if (!overwrites_only) {
            page_commit_meta(page, seq);
        } else if (page->durable == NULL || page->versions->meta) {
            continue;
        }
        if (page->versions != NULL) {
            page_commit_data(page, seq);
        }
    }
}

void store_commit_range(struct sim_inode *inode, uint64_t seq, uint64_t offset, uint64_t size)
{
    bool metadata = offset + size > inode->durable_size;
    for (uint64_t i = offset / SIM_PAGE_BYTES; i * SIM_PAGE_BYTES < offset + size; i++) {
        const struct sim_page *page = page_find(inode, i);
        metadata = metadata || page == NULL || page->durable == NULL;
        for (struct sim_version *v = page == NULL ? NULL : page->versions; v != NULL; v = v->next) {
            metadata = metadata || v->meta;
        }
    }
    if (metadata) {
        commit_events(inode, seq);
        LIST_FOR_EACH(node, &inode->dirty)
        {
            page_commit_meta(CONTAINER_OF(node, struct sim_page, dirty_node), seq);
        }
    }
    for (uint64_t i = offset / SIM_PAGE_BYTES; i * SIM_PAGE_BYTES < offset + size; i++) {
        struct sim_page *page = page_find(inode, i);
        if (page != NULL && page->versions != NULL) {
            page_commit_data(page, seq);
        }
    }
}

void store_doom(struct sim_machine *machine, struct sim_inode *inode, uint64_t seq)
{
    LIST_FOR_EACH(node, &inode->dirty)
    {
        struct sim_page *page = CONTAINER_OF(node, struct sim_page, dirty_node);
        for (struct sim_version *v = page->versions; v != NULL && v->seq <= seq; v = v->next) {
            v->doomed = v->doomed || draw_one_in(machine, 2);
        }
    }
}

void store_flush_failed(struct sim_machine *machine, struct sim_inode *inode, uint64_t seq)
{
    store_doom(machine, inode, seq);
    LIST_FOR_EACH(node, &machine->inodes)
    {
        struct sim_inode *other = CONTAINER_OF(node, struct sim_inode, node);
        if (machine->options.flush_covers_device && other->device == inode->device &&
            other != inode) {
            store_doom(machine, other, seq);
        }
    }
}

void store_poke(struct sim_inode *inode, const uint8_t *from, uint64_t size, uint64_t offset)
{
    while (size > 0) {
        const uint64_t within = offset % SIM_PAGE_BYTES;
        const uint64_t here = min_u64(size, SIM_PAGE_BYTES - within);
        struct sim_page *page = page_get(inode, offset / SIM_PAGE_BYTES);
        if (page->now == NULL) {
            page->now = sim_allocate(SIM_PAGE_BYTES);
        }
        if (page->durable == NULL) {
            page->durable = sim_allocate(SIM_PAGE_BYTES);
        }
        memcpy(page->now + within, from, here);
        memcpy(page->durable + within, from, here);
        for (struct sim_version *v = page->versions; v != NULL; v = v->next) {
            if (!v->meta) {
                memcpy(v->data + within, from, here);
            }
        }
        from += here;
        offset += here;
        size -= here;
    }
}

/* ---- A power cut ---------------------------------------------------------------------------- */

enum { RUN_BYTES_MAX = 128 }; /* Of zeros that a batch may end in. */

static bool all_zero(const uint8_t *at, uint32_t size)
{
    return at[0] == 0 && memcmp(at, at + 1, size - 1) == 0;
}

/* The durable bytes that end where a sector begins; NULL: none were ever written. */
static const uint8_t *sector_before(const struct sim_inode *inode, const struct sim_page *page,
                                    uint64_t index, uint32_t sector)
{
    if (sector > 0) {
        return page->durable + sector * SIM_SECTOR_BYTES;
    }
    const struct sim_page *before = index == 0 ? NULL : page_find(inode, index - 1);
    return before == NULL || before->durable == NULL ? NULL : before->durable + SIM_PAGE_BYTES;
}

bool store_sector_fresh(const struct sim_inode *inode, uint64_t index, uint32_t sector)
{
    const struct sim_page *page = page_find(inode, index);
    if (page == NULL || page->durable == NULL) {
        return true;
    }
    if (!all_zero(page->durable + sector * SIM_SECTOR_BYTES, SIM_SECTOR_BYTES)) {
        return false;
    }
    const uint8_t *before = sector_before(inode, page, index, sector);
    return before == NULL || all_zero(before - RUN_BYTES_MAX, RUN_BYTES_MAX);
}

/* How old a version a sector keeps: 0 the youngest of count + 1, count the durable one. */
static uint32_t cut_age(struct sim_machine *machine, enum sim_cut_style style, uint32_t count)
{
    if (style == CUT_KEEP) {
        return 0;
    }
    return style == CUT_LOSE ? count : (uint32_t)draw_below(machine, count + 1);
}

/* Resolves one page. Versions after an undone metadata change never were; base is what a durable
 * one leaves. */
static void page_power_cut(struct sim_machine *machine, struct sim_page *page, uint64_t cut_seq,
                           enum sim_cut_style style)
{
    const struct sim_version *candidates[64];
    uint32_t count = 0;
    bool zeroed = false;
    for (const struct sim_version *v = page->versions; v != NULL; v = v->next) {
        if (v->meta && v->seq > cut_seq) {
            break;
        }
        if (v->meta) {
            zeroed = true;
            count = 0;
        } else {
            if (count == ARRAY_SIZE(candidates)) { /* Forget the oldest possibility. */
                memmove(candidates, candidates + 1, sizeof(candidates) - sizeof(candidates[0]));
                count--;
            }
            candidates[count++] = v;
        }
    }
    uint8_t result[SIM_PAGE_BYTES] = {0};
    bool written = !zeroed && page->durable != NULL;
    if (written) {
        memcpy(result, page->durable, SIM_PAGE_BYTES);
    }
    const uint32_t page_age = cut_age(machine, style, count);
    uint32_t lost = 0;
    uint32_t kept = 0;
    for (uint32_t s = 0; s < SIM_PAGE_SECTORS; s++) {
        const uint32_t age = style == CUT_SECTORS ? cut_age(machine, style, count) : page_age;
        uint32_t take = count - age; /* Candidates [0, take) may have landed. */
        while (take > 0 && (candidates[take - 1]->mask >> s & 1) == 0) {
            take--;
        }
        if (take > 0) {
            sectors_copy(result, candidates[take - 1]->data, (uint8_t)(1u << s));
            written = true;
        }
        lost += age > 0;
        kept += age == 0;
    }
    machine->counters.lost_sectors += lost;
    machine->counters.torn_blocks += lost > 0 && kept > 0;
    page_drop_versions(page, UINT64_MAX);
    free(page->now);
    free(page->durable);
    page->now = written ? sim_allocate(SIM_PAGE_BYTES) : NULL;
    page->durable = written ? sim_allocate(SIM_PAGE_BYTES) : NULL;
    if (written) {
        memcpy(page->now, result, SIM_PAGE_BYTES);
        memcpy(page->durable, result, SIM_PAGE_BYTES);
    }
}

/* Bytes behind the end are not part of a file. */
static void cut_behind_end(struct sim_machine *machine, struct sim_inode *inode)
{
    for (uint64_t i = inode->size / SIM_PAGE_BYTES; i < inode->chunk_count * SIM_CHUNK_PAGES; i++) {
        struct sim_chunk *chunk = chunk_find(inode, i);
        if (chunk == NULL) {
            i += SIM_CHUNK_PAGES - 1 - i % SIM_CHUNK_PAGES;
            continue;
        }
        struct sim_page *page = chunk->pages[i % SIM_CHUNK_PAGES];
        if (i * SIM_PAGE_BYTES < inode->size) {
            const uint64_t within = inode->size % SIM_PAGE_BYTES;
            if (page != NULL && page->now != NULL) {
                memset(page->now + within, 0, SIM_PAGE_BYTES - within);
                memset(page->durable + within, 0, SIM_PAGE_BYTES - within);
            }
            continue;
        }
        page_unreserve(machine, inode, i);
        if (page != NULL) {
            page_free(page);
            chunk->pages[i % SIM_CHUNK_PAGES] = NULL;
        }
    }
}

void store_power_cut(struct sim_machine *machine, struct sim_inode *inode, enum sim_cut_style style)
{
    uint32_t kept = inode->event_count;
    if (style == CUT_LOSE) {
        kept = 0;
    } else if (style != CUT_KEEP) {
        kept = (uint32_t)draw_below(machine, inode->event_count + 1);
    }
    const uint64_t cut_seq = kept == 0 ? 0 : inode->events[kept - 1].seq;
    inode->durable_size = kept == 0 ? inode->durable_size : inode->events[kept - 1].size;
    inode->size = inode->durable_size;
    inode->event_count = 0;
    LIST_FOR_EACH(node, &inode->dirty)
    {
        page_power_cut(machine, CONTAINER_OF(node, struct sim_page, dirty_node), cut_seq, style);
    }
    cut_behind_end(machine, inode);
}

void store_invariants(const struct sim_inode *inode)
{
    uint64_t reserved = 0;
    for (uint64_t c = 0; c < inode->chunk_count; c++) {
        const struct sim_chunk *chunk = inode->chunks[c];
        for (uint32_t p = 0; chunk != NULL && p < SIM_CHUNK_PAGES; p++) {
            const struct sim_page *page = chunk->pages[p];
            reserved += chunk->reserved[p];
            if (page == NULL) {
                continue;
            }
            ASSERT(page->index == c * SIM_CHUNK_PAGES + p);
            ASSERT((page->versions != NULL) == list_linked(&page->dirty_node));
            if (page->versions == NULL) { /* Clean: the device has what reads see. */
                ASSERT((page->now == NULL) == (page->durable == NULL));
                ASSERT(page->now == NULL || memcmp(page->now, page->durable, SIM_PAGE_BYTES) == 0);
            }
            for (const struct sim_version *v = page->versions; v != NULL; v = v->next) {
                ASSERT(v->next == NULL || v->next->seq >= v->seq);
            }
        }
    }
    ASSERT(reserved == inode->reserved_pages);
    ASSERT(inode->event_count > 0 || inode->size == inode->durable_size);
}
