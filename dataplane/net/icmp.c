#include "dataplane/net/icmp.h"

#include "dataplane/net/checksum.h"
#include "dataplane/net/ipv4.h"

static enum icmp_reason reason_of(uint8_t type, uint8_t code)
{
    if (type != ICMP_UNREACHABLE) {
        return ICMP_REASON_SOFT;
    }
    switch (code) {
    case ICMP_PROTOCOL_UNREACHABLE:
    case ICMP_PORT_UNREACHABLE:
    case 9: /* Administratively prohibited: network, host, communication. */
    case 10:
    case 13: return ICMP_REASON_HARD;
    case ICMP_FRAGMENTATION_NEEDED: return ICMP_REASON_MTU;
    default: return ICMP_REASON_SOFT;
    }
}

static enum icmp_kind parse_error(struct bytes message, struct icmp_error *error)
{
    if (message.len < ICMP_BYTES + IPV4_BYTES + 8) {
        return ICMP_BAD;
    }
    const uint8_t *quoted = message.ptr + ICMP_BYTES;
    const uint32_t header_len = (quoted[0] & 0xfu) * 4;
    if (quoted[0] >> 4 != 4 || header_len < IPV4_BYTES ||
        message.len < ICMP_BYTES + header_len + 8) {
        return ICMP_BAD;
    }
    if (quoted[9] != IPV4_TCP) {
        return ICMP_NOT_TAKEN;
    }
    const uint8_t *tcp = quoted + header_len;
    *error = (struct icmp_error){.reason = reason_of(message.ptr[0], message.ptr[1]),
                                 .mtu = load_be16(message.ptr + 6),
                                 .source = address_of_v4(load_be32(quoted + 12)),
                                 .target = address_of_v4(load_be32(quoted + 16)),
                                 .source_port = load_be16(tcp),
                                 .target_port = load_be16(tcp + 2),
                                 .sequence = load_be32(tcp + 4)};
    return ICMP_IS_ERROR;
}

enum icmp_kind icmp_parse(struct bytes message, struct icmp_error *error)
{
    if (message.len < ICMP_BYTES) {
        return ICMP_BAD;
    }
    switch (message.ptr[0]) {
    case ICMP_ECHO: return message.ptr[1] == 0 ? ICMP_IS_ECHO : ICMP_NOT_TAKEN;
    case ICMP_UNREACHABLE:
    case ICMP_TIME_EXCEEDED:
    case ICMP_PARAMETER: return parse_error(message, error);
    default: return ICMP_NOT_TAKEN;
    }
}

void icmp_write_echo_reply(uint8_t *to, const uint8_t *request, uint8_t type)
{
    uint16_t words[2];
    uint16_t sum;
    memcpy(&words[0], request, sizeof(words[0]));
    memcpy(to, request, ICMP_BYTES);
    to[0] = type;
    memcpy(&words[1], to, sizeof(words[1]));
    memcpy(&sum, to + 2, sizeof(sum));
    sum = checksum_finish((uint32_t)(uint16_t)~sum + (uint16_t)~words[0] + words[1]);
    memcpy(to + 2, &sum, sizeof(sum));
}

uint16_t icmp_write_unreachable(uint8_t *to, uint8_t code, struct bytes packet)
{
    const uint32_t quoted = min_u32(packet.len, (packet.ptr[0] & 0xfu) * 4 + 8);
    memset(to, 0, ICMP_BYTES);
    to[0] = ICMP_UNREACHABLE;
    to[1] = code;
    memcpy(to + ICMP_BYTES, packet.ptr, quoted);
    const uint16_t sum = checksum_finish(checksum_sum(to, ICMP_BYTES + quoted));
    memcpy(to + 2, &sum, sizeof(sum));
    return (uint16_t)(ICMP_BYTES + quoted);
}
