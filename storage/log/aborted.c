#include "storage/log/aborted.h"

enum { VERSION = 0 };

void aborted_init(struct aborted_list *list, struct pool *pool)
{
    *list = (struct aborted_list){.pool = pool};
}

static void free_from(struct aborted_list *list, struct aborted_chunk *chunk)
{
    while (chunk != NULL) {
        struct aborted_chunk *next = chunk->next;
        pool_give(list->pool, chunk);
        chunk = next;
    }
}

void aborted_clear(struct aborted_list *list)
{
    free_from(list, list->first);
    aborted_init(list, list->pool);
}

bool aborted_has_room(const struct aborted_list *list)
{
    return list->count % ABORTED_CHUNK_ENTRIES != 0 || list->pool->used < list->pool->capacity;
}

bool aborted_add(struct aborted_list *list, const struct aborted_txn *txn)
{
    const uint32_t place = list->count % ABORTED_CHUNK_ENTRIES;
    if (place == 0) {
        struct aborted_chunk *chunk = pool_take(list->pool);
        if (chunk == NULL) {
            return false;
        }
        chunk->next = NULL;
        *(list->last == NULL ? &list->first : &list->last->next) = chunk;
        list->last = chunk;
    }
    list->last->entries[place] = *txn;
    list->count++;
    return true;
}

/* How many of the chunk's entries count. */
static uint32_t used_of(const struct aborted_list *list, const struct aborted_chunk *chunk)
{
    const uint32_t rest = list->count % ABORTED_CHUNK_ENTRIES;
    return chunk == list->last && rest != 0 ? rest : ABORTED_CHUNK_ENTRIES;
}

uint32_t aborted_truncate(struct aborted_list *list, int64_t offset)
{
    struct aborted_chunk *keep = NULL;
    uint32_t kept = 0;
    for (struct aborted_chunk *chunk = list->first; chunk != NULL; chunk = chunk->next) {
        const uint32_t used = used_of(list, chunk);
        uint32_t good = 0;
        while (good < used && chunk->entries[good].last_offset < offset) {
            good++;
        }
        kept += good;
        if (good > 0) {
            keep = chunk;
        }
        if (good < used) {
            break;
        }
    }
    const uint32_t taken = list->count - kept;
    if (taken > 0) {
        free_from(list, keep == NULL ? list->first : keep->next);
        *(keep == NULL ? &list->first : &keep->next) = NULL;
        list->last = keep;
        list->count = kept;
    }
    return taken;
}

void aborted_forget(struct aborted_list *list, int64_t offset)
{
    struct aborted_chunk *chunk;
    while ((chunk = list->first) != NULL && chunk != list->last &&
           chunk->entries[ABORTED_CHUNK_ENTRIES - 1].last_offset < offset) {
        list->first = chunk->next;
        list->count -= ABORTED_CHUNK_ENTRIES;
        pool_give(list->pool, chunk);
    }
}

/* An entry that is gone keeps its place until all of its chunk are: no reader's range meets it. */
static bool entry_gone(const struct aborted_txn *txn)
{
    return txn->first_offset == INT64_MAX;
}

static bool chunk_gone(const struct aborted_chunk *chunk)
{
    uint32_t gone = 0;
    while (gone < ABORTED_CHUNK_ENTRIES && entry_gone(&chunk->entries[gone])) {
        gone++;
    }
    return gone == ABORTED_CHUNK_ENTRIES;
}

void aborted_keep(struct aborted_list *list, int64_t from, int64_t end,
                  const struct aborted_txn *kept, uint32_t count)
{
    uint32_t at = 0;
    struct aborted_chunk **link = &list->first;
    struct aborted_chunk *chunk;
    while ((chunk = *link) != NULL) {
        const uint32_t used = used_of(list, chunk);
        for (uint32_t i = 0; i < used; i++) {
            struct aborted_txn *txn = &chunk->entries[i];
            if (entry_gone(txn) || txn->last_offset < from || txn->last_offset >= end) {
                continue;
            }
            if (at < count && kept[at].last_offset == txn->last_offset) {
                at++;
            } else {
                txn->first_offset = INT64_MAX;
            }
        }
        if (chunk != list->last && chunk_gone(chunk)) {
            *link = chunk->next;
            list->count -= ABORTED_CHUNK_ENTRIES;
            pool_give(list->pool, chunk);
        } else {
            link = &chunk->next;
        }
    }
}

uint32_t aborted_find(const struct aborted_list *list, int64_t from, int64_t upper,
                      struct aborted_txn *to, uint32_t capacity)
{
    uint32_t found = 0;
    for (const struct aborted_chunk *chunk = list->first; chunk != NULL; chunk = chunk->next) {
        const uint32_t used = used_of(list, chunk);
        if (chunk->entries[used - 1].last_offset < from) {
            continue;
        }
        for (uint32_t i = 0; i < used; i++) {
            const struct aborted_txn *txn = &chunk->entries[i];
            if (txn->last_offset >= from && txn->first_offset < upper) {
                if (found < capacity) {
                    to[found] = *txn;
                }
                found++;
            }
            if (txn->last_offset >= from && txn->last_stable_offset >= upper) {
                return found; /* All that follow begin behind upper. */
            }
        }
    }
    return found;
}

const struct aborted_chunk *aborted_chunk_at(const struct aborted_list *list, uint32_t at,
                                             uint32_t *place)
{
    ASSERT(at < list->count);
    const struct aborted_chunk *chunk = list->first;
    for (uint32_t skip = at / ABORTED_CHUNK_ENTRIES; skip > 0; skip--) {
        chunk = chunk->next;
    }
    *place = at % ABORTED_CHUNK_ENTRIES;
    return chunk;
}

void txn_index_write(uint8_t to[TXN_INDEX_ENTRY_BYTES], const struct aborted_txn *txn)
{
    store_be16(to, VERSION);
    store_be64(to + 2, (uint64_t)txn->producer_id);
    store_be64(to + 10, (uint64_t)txn->first_offset);
    store_be64(to + 18, (uint64_t)txn->last_offset);
    store_be64(to + 26, (uint64_t)txn->last_stable_offset);
}

struct aborted_txn txn_index_read(const uint8_t from[TXN_INDEX_ENTRY_BYTES])
{
    return (struct aborted_txn){.producer_id = (int64_t)load_be64(from + 2),
                                .first_offset = (int64_t)load_be64(from + 10),
                                .last_offset = (int64_t)load_be64(from + 18),
                                .last_stable_offset = (int64_t)load_be64(from + 26)};
}

bool txn_index_right(struct bytes file, int64_t base, int64_t end)
{
    if (file.len % TXN_INDEX_ENTRY_BYTES != 0) {
        return false;
    }
    int64_t before = base - 1;
    for (uint32_t at = 0; at < file.len; at += TXN_INDEX_ENTRY_BYTES) {
        const struct aborted_txn txn = txn_index_read(file.ptr + at);
        if (load_be16(file.ptr + at) != VERSION || txn.producer_id < 0 || txn.first_offset < 0 ||
            txn.first_offset >= txn.last_offset || txn.last_offset <= before ||
            txn.last_offset >= end || txn.last_stable_offset < 0 ||
            txn.last_stable_offset > txn.last_offset + 1) {
            return false;
        }
        before = txn.last_offset;
    }
    return true;
}
