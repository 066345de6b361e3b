#include "tools/log_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A running node cuts files it is done with; a page that is gone then arrives as a signal. */
static void file_shrank(int number)
{
    static const char text[] =
        "millrace: a file shrank while it was read: a node works on it; stop "
        "it with `millrace down`, or try again\n";
    (void)number;
    if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0) {
        _exit(2);
    }
    _exit(1);
}

bool log_map_open(const char *path, struct log_map *map)
{
    struct stat file;
    *map = (struct log_map){0};
    (void)signal(SIGBUS, file_shrank);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool good = fstat(fd, &file) == 0;
    if (good && file.st_size > UINT32_MAX) {
        errno = EFBIG;
        good = false;
    }
    if (good && file.st_size > 0) {
        void *mapping = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        good = mapping != MAP_FAILED;
        map->mapping = good ? mapping : NULL;
        map->bytes = (struct bytes){map->mapping, good ? (uint32_t)file.st_size : 0};
    }
    const int error = errno;
    (void)close(fd);
    errno = error;
    return good;
}

void log_map_close(struct log_map *map)
{
    if (map->mapping != NULL) {
        (void)munmap(map->mapping, map->bytes.len);
    }
    *map = (struct log_map){0};
}

bool log_map_beside(const char *path, int64_t base_offset, enum segment_file file,
                    struct log_map *map)
{
    char name[SEGMENT_NAME_BYTES];
    char *other = NULL;
    const struct segment_name beside = {base_offset, file, SEGMENT_LIVE};
    segment_name_format(beside, name);
    const int len = asprintf(&other, "%.*s%s", (int)(log_base_name(path) - path), path, name);
    ASSERT(len > 0 && "no memory");
    const bool good = log_map_open(other, map);
    free(other);
    return good;
}

bool log_all_zero(struct bytes bytes)
{
    return bytes.len == 0 ||
           (bytes.ptr[0] == 0 && memcmp(bytes.ptr, bytes.ptr + 1, bytes.len - 1) == 0);
}

bool log_walk_next(struct log_walk *walk, struct batch_header *header, struct bytes *batch)
{
    if (batch_next(&walk->rest, header, batch) != BATCH_OK) {
        walk->position = walk->next;
        return false;
    }
    walk->position = walk->next;
    walk->next += header->size_bytes;
    return true;
}

enum log_end log_walk_end(const struct log_walk *walk)
{
    if (walk->rest.len == 0) {
        return LOG_END_CLEAN;
    }
    return log_all_zero(walk->rest) ? LOG_END_ZEROS : LOG_END_TORN;
}

const char *log_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

bool log_kind(const char *path, struct segment_name *name)
{
    const char *base = log_base_name(path);
    return segment_name_parse(bytes_of_string(base), name);
}

bool log_each_entry(const char *directory,
                    bool (*take)(void *context, const char *path, bool is_directory), void *context)
{
    struct dirent **entries = NULL;
    const int count = scandir(directory, &entries, NULL, alphasort);
    bool good = count >= 0;
    for (int i = 0; i < count; i++) {
        char *path = NULL;
        struct stat file;
        const char *name = entries[i]->d_name;
        if (good && strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            const int len = asprintf(&path, "%s/%s", directory, name);
            ASSERT(len > 0 && "no memory");
            good = stat(path, &file) == 0 && take(context, path, S_ISDIR(file.st_mode));
            free(path);
        }
        free(entries[i]);
    }
    free(entries);
    return good;
}
