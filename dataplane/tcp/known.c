#include "dataplane/tcp/known.h"

#include "dataplane/net/checksum.h"

void known_init(struct known_table *table, const struct net *net)
{
    memcpy(table->begin, net->setup.mac.bytes, sizeof(net->setup.mac.bytes));
    store_be16(table->begin + KNOWN_IP - 2, ETHERNET_IPV4);
    table->begin[KNOWN_IP] = 0x45;
    table->off = net->setup.vlan != 0;
}

/* What an entry of the flow holds, but for the connection. */
static struct known_flow flow_of(const struct flow_key *key)
{
    uint8_t bytes[12];
    struct known_flow flow = {0};
    memcpy(bytes, key->remote.bytes + 12, 4);
    memcpy(bytes + 4, key->local.bytes + 12, 4);
    store_be16(bytes + 8, key->remote_port);
    store_be16(bytes + 10, key->local_port);
    memcpy(&flow.addresses, bytes, 8);
    flow.ports = known_word(bytes + 8);
    return flow;
}

void known_remember(struct known_table *table, const struct flow_key *key,
                    struct tcp_connection *connection)
{
    struct known_flow flow = flow_of(key);
    if (!table->off && address_is_v4(&key->remote)) {
        flow.connection = connection;
        table->flows[known_slot(flow.addresses, flow.ports)] = flow;
    }
}

void known_forget(struct known_table *table, const struct flow_key *key,
                  const struct tcp_connection *connection)
{
    const struct known_flow flow = flow_of(key);
    struct known_flow *at = &table->flows[known_slot(flow.addresses, flow.ports)];
    if (at->connection == connection) {
        *at = (struct known_flow){0};
    }
}

struct tcp_connection *known_at(const struct known_table *table, uint32_t slot,
                                struct flow_key *key)
{
    const struct known_flow *flow = &table->flows[slot];
    uint8_t bytes[12];
    memcpy(bytes, &flow->addresses, 8);
    memcpy(bytes + 8, &flow->ports, 4);
    *key = (struct flow_key){address_of_v4(load_be32(bytes)), address_of_v4(load_be32(bytes + 4)),
                             load_be16(bytes + 8), load_be16(bytes + 10)};
    return flow->connection;
}

bool known_sums_good(const struct packet_in *packet)
{
    const uint8_t *ip = packet->first.bytes.ptr + KNOWN_IP;
    const uint32_t len = known_total(packet) - IPV4_BYTES;
    uint8_t pseudo[4] = {0, IPV4_TCP};
    if ((packet->flags & (PACKET_IP_BAD | PACKET_L4_BAD)) != 0 ||
        ((packet->flags & PACKET_IP_GOOD) == 0 &&
         checksum_finish(checksum_sum(ip, IPV4_BYTES)) != 0)) {
        return false;
    }
    store_be16(pseudo + 2, (uint16_t)len);
    /* Of the pseudo-header both addresses stand before the segment. */
    return (packet->flags & PACKET_L4_GOOD) != 0 ||
           checksum_finish(
               checksum_join(checksum_sum(ip + 12, len + 8), checksum_sum(pseudo, 4), 0)) == 0;
}

void known_parse(const struct packet_in *packet, struct segment *segment)
{
    const uint8_t *at = packet->first.bytes.ptr + KNOWN_TCP;
    *segment = (struct segment){.source_port = load_be16(at),
                                .target_port = load_be16(at + 2),
                                .sequence = load_be32(at + 4),
                                .ack = load_be32(at + 8),
                                .window = load_be16(at + 14),
                                .flags = at[13],
                                .header_len = KNOWN_HEADERS - KNOWN_TCP,
                                .len = known_total(packet) - (KNOWN_HEADERS - KNOWN_IP),
                                .has_timestamp = true,
                                .tsval = load_be32(at + SEGMENT_BYTES + 4),
                                .tsecr = load_be32(at + SEGMENT_BYTES + 8)};
}
