/* Received bytes of a connection that are not yet part of a request; frames in frame memory (H24).
 */
#ifndef DATAPLANE_BROKER_STREAM_H
#define DATAPLANE_BROKER_STREAM_H

#include "dataplane/broker/state.h"

/* Drops one reference; the last one gives the memory back. */
void piece_release(struct broker *broker, struct piece *piece);

/* Takes over a received piece. False when there is no room to note it. */
bool stream_add(struct connection *connection, struct received_piece received);
void stream_drop(struct connection *connection);

/* Up to FRAME_PIECES_MAX pieces from the stream's start as a chain over parts. */
struct chain stream_view(const struct connection *connection, struct bytes parts[FRAME_PIECES_MAX]);

/* Of a stream that is not empty. */
static inline struct piece *first_piece(const struct connection *connection)
{
    return CONTAINER_OF(connection->stream.head.next, struct piece, node);
}

/* Takes the first piece out. */
static inline void stream_unlink(struct connection *connection, struct piece *first)
{
    list_remove(&first->node);
    connection->piece_count--;
    connection->stream_offset = 0;
    if (connection->piece_count == 0 && list_linked(&connection->holding_node)) {
        list_remove(&connection->holding_node);
    }
}

/* The frame at the stream's start where it is whole, as nearly all are, in the first piece. The
 * stream is not empty. False: it is not, or is none. */
HOT_INLINE bool stream_whole(const struct connection *connection, uint32_t bytes_max,
                             struct bytes *frame)
{
    const struct piece *first = first_piece(connection);
    const uint32_t len = first->bytes.len - connection->stream_offset;
    const uint8_t *at = first->bytes.ptr + connection->stream_offset;
    if (len < FRAME_PREFIX_BYTES) {
        return false;
    }
    *frame = (struct bytes){at + FRAME_PREFIX_BYTES, load_be32(at)};
    return frame->len <= len - FRAME_PREFIX_BYTES && frame->len >= FRAME_BYTES_MIN &&
           frame->len <= bytes_max;
}

/* Gives the frame at the stream's start, all of which is in the first pieces, to the request: the
 * prefix is dropped, the pieces are referenced. */
void stream_take_frame(struct connection *connection, uint32_t frame_bytes,
                       struct request *request);

/* The same of a frame that stream_whole has seen. */
HOT_INLINE void stream_take_whole(struct connection *connection, uint32_t frame_bytes,
                                  struct request *request)
{
    struct piece *first = first_piece(connection);
    const uint32_t at = connection->stream_offset + FRAME_PREFIX_BYTES;
    request->frame_bytes = frame_bytes;
    request->pieces[0] = first;
    request->piece_count = 1;
    request->body = (struct chain){.parts = &first->bytes, .offset = at, .len = frame_bytes};
    connection->stream_bytes -= FRAME_PREFIX_BYTES + frame_bytes;
    if (frame_bytes + at == first->bytes.len) {
        stream_unlink(connection, first); /* The stream's reference becomes the request's. */
    } else {
        first->refs++;
        connection->stream_offset = at + frame_bytes;
    }
}

/* Copies the stream out of the transport's buffers. False when there is no memory for it. */
bool stream_unload(struct connection *connection);

/* The frame at the stream's start goes to frame memory: at once, or when it is its turn. */
void large_begin(struct connection *connection, uint32_t frame_bytes);
/* Goes on with a frame that has been granted its memory. */
void large_resume(struct connection *connection);
/* The transport has filled what it was asked for. */
void large_received(struct connection *connection);
/* Gives the complete frame to the request. */
void large_take_frame(struct connection *connection, struct request *request);
void large_drop(struct connection *connection);
/* Serves those that wait for frame memory, first in first out of each kind. */
void large_grant(struct broker *broker);

void request_release_held_frame(struct broker *broker, struct request *request);

/* Gives the request's frame back. */
static inline void request_release_frame(struct broker *broker, struct request *request)
{
    if (request->piece_count > 0 || request->runs != NULL) {
        request_release_held_frame(broker, request);
    }
}

/* Moves the request's frame out of the transport's buffers, where there is memory. The body is
 * then another view: nothing decoded from it before may be used. */
void request_detach_frame(struct broker *broker, struct request *request);

#endif
