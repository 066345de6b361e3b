/* The text files and names of a data directory: what is accepted must survive writing and reading.
 */
#include "storage/log/checkpoint_files.h"
#include "storage/log/segment_name.h"
#include "tests/fuzz/storage/fuzz_target.h"

enum { INPUT_BYTES_MAX = 1 << 16 };

static char written[4 * INPUT_BYTES_MAX];

static void fuzz_offsets(struct bytes file)
{
    struct checkpoint_reader reader;
    struct checkpoint_offset entry;
    enum checkpoint_status status = checkpoint_open(&reader, file);
    const uint32_t count = reader.left;
    struct text text;
    text_init(&text, written, sizeof(written));
    checkpoint_write_head(&text, count);
    while (status == CHECKPOINT_OK) {
        status = checkpoint_next_offset(&reader, &entry);
        if (status == CHECKPOINT_OK) {
            checkpoint_write_offset(&text, &entry);
        }
    }
    if (status != CHECKPOINT_END) {
        return;
    }
    ASSERT(!text.full && checkpoint_open(&reader, text_view(&text)) == CHECKPOINT_OK);
    uint32_t again = 0;
    while ((status = checkpoint_next_offset(&reader, &entry)) == CHECKPOINT_OK) {
        again++;
    }
    ASSERT(status == CHECKPOINT_END && again == count);
}

static void fuzz_epochs(struct bytes file)
{
    struct checkpoint_reader reader;
    struct checkpoint_epoch entry;
    enum checkpoint_status status = checkpoint_open(&reader, file);
    while (status == CHECKPOINT_OK) {
        status = checkpoint_next_epoch(&reader, &entry);
        ASSERT(status != CHECKPOINT_OK || (entry.epoch >= 0 && entry.start_offset >= 0));
    }
}

static void fuzz_metadata(struct bytes file)
{
    struct uuid id;
    struct uuid back;
    uint32_t line;
    struct text text;
    if (partition_metadata_parse(file, &id, &line) == CHECKPOINT_OK) {
        text_init(&text, written, sizeof(written));
        partition_metadata_write(&text, id);
        ASSERT(partition_metadata_parse(text_view(&text), &back, &line) == CHECKPOINT_OK);
        ASSERT(uuid_equal(id, back));
    }
}

static void fuzz_properties(struct bytes file)
{
    struct meta_properties properties;
    struct meta_properties back;
    uint32_t line;
    struct text text;
    if (meta_properties_parse(file, &properties, &line) == CHECKPOINT_OK) {
        text_init(&text, written, sizeof(written));
        meta_properties_write(&text, &properties);
        ASSERT(meta_properties_parse(text_view(&text), &back, &line) == CHECKPOINT_OK);
        ASSERT(strcmp(properties.cluster_id, back.cluster_id) == 0);
        ASSERT(properties.node_id == back.node_id);
        ASSERT(properties.has_directory_id == back.has_directory_id);
    }
}

static void fuzz_names(struct bytes name)
{
    char text[PARTITION_DIR_BYTES];
    struct segment_name segment;
    if (segment_name_parse(name, &segment)) {
        segment_name_format(segment, text);
        ASSERT(bytes_equal(name, bytes_of_string(text)));
    }
    struct partition_dir dir;
    if (partition_dir_parse(name, &dir) && dir.mark == PARTITION_DIR_LIVE && name.len <= 255) {
        ASSERT(partition_dir_format(&dir, (struct uuid){{0}}, text) == name.len);
        ASSERT(bytes_equal(name, (struct bytes){(uint8_t *)text, name.len}));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > INPUT_BYTES_MAX) {
        return 0;
    }
    const struct bytes file = {data + 1, (uint32_t)size - 1};
    switch (data[0] % 5) {
    case 0: fuzz_offsets(file); break;
    case 1: fuzz_epochs(file); break;
    case 2: fuzz_metadata(file); break;
    case 3: fuzz_properties(file); break;
    default: fuzz_names(file); break;
    }
    return 0;
}

size_t fuzz_seed(uint32_t index, uint8_t *to, size_t capacity)
{
    static const char *const seeds[] = {
        "\x00"
        "0\n2\nfirst 0 17\nsecond.topic-x 3 9223372036854775807\n",
        "\x01"
        "0\n3\n0 0\n1 5\n7 4711\n",
        "\x02version: 0\ntopic_id: AQIDBAUGBwgJCgsMDQ4PEA",
        "\x03#\n#comment\ncluster.id=a\\=b\\u00e4\\\n  c\nnode.id=1\nversion=1\n"
        "directory.id=AQIDBAUGBwgJCgsMDQ4PEA\n",
        "\x04"
        "00000000000000000042.timeindex.deleted",
        "\x04my.topic-x-12.0123456789abcdef0123456789abcdef-delete",
        "\x04my-topic-12",
    };
    if (index >= ARRAY_SIZE(seeds)) {
        return 0;
    }
    const size_t len = 1 + strlen(seeds[index] + 1);
    ASSERT(len <= capacity);
    memcpy(to, seeds[index], len);
    return len;
}
