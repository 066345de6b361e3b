/* The hash by which devices deal flows out to queues (RSS), and what they take of a frame for it.
 * Pure. Source: Microsoft's "RSS hashing types" and their "verifying the RSS hash calculation". */
#ifndef DATAPLANE_NIC_TOEPLITZ_H
#define DATAPLANE_NIC_TOEPLITZ_H

#include "storage/base/bytes.h"

enum {
    TOEPLITZ_INPUT_MAX = 36, /* Two IPv6 addresses and two ports. */
    TOEPLITZ_KEY_MIN = TOEPLITZ_INPUT_MAX + 4,
    TOEPLITZ_KEY_MAX = 64,
};

/* key: at least 4 bytes longer than the input. */
uint32_t toeplitz_hash(const uint8_t *key, const uint8_t *input, uint32_t len);

/* Addresses and ports of a frame with a whole TCP header of IPv4 or IPv6 without options, tagged or
 * not. Returns their length; 0: it is no such frame. */
uint32_t toeplitz_input(struct bytes frame, uint8_t input[TOEPLITZ_INPUT_MAX]);

#endif
