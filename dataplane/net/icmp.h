/* ICMP for IPv4 (RFC 792): echo, and the errors that concern connections of ours. */
#ifndef DATAPLANE_NET_ICMP_H
#define DATAPLANE_NET_ICMP_H

#include "dataplane/net/address.h"

enum {
    ICMP_BYTES = 8,
    ICMP_ECHO_REPLY = 0,
    ICMP_UNREACHABLE = 3,
    ICMP_ECHO = 8,
    ICMP_TIME_EXCEEDED = 11,
    ICMP_PARAMETER = 12,
    ICMP_PROTOCOL_UNREACHABLE = 2, /* Codes of ICMP_UNREACHABLE. */
    ICMP_PORT_UNREACHABLE = 3,
    ICMP_FRAGMENTATION_NEEDED = 4,
    ICMP_ERROR_BYTES_MAX = ICMP_BYTES + 60 + 8, /* We quote the header and 8 bytes. */
};

enum icmp_kind {
    ICMP_BAD,       /* Cut short. */
    ICMP_IS_ECHO,   /* Answer it. */
    ICMP_IS_ERROR,  /* About a TCP segment: *error says which. */
    ICMP_NOT_TAKEN, /* Anything else. */
};

enum icmp_reason {
    ICMP_REASON_SOFT, /* May pass: network or host unreachable, time exceeded. */
    ICMP_REASON_HARD, /* Nobody there: protocol, port or administratively refused. */
    ICMP_REASON_MTU,  /* Too big for a link of the path. */
};

/* An error and the segment of ours it quotes (RFC 5927: only one in the window is believed). */
struct icmp_error {
    enum icmp_reason reason;
    uint32_t mtu; /* With REASON_MTU: the next link's; 0 when the router does not say (RFC 1191). */
    struct address source; /* Of the quoted segment: us. */
    struct address target;
    uint16_t source_port;
    uint16_t target_port;
    uint32_t sequence;
};

/* message: from the ICMP header, as much as lies in one piece; its checksum is the caller's. */
MUST_USE enum icmp_kind icmp_parse(struct bytes message, struct icmp_error *error);

/* Writes the header of the reply, of this type, to the echo request at `request`: the body stays as
 * it is, so the checksum is only adjusted (RFC 1624). Of ICMPv6, too. */
void icmp_write_echo_reply(uint8_t *to, const uint8_t *request, uint8_t type);

/* Writes an unreachable error about the packet; returns its length. */
uint16_t icmp_write_unreachable(uint8_t *to, uint8_t code, struct bytes packet);

#endif
