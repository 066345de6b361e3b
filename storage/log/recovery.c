/* A data directory: lock, identity, the partitions in it. */
#include "storage/log/recovery.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/base/text.h"
#include "storage/log/checkpoint_files.h"
#include "storage/log/recovery_scan.h"

#define LOCK_FILE  ".lock"
#define META_FILE  "meta.properties"
#define CLEAN_FILE ".kafka_cleanshutdown"

enum { META_BYTES_MAX = 16 << 10 };

static char *path_join(char path[PATH_BYTES], const char *a, const char *b, const char *c)
{
    struct text text;
    text_init(&text, path, PATH_BYTES);
    text_string(&text, a);
    text_char(&text, '/');
    text_string(&text, b);
    if (c != NULL) {
        text_char(&text, '/');
        text_string(&text, c);
    }
    ASSERT(!text.full); /* data_directory_open bounds the directory's path. */
    return path;
}

/* ---- Opening -------------------------------------------------------------------------------- */

__attribute__((format(printf, 4, 5))) static enum directory_status
refuse(enum directory_status status, char *reason, size_t reason_bytes, const char *format, ...)
{
    struct text text;
    va_list arguments;
    va_start(arguments, format);
    char sentence[2048];
    (void)vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    text_init(&text, reason, reason_bytes);
    text_string(&text, sentence);
    if (text.full && reason_bytes > 0) {
        memcpy(reason, sentence, reason_bytes - 1);
        reason[reason_bytes - 1] = '\0';
    }
    return status;
}

/* Makes one directory and its name durable. 0 also when it is there already. */
static int make_one(struct file_system *fs, const char *path)
{
    int error = file_make_directory(fs, path);
    if (error != 0) {
        return error == -EEXIST ? 0 : error;
    }
    char parent[PATH_BYTES];
    const char *slash = strrchr(path, '/');
    const size_t len = slash == NULL ? 0 : (size_t)(slash - path);
    memcpy(parent, path, len);
    parent[len] = '\0';
    if (len == 0) {
        memcpy(parent, slash == NULL ? "." : "/", 2);
    }
    return file_sync_directory(fs, parent);
}

/* Makes the directory and those above it. */
static int make_path(struct file_system *fs, const char *path)
{
    char part[PATH_BYTES];
    const size_t len = strlen(path);
    int error = make_one(fs, path);
    for (size_t i = 1; error == -ENOENT && i < len; i++) {
        if (path[i] != '/' || path[i - 1] == '/') {
            continue;
        }
        memcpy(part, path, i);
        part[i] = '\0';
        const int made = make_one(fs, part);
        if (made != 0) {
            return made;
        }
    }
    return error == -ENOENT ? make_one(fs, path) : error;
}

static int foreign_entry(void *context, const struct file_entry *entry)
{
    static const char *const harmless[] = {LOCK_FILE, ".millrace", "lost+found", (META_FILE ".tmp"),
                                           CLEAN_FILE};
    for (size_t i = 0; i < ARRAY_SIZE(harmless); i++) {
        if (strcmp(entry->name, harmless[i]) == 0) {
            return 0;
        }
    }
    struct text text;
    text_init(&text, context, 256);
    text_string(&text, entry->name);
    return 1;
}

struct opening {
    struct file_system *fs;
    const char *path;
    const char *cluster_id;
    int32_t node_id;
    struct random random;
    struct data_directory *directory;
    char *reason;
    size_t reason_bytes;
};

#define REFUSE(o, status, ...) refuse((status), (o)->reason, (o)->reason_bytes, __VA_ARGS__)

static enum directory_status write_meta(struct opening *o, const struct meta_properties *meta)
{
    char content[1024];
    char path[PATH_BYTES];
    struct text text;
    text_init(&text, content, sizeof(content));
    meta_properties_write(&text, meta);
    const int error =
        file_replace(o->fs, path_join(path, o->path, META_FILE, NULL), content, text.len, true);
    return error == 0
               ? DIRECTORY_OK
               : REFUSE(o, DIRECTORY_IO_ERROR, "cannot write %s: %s", path, strerror(-error));
}

/* What is this directory's from now on. */
static void take_identity(struct opening *o, const struct meta_properties *meta)
{
    struct data_directory *d = o->directory;
    d->directory_id = meta->directory_id;
    d->node_id = meta->node_id;
    memcpy(d->cluster_id, meta->cluster_id, sizeof(d->cluster_id));
}

