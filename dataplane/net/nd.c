#include "dataplane/net/nd.h"

#include "dataplane/net/checksum.h"
#include "dataplane/net/ipv6.h"

enum {
    FIXED_BYTES = 24,
    OPTION_SOURCE_MAC = 1,
    OPTION_TARGET_MAC = 2,
    OPTION_MAC_BYTES = 8,
    FLAG_SOLICITED = 0x40,
    FLAG_OVERRIDE = 0x20,
};

static bool options_parse(struct bytes options, struct nd_packet *packet)
{
    const uint8_t wanted = packet->advertisement ? OPTION_TARGET_MAC : OPTION_SOURCE_MAC;
    while (options.len > 0) {
        const uint32_t len = options.len < 2 ? 0 : options.ptr[1] * 8u;
        if (len == 0 || len > options.len) {
            return false;
        }
        if (options.ptr[0] == wanted && len == OPTION_MAC_BYTES) {
            memcpy(packet->mac.bytes, options.ptr + 2, 6);
            packet->has_mac = !mac_is_group(&packet->mac);
        }
        options.ptr += len;
        options.len -= len;
    }
    return true;
}

bool nd_parse(struct bytes message, struct nd_packet *packet)
{
    if (message.len < FIXED_BYTES || message.ptr[1] != 0) {
        return false;
    }
    *packet = (struct nd_packet){.advertisement = message.ptr[0] == ICMP6_ADVERTISEMENT,
                                 .solicited = (message.ptr[4] & FLAG_SOLICITED) != 0,
                                 .override = (message.ptr[4] & FLAG_OVERRIDE) != 0};
    memcpy(packet->target.bytes, message.ptr + 8, 16);
    const struct bytes options = {message.ptr + FIXED_BYTES, message.len - FIXED_BYTES};
    return !address_v6_is_group(&packet->target) && options_parse(options, packet);
}

uint16_t nd_write(uint8_t *to, const struct nd_packet *packet, const struct address *source,
                  const struct address *target)
{
    uint16_t len = FIXED_BYTES;
    memset(to, 0, ND_BYTES_MAX);
    to[0] = packet->advertisement ? ICMP6_ADVERTISEMENT : ICMP6_SOLICITATION;
    to[4] = (uint8_t)((packet->solicited ? FLAG_SOLICITED : 0) |
                      (packet->override ? FLAG_OVERRIDE : 0));
    memcpy(to + 8, packet->target.bytes, 16);
    if (packet->has_mac) {
        to[FIXED_BYTES] = packet->advertisement ? OPTION_TARGET_MAC : OPTION_SOURCE_MAC;
        to[FIXED_BYTES + 1] = 1;
        memcpy(to + FIXED_BYTES + 2, packet->mac.bytes, 6);
        len += OPTION_MAC_BYTES;
    }
    const uint32_t pseudo = checksum_pseudo(source, target, IPV6_ICMP, len);
    const uint16_t sum = checksum_finish(checksum_join(pseudo, checksum_sum(to, len), 0));
    memcpy(to + 2, &sum, sizeof(sum));
    return len;
}
