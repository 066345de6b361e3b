#include <errno.h>
#include <stdlib.h>

#include "storage/log/recovery_state.h"

const char *recovery_file_path(struct recovery *r, const char *name)
{
    const size_t len = strlen(name);
    ASSERT(r->path_bytes + 1 + len < sizeof(r->path));
    r->path[r->path_bytes] = '/';
    memcpy(r->path + r->path_bytes + 1, name, len + 1);
    return r->path;
}

const char *recovery_segment_path(struct recovery *r, int64_t base, enum segment_file file)
{
    char name[SEGMENT_NAME_BYTES];
    segment_name_format((struct segment_name){base, file, SEGMENT_LIVE}, name);
    return recovery_file_path(r, name);
}

const char *recovery_directory_path(struct recovery *r)
{
    r->path[r->path_bytes] = '\0';
    return r->path;
}

void recovery_note(struct recovery *r, int error)
{
    if (error != 0 && r->error == 0) {
        r->error = error;
    }
}

bool recovery_offsets_add(struct offsets *offsets, int64_t offset)
{
    if (offsets->count == offsets->capacity) {
        const uint32_t capacity = offsets->capacity == 0 ? 32 : offsets->capacity * 2;
        int64_t *larger = realloc(offsets->at, capacity * sizeof(*larger));
        if (larger == NULL) {
            return false;
        }
        offsets->at = larger;
        offsets->capacity = capacity;
    }
    offsets->at[offsets->count++] = offset;
    return true;
}

bool recovery_leftover_add(struct recovery *r, struct segment_name name)
{
    if (r->leftover_count == r->leftover_capacity) {
        const uint32_t capacity = r->leftover_capacity == 0 ? 16 : r->leftover_capacity * 2;
        struct segment_name *larger = realloc(r->leftovers, capacity * sizeof(*larger));
        if (larger == NULL) {
            return false;
        }
        r->leftovers = larger;
        r->leftover_capacity = capacity;
    }
    r->leftovers[r->leftover_count++] = name;
    return true;
}

bool recovery_buffer_add(struct buffer *buffer, const uint8_t *from, uint32_t len)
{
    if (buffer->len + len > buffer->capacity) {
        const uint32_t capacity = buffer->capacity == 0 ? 16384 : buffer->capacity * 2;
        uint8_t *larger = realloc(buffer->at, capacity);
        if (larger == NULL) {
            return false;
        }
        buffer->at = larger;
        buffer->capacity = capacity;
    }
    memcpy(buffer->at + buffer->len, from, len);
    buffer->len += len;
    return true;
}

int recovery_by_offset(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t recovery_size_of(struct recovery *r, const char *path)
{
    const int fd = file_open(r->fs, path, FILE_READ);
    if (fd < 0) {
        return fd;
    }
    const int64_t size = file_size(r->fs, fd);
    file_close(r->fs, fd);
    return size;
}

/* The whole file, to be freed; NULL when it cannot be had. */
uint8_t *recovery_read_whole(struct recovery *r, const char *path, uint64_t max, uint32_t *len)
{
    const int64_t size = recovery_size_of(r, path);
    if (size < 0 || (uint64_t)size > max) {
        return NULL;
    }
    uint8_t *bytes = malloc((size_t)size + 1);
    const int64_t got = bytes == NULL ? -1 : file_read_all(r->fs, path, bytes, (uint64_t)size);
    if (got < 0) {
        free(bytes);
        return NULL;
    }
    *len = (uint32_t)got;
    return bytes;
}