static enum directory_status look_without_meta(struct opening *o)
{
    char name[256];
    const int foreign = file_list(o->fs, o->path, foreign_entry, name);
    if (foreign > 0) {
        return REFUSE(o, DIRECTORY_NOT_EMPTY,
                      "%s has no %s but holds \"%s\": give an empty directory, or one that was "
                      "used before",
                      o->path, META_FILE, name);
    }
    return foreign == 0 || foreign == -ENOENT
               ? DIRECTORY_OK
               : REFUSE(o, DIRECTORY_IO_ERROR, "cannot list %s: %s", o->path, strerror(-foreign));
}

static enum directory_status look_at_meta(struct opening *o, struct bytes file,
                                          struct meta_properties *meta)
{
    uint32_t line = 0;
    const enum checkpoint_status status = meta_properties_parse(file, meta, &line);
    if (status != CHECKPOINT_OK) {
        return REFUSE(o, DIRECTORY_FOREIGN_FORMAT,
                      "%s/%s, line %u: %s: this directory was written by another version", o->path,
                      META_FILE, line, checkpoint_status_name(status));
    }
    if (o->cluster_id[0] != '\0' && strcmp(o->cluster_id, meta->cluster_id) != 0) {
        return REFUSE(o, DIRECTORY_WRONG_CLUSTER,
                      "%s belongs to cluster %s, not to %s: remove it from the list", o->path,
                      meta->cluster_id, o->cluster_id);
    }
    if (meta->node_id != o->node_id) {
        return REFUSE(o, DIRECTORY_WRONG_CLUSTER,
                      "%s belongs to node %d, not to %d: set node.id or remove it from the list",
                      o->path, meta->node_id, o->node_id);
    }
    return DIRECTORY_OK;
}

/* Judges what lies there and changes nothing. found: there is an identity, in meta. */
static enum directory_status look(struct opening *o, struct meta_properties *meta, bool *found)
{
    char path[PATH_BYTES];
    uint8_t *file = malloc(META_BYTES_MAX);
    if (file == NULL) {
        return REFUSE(o, DIRECTORY_IO_ERROR, "out of memory");
    }
    const int64_t size =
        file_read_all(o->fs, path_join(path, o->path, META_FILE, NULL), file, META_BYTES_MAX);
    enum directory_status status;
    if (size == -ENOENT) {
        status = look_without_meta(o);
    } else if (size < 0) {
        status = REFUSE(o, DIRECTORY_IO_ERROR, "cannot read %s: %s", path, strerror((int)-size));
    } else {
        status = look_at_meta(o, (struct bytes){file, (uint32_t)size}, meta);
    }
    *found = size >= 0;
    free(file);
    return status;
}

static enum directory_status open_meta(struct opening *o)
{
    struct meta_properties meta = {0};
    bool found = false;
    enum directory_status status = look(o, &meta, &found);
    if (status != DIRECTORY_OK) {
        return status;
    }
    if (!found) {
        meta.node_id = o->node_id;
        if (o->cluster_id[0] != '\0') {
            memcpy(meta.cluster_id, o->cluster_id, strlen(o->cluster_id) + 1);
        }
    }
    if (!meta.has_directory_id || uuid_is_zero(meta.directory_id)) {
        /* As Kafka: given now. Without one its partitions would count as not placed yet. */
        meta.directory_id = uuid_random(&o->random);
        meta.has_directory_id = true;
        if (meta.cluster_id[0] == '\0') {
            uuid_format(uuid_random(&o->random), meta.cluster_id);
        }
        status = write_meta(o, &meta);
    }
    if (status == DIRECTORY_OK) {
        take_identity(o, &meta);
    }
    return status;
}

/* What a killed process had made and not yet made durable is here all the same: partitions, names
 * of segments. All that follows builds upon it, so the next power cut must not take it. */
static enum directory_status keep_names(struct opening *o)
{
    const int error = file_sync_all(o->fs, o->path);
    return error == 0 ? DIRECTORY_OK
                      : REFUSE(o, DIRECTORY_IO_ERROR, "cannot make %s durable: %s", o->path,
                               strerror(-error));
}

