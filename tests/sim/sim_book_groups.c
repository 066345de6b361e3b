/* The book's pages on groups: offsets and members. */
#include <inttypes.h>
#include <stdlib.h>

#include "tests/sim/sim_book_internal.h"

static const uint64_t SESSION_NS = BOOK_SESSION_MS * UINT64_C(1000000);

/* ---- Offsets -------------------------------------------------------------------------------- */

static struct book_commit *commit_of(const struct book *book, uint32_t group, uint32_t partition,
                                     int64_t offset)
{
    const struct book_commits *commits = &book->commits[group][partition];
    ASSERT(offset > 0 && offset <= commits->count);
    return &commits->items[offset - 1];
}

int64_t book_commit_sent(struct book *book, uint32_t group, uint32_t partition, uint32_t txn)
{
    struct book_commits *commits = &book->commits[group][partition];
    commits->items = book_grow(commits->items, commits->count, sizeof(*commits->items));
    commits->items[commits->count++] = (struct book_commit){
        .txn = txn, .sent_ns = world_now_ns(book->world), .done_ns = UINT64_MAX};
    return commits->count;
}

void book_commit_acked(struct book *book, uint32_t group, uint32_t partition, int64_t offset)
{
    struct book_commit *it = commit_of(book, group, partition, offset);
    it->state = COMMIT_ACKED;
    it->done_ns = min_u64(it->done_ns, world_now_ns(book->world));
}

void book_commit_refused(struct book *book, uint32_t group, uint32_t partition, int64_t offset)
{
    commit_of(book, group, partition, offset)->state = COMMIT_REFUSED;
}

static const struct book_txn *txn_at(const struct book *book, const struct book_commit *it)
{
    return it->txn == 0 ? NULL : &book->txns[it->txn - 1];
}

/* It was visible, for sure, before that moment. */
static bool was_visible(const struct book *book, const struct book_commit *it, uint64_t before_ns,
                        bool stable)
{
    const struct book_txn *txn = txn_at(book, it);
    if (it->state == COMMIT_ACKED && txn == NULL) {
        return it->done_ns < before_ns;
    }
    if (it->state == COMMIT_ACKED) { /* Markers come after the answer of EndTxn. */
        return txn->state == TXN_COMMITTED && (stable || it->seen) && it->done_ns < before_ns &&
               txn->end_acked_ns != 0 && txn->end_acked_ns < before_ns;
    }
    /* What was seen without being acknowledged may go with the power. */
    return it->state == COMMIT_SENT && it->seen && it->done_ns < before_ns && txn == NULL &&
           it->seen_cuts == book->world->power_cuts_seen && !book->world->ever_faulty;
}

static void visible_check(const struct book *book, uint32_t group, uint32_t partition,
                          int64_t offset)
{
    const struct book_commit *it = commit_of(book, group, partition, offset);
    const struct book_txn *txn = txn_at(book, it);
    if (it->state == COMMIT_REFUSED) {
        sim_fail("group %s, partition %u: offset %" PRId64 " is committed, which was refused",
                 book_group(group), partition, offset);
    }
    if (txn != NULL && (txn->state == TXN_OPEN || txn->state == TXN_ABORTED)) {
        sim_fail("group %s, partition %u: offset %" PRId64 " is visible, transaction %u is %s",
                 book_group(group), partition, offset, it->txn,
                 txn->state == TXN_OPEN ? "open" : "not committed");
    }
}

void book_commit_read(struct book *book, uint32_t group, uint32_t partition, int64_t offset,
                      uint64_t asked_ns, bool stable)
{
    const struct book_commits *commits = &book->commits[group][partition];
    if (offset > commits->count || offset == 0 || offset < -1) {
        sim_fail("group %s, partition %u: nobody has committed %" PRId64, book_group(group),
                 partition, offset);
    }
    uint64_t done_ns = 0;
    if (offset > 0) {
        struct book_commit *it = commit_of(book, group, partition, offset);
        visible_check(book, group, partition, offset);
        it->seen = true;
        it->seen_cuts = (uint32_t)book->world->power_cuts_seen;
        it->done_ns = min_u64(it->done_ns, world_now_ns(book->world));
        done_ns = it->done_ns;
    }
    for (uint32_t i = 0; i < commits->count; i++) {
        const struct book_commit *other = &commits->items[i];
        if (i + 1 != offset && other->sent_ns > done_ns &&
            was_visible(book, other, asked_ns, stable)) {
            sim_fail("group %s, partition %u: %" PRId64 " is committed, %u was after that",
                     book_group(group), partition, offset, i + 1);
        }
    }
}

/* ---- Members -------------------------------------------------------------------------------- */

