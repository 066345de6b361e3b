/* Messages in pieces over a byte ring; both ends of the slow path speak through this.
 *
 * In the ring a piece is a struct fragment_wire, in a message's first piece the slow_header, then
 * payload. The pieces of one message follow each other without others between them (H21).
 *
 * Threads: a writer and a reader belong to one thread each.
 */
#ifndef DATAPLANE_SLOWPATH_FRAGMENT_H
#define DATAPLANE_SLOWPATH_FRAGMENT_H

#include "dataplane/mail/ring.h"
#include "dataplane/slowpath/channel.h"

struct fragment_wire {
    uint32_t total_len; /* Of the message's payload; the same in each of its pieces. */
    uint32_t offset;    /* Of this piece in it. */
};

struct fragment_writer {
    struct byte_ring_producer ring;
};

struct fragment_reader {
    struct byte_ring_consumer ring;
    struct slow_header header; /* Of the message that is coming in. */
    uint32_t total_len;
    uint32_t next_offset;
    uint32_t len_max;
    bool open;    /* More pieces of it are to come. */
    bool to_core; /* Which kinds are right. */
    bool broken;
};

/* False when the memory holds no fresh ring. memory is borrowed. */
MUST_USE bool fragment_writer_init(struct fragment_writer *writer, void *memory,
                                   uint64_t memory_bytes);
/* len_max: a longer message breaks the ring. */
MUST_USE bool fragment_reader_init(struct fragment_reader *reader, void *memory,
                                   uint64_t memory_bytes, bool to_core, uint32_t len_max);

/* Sends a whole message, or nothing and false: reserved_bytes stay free. */
MUST_USE bool fragment_send_whole(struct fragment_writer *writer, const struct slow_header *header,
                                  struct chain payload, uint64_t reserved_bytes);

/* Sends one piece of a message of total_len: the first bytes of `rest`, which is what is left from
 * offset on. Returns how many payload bytes went (0 with an empty payload), -1 when there is no
 * room. */
MUST_USE int64_t fragment_send_piece(struct fragment_writer *writer,
                                     const struct slow_header *header, struct chain rest,
                                     uint32_t offset, uint32_t total_len);

/* BYTE_RING_OK: *fragment is filled, valid until fragment_release. */
MUST_USE enum byte_ring_status fragment_receive(struct fragment_reader *reader,
                                                struct slow_fragment *fragment);
void fragment_release(struct fragment_reader *reader);

#endif
