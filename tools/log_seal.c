#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/log/index_format.h"
#include "tools/commands.h"
#include "tools/log_files.h"
#include "tools/node.h"
#include "tools/progress.h"

/* A copy in which every file ends with its last byte, so that Kafka's own tools read it (H9). */
struct seal {
    const char *from;
    const char *to;
    uint64_t files;
    uint64_t bytes;
    uint64_t cut_bytes;
    uint64_t cut_tails; /* Segments that ended in something torn. */
    bool failed;
    struct progress progress;
};

static struct seal seal;

static bool failed(const char *path, const char *why)
{
    cli_error("%s: %s", path, why);
    seal.failed = true;
    return true; /* The walk goes on: all problems are told. */
}

/* What of a .log is content: up to the end of its last batch with a right checksum. */
struct content {
    uint32_t bytes;
    int64_t end_offset; /* Behind the last record. */
    bool damaged;       /* A wrong checksum, and not at the end. */
};

static struct content log_content(struct bytes file, int64_t base_offset)
{
    struct content content = {.end_offset = base_offset};
    struct log_walk walk = log_walk_of(file);
    struct batch_header header;
    struct bytes batch;
    while (log_walk_next(&walk, &header, &batch)) {
        if (batch_check_crc(chain_of(&batch), &header) != BATCH_OK) {
            content.damaged = walk.rest.len > 0 && !log_all_zero(walk.rest);
            return content;
        }
        content.bytes = walk.next;
        content.end_offset = batch_last_offset(&header) + 1;
    }
    return content;
}

static uint32_t log_bytes(const char *path, struct bytes file, int64_t base_offset)
{
    const struct content content = log_content(file, base_offset);
    const struct bytes rest = {file.ptr + content.bytes, file.len - content.bytes};
    if (content.damaged) {
        (void)failed(path, "a batch with a wrong checksum; `millrace log verify` says more");
    } else if (!log_all_zero(rest)) {
        cli_note("%s: leaving out %u bytes that are no whole batch, as a start would", path,
                 rest.len);
        seal.cut_tails++;
    }
    return content.bytes;
}

/* Entries of an index about what is in the copy. */
static uint32_t index_bytes(const char *path, struct bytes file, const struct segment_name *name)
{
    struct log_map log;
    if (!log_map_beside(path, name->base_offset, SEGMENT_LOG, &log)) {
        (void)failed(path, "has no .log beside it");
        return 0;
    }
    const struct content content = log_content(log.bytes, name->base_offset);
    log_map_close(&log);
    struct bytes valid = file;
    if (name->file == SEGMENT_INDEX) {
        valid.len = offset_index_valid_bytes(file, content.bytes);
        return offset_index_truncated_bytes(valid, name->base_offset, content.end_offset);
    }
    valid.len = time_index_valid_bytes(file);
    return time_index_truncated_bytes(valid, name->base_offset, content.end_offset);
}

/* How much of the file is content. */
static uint32_t content_bytes(const char *path, struct bytes file)
{
    struct segment_name name;
    if (!log_kind(path, &name) || name.mark != SEGMENT_LIVE) { /* .swap: whole when it counts. */
        return file.len;
    }
    switch (name.file) {
    case SEGMENT_LOG: return log_bytes(path, file, name.base_offset);
    case SEGMENT_INDEX:
    case SEGMENT_TIME_INDEX: return index_bytes(path, file, &name);
    case SEGMENT_TXN_INDEX:
    case SEGMENT_SNAPSHOT:
    case SEGMENT_PRODUCERS:
    case SEGMENT_FILES: break;
    }
    return file.len;
}

static bool write_file(const char *path, struct bytes content)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        return false;
    }
    bool good = true;
    while (good && content.len > 0) {
        const ssize_t wrote = write(fd, content.ptr, content.len);
        good = wrote > 0;
        content.ptr += good ? wrote : 0;
        content.len -= good ? (uint32_t)wrote : 0;
    }
    const int error = errno;
    good = close(fd) == 0 && good;
    errno = error != 0 ? error : errno;
    return good;
}

