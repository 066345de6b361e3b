#include "dataplane/net/arp.h"

enum { HARDWARE_ETHERNET = 1, PROTOCOL_IPV4 = 0x0800 };

bool arp_parse(struct bytes bytes, struct arp_packet *packet)
{
    if (bytes.len < ARP_BYTES || load_be16(bytes.ptr) != HARDWARE_ETHERNET ||
        load_be16(bytes.ptr + 2) != PROTOCOL_IPV4 || bytes.ptr[4] != 6 || bytes.ptr[5] != 4) {
        return false;
    }
    packet->operation = load_be16(bytes.ptr + 6);
    memcpy(packet->sender_mac.bytes, bytes.ptr + 8, 6);
    packet->sender_v4 = load_be32(bytes.ptr + 14);
    memcpy(packet->target_mac.bytes, bytes.ptr + 18, 6);
    packet->target_v4 = load_be32(bytes.ptr + 24);
    return (packet->operation == ARP_REQUEST || packet->operation == ARP_REPLY) &&
           !mac_is_group(&packet->sender_mac);
}

void arp_write(uint8_t *to, const struct arp_packet *packet)
{
    store_be16(to, HARDWARE_ETHERNET);
    store_be16(to + 2, PROTOCOL_IPV4);
    to[4] = 6;
    to[5] = 4;
    store_be16(to + 6, packet->operation);
    memcpy(to + 8, packet->sender_mac.bytes, 6);
    store_be32(to + 14, packet->sender_v4);
    memcpy(to + 18, packet->target_mac.bytes, 6);
    store_be32(to + 24, packet->target_v4);
}
