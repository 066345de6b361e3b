#include "control/serve/parts.h"

#include <stdlib.h>

#include "dataplane/kafka/messages.h"

void parts_init(struct parts *all, struct peer *peer, struct peer_request *request,
                bool (*finish)(struct parts *all))
{
    all->peer = peer;
    all->request = request;
    all->finish = finish;
    list_init(&all->kept);
}

void parts_free(struct parts *all)
{
    struct list_node *node;
    while ((node = list_pop_front(&all->kept)) != NULL) {
        ledger_entry_free(CONTAINER_OF(node, struct ledger_entry, node));
    }
    if (all->release != NULL) {
        all->release(all);
    }
    arena_free(&all->arena);
    free(all->request);
    free(all);
}

bool parts_make(struct parts *all, uint32_t count)
{
    if (count > PARTS_MAX) {
        all->too_many = true;
        return false;
    }
    all->parts = ARENA_ARRAY(&all->arena, struct part, count);
    all->count = count;
    for (uint32_t i = 0; i < count; i++) {
        all->parts[i].all = all;
        all->parts[i].index = i;
    }
    return true;
}

/* ---- Answers -------------------------------------------------------------------------------- */

/* Producers before Kafka 2.0 end where they hear here that a coordinator loads (KafkaApis.scala).
 */
static int16_t error_for_client(const struct slow_header *header, int16_t error_code)
{
    enum { LOADING_KNOWN_FROM = 2 };
    return header->api_key == API_TXN_OFFSET_COMMIT && header->api_version < LOADING_KNOWN_FROM &&
                   error_code == ERROR_COORDINATOR_LOAD_IN_PROGRESS
               ? (int16_t)ERROR_COORDINATOR_NOT_AVAILABLE
               : error_code;
}

void parts_send_error(struct parts *all, int16_t error_code)
{
    struct slow_header header = all->request->header;
    header.kind = SLOW_ERROR;
    header.error_code = error_for_client(&header, error_code);
    peer_send(all->peer, all->request->core, &header, NULL, 0);
}

void parts_send_body(struct parts *all, uint8_t *body, uint32_t len, uint32_t errors)
{
    struct slow_header header = all->request->header;
    if (body == NULL || len > SLOW_REPLY_BYTES_MAX) {
        free(body);
        parts_send_error(all, ERROR_UNKNOWN_SERVER_ERROR);
        return;
    }
    header.kind = SLOW_REPLY;
    header.error_code = ERROR_NONE;
    header.error_count = errors;
    peer_send(all->peer, all->request->core, &header, body, len);
}

void parts_send(struct parts *all, uint64_t size,
                enum codec_status (*encode)(struct writer *, int16_t, const void *),
                const void *answer)
{
    if (part_answer_waits(all->peer, size)) {
        parts_send_error(all, ERROR_COORDINATOR_LOAD_IN_PROGRESS);
        return;
    }
    uint8_t *body = size > SLOW_REPLY_BYTES_MAX ? NULL : malloc(size == 0 ? 1 : size);
    struct writer writer;
    writer_init(&writer, body, body == NULL ? 0 : size);
    if (body != NULL && encode(&writer, parts_version(all), answer) != CODEC_OK) {
        free(body);
        body = NULL;
    }
    parts_send_body(all, body, writer_used(&writer), writer.errors);
}

int16_t part_error_of_write(int16_t error_code)
{
    switch (error_code) {
    case ERROR_UNKNOWN_TOPIC_OR_PARTITION:
    case ERROR_NOT_ENOUGH_REPLICAS:
    case ERROR_REQUEST_TIMED_OUT: return ERROR_COORDINATOR_NOT_AVAILABLE;
    case ERROR_NOT_LEADER_OR_FOLLOWER:
    case ERROR_FENCED_LEADER_EPOCH:
    case ERROR_UNKNOWN_LEADER_EPOCH:
    case ERROR_NOT_COORDINATOR:
    case ERROR_KAFKA_STORAGE_ERROR: return ERROR_NOT_COORDINATOR;
    default: return ERROR_UNKNOWN_SERVER_ERROR;
    }
}

/* ---- Running -------------------------------------------------------------------------------- */

static void parts_end(struct parts *all)
{
    if (all->finish(all)) {
        parts_free(all);
    }
}

bool parts_begin(struct parts *all, bool decoded)
{
    if (!decoded || all->too_many) {
        /* A core that cannot read the request either closes the connection, whatever the error. */
        parts_send_error(all, all->too_many ? ERROR_POLICY_VIOLATION : ERROR_INVALID_REQUEST);
        parts_free(all);
        return false;
    }
    all->open_count = all->count;
    for (uint32_t i = 0; i < all->count; i++) {
        all->parts[i].open = true;
    }
    if (all->count == 0) {
        parts_end(all);
        return false;
    }
    return true;
}

bool parts_run_next(struct parts *all, void (*run)(struct part *part, uint64_t *taken))
{
    struct part *part = &all->parts[all->run_count++];
    const bool is_last = all->run_count == all->count;
    uint64_t taken = all->taken;
    run(part, &taken); /* The request may be gone with its last part. */
    if (!is_last) {
        all->taken = taken;
    }
    return is_last;
}

void parts_run(struct parts *all, bool decoded, void (*run)(struct part *part, uint64_t *taken))
{
    bool over = !parts_begin(all, decoded);
    while (!over) {
        over = parts_run_next(all, run);
    }
}

/* True: it was the last one. */
static bool part_close(struct part *part)
{
    ASSERT(part->open);
    part->open = false;
    if (list_linked(&part->node)) {
        list_remove(&part->node);
    }
    if (list_linked(&part->more)) {
        list_remove(&part->more);
    }
    part->all->open_count--;
    return part->all->open_count == 0;
}

void part_answer(struct part *part, void *answer, struct ledger_entry *entry)
{
    struct parts *all = part->all;
    ASSERT(entry != NULL || all->count == 1);
    part->answer = answer;
    if (entry != NULL) {
        list_push_back(&all->kept, &entry->node);
    }
    if (part_close(part)) {
        parts_end(all);
    }
}

void part_done(struct part *part)
{
    if (part_close(part)) {
        parts_end(part->all);
    }
}

void part_fail(struct part *part, int16_t error_code)
{
    part->error = error_code;
    if (part_close(part)) {
        parts_end(part->all);
    }
}

void parts_fail(struct list *waiting, int16_t error_code)
{
    struct list_node *node;
    while ((node = list_first(waiting)) != NULL) {
        part_fail(CONTAINER_OF(node, struct part, node), part_error_of_write(error_code));
    }
}

void parts_drop(struct list *waiting)
{
    struct list_node *node;
    while ((node = list_first(waiting)) != NULL) {
        struct part *part = CONTAINER_OF(node, struct part, node);
        if (part_close(part)) {
            parts_free(part->all);
        }
    }
}
