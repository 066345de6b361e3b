/* Our side of the golden test: makes messages, reads those that Kafka made, prints the tables.
 *
 *     golden_codec make > OURS                 lines of "name version seed hex json"
 *     golden_codec read < MADE > MADE_READ     the same lines as we read and write them again
 *     golden_codec tables                      APIs, errors, headers, record frames
 */
#include <stdlib.h>

#include "dataplane/kafka/errors.h"
#include "tests/dataplane/kafka/ops.h"

enum {
    SEEDS = 6,
    WIRE_BYTES_MAX = 1 << 20,
    MEMORY_BYTES = 1 << 20,
    LINE_BYTES_MAX = 1 << 22,
};

static uint8_t wire[WIRE_BYTES_MAX];
static uint8_t memory[MEMORY_BYTES];
static char line[LINE_BYTES_MAX];

static void print_hex(const uint8_t *bytes, uint32_t len)
{
    if (len == 0) {
        putchar('-');
    }
    for (uint32_t i = 0; i < len; i++) {
        printf("%02x", bytes[i]);
    }
}

static void print_message(const struct message_ops *ops, int16_t version, uint32_t seed,
                          const void *message)
{
    struct writer writer;
    writer_init(&writer, wire, sizeof(wire));
    const enum codec_status status = ops->encode(&writer, version, message);
    printf("%s %d %u ", ops->name, version, seed);
    if (status != CODEC_OK) {
        printf("encode: %s\n", codec_status_name(status));
        return;
    }
    print_hex(wire, writer_used(&writer));
    putchar(' ');
    ops->dump(stdout, version, message);
    putchar('\n');
}

static void make(void)
{
    for (uint32_t i = 0; i < message_ops_count; i++) {
        const struct message_ops *ops = &message_ops[i];
        for (int16_t v = ops->version_min; v <= ops->version_max; v++) {
            print_message(ops, v, 0, ops->defaults);
            for (uint32_t seed = 1; seed < SEEDS; seed++) {
                _Alignas(16) uint8_t message[OPS_SIZE_MAX];
                struct fill fill = {.memory = {.base = memory, .size = sizeof(memory)}};
                random_init(&fill.random, (uint64_t)i << 32 | (uint64_t)(uint16_t)v << 16 | seed);
                ops->fill(&fill, v, message);
                print_message(ops, v, seed, message);
            }
        }
    }
}

/* Turns hex into bytes in memory; "-" is none. */
static uint32_t parse_hex(const char *hex)
{
    uint32_t len = 0;
    for (; hex[0] != '-' && hex[0] != '\0'; hex += 2) {
        const char two[3] = {hex[0], hex[1], '\0'};
        ASSERT(len < sizeof(memory));
        memory[len++] = (uint8_t)strtoul(two, NULL, 16);
    }
    return len;
}

static void read_one(char *text)
{
    const char *name = strtok(text, " ");
    const int16_t version = (int16_t)atoi(strtok(NULL, " "));
    const uint32_t seed = (uint32_t)atoi(strtok(NULL, " "));
    const uint32_t len = parse_hex(strtok(NULL, " "));
    const struct message_ops *ops = message_ops_find(name);
    const struct bytes bytes = {memory, len};
    _Alignas(16) uint8_t message[OPS_SIZE_MAX];
    struct reader reader;
    reader_init(&reader, chain_of(&bytes));
    const enum codec_status status = ops->decode(&reader, version, message);
    if (status != CODEC_OK || reader_left(&reader) != 0) {
        printf("%s %d %u decode: %s, %u bytes left\n", name, version, seed,
               codec_status_name(status), reader_left(&reader));
        return;
    }
    print_message(ops, version, seed, message);
}

static void print_headers(const struct api_info *api)
{
    for (int16_t v = api->version_min; v <= api->version_max; v++) {
        struct writer writer;
        writer_init(&writer, wire, sizeof(wire));
        request_begin(&writer, api, v, 1234567, CHAIN_TEXT("client \xc3\xa9"));
        printf("request_header %d %d ", api->key, v);
        print_hex(wire + FRAME_PREFIX_BYTES, writer_used(&writer) - FRAME_PREFIX_BYTES);
        writer_init(&writer, wire, sizeof(wire));
        response_begin(&writer, api, v, -7);
        printf("\nresponse_header %d %d ", api->key, v);
        print_hex(wire + FRAME_PREFIX_BYTES, writer_used(&writer) - FRAME_PREFIX_BYTES);
        putchar('\n');
    }
}

static void print_apis(const struct api_info *table, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct api_info *api = &table[i];
        printf("api %d %s %d %d %d %d\n", api->key, api->name, api->version_min, api->version_max,
               api->advertised_min, api->flexible_min);
        print_headers(api);
    }
}

static void tables(void)
{
    print_apis(api_table, api_count);
    print_apis(api_table_undispatched, api_count_undispatched);
    for (int16_t code = -1; code <= ERROR_SHARE_SESSION_LIMIT_REACHED; code++) {
        printf("error %d %s %s\n", code, error_name(code),
               error_is_retriable(code) ? "true" : "false");
    }
    for (uint32_t i = 0; i < metadata_record_count; i++) {
        const struct metadata_record_info *info = &metadata_record_table[i];
        const struct message_ops *ops = message_ops_find(info->name);
        for (int16_t v = info->version_min; v <= info->version_max; v++) {
            struct writer writer;
            writer_init(&writer, wire, sizeof(wire));
            metadata_frame_encode(&writer, info->key, v);
            ASSERT(ops->encode(&writer, v, ops->defaults) == CODEC_OK);
            printf("frame %d %s %d ", info->key, info->name, v);
            print_hex(wire, writer_used(&writer));
            putchar('\n');
        }
    }
}

int main(int argc, char **argv)
{
    const char *mode = argc == 2 ? argv[1] : "";
    if (strcmp(mode, "make") == 0) {
        make();
    } else if (strcmp(mode, "tables") == 0) {
        tables();
    } else if (strcmp(mode, "read") == 0) {
        while (fgets(line, sizeof(line), stdin) != NULL) {
            read_one(line);
        }
    } else {
        fputs("usage: golden_codec make|read|tables\n", stderr);
        return 2;
    }
    return 0;
}
