/* Descriptors that a driver keeps to itself, and that a core has to wait for.
 *
 * Threads: the service thread, while ports start.
 */
#ifndef DATAPLANE_NIC_DESCRIPTOR_H
#define DATAPLANE_NIC_DESCRIPTOR_H

#include "storage/base/check.h"

/* A driver's socket, by its number among `count` of that family: they are the only ones of it that
 * this process has, and were made in the order of the queues. -1: they cannot be told. */
int descriptor_of_family(int family, uint32_t number, uint32_t count);

/* net_tap reads its descriptor only after a real-time signal for each arrival, which costs more
 * than the reading and interrupts whatever thread it meets. The descriptor is told to send none,
 * and the driver's handler is to be called with the number before each look instead. Both stay as
 * they are where there is no such signal. */
void descriptor_quiet(int fd, void (**handler)(int), int *number);

#endif
