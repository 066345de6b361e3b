/* Feeds hostile bytes to the codec. What decodes must be walkable, must encode, and must say the
 * same when it is decoded again; nothing may be read outside the pieces it came in.
 *
 * FUZZ_API ("Fetch", "Record") narrows the target to one API's messages; else it is all of them.
 */
#include "tests/fuzz/fuzz_message.h"

#include <stdlib.h>

#include "tests/dataplane/kafka/ops.h"

enum {
    INPUT_BYTES_MAX = 1 << 14,
    WIRE_BYTES_MAX = 1 << 20,
};

static struct bytes pieces[INPUT_BYTES_MAX];
static uint8_t wire[WIRE_BYTES_MAX];

#ifdef FUZZ_API
static bool is_selected(const struct message_ops *ops)
{
    if (strcmp(FUZZ_API, "Record") == 0) {
        return strstr(ops->name, "Request") == NULL && strstr(ops->name, "Response") == NULL;
    }
    const size_t len = strlen(FUZZ_API);
    return strncmp(ops->name, FUZZ_API, len) == 0 &&
           (strcmp(ops->name + len, "Request") == 0 || strcmp(ops->name + len, "Response") == 0);
}
#else
static bool is_selected(const struct message_ops *ops)
{
    (void)ops;
    return true;
}
#endif

/* The number-th of the selected messages, around and around. */
static const struct message_ops *select_ops(uint32_t number)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < message_ops_count; i++) {
        count += is_selected(&message_ops[i]);
    }
    ASSERT(count > 0);
    number %= count;
    for (uint32_t i = 0;; i++) {
        if (is_selected(&message_ops[i]) && number-- == 0) {
            return &message_ops[i];
        }
    }
}

/* Every piece in memory of its own, so that a sanitizer sees a read behind its end. */
static struct chain make_pieces(const uint8_t *data, uint32_t size, uint32_t piece_bytes)
{
    uint32_t count = 0;
    for (uint32_t at = 0; at < size;) {
        const uint32_t len = piece_bytes == 0 ? size : min_u32(piece_bytes, size - at);
        uint8_t *piece = malloc(len);
        ASSERT(piece != NULL);
        memcpy(piece, data + at, len);
        pieces[count++] = (struct bytes){piece, len};
        at += len;
    }
    pieces[count] = (struct bytes){NULL, 0};
    return (struct chain){pieces, 0, size};
}

static void free_pieces(uint32_t size)
{
    for (uint32_t i = 0; size > 0; i++) {
        size -= pieces[i].len;
        free((void *)(uintptr_t)pieces[i].ptr);
    }
}

static char *dump(const struct message_ops *ops, int16_t version, const void *message)
{
    char *text;
    size_t len;
    FILE *file = open_memstream(&text, &len);
    ASSERT(file != NULL);
    ops->dump(file, version, message);
    fclose(file);
    return text;
}

/* Reads one message; what it says must survive. */
static void check_message(const struct message_ops *ops, int16_t version, struct reader *reader)
{
    _Alignas(16) uint8_t message[OPS_SIZE_MAX];
    _Alignas(16) uint8_t again[OPS_SIZE_MAX];
    if (ops->decode(reader, version, message) != CODEC_OK) {
        ASSERT(reader->status != CODEC_OK);
        return;
    }
    const uint64_t size = ops->bytes(version, message);
    struct writer writer;
    ASSERT(size <= sizeof(wire));
    writer_init(&writer, wire, (size_t)size);
    ASSERT(ops->encode(&writer, version, message) == CODEC_OK);
    ASSERT(writer_used(&writer) == size);
    const struct bytes whole = {wire, (uint32_t)size};
    struct reader second;
    reader_init(&second, chain_of(&whole));
    ASSERT(ops->decode(&second, version, again) == CODEC_OK);
    ASSERT(reader_left(&second) == 0);
    char *want = dump(ops, version, message);
    char *have = dump(ops, version, again);
    ASSERT(strcmp(want, have) == 0);
    free(want);
    free(have);
}

static void check_stream(struct chain stream)
{
    struct chain frame;
    while (frame_next(stream, INPUT_BYTES_MAX, &frame) == FRAME_READY) {
        stream = chain_skip(stream, FRAME_PREFIX_BYTES + frame.len);
        struct reader reader;
        struct request_header header;
        reader_init(&reader, frame);
        if (request_header_decode(&reader, &header) != CODEC_OK || !header.version_known) {
            continue;
        }
        char name[64];
        snprintf(name, sizeof(name), "%sRequest", header.api->name);
        const struct message_ops *ops = message_ops_find(name);
        ASSERT(ops != NULL);
        check_message(ops, header.api_version, &reader);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < FUZZ_HEAD_BYTES || size >= INPUT_BYTES_MAX) {
        return 0;
    }
    const uint32_t len = (uint32_t)(size - FUZZ_HEAD_BYTES);
    const struct chain chain = make_pieces(data + FUZZ_HEAD_BYTES, len, data[2]);
    if (data[0] == FUZZ_STREAM) {
        check_stream(chain);
    } else {
        const struct message_ops *ops = select_ops(data[0]);
        const int versions = ops->version_max - ops->version_min + 1;
        struct reader reader;
        reader_init(&reader, chain);
        check_message(ops, (int16_t)(ops->version_min + data[1] % versions), &reader);
    }
    free_pieces(len);
    return 0;
}