static struct book_generation *generation_of(struct book *book, uint32_t group, int32_t generation)
{
    for (uint32_t i = 0; i < book->generation_count[group]; i++) {
        if (book->generations[group][i].generation == generation) {
            return &book->generations[group][i];
        }
    }
    ASSERT(book->generation_count[group] < BOOK_GENERATIONS_MAX);
    struct book_generation *it = &book->generations[group][book->generation_count[group]++];
    *it = (struct book_generation){.generation = generation, .first_ns = world_now_ns(book->world)};
    return it;
}

void book_synced(struct book *book, uint32_t group, int32_t generation, uint32_t member,
                 uint32_t owned)
{
    struct book_generation *it = generation_of(book, group, generation);
    for (uint32_t p = 0; p < BOOK_PARTITIONS; p++) {
        if ((owned >> p & 1) == 0) {
            continue;
        }
        if (it->owners[p] != 0 && it->owners[p] != member + 1) {
            sim_fail("group %s, generation %d: partition %u belongs to members %u and %u",
                     book_group(group), generation, p, it->owners[p] - 1, member);
        }
        it->owners[p] = (uint8_t)(member + 1);
    }
}

void book_generation_served(const struct book *book, uint32_t group, int32_t generation,
                            uint64_t asked_ns)
{
    for (uint32_t i = 0; i < book->generation_count[group]; i++) {
        const struct book_generation *it = &book->generations[group][i];
        if (it->generation > generation && it->first_ns < asked_ns) {
            sim_fail("group %s: a commit of generation %d was accepted in generation %d",
                     book_group(group), generation, it->generation);
        }
    }
}

void book_calm_down(struct book *book)
{
    book->calm = true;
}

bool book_is_calm(const struct book *book)
{
    return book->calm;
}

const char *book_unsettled(const struct book *book, uint32_t group)
{
    const uint32_t all = (1u << BOOK_KEYS_FIRST) - 1;
    int32_t generation = 0;
    uint32_t owned = 0;
    for (uint32_t i = 0; i < book->member_count; i++) {
        const struct book_member *it = book->members[i];
        if (it->group != group) {
            continue;
        }
        if (!it->in || it->generation == 0) {
            return "a member is not in";
        }
        if (generation != 0 && it->generation != generation) {
            return "members have two generations";
        }
        if ((owned & it->owned) != 0) {
            return "a partition has two owners";
        }
        generation = it->generation;
        owned |= it->owned;
    }
    return generation != 0 && owned != all ? "a partition has no owner" : NULL;
}

void book_member_add(struct book *book, struct book_member *member)
{
    ASSERT(book->member_count < BOOK_MEMBERS);
    book->members[book->member_count++] = member;
}

void book_member_heard(struct book *book, struct book_member *member, uint64_t asked_ns)
{
    member->in = true;
    member->silent = member->silent && asked_ns < book->fresh_ns; /* Heard before the stop? */
    member->heard_ns = max_u64(member->heard_ns, asked_ns);
}

void book_member_beat(const struct book *book, struct book_member *member, uint64_t asked_ns)
{
    if (member->in && !member->silent && !book->world->ever_faulty) {
        member->heard_ns = max_u64(member->heard_ns, asked_ns);
    }
}

/* Until then nobody may call it silent. */
static uint64_t alive_until_ns(const struct book *book, const struct book_member *member)
{
    return max_u64(member->heard_ns, book->fresh_ns) + SESSION_NS;
}

void book_fresh(struct book *book, uint64_t away_ns)
{
    enum { LATE_NS = 150000000 }; /* Who is found less late than that may have been asleep. */
    const uint64_t now_ns = world_now_ns(book->world);
    for (uint32_t i = 0; i < book->member_count; i++) {
        struct book_member *member = book->members[i];
        const uint64_t until_ns = alive_until_ns(book, member);
        member->silent = member->silent || away_ns >= until_ns ||
                         (until_ns <= now_ns && now_ns - until_ns < LATE_NS);
    }
    book->fresh_ns = now_ns;
}

void book_member_owns(struct book *book, struct book_member *member, uint32_t owned)
{
    const uint64_t now_ns = world_now_ns(book->world);
    member->owned = owned;
    for (uint32_t i = 0; i < book->member_count; i++) {
        const struct book_member *other = book->members[i];
        if (other != member && other->group == member->group && other->in && !other->silent &&
            (other->owned & owned) != 0 && now_ns < alive_until_ns(book, other)) {
            sim_fail("group %s: partitions %x belong to members %u and %u",
                     book_group(member->group), other->owned & owned, other->number,
                     member->number);
        }
    }
}

void book_member_unknown(const struct book *book, const struct book_member *member)
{
    const uint64_t now_ns = world_now_ns(book->world);
    if (member->in && !member->silent && now_ns < alive_until_ns(book, member)) {
        sim_fail("group %s: member %u is unknown, %" PRIu64 " ms after it was heard and %" PRIu64
                 " ms after the coordinator was away",
                 book_group(member->group), member->number, (now_ns - member->heard_ns) / 1000000,
                 (now_ns - book->fresh_ns) / 1000000);
    }
}
