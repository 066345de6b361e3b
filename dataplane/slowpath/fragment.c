#include "dataplane/slowpath/fragment.h"

enum {
    PIECE_BYTES_MAX = (int)sizeof(struct fragment_wire) + (int)sizeof(struct slow_header) +
                      SLOW_FRAGMENT_BYTES_MAX,
    /* A piece's room in the ring, and the filler that may go before one at the buffer's end. */
    PIECE_ROOM_MAX = PIECE_BYTES_MAX + 2 * BYTE_RING_HEADER_BYTES,
};

bool fragment_writer_init(struct fragment_writer *writer, void *memory, uint64_t memory_bytes)
{
    return byte_ring_produce(&writer->ring, memory, memory_bytes) &&
           byte_ring_message_bytes_max(writer->ring.data_bytes) >= PIECE_BYTES_MAX;
}

bool fragment_reader_init(struct fragment_reader *reader, void *memory, uint64_t memory_bytes,
                          bool to_core, uint32_t len_max)
{
    memset(reader, 0, sizeof(*reader));
    reader->to_core = to_core;
    reader->len_max = len_max;
    return byte_ring_consume(&reader->ring, memory, memory_bytes);
}

static uint64_t room_needed(uint32_t len)
{
    const uint64_t pieces = len == 0 ? 1 : (len - 1) / SLOW_FRAGMENT_BYTES_MAX + 1;
    const uint64_t heads = sizeof(struct fragment_wire) + 2 * BYTE_RING_HEADER_BYTES;
    return len + sizeof(struct slow_header) + pieces * heads + PIECE_ROOM_MAX;
}

bool fragment_send_whole(struct fragment_writer *writer, const struct slow_header *header,
                         struct chain payload, uint64_t reserved_bytes)
{
    if (byte_ring_room(&writer->ring) < room_needed(payload.len) + reserved_bytes) {
        return false;
    }
    const uint32_t total_len = payload.len;
    uint32_t offset = 0;
    do {
        const int64_t sent = fragment_send_piece(writer, header, payload, offset, total_len);
        if (sent < 0) { /* The other side broke the ring meanwhile; nobody will read it. */
            return offset > 0;
        }
        payload = chain_skip(payload, (uint32_t)sent);
        offset += (uint32_t)sent;
    } while (payload.len > 0);
    return true;
}

int64_t fragment_send_piece(struct fragment_writer *writer, const struct slow_header *header,
                            struct chain rest, uint32_t offset, uint32_t total_len)
{
    const uint32_t count = min_u32(rest.len, SLOW_FRAGMENT_BYTES_MAX);
    const struct fragment_wire wire = {total_len, offset};
    const uint32_t head = offset == 0 ? (uint32_t)sizeof(*header) : 0;
    const uint32_t len = (uint32_t)sizeof(wire) + head + count;
    uint8_t *to;
    if (byte_ring_claim(&writer->ring, len, &to) != BYTE_RING_OK) {
        return -1;
    }
    memcpy(to, &wire, sizeof(wire));
    memcpy(to + sizeof(wire), header, head);
    chain_copy(rest, to + sizeof(wire) + head, count);
    byte_ring_publish(&writer->ring, len);
    return count;
}

static bool header_valid(const struct fragment_reader *reader)
{
    const struct slow_header *header = &reader->header;
    const bool kind = reader->to_core
                          ? header->kind >= SLOW_REPLY && header->kind <= SLOW_ALIVE
                          : header->kind >= SLOW_REQUEST && header->kind <= SLOW_RECORDS;
    const bool may_fail =
        header->kind == SLOW_ERROR || header->kind == SLOW_APPENDED || header->kind == SLOW_RECORDS;
    return kind && (header->error_code == 0 || may_fail) &&
           header->principal_len <= SLOW_PRINCIPAL_BYTES_MAX &&
           header->client_id_len <= SLOW_CLIENT_ID_BYTES_MAX;
}

/* Takes the piece apart; false when it is not what may come next. */
static bool piece_take(struct fragment_reader *reader, struct bytes piece,
                       struct slow_fragment *fragment)
{
    struct fragment_wire wire;
    if (piece.len < sizeof(wire)) {
        return false;
    }
    memcpy(&wire, piece.ptr, sizeof(wire));
    piece = (struct bytes){piece.ptr + sizeof(wire), piece.len - (uint32_t)sizeof(wire)};
    if (!reader->open) {
        if (piece.len < sizeof(reader->header) || wire.total_len > reader->len_max) {
            return false;
        }
        memcpy(&reader->header, piece.ptr, sizeof(reader->header));
        piece.ptr += sizeof(reader->header);
        piece.len -= (uint32_t)sizeof(reader->header);
        reader->total_len = wire.total_len;
        reader->next_offset = 0;
        if (!header_valid(reader) || (piece.len == 0 && wire.total_len > 0)) {
            return false;
        }
    } else if (piece.len == 0) {
        return false;
    }
    if (wire.total_len != reader->total_len || wire.offset != reader->next_offset ||
        piece.len > reader->total_len - reader->next_offset) {
        return false;
    }
    reader->next_offset += piece.len;
    reader->open = reader->next_offset < reader->total_len;
    *fragment = (struct slow_fragment){.header = reader->header,
                                       .payload = piece,
                                       .total_len = reader->total_len,
                                       .offset = wire.offset,
                                       .last = !reader->open};
    return true;
}

enum byte_ring_status fragment_receive(struct fragment_reader *reader,
                                       struct slow_fragment *fragment)
{
    if (reader->broken) {
        return BYTE_RING_BROKEN;
    }
    struct bytes piece;
    const enum byte_ring_status status = byte_ring_receive(&reader->ring, &piece);
    if (status != BYTE_RING_OK) {
        reader->broken = status == BYTE_RING_BROKEN;
        return status;
    }
    if (!piece_take(reader, piece, fragment)) {
        byte_ring_release(&reader->ring);
        reader->broken = true;
        return BYTE_RING_BROKEN;
    }
    return BYTE_RING_OK;
}

void fragment_release(struct fragment_reader *reader)
{
    byte_ring_release(&reader->ring);
}
