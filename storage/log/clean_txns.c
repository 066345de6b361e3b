#include "storage/log/clean_txns.h"

#include <stdlib.h>

#include "storage/record/record.h"

bool clean_aborted_add(struct clean_aborted_list *list, const struct aborted_txn *entry)
{
    if (list->count == list->capacity) {
        const uint32_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        struct aborted_txn *at = realloc(list->at, capacity * sizeof(*at));
        if (at == NULL) {
            return false;
        }
        list->at = at;
        list->capacity = capacity;
    }
    list->at[list->count++] = *entry;
    return true;
}

static int by_first_offset(const void *a, const void *b)
{
    const struct aborted_txn *x = a;
    const struct aborted_txn *y = b;
    return (x->first_offset > y->first_offset) - (x->first_offset < y->first_offset);
}

void clean_txns_begin(struct clean_txns *txns, int64_t from)
{
    struct clean_aborted_list *known = &txns->known;
    if (known->count > 0) {
        qsort(known->at, known->count, sizeof(*known->at), by_first_offset);
    }
    txns->from = from;
    txns->next = 0;
    txns->open_count = 0;
    txns->kept.count = 0;
}

void clean_txns_free(struct clean_txns *txns)
{
    free(txns->known.at);
    free(txns->kept.at);
    free(txns->open);
    *txns = (struct clean_txns){0};
}

static struct clean_open_txn *find(struct clean_txns *txns, int64_t producer_id, bool aborted)
{
    for (uint32_t i = 0; i < txns->open_count; i++) {
        struct clean_open_txn *open = &txns->open[i];
        if (open->entry.producer_id == producer_id && open->aborted == aborted) {
            return open;
        }
    }
    return NULL;
}

static void close_txn(struct clean_txns *txns, struct clean_open_txn *open)
{
    *open = txns->open[--txns->open_count];
}

static struct clean_open_txn *open_txn(struct clean_txns *txns, const struct aborted_txn *entry,
                                       bool aborted)
{
    if (txns->open_count == txns->open_capacity) {
        const uint32_t capacity = txns->open_capacity == 0 ? 64 : txns->open_capacity * 2;
        struct clean_open_txn *open = realloc(txns->open, capacity * sizeof(*open));
        if (open == NULL) {
            txns->no_memory = true;
            return NULL;
        }
        txns->open = open;
        txns->open_capacity = capacity;
    }
    struct clean_open_txn *open = &txns->open[txns->open_count++];
    *open = (struct clean_open_txn){.entry = *entry, .aborted = aborted};
    return open;
}

/* Aborted transactions that have begun by that offset. */
static void begin_up_to(struct clean_txns *txns, int64_t offset)
{
    while (txns->next < txns->known.count && txns->known.at[txns->next].first_offset <= offset) {
        const struct aborted_txn *entry = &txns->known.at[txns->next++];
        if (entry->last_offset >= txns->from && find(txns, entry->producer_id, true) == NULL) {
            (void)open_txn(txns, entry, true);
        }
    }
}

bool clean_txns_batch(struct clean_txns *txns, const struct batch_header *header)
{
    begin_up_to(txns, batch_last_offset(header));
    if (!batch_is_transactional(header)) {
        return false;
    }
    struct clean_open_txn *open = find(txns, header->producer_id, true);
    if (open != NULL) {
        open->seen = true;
        return true;
    }
    const struct aborted_txn producer = {.producer_id = header->producer_id};
    if (find(txns, header->producer_id, false) == NULL) {
        (void)open_txn(txns, &producer, false);
    }
    return false;
}

bool clean_txns_marker(struct clean_txns *txns, const struct batch_header *header, int type)
{
    begin_up_to(txns, batch_last_offset(header));
    if (type < 0) {
        return true; /* Emptied by a compaction before. */
    }
    if (type != RECORD_CONTROL_ABORT && type != RECORD_CONTROL_COMMIT) {
        return false;
    }
    struct clean_open_txn *open = find(txns, header->producer_id, type == RECORD_CONTROL_ABORT);
    if (open == NULL) {
        return true;
    }
    const bool keep = type == RECORD_CONTROL_COMMIT || open->seen;
    if (keep && type == RECORD_CONTROL_ABORT && !clean_aborted_add(&txns->kept, &open->entry)) {
        txns->no_memory = true;
    }
    close_txn(txns, open);
    return !keep;
}
