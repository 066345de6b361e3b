/* ICMPv6 (RFC 4443): echo, and the errors that concern connections of ours. Neighbour discovery:
 * nd.h. Multicast listener reports (RFC 2710) and router advertisements are not taken. */
#ifndef DATAPLANE_NET_ICMP6_H
#define DATAPLANE_NET_ICMP6_H

#include "dataplane/net/icmp.h"

enum {
    ICMP6_UNREACHABLE = 1,
    ICMP6_TOO_BIG = 2,
    ICMP6_TIME_EXCEEDED = 3,
    ICMP6_PARAMETER = 4,
    ICMP6_ECHO = 128,
    ICMP6_ECHO_REPLY = 129,
    ICMP6_SOLICITATION = 135,
    ICMP6_ADVERTISEMENT = 136,
    ICMP6_NO_PORT = 4,        /* A code of ICMP6_UNREACHABLE. */
    ICMP6_WRONG_FIELD = 0,    /* Codes of ICMP6_PARAMETER. */
    ICMP6_WRONG_PROTOCOL = 1, /* A next header that is not known. */
    ICMP6_WRONG_OPTION = 2,
};

/* message: from the ICMP header, as much as lies in one piece; its checksum is the caller's. With
 * error->reason ICMP_REASON_MTU the MTU is at least IPV6_MTU_MIN (RFC 8201 4). */
MUST_USE enum icmp_kind icmp6_parse(struct bytes message, struct icmp_error *error);

/* Writes ICMP_BYTES of an error; parameter: the pointer of ICMP6_PARAMETER, else 0. What it is
 * about follows. body_sum: the sum of that, and of the pseudo-header. */
void icmp6_write_error(uint8_t *to, uint8_t type, uint8_t code, uint32_t parameter,
                       uint32_t body_sum);

#endif
