/* Frames as a pcapng file (draft-ietf-opsawg-pcapng): one section, one interface for each core's
 * queue, times in nanoseconds, direction in each packet's flags, drops in the statistics at the
 * end. Numbers are in the order of this machine, which the file says.
 *
 * Pure; any thread.
 */
#ifndef DATAPLANE_WATCH_PCAPNG_H
#define DATAPLANE_WATCH_PCAPNG_H

#include "dataplane/nic/capture.h"
#include "dataplane/watch/page_text.h"

/* The head of the file. device: what the interfaces are queues of. */
void pcapng_begin(struct page_text *page, const char *device, uint32_t queue_count, uint32_t snap);

/* wall_ns: since 1970. */
void pcapng_packet(struct page_text *page, uint32_t queue, uint64_t wall_ns,
                   const struct capture_record *record);

/* Once for each queue, at the end. seen: frames with those that were dropped. */
void pcapng_end(struct page_text *page, uint32_t queue, uint64_t wall_ns, uint64_t seen,
                uint64_t dropped);

#endif