/* The mark of a clean stop counts once. */
static enum directory_status take_clean_mark(struct opening *o)
{
    char path[PATH_BYTES];
    int error = file_unlink(o->fs, path_join(path, o->path, CLEAN_FILE, NULL));
    o->directory->clean = error == 0;
    if (error == 0) {
        error = file_sync_directory(o->fs, o->path);
    }
    if (error != 0 && error != -ENOENT) {
        return REFUSE(o, DIRECTORY_IO_ERROR, "cannot remove %s: %s", path, strerror(-error));
    }
    return o->directory->clean ? DIRECTORY_OK : keep_names(o);
}

static enum directory_status opening_init(struct opening *o, const char *path,
                                          const char *cluster_id)
{
    struct data_directory *d = o->directory;
    memset(d, 0, sizeof(*d));
    d->lock_fd = -1;
    o->path = path;
    o->cluster_id = cluster_id;
    if (strlen(path) >= sizeof(d->path) || strlen(cluster_id) >= META_CLUSTER_ID_BYTES) {
        return REFUSE(o, DIRECTORY_IO_ERROR, "the path or the cluster id is too long");
    }
    memcpy(d->path, path, strlen(path) + 1);
    return DIRECTORY_OK;
}

enum directory_status data_directory_check(struct file_system *fs, const char *path,
                                           const char *cluster_id, int32_t node_id,
                                           struct data_directory *directory, char *reason,
                                           size_t reason_bytes)
{
    struct opening o = {.fs = fs,
                        .node_id = node_id,
                        .directory = directory,
                        .reason = reason,
                        .reason_bytes = reason_bytes};
    struct meta_properties meta = {0};
    bool found = false;
    enum directory_status status = opening_init(&o, path, cluster_id);
    if (status == DIRECTORY_OK) {
        status = look(&o, &meta, &found);
    }
    if (status == DIRECTORY_OK && found) {
        take_identity(&o, &meta);
    }
    return status;
}

/* Makes the directory and takes its lock. */
static enum directory_status lock_take(struct opening *o, uint32_t lock_wait_ms)
{
    char lock[PATH_BYTES];
    path_join(lock, o->path, LOCK_FILE, NULL);
    int fd = file_open(o->fs, lock, FILE_READ | FILE_WRITE);
    if (fd == -ENOENT) {
        /* Nobody has used it: what will be refused gets no file of ours. */
        struct meta_properties meta;
        bool found;
        const enum directory_status status = look(o, &meta, &found);
        if (status != DIRECTORY_OK) {
            return status;
        }
        const int made = make_path(o->fs, o->path);
        if (made != 0) {
            return REFUSE(o, DIRECTORY_IO_ERROR, "cannot create %s: %s", o->path, strerror(-made));
        }
        fd = file_open(o->fs, lock, FILE_READ | FILE_WRITE | FILE_CREATE);
    }
    if (fd < 0) {
        return REFUSE(o, DIRECTORY_IO_ERROR, "cannot open %s: %s", lock, strerror(-fd));
    }
    o->directory->lock_fd = fd;
    const int error = file_lock_wait(o->fs, fd, lock_wait_ms); /* H3. */
    if (error == -EWOULDBLOCK) {
        return REFUSE(o, DIRECTORY_IN_USE, "%s is in use by another process: stop it first",
                      o->path);
    }
    return error == 0 ? DIRECTORY_OK
                      : REFUSE(o, DIRECTORY_IO_ERROR, "cannot lock %s: %s", lock, strerror(-error));
}

enum directory_status data_directory_open(struct file_system *fs, const char *path,
                                          const char *cluster_id, int32_t node_id, uint64_t seed,
                                          uint32_t lock_wait_ms, struct data_directory *directory,
                                          char *reason, size_t reason_bytes)
{
    struct opening o = {.fs = fs,
                        .node_id = node_id,
                        .directory = directory,
                        .reason = reason,
                        .reason_bytes = reason_bytes};
    random_init(&o.random, seed);
    enum directory_status status = opening_init(&o, path, cluster_id);
    if (status == DIRECTORY_OK) {
        status = lock_take(&o, lock_wait_ms);
    }
    if (status == DIRECTORY_OK) {
        status = open_meta(&o);
    }
    if (status == DIRECTORY_OK) {
        status = take_clean_mark(&o);
    }
    if (status != DIRECTORY_OK) {
        data_directory_close(fs, directory);
    }
    return status;
}

void data_directory_close(struct file_system *fs, struct data_directory *directory)
{
    if (directory->lock_fd >= 0) {
        file_close(fs, directory->lock_fd);
        directory->lock_fd = -1;
    }
}

/* ---- Partitions ----------------------------------------------------------------------------- */

