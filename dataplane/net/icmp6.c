#include "dataplane/net/icmp6.h"

#include "dataplane/net/checksum.h"
#include "dataplane/net/ipv4.h"
#include "dataplane/net/ipv6.h"

static enum icmp_reason reason_of(uint8_t type, uint8_t code)
{
    switch (type) {
    case ICMP6_TOO_BIG: return ICMP_REASON_MTU;
    case ICMP6_PARAMETER: return code == ICMP6_WRONG_PROTOCOL ? ICMP_REASON_HARD : ICMP_REASON_SOFT;
    case ICMP6_UNREACHABLE:
        switch (code) {
        case 1: /* Administratively prohibited; by the source's policy; a route that rejects. */
        case ICMP6_NO_PORT:
        case 5:
        case 6: return ICMP_REASON_HARD;
        default: return ICMP_REASON_SOFT;
        }
    default: return ICMP_REASON_SOFT;
    }
}

/* What we send has no extensions. */
static enum icmp_kind parse_error(struct bytes message, struct icmp_error *error)
{
    const uint8_t *quoted = message.ptr + ICMP_BYTES;
    const uint8_t *tcp = quoted + IPV6_BYTES;
    const enum icmp_reason reason = reason_of(message.ptr[0], message.ptr[1]);
    if (message.len < ICMP_BYTES + IPV6_BYTES + 8 || quoted[0] >> 4 != 6) {
        return ICMP_BAD;
    }
    const uint32_t mtu = reason == ICMP_REASON_MTU ? load_be32(message.ptr + 4) : 0;
    if (quoted[6] != IPV4_TCP || (reason == ICMP_REASON_MTU && mtu < IPV6_MTU_MIN)) {
        return ICMP_NOT_TAKEN;
    }
    *error = (struct icmp_error){.reason = reason,
                                 .mtu = mtu,
                                 .source_port = load_be16(tcp),
                                 .target_port = load_be16(tcp + 2),
                                 .sequence = load_be32(tcp + 4)};
    memcpy(error->source.bytes, quoted + 8, 16);
    memcpy(error->target.bytes, quoted + 24, 16);
    return ICMP_IS_ERROR;
}

enum icmp_kind icmp6_parse(struct bytes message, struct icmp_error *error)
{
    if (message.len < ICMP_BYTES) {
        return ICMP_BAD;
    }
    switch (message.ptr[0]) {
    case ICMP6_ECHO: return message.ptr[1] == 0 ? ICMP_IS_ECHO : ICMP_NOT_TAKEN;
    case ICMP6_UNREACHABLE:
    case ICMP6_TOO_BIG:
    case ICMP6_TIME_EXCEEDED:
    case ICMP6_PARAMETER: return parse_error(message, error);
    default: return ICMP_NOT_TAKEN;
    }
}

void icmp6_write_error(uint8_t *to, uint8_t type, uint8_t code, uint32_t parameter,
                       uint32_t body_sum)
{
    to[0] = type;
    to[1] = code;
    store_be16(to + 2, 0);
    store_be32(to + 4, parameter);
    const uint16_t sum = checksum_finish(checksum_join(body_sum, checksum_sum(to, ICMP_BYTES), 0));
    memcpy(to + 2, &sum, sizeof(sum));
}