static bool seal_directory(const char *path);

static bool seal_entry(void *context, const char *path, bool is_directory)
{
    (void)context;
    struct log_map map;
    const char *base = log_base_name(path);
    if (is_directory) {
        /* The run directory belongs to the node, not to the data. */
        return strcmp(base, ".millrace") == 0 ||
               seal_directory(path); /* NOLINT(misc-no-recursion): as deep as directories are. */
    }
    struct segment_name name;
    if (strcmp(base, ".lock") == 0 || (log_kind(path, &name) && name.mark == SEGMENT_DELETED)) {
        return true; /* What was deleted may go at any moment. */
    }
    if (!log_map_open(path, &map)) {
        return failed(path, strerror(errno));
    }
    char *to = NULL;
    const int len = asprintf(&to, "%s%s", seal.to, path + strlen(seal.from));
    ASSERT(len > 0 && "no memory");
    const struct bytes content = {map.bytes.ptr, content_bytes(path, map.bytes)};
    if (!write_file(to, content)) {
        (void)failed(to, strerror(errno));
    }
    seal.files++;
    seal.bytes += content.len;
    seal.cut_bytes += map.bytes.len - content.len;
    progress_tick(&seal.progress, seal.files, 0, seal.bytes);
    free(to);
    log_map_close(&map);
    return true;
}

static bool seal_directory(const char *path)
{
    char *to = NULL;
    const int len = asprintf(&to, "%s%s", seal.to, path + strlen(seal.from));
    ASSERT(len > 0 && "no memory");
    const bool made = mkdir(to, 0755) == 0;
    if (!made) {
        (void)failed(to, strerror(errno));
    }
    free(to);
    return !made || log_each_entry(path, seal_entry, NULL);
}

static char *without_slash(const char *path)
{
    char *copy = strdup(path);
    ASSERT(copy != NULL && "no memory");
    for (size_t len = strlen(copy); len > 1 && copy[len - 1] == '/'; len--) {
        copy[len - 1] = '\0';
    }
    return copy;
}

/* A copy inside of what is copied would never end. */
static bool lies_inside(const char *from, const char *to)
{
    char *parent = strdup(to);
    char *slash = parent != NULL ? strrchr(parent, '/') : NULL;
    if (slash != NULL) {
        slash[slash == parent ? 1 : 0] = '\0';
    }
    char *from_real = realpath(from, NULL);
    char *to_real = realpath(slash != NULL ? parent : ".", NULL);
    const size_t len = from_real != NULL ? strlen(from_real) : 0;
    const bool inside = from_real != NULL && to_real != NULL &&
                        strncmp(from_real, to_real, len) == 0 &&
                        (to_real[len] == '/' || to_real[len] == '\0');
    free(parent);
    free(from_real);
    free(to_real);
    return inside;
}

enum cli_exit log_seal_run(const struct cli_call *call)
{
    char *from = without_slash(call->words[0]);
    char *to = without_slash(call->words[1]);
    if (lies_inside(from, to)) {
        cli_error("%s lies inside %s", to, from);
        free(from);
        free(to);
        return CLI_USAGE;
    }
    seal = (struct seal){.from = from, .to = to};
    progress_begin(&seal.progress, "files");
    if (!seal_directory(from)) {
        (void)failed(from, strerror(errno));
    }
    progress_end(&seal.progress);
    if (call->json) {
        (void)printf("{\"files\": %llu, \"bytes\": %llu, \"cut_bytes\": %llu}\n",
                     (unsigned long long)seal.files, (unsigned long long)seal.bytes,
                     (unsigned long long)seal.cut_bytes);
    } else {
        (void)printf("%llu files, %llu bytes, %llu bytes of free space left out\n",
                     (unsigned long long)seal.files, (unsigned long long)seal.bytes,
                     (unsigned long long)seal.cut_bytes);
    }
    free(from);
    free(to);
    if (seal.failed) {
        return CLI_FAILED;
    }
    return seal.cut_tails > 0 ? CLI_WARNINGS : CLI_OK;
}