struct listing {
    struct found_partition *found;
    uint32_t count;
    uint32_t capacity;
    char (*doomed)[PARTITION_DIR_BYTES]; /* Half-deleted directories. */
    uint32_t doomed_count;
    uint32_t doomed_capacity;
};

static bool grow(void **array, uint32_t *capacity, uint32_t count, size_t bytes)
{
    if (count < *capacity) {
        return true;
    }
    const uint32_t wanted = *capacity == 0 ? 64 : *capacity * 2;
    void *larger = realloc(*array, wanted * bytes);
    if (larger == NULL) {
        return false;
    }
    *array = larger;
    *capacity = wanted;
    return true;
}

static int list_entry(void *context, const struct file_entry *entry)
{
    struct listing *listing = context;
    struct partition_dir dir;
    if (!entry->directory || !partition_dir_parse(bytes_of_string(entry->name), &dir)) {
        return 0;
    }
    static const char metadata[] = "__cluster_metadata"; /* The control process's own. */
    if (bytes_equal(dir.topic, bytes_of_string(metadata))) {
        return 0;
    }
    const size_t name_bytes = strlen(entry->name) + 1;
    if (dir.mark == PARTITION_DIR_DELETE) {
        if (!grow((void **)&listing->doomed, &listing->doomed_capacity, listing->doomed_count,
                  PARTITION_DIR_BYTES)) {
            return -ENOMEM;
        }
        memcpy(listing->doomed[listing->doomed_count++], entry->name, name_bytes);
        return 0;
    }
    if (dir.mark != PARTITION_DIR_LIVE || name_bytes > sizeof(listing->found->name)) {
        return 0;
    }
    if (!grow((void **)&listing->found, &listing->capacity, listing->count,
              sizeof(struct found_partition))) {
        return -ENOMEM;
    }
    struct found_partition *found = &listing->found[listing->count++];
    memset(found, 0, sizeof(*found));
    memcpy(found->name, entry->name, name_bytes);
    found->id.index = (uint32_t)dir.partition;
    return 0;
}

static void read_metadata(struct file_system *fs, const struct data_directory *directory,
                          struct found_partition *found)
{
    char path[PATH_BYTES];
    uint8_t file[256];
    uint32_t line;
    const int64_t size = file_read_all(
        fs, path_join(path, directory->path, found->name, METADATA_FILE), file, sizeof(file));
    found->id_error = size < 0 && size != -ENOENT ? (int)size : 0;
    found->has_id =
        size >= 0 && partition_metadata_parse((struct bytes){file, (uint32_t)size},
                                              &found->id.topic_id, &line) == CHECKPOINT_OK;
}

struct emptying {
    struct file_system *fs;
    const char *path;
};

static int empty_entry(void *context, const struct file_entry *entry)
{
    const struct emptying *emptying = context;
    struct text text;
    char path[2 * PATH_BYTES];
    text_init(&text, path, sizeof(path));
    text_string(&text, emptying->path);
    text_char(&text, '/');
    text_string(&text, entry->name);
    return entry->directory || text.full ? 0 : file_unlink(emptying->fs, path);
}

int directory_remove(struct file_system *fs, const char *path)
{
    struct emptying emptying = {fs, path};
    const int error = file_list(fs, path, empty_entry, &emptying);
    return error != 0 ? error : file_remove_directory(fs, path);
}

int64_t data_directory_list(struct file_system *fs, const struct data_directory *directory,
                            struct found_partition **found)
{
    struct listing listing = {0};
    *found = NULL;
    const int error = file_list(fs, directory->path, list_entry, &listing);
    for (uint32_t i = 0; error == 0 && i < listing.doomed_count; i++) {
        char path[PATH_BYTES];
        const int removed =
            directory_remove(fs, path_join(path, directory->path, listing.doomed[i], NULL));
        (void)removed; /* Tried again at the next start. */
    }
    free(listing.doomed);
    if (error != 0) {
        free(listing.found);
        return error;
    }
    for (uint32_t i = 0; i < listing.count; i++) {
        read_metadata(fs, directory, &listing.found[i]);
    }
    *found = listing.found;
    return listing.count;
}

