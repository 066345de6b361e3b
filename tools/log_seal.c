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

/* Bytes of a .log up to the end of its last batch with a right checksum. */
static uint32_t log_bytes(const char *path, struct bytes file)
{
    struct log_walk walk = log_walk_of(file);
    struct batch_header header;
    struct bytes batch;
    while (log_walk_next(&walk, &header, &batch)) {
        if (batch_check_crc(chain_of(&batch), &header) != BATCH_OK) {
            (void)failed(path, "a batch with a wrong checksum; `millrace log verify` says more");
            return walk.position;
        }
    }
    if (log_walk_end(&walk) == LOG_END_TORN) {
        cli_note("%s: cutting %u bytes that are no batch", path, walk.rest.len);
    }
    return walk.position;
}

/* How much of the file is content. */
static uint32_t content_bytes(const char *path, struct bytes file)
{
    struct segment_name name;
    if (!log_kind(path, &name)) {
        return file.len;
    }
    switch (name.file) {
    case SEGMENT_LOG: return log_bytes(path, file);
    case SEGMENT_INDEX: return offset_index_valid_bytes(file, UINT32_MAX);
    case SEGMENT_TIME_INDEX: return time_index_valid_bytes(file);
    case SEGMENT_TXN_INDEX:
    case SEGMENT_SNAPSHOT:
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

enum cli_exit log_seal_run(const struct cli_call *call)
{
    char *from = without_slash(call->words[0]);
    char *to = without_slash(call->words[1]);
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
    return seal.failed ? CLI_FAILED : CLI_OK;
}
