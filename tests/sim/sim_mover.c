#include "tests/sim/sim_mover.h"

#include <stdio.h>
#include <stdlib.h>

struct mover *mover_create(void)
{
    struct mover *mover = calloc(1, sizeof(*mover));
    ASSERT(mover != NULL);
    return mover;
}

/* ---- The member's side ---------------------------------------------------------------------- */

void mover_assigned(struct mover *mover, int32_t generation, struct bytes member_id,
                    struct bytes instance, uint32_t owned)
{
    ASSERT(member_id.len <= sizeof(mover->member_id));
    mover->in = true;
    mover->generation = generation;
    memcpy(mover->member_id, member_id.ptr, member_id.len);
    mover->member_id_bytes = member_id.len;
    (void)snprintf(mover->instance, sizeof(mover->instance), "%.*s", (int)instance.len,
                   instance.ptr == NULL ? "" : (const char *)instance.ptr);
    mover->owned = owned;
    for (uint32_t p = 0; p < BOOK_MOVES; p++) {
        mover->positions[p] = -1;
    }
}

void mover_out(struct mover *mover)
{
    mover->in = false;
}

uint32_t mover_unknown(const struct mover *mover)
{
    uint32_t p = 0;
    while (p < BOOK_MOVES && ((mover->owned >> p & 1) == 0 || mover->positions[p] >= 0)) {
        p++;
    }
    return p;
}

void mover_position(struct mover *mover, uint32_t partition, int64_t offset)
{
    mover->positions[partition] = offset < 0 ? 0 : offset;
}

/* ---- The writer's side ---------------------------------------------------------------------- */

bool mover_begin(struct mover *mover, const struct book *book, struct random *random)
{
    if (!mover->in || mover_unknown(mover) < BOOK_MOVES) {
        return false;
    }
    struct move *now = &mover->now;
    now->generation = mover->generation;
    memcpy(now->member_id, mover->member_id, sizeof(now->member_id));
    now->member_id_bytes = mover->member_id_bytes;
    mover->busy = false;
    for (uint32_t p = 0; p < BOOK_MOVES; p++) {
        const bool owned = (mover->owned >> p & 1) != 0;
        const uint32_t max = owned ? 1 + (uint32_t)random_below(random, MOVE_RECORDS_MAX) : 0;
        now->next[p] = mover->positions[p];
        now->counts[p] = book_handed(book, p, max, &now->next[p], now->inputs[p]);
        mover->busy = mover->busy || now->counts[p] > 0;
    }
    return mover->busy;
}

void mover_done(struct mover *mover, bool committed)
{
    mover->busy = false;
    if (mover->generation != mover->now.generation) {
        return; /* Who it is now knows better. */
    }
    for (uint32_t p = 0; p < BOOK_MOVES; p++) {
        mover->positions[p] = committed ? mover->now.next[p] : -1;
    }
}

void mover_offsets_send(struct actor *actor, const struct mover *mover, struct bytes tid,
                        const struct txn_offset_commit_request *by, int16_t version,
                        uint64_t cookie)
{
    const struct move *now = &mover->now;
    const struct bytes group = text_view(book_group(BOOK_GROUP_OF_MOVERS));
    const struct bytes name = text_view(book_topic(actor_book(actor), 0)->name);
    const struct bytes member_id = {now->member_id, now->member_id_bytes};
    const struct bytes instance = text_view(mover->instance);
    struct txn_offset_commit_request_partition partitions[BOOK_MOVES];
    struct txn_offset_commit_request_topic topic = txn_offset_commit_request_topic_default;
    topic.name = chain_of(&name);
    topic.partitions.items = partitions;
    for (uint32_t p = 0; p < BOOK_MOVES; p++) {
        if (now->counts[p] > 0) {
            struct txn_offset_commit_request_partition *to = &partitions[topic.partitions.count++];
            *to = txn_offset_commit_request_partition_default;
            to->partition_index = (int32_t)p;
            to->committed_offset = now->next[p];
        }
    }
    struct txn_offset_commit_request request = *by;
    request.transactional_id = chain_of(&tid);
    request.group_id = chain_of(&group);
    request.generation_id = now->generation;
    request.member_id = chain_of(&member_id);
    request.group_instance_id = instance.len == 0 ? CHAIN_NULL : chain_of(&instance);
    request.topics.items = &topic;
    request.topics.count = 1;
    int16_t chosen;
    struct writer *to = actor_begin(actor, API_TXN_OFFSET_COMMIT, version, version, &chosen);
    (void)txn_offset_commit_request_encode(to, chosen, &request);
    actor_end(actor, API_TXN_OFFSET_COMMIT, chosen, to, cookie);
}

int16_t mover_offsets_take(const struct flight *flight, struct reader *reader)
{
    struct txn_offset_commit_response response;
    struct txn_offset_commit_response_topic topic;
    int16_t error = ERROR_NONE;
    uint32_t count = 0;
    if (txn_offset_commit_response_decode(reader, flight->version, &response) != CODEC_OK) {
        sim_fail("TxnOffsetCommit version %d: not an answer", flight->version);
    }
    while (txn_offset_commit_response_topic_array_next(&response.topics, &topic)) {
        struct txn_offset_commit_response_partition partition;
        while (txn_offset_commit_response_partition_array_next(&topic.partitions, &partition)) {
            error = partition.error_code != ERROR_NONE ? partition.error_code : error;
            count++;
        }
    }
    if (count == 0) {
        sim_fail("TxnOffsetCommit version %d: an answer without partitions", flight->version);
    }
    return error;
}

bool mover_is_fenced(int16_t error)
{
    return error == ERROR_ILLEGAL_GENERATION || error == ERROR_UNKNOWN_MEMBER_ID ||
           error == ERROR_FENCED_INSTANCE_ID || error == ERROR_REBALANCE_IN_PROGRESS;
}