enum log_status data_directory_set_stray(struct file_system *fs,
                                         const struct data_directory *directory,
                                         const struct found_partition *found)
{
    struct partition_dir dir;
    char from[PATH_BYTES];
    char to[PATH_BYTES];
    char name[PARTITION_DIR_BYTES];
    if (!partition_dir_parse(bytes_of_string(found->name), &dir)) {
        return LOG_CORRUPT;
    }
    dir.mark = PARTITION_DIR_STRAY;
    struct uuid unique = found->id.topic_id;
    if (uuid_is_zero(unique)) {
        unique = directory->directory_id;
    }
    if (partition_dir_format(&dir, unique, name) == 0) {
        return LOG_IO_ERROR;
    }
    int error = file_rename(fs, path_join(from, directory->path, found->name, NULL),
                            path_join(to, directory->path, name, NULL));
    if (error == 0) {
        error = file_sync_directory(fs, directory->path);
    }
    return error == 0 ? LOG_OK : LOG_IO_ERROR;
}

/* ---- The end -------------------------------------------------------------------------------- */

/* Where the partition's log starts and ends, as its mark says. */
struct bounds {
    bool known;
    int64_t log_start;
    int64_t end;
};

static struct bounds read_bounds(struct file_system *fs, const struct data_directory *directory,
                                 const char *name)
{
    char path[PATH_BYTES];
    uint8_t file[SIDECAR_BYTES];
    struct sidecar sidecar;
    const int64_t size =
        file_read_all(fs, path_join(path, directory->path, name, SIDECAR_FILE), file, sizeof(file));
    if (size < 0 || !sidecar_read((struct bytes){file, (uint32_t)size}, &sidecar)) {
        return (struct bounds){0}; /* Nothing was ever appended. */
    }
    return (struct bounds){true, sidecar.log_start, sidecar.recovery_offset};
}

static int write_offsets(struct file_system *fs, const struct data_directory *directory,
                         const struct found_partition *found, const struct bounds *bounds,
                         uint32_t count, bool ends)
{
    enum { LINE_BYTES_MAX = TOPIC_NAME_BYTES_MAX + 40 };
    const size_t capacity = ((size_t)count + 2) * LINE_BYTES_MAX;
    char *content = malloc(capacity);
    if (content == NULL) {
        return -ENOMEM;
    }
    uint32_t known = 0;
    for (uint32_t i = 0; i < count; i++) {
        known += bounds[i].known;
    }
    struct text text;
    text_init(&text, content, capacity);
    checkpoint_write_head(&text, known);
    for (uint32_t i = 0; i < count; i++) {
        struct partition_dir dir;
        if (bounds[i].known && partition_dir_parse(bytes_of_string(found[i].name), &dir)) {
            checkpoint_write_offset(
                &text, &(struct checkpoint_offset){dir.topic, dir.partition,
                                                   ends ? bounds[i].end : bounds[i].log_start});
        }
    }
    ASSERT(!text.full);
    char path[PATH_BYTES];
    path_join(path, directory->path, ends ? RECOVERY_POINTS_FILE : LOG_STARTS_FILE, NULL);
    const int error = file_replace(fs, path, content, text.len, true);
    free(content);
    return error;
}

/* Kafka's two checkpoint files, so that it could go on with this directory. */
static int write_kafka_checkpoints(struct file_system *fs, const struct data_directory *directory)
{
    struct found_partition *found = NULL;
    const int64_t count = data_directory_list(fs, directory, &found);
    if (count < 0) {
        return (int)count;
    }
    ASSERT(found != NULL || count == 0);
    struct bounds *bounds = calloc((size_t)count + 1, sizeof(*bounds));
    int error = bounds == NULL ? -ENOMEM : 0;
    for (int64_t i = 0; error == 0 && i < count; i++) {
        bounds[i] = read_bounds(fs, directory, found[i].name);
    }
    for (uint32_t ends = 0; error == 0 && ends < 2; ends++) {
        error = write_offsets(fs, directory, found, bounds, (uint32_t)count, ends == 1);
    }
    free(bounds);
    free(found);
    return error;
}

enum directory_status data_directory_mark_clean(struct file_system *fs,
                                                const struct data_directory *directory)
{
    static const char content[] = "{\"version\":0,\"brokerEpoch\":-1}";
    char path[PATH_BYTES];
    if (write_kafka_checkpoints(fs, directory) != 0) {
        return DIRECTORY_IO_ERROR; /* The mark would vouch for old ones. */
    }
    path_join(path, directory->path, CLEAN_FILE, NULL);
    return file_replace(fs, path, content, sizeof(content) - 1, true) == 0 ? DIRECTORY_OK
                                                                           : DIRECTORY_IO_ERROR;
}
