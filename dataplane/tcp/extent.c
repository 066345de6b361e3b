/* What the user gave to send: extents in order, each pinned until acknowledged and released. */
#include "dataplane/tcp/connection.h"

static bool acked(const struct tcp_connection *c, const struct extent *extent)
{
    return c->ended || seq_leq(extent->end, c->snd_una);
}

bool extent_any_done(const struct tcp_connection *c)
{
    return c->extents != NULL && c->extents->pins == 0 && acked(c, c->extents);
}

void extent_release_acked(struct tcp_connection *c)
{
    while (extent_any_done(c)) {
        struct extent *extent = c->extents;
        const bool last = extent->last;
        const uint64_t token = extent->token;
        c->extents = extent->next;
        if (c->extents == NULL) {
            c->extents_last = NULL;
        }
        if (c->cursor == extent) {
            c->cursor = NULL;
        }
        c->pinned_bytes -= extent->len;
        c->tcp->pinned_bytes -= extent->len;
        stock_give(&c->tcp->extents, extent);
        if (last && c->open_told) {
            c->tcp->setup.user->on_sent(c->user, token);
        }
    }
}

/* The extent that holds a sequence number. */
static struct extent *find(struct tcp_connection *c, uint32_t sequence)
{
    struct extent *extent = c->extents;
    if (c->cursor != NULL && seq_leq(c->cursor->end - c->cursor->len, sequence)) {
        extent = c->cursor;
    }
    while (seq_leq(extent->end, sequence)) {
        extent = extent->next;
    }
    return extent;
}

LINK_INLINE uint32_t extent_gather(struct tcp_connection *c, uint32_t sequence, uint32_t len,
                                   struct packet_out *out)
{
    const uint32_t parts_max = c->tcp->net->setup.parts_max;
    struct extent *extent = find(c, sequence);
    uint32_t done = 0;
    out->pin = (struct packet_pin){PACKET_PIN_EXTENTS, 0, extent};
    out->part_count = 0;
    while (done < len && out->part_count < parts_max) {
        const uint32_t skip = extent->len - (extent->end - (sequence + done));
        const uint32_t take = min_u32(len - done, extent->len - skip);
        if (take != 0) { /* Empty extents are only held. */
            out->parts[out->part_count++] = (struct bytes){extent->ptr + skip, take};
        }
        extent->pins++;
        out->pin.count++;
        done += take;
        if (done < len) {
            extent = extent->next;
        }
    }
    c->cursor = extent;
    out->payload_len = done;
    return done;
}
