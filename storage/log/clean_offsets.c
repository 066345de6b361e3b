/* cleaner-offset-checkpoint, of all partitions of a directory: read and replaced as a whole. One
 * housekeeping thread serves all cores, so nobody replaces it at the same time. */
#include "storage/log/clean.h"

#include <errno.h>
#include <stdlib.h>

#include "storage/log/checkpoint_files.h"

enum { FILE_BYTES_MAX = 64 << 20, LINE_BYTES_MAX = TOPIC_NAME_BYTES_MAX + 40 };

static void path_of(const char *directory, char path[PATH_BYTES])
{
    struct text text;
    text_init(&text, path, PATH_BYTES);
    text_string(&text, directory);
    text_string(&text, "/" CLEANER_OFFSETS_FILE);
    ASSERT(!text.full);
}

/* The file's bytes, to be freed; empty when there is none. 0 or -errno. */
static int read_file(struct file_system *fs, const char *path, struct bytes *file, uint8_t **memory)
{
    *memory = NULL;
    *file = (struct bytes){0};
    const int fd = file_open(fs, path, FILE_READ);
    if (fd < 0) {
        return fd == -ENOENT ? 0 : fd;
    }
    const int64_t size = file_size(fs, fd);
    int64_t got = size < 0 ? size : size > FILE_BYTES_MAX ? -EFBIG : 0;
    if (got == 0) {
        *memory = malloc((size_t)size + 1);
        got = *memory == NULL ? -ENOMEM : file_read(fs, fd, *memory, (uint64_t)size, 0);
    }
    file_close(fs, fd);
    if (got < 0) {
        free(*memory);
        *memory = NULL;
        return (int)got;
    }
    *file = (struct bytes){*memory, (uint32_t)got};
    return 0;
}

static bool names(const struct checkpoint_offset *entry, const struct partition_dir *partition)
{
    return entry->partition == partition->partition && bytes_equal(entry->topic, partition->topic);
}

/* Each entry of a file that is as it should be; a damaged one has none. */
static uint32_t read_entries(struct bytes file, struct checkpoint_offset *to, uint32_t capacity)
{
    struct checkpoint_reader reader;
    uint32_t count = 0;
    enum checkpoint_status status = checkpoint_open(&reader, file);
    while (status == CHECKPOINT_OK) {
        struct checkpoint_offset entry;
        status = checkpoint_next_offset(&reader, &entry);
        if (status == CHECKPOINT_OK) {
            if (count < capacity) {
                to[count] = entry;
            }
            count++;
        }
    }
    return status == CHECKPOINT_END ? count : 0;
}

int clean_offsets_read(struct file_system *fs, const char *directory, const char *partition,
                       int64_t *offset)
{
    char path[PATH_BYTES];
    struct partition_dir wanted;
    const struct bytes name = bytes_of_string(partition);
    *offset = -1;
    path_of(directory, path);
    uint8_t *memory;
    struct bytes file;
    const int error = read_file(fs, path, &file, &memory);
    struct checkpoint_reader reader;
    if (error == 0 && partition_dir_parse(name, &wanted) && read_entries(file, NULL, 0) > 0 &&
        checkpoint_open(&reader, file) == CHECKPOINT_OK) {
        struct checkpoint_offset entry;
        while (checkpoint_next_offset(&reader, &entry) == CHECKPOINT_OK) {
            if (names(&entry, &wanted)) {
                *offset = entry.offset;
            }
        }
    }
    free(memory);
    return error;
}

int clean_offsets_write(struct job *job, struct file_system *fs, const char *partition,
                        int64_t offset)
{
    char path[PATH_BYTES];
    struct partition_dir own;
    const struct bytes name = bytes_of_string(partition);
    uint8_t *memory;
    struct bytes file;
    path_of(job->log->devices[job->directory].path, path);
    int error = read_file(fs, path, &file, &memory);
    if (error != 0 || !partition_dir_parse(name, &own)) {
        return error;
    }
    const uint32_t count = read_entries(file, NULL, 0);
    struct checkpoint_offset *entries = calloc(count + 1u, sizeof(*entries));
    char *content = malloc((size_t)file.len + LINE_BYTES_MAX + 32);
    if (entries == NULL || content == NULL) {
        error = -ENOMEM;
    } else {
        (void)read_entries(file, entries, count);
        uint32_t kept = 0;
        for (uint32_t i = 0; i < count; i++) {
            if (!names(&entries[i], &own)) {
                entries[kept++] = entries[i];
            }
        }
        const bool changed = offset >= 0 || kept != count;
        if (offset >= 0) {
            entries[kept++] = (struct checkpoint_offset){own.topic, own.partition, offset};
        }
        struct text text;
        text_init(&text, content, (size_t)file.len + LINE_BYTES_MAX + 32);
        checkpoint_write_head(&text, kept);
        for (uint32_t i = 0; i < kept; i++) {
            checkpoint_write_offset(&text, &entries[i]);
        }
        ASSERT(!text.full);
        error = changed ? job_replace(job, fs, path, content, text.len, true) : 0;
    }
    free(entries);
    free(content);
    free(memory);
    return error;
}
