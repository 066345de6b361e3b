/* Connections that we open, and those that a sibling has opened and whose answer came here. */
#include "dataplane/tcp/connection.h"

static const uint64_t ms_ns = 1000000;

static bool flow_taken(const struct tcp *tcp, uint32_t hash)
{
    uint32_t at = FLOW_EMPTY; /* Equal hashes of other flows cost a port, no more. */
    return flow_next(&tcp->flows, hash, &at) != (uint32_t)FLOW_EMPTY;
}

/* RFC 6056 3.3.3: a keyed hash says where the search begins. NULL: no port is free. */
static struct tcp_connection *place(struct tcp *tcp, struct flow_key *key)
{
    const struct tcp_siblings *siblings = tcp->setup.siblings;
    key->local_port = 0;
    const uint32_t offset = (uint32_t)siphash(&tcp->isn_key, key, sizeof(*key));
    for (uint32_t i = 0; i < tcp->setup.port_count; i++) {
        const uint32_t port =
            tcp->setup.port_first + (offset + tcp->port_next++) % tcp->setup.port_count;
        key->local_port = (uint16_t)port;
        const uint32_t hash = flow_hash(&tcp->flows, key);
        if (flow_taken(tcp, hash) ||
            (siblings != NULL && !siblings->ours(tcp->setup.siblings_context, hash))) {
            continue;
        }
        struct tcp_connection *c = connection_make(tcp, key, hash);
        if (c != NULL) { /* Else a sibling has claimed it at this moment. */
            return c;
        }
    }
    return NULL;
}

static void begin(struct tcp_connection *c, uint32_t iss)
{
    connection_set_state(c, TCP_SYN_SENT);
    c->active = true;
    c->mss = net_mss(c->tcp->net, &c->key.remote);
    c->iss = iss;
    c->snd_una = c->iss;
    c->snd_nxt = c->iss + 1;
    c->snd_end = c->snd_nxt;
}

struct tcp_connection *tcp_connect(struct tcp *tcp, const struct network_address *peer, void *user,
                                   uint64_t now_ns)
{
    struct flow_key key = {.remote_port = peer->port};
    memcpy(key.remote.bytes, peer->ip, sizeof(peer->ip));
    key.local = *net_source(tcp->net, &key.remote);
    if (net_hop(tcp->net, &key.remote, now_ns) == NEIGHBOR_NONE ||
        tcp->connections.used == tcp->connections.capacity) {
        return NULL;
    }
    struct tcp_connection *c = place(tcp, &key);
    if (c == NULL) {
        return NULL;
    }
    begin(c, tcp_isn(tcp, &key, now_ns));
    c->user = user;
    c->syn_due = true;
    c->sent_at_ns = now_ns;
    c->una_at_ns = now_ns;
    timer_set(c, TIMER_RETRANSMIT, now_ns + tcp->setup.rto_initial_ms * ms_ns);
    connection_wake(c);
    return c;
}

bool tcp_open(struct tcp *tcp, const struct network_address *peer, uint64_t token, uint64_t now_ns)
{
    struct tcp_connection *c = tcp_connect(tcp, peer, NULL, now_ns);
    if (c == NULL) {
        return false;
    }
    c->by_token = true;
    c->token = token;
    return true;
}

/* ---- Siblings ---- */

static struct tcp_opening opening_of(const struct tcp_connection *c)
{
    return (struct tcp_opening){.key = c->key,
                                .hash = c->hash,
                                .iss = c->iss,
                                .sent_ns = c->retries == 0 ? c->sent_at_ns : 0,
                                .token = c->token};
}

void open_offer(struct tcp_connection *c)
{
    const struct tcp_siblings *siblings = c->tcp->setup.siblings;
    if (c->by_token && c->state == TCP_SYN_SENT && siblings != NULL && siblings->offer != NULL) {
        const struct tcp_opening opening = opening_of(c);
        c->offered = siblings->offer(c->tcp->setup.siblings_context, &opening);
    }
}

bool open_withdraw(struct tcp_connection *c)
{
    if (!c->offered) {
        return true;
    }
    const struct tcp_opening opening = opening_of(c);
    c->offered = false;
    if (c->tcp->setup.siblings->withdraw(c->tcp->setup.siblings_context, &opening)) {
        return true;
    }
    c->moved = true;
    connection_end(c, TRANSPORT_CLOSED_BY_US);
    return false;
}

bool open_adopt(struct tcp *tcp, const struct arrival *arrival)
{
    const struct tcp_siblings *siblings = tcp->setup.siblings;
    const struct segment *segment = &arrival->segment;
    const uint8_t kind = SEGMENT_SYN | SEGMENT_ACK | SEGMENT_RST | SEGMENT_FIN;
    struct tcp_opening opening;
    if (siblings->adopt == NULL || (segment->flags & kind) != (SEGMENT_SYN | SEGMENT_ACK) ||
        tcp->connections.used == tcp->connections.capacity ||
        !siblings->adopt(tcp->setup.siblings_context, &arrival->key, arrival->hash, segment->ack,
                         &opening)) {
        return false;
    }
    struct tcp_connection *c = connection_place(tcp, &arrival->key, arrival->hash);
    begin(c, opening.iss);
    c->by_token = true;
    c->token = opening.token;
    c->retries = opening.sent_ns == 0;
    /* That core's turn may have begun after this one. */
    c->sent_at_ns = min_u64(opening.sent_ns, tcp->now_ns);
    c->una_at_ns = c->sent_at_ns;
    tcp->counters[TCP_ADOPTED]++;
    return true;
}
