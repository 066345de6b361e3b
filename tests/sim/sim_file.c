#include "storage/io/file.h"

#include <string.h>

#include "tests/sim/sim_internal.h"

/* Virtual time a blocking call takes. */
static void spend(struct file_system *fs, struct sim_range range)
{
    fs->process->spent_ns += draw_latency(fs->process->machine, range);
    fs->process->machine->counters.file_calls++;
}

/* Begins a call on an open file. 0 or an errno; with 0 the call happens. */
static int call_begin(struct file_system *fs, enum sim_operation operation, struct sim_inode *inode,
                      bool boundary, uint64_t offset, uint64_t len)
{
    struct sim_process *process = fs->process;
    struct sim_machine *machine = process->machine;
    if (!process->alive) {
        return EIO;
    }
    const bool flush = operation == SIM_FLUSH || operation == SIM_SYNC_DIRECTORY;
    spend(fs, flush ? machine->options.flush : machine->options.call);
    if (boundary && !boundary_pass(machine, process, operation, inode, offset, len)) {
        return EIO;
    }
    return fault_check_inode(machine, operation, inode);
}

/* Begins a call on a path; dir is where its name stands. */
static int call_begin_path(struct file_system *fs, enum sim_operation operation,
                           const struct sim_inode *dir, const char *path, bool boundary)
{
    struct sim_process *process = fs->process;
    if (!process->alive) {
        return EIO;
    }
    spend(fs, process->machine->options.call);
    if (boundary && !boundary_pass(process->machine, process, operation, dir, 0, 0)) {
        return EIO;
    }
    return fault_check(process->machine, operation, dir->device, path);
}

static struct sim_description *description_find(struct file_system *fs, int fd)
{
    return process_description(fs->process, fd);
}

/* ---- Open and close ------------------------------------------------------------------------- */

static int description_new(struct sim_process *process, struct sim_inode *inode, unsigned mode)
{
    uint32_t fd = 0;
    while (fd < process->description_count && process->descriptions[fd] != NULL) {
        fd++;
    }
    if (fd == process->description_count) {
        const uint32_t count = fd == 0 ? 16 : fd * 2;
        process->descriptions =
            realloc(process->descriptions, count * sizeof(*process->descriptions));
        ASSERT(process->descriptions != NULL);
        memset(process->descriptions + fd, 0, (count - fd) * sizeof(*process->descriptions));
        process->description_count = count;
    }
    struct sim_description *description = sim_allocate(sizeof(*description));
    *description = (struct sim_description){inode, mode, 1};
    inode->opens++;
    process->descriptions[fd] = description;
    return (int)fd;
}

int file_open(struct file_system *fs, const char *path, unsigned mode)
{
    struct sim_process *process = fs->process;
    struct sim_machine *machine = process->machine;
    if (!process->alive) {
        return -EIO;
    }
    struct sim_inode *dir = machine->root;
    const char *name = "";
    size_t len = 0;
    int error = names_parent(machine, path, &dir, &name, &len);
    if (error != 0 && error != EINVAL) {
        return -error;
    }
    struct sim_entry *entry = error == EINVAL ? NULL : names_find(&dir->now, name, len);
    struct sim_inode *inode = entry == NULL ? NULL : entry->inode;
    inode = error == EINVAL ? machine->root : inode;
    const bool create = inode == NULL && (mode & FILE_CREATE) != 0;
    error = call_begin_path(fs, create ? SIM_CREATE : SIM_OPEN, dir, path, create);
    if (error != 0) {
        return -error;
    }
    if (inode == NULL && !create) {
        return -ENOENT;
    }
    if (inode != NULL) {
        if ((mode & FILE_CREATE) != 0 && (mode & FILE_EXCLUSIVE) != 0) {
            return -EEXIST;
        }
        if (inode->directory != ((mode & FILE_DIRECTORY) != 0) && (mode & FILE_WRITE) != 0) {
            return -EISDIR;
        }
        if (!inode->directory && (mode & FILE_DIRECTORY) != 0) {
            return -ENOTDIR;
        }
        if ((mode & FILE_WRITE) != 0 && machine->devices[inode->device].read_only) {
            return -EROFS;
        }
        if (machine->devices[inode->device].dead) {
            return -EIO;
        }
    } else {
        inode = inode_new(machine, false, dir->device);
        names_link(machine, dir, name, len, inode);
    }
    return description_new(process, inode, mode);
}

void file_close(struct file_system *fs, int fd)
{
    struct sim_description *description = description_find(fs, fd);
    if (!fs->process->alive) {
        return;
    }
    ASSERT(description != NULL);
    fs->process->descriptions[fd] = NULL;
    description_release(fs->process->machine, description);
}

/* ---- Data ----------------------------------------------------------------------------------- */

static bool unaligned(const struct sim_description *description, const void *buffer, uint64_t size,
                      uint64_t offset)
{
    return (description->mode & FILE_DIRECT) != 0 &&
           (((uintptr_t)buffer | size | offset) % SIM_PAGE_BYTES) != 0;
}

int64_t file_read(struct file_system *fs, int fd, void *to, uint64_t size, uint64_t offset)
{
    struct sim_description *description = description_find(fs, fd);
    if (!fs->process->alive) {
        return -EIO;
    }
    if (description == NULL || (description->mode & FILE_READ) == 0) {
        return -EBADF;
    }
    struct sim_inode *inode = description->inode;
    if (inode->directory || unaligned(description, to, size, offset)) {
        return inode->directory ? -EISDIR : -EINVAL;
    }
    const int error = call_begin(fs, SIM_READ, inode, false, offset, size);
    if (error != 0) {
        return -error;
    }
    const uint64_t here = offset >= inode->size ? 0 : min_u64(size, inode->size - offset);
    store_read(inode, to, here, offset);
    return (int64_t)here;
}

int64_t file_write(struct file_system *fs, int fd, const void *from, uint64_t size, uint64_t offset)
{
    struct sim_machine *machine = fs->process->machine;
    struct sim_description *description = description_find(fs, fd);
    if (!fs->process->alive) {
        return -EIO;
    }
    if (description == NULL || (description->mode & FILE_WRITE) == 0) {
        return -EBADF;
    }
    if (unaligned(description, from, size, offset)) {
        return -EINVAL;
    }
    struct sim_inode *inode = description->inode;
    description->references++; /* Outlives a crash at the boundary. */
    const uint64_t cuts = machine->counters.power_cuts;
    int error = call_begin(fs, SIM_WRITE, inode, true, offset, size);
    uint64_t len = size;
    if (error != 0 || !fs->process->alive) {
        /* Killed or failed inside the call: a first part may have been written. */
        len = size == 0 ? 0 : round_down(draw_below(machine, size), SIM_PAGE_BYTES);
        len = error == EROFS || machine->counters.power_cuts != cuts ? 0 : len;
    }
    const int full = store_write(machine, inode, from, len, offset);
    error = error != 0 ? error : full;
    description_release(machine, description);
    return error != 0 ? -error : (int64_t)size;
}

int file_sync(struct file_system *fs, int fd)
{
    struct sim_description *description = description_find(fs, fd);
    if (!fs->process->alive) {
        return -EIO;
    }
    if (description == NULL) {
        return -EBADF;
    }
    struct sim_machine *machine = fs->process->machine;
    struct sim_inode *inode = description->inode;
    const int error =
        call_begin(fs, inode->directory ? SIM_SYNC_DIRECTORY : SIM_FLUSH, inode, true, 0, 0);
    if (!fs->process->alive) {
        return -EIO;
    }
    if (error != 0) {
        if (error == EIO) { /* Others say that it did not come as far as the device's cache. */
            store_flush_failed(machine, inode, machine->seq);
        } else {
            store_doom(machine, inode, machine->seq);
        }
        return -error;
    }
    if (inode->directory) {
        names_commit(machine, inode);
    } else {
        store_commit(inode, machine->seq, false);
    }
    return 0;
}

/* An open file that may be changed: 0 or an errno. */
static int change_begin(struct file_system *fs, int fd, enum sim_operation operation,
                        uint64_t offset, uint64_t len, struct sim_inode **inode)
{
    struct sim_description *description = description_find(fs, fd);
    if (!fs->process->alive) {
        return EIO;
    }
    if (description == NULL || (description->mode & FILE_WRITE) == 0) {
        return EBADF;
    }
    *inode = description->inode;
    return call_begin(fs, operation, *inode, true, offset, len);
}

int file_truncate(struct file_system *fs, int fd, uint64_t size)
{
    struct sim_inode *inode;
    const int error = change_begin(fs, fd, SIM_TRUNCATE, size, 0, &inode);
    if (error == 0) {
        store_truncate(fs->process->machine, inode, size);
    }
    return -error;
}

int file_reserve(struct file_system *fs, int fd, uint64_t offset, uint64_t size)
{
    struct sim_inode *inode;
    const int error = change_begin(fs, fd, SIM_RESERVE, offset, size, &inode);
    return error != 0 ? -error : -store_reserve(fs->process->machine, inode, offset, size);
}

int64_t file_size(struct file_system *fs, int fd)
{
    struct sim_description *description = description_find(fs, fd);
    if (!fs->process->alive) {
        return -EIO;
    }
    return description == NULL ? -EBADF : (int64_t)description->inode->size;
}

/* ---- Names ---------------------------------------------------------------------------------- */

/* The directory and the entry a path names. 0 or an errno; *entry is NULL when there is none. */
static int path_find(struct file_system *fs, const char *path, struct sim_inode **dir,
                     const char **name, size_t *len, struct sim_entry **entry)
{
    if (!fs->process->alive) {
        return EIO;
    }
    const int error = names_parent(fs->process->machine, path, dir, name, len);
    if (error == 0) {
        *entry = names_find(&(*dir)->now, *name, *len);
    }
    return error;
}

static int rename_check(const struct sim_inode *inode, const struct sim_entry *old,
                        const struct sim_inode *from, const struct sim_inode *to)
{
    if (inode->device != to->device || from->device != to->device) {
        return EXDEV;
    }
    for (const struct sim_inode *up = to; up != NULL; up = up->parent) {
        if (up == inode) {
            return EINVAL;
        }
    }
    if (old == NULL || old->inode == inode) {
        return 0;
    }
    if (old->inode->directory != inode->directory) {
        return inode->directory ? ENOTDIR : EISDIR;
    }
    return old->inode->directory && old->inode->now.count > 0 ? ENOTEMPTY : 0;
}

int file_rename(struct file_system *fs, const char *from, const char *to)
{
    struct sim_inode *from_dir;
    struct sim_inode *to_dir;
    const char *from_name;
    const char *to_name;
    size_t from_len;
    size_t to_len;
    struct sim_entry *entry = NULL;
    struct sim_entry *old = NULL;
    int error = path_find(fs, from, &from_dir, &from_name, &from_len, &entry);
    if (error == 0) {
        error = path_find(fs, to, &to_dir, &to_name, &to_len, &old);
    }
    if (error == 0 && entry == NULL) {
        error = ENOENT;
    }
    if (error == 0) {
        error = rename_check(entry->inode, old, from_dir, to_dir);
    }
    if (error == 0) {
        error = call_begin_path(fs, SIM_RENAME, from_dir, from, true);
    }
    if (error == 0) {
        names_rename(fs->process->machine, from_dir, from_name, from_len, to_dir, to_name, to_len);
    }
    return -error;
}

static int remove_name(struct file_system *fs, const char *path, bool directory)
{
    struct sim_inode *dir;
    const char *name;
    size_t len;
    struct sim_entry *entry = NULL;
    int error = path_find(fs, path, &dir, &name, &len, &entry);
    if (error == 0 && entry == NULL) {
        error = ENOENT;
    }
    if (error == 0 && entry->inode->directory != directory) {
        error = directory ? ENOTDIR : EISDIR;
    }
    if (error == 0 && directory && entry->inode->now.count > 0) {
        error = ENOTEMPTY;
    }
    if (error == 0) {
        error = call_begin_path(fs, directory ? SIM_REMOVE_DIRECTORY : SIM_UNLINK, dir, path, true);
    }
    if (error == 0) {
        names_unlink(fs->process->machine, dir, name, len);
    }
    return -error;
}

int file_unlink(struct file_system *fs, const char *path)
{
    return remove_name(fs, path, false);
}

int file_remove_directory(struct file_system *fs, const char *path)
{
    return remove_name(fs, path, true);
}

int file_make_directory(struct file_system *fs, const char *path)
{
    struct sim_inode *dir;
    const char *name;
    size_t len;
    struct sim_entry *entry = NULL;
    int error = path_find(fs, path, &dir, &name, &len, &entry);
    if (error == EINVAL || (error == 0 && entry != NULL)) {
        error = EEXIST;
    }
    if (error == 0) {
        error = call_begin_path(fs, SIM_MAKE_DIRECTORY, dir, path, true);
    }
    if (error == 0) {
        struct sim_machine *machine = fs->process->machine;
        names_link(machine, dir, name, len, inode_new(machine, true, dir->device));
    }
    return -error;
}

int file_sync_directory(struct file_system *fs, const char *path)
{
    const int fd = file_open(fs, path, FILE_READ | FILE_DIRECTORY);
    if (fd < 0) {
        return fd;
    }
    const int error = file_sync(fs, fd);
    file_close(fs, fd);
    return error;
}

static void device_commit(struct sim_machine *machine, uint32_t device, bool failed)
{
    LIST_FOR_EACH(node, &machine->inodes)
    {
        struct sim_inode *inode = CONTAINER_OF(node, struct sim_inode, node);
        if (inode->device != device) {
            continue;
        }
        if (failed && !inode->directory) {
            store_doom(machine, inode, machine->seq);
        } else if (!failed && inode->directory) {
            names_commit(machine, inode);
        } else if (!failed) {
            store_commit(inode, machine->seq, false);
        }
    }
}

int file_sync_all(struct file_system *fs, const char *path)
{
    struct sim_inode *root;
    if (!fs->process->alive) {
        return -EIO;
    }
    struct sim_machine *machine = fs->process->machine;
    int error = names_lookup(machine, path, &root);
    if (error != 0) {
        return -error;
    }
    error = call_begin(fs, SIM_SYNC_DIRECTORY, root, true, 0, 0);
    if (!fs->process->alive) {
        return -EIO;
    }
    device_commit(machine, root->device, error != 0);
    return -error;
}

static int list_each(const struct sim_names *copy, struct sim_entry *from,
                     int (*each)(void *context, const struct file_entry *entry), void *context)
{
    for (uint32_t i = 0; i < copy->count; i++) {
        const struct file_entry entry = {from[i].name, from[i].inode->directory,
                                         from[i].inode->size};
        const int result = each(context, &entry);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

int file_list(struct file_system *fs, const char *path,
              int (*each)(void *context, const struct file_entry *entry), void *context)
{
    struct sim_inode *dir;
    if (!fs->process->alive) {
        return -EIO;
    }
    int error = names_lookup(fs->process->machine, path, &dir);
    if (error == 0 && !dir->directory) {
        error = ENOTDIR;
    }
    if (error == 0) {
        error = call_begin(fs, SIM_LIST, dir, false, 0, 0);
    }
    if (error != 0) {
        return -error;
    }
    /* A copy, in some order: each may change the directory. */
    struct sim_names copy = {sim_allocate(dir->now.count * sizeof(struct sim_entry)),
                             dir->now.count, dir->now.count};
    const uint64_t start = copy.count == 0 ? 0 : draw_below(fs->process->machine, copy.count);
    for (uint32_t i = 0; i < copy.count; i++) {
        const struct sim_entry *entry = &dir->now.entries[(start + i) % copy.count];
        copy.entries[i] = (struct sim_entry){strdup(entry->name), entry->inode};
        entry->inode->opens++; /* Keeps it while the walk goes on. */
    }
    const int result = list_each(&copy, copy.entries, each, context);
    for (uint32_t i = 0; i < copy.count; i++) {
        copy.entries[i].inode->opens--;
        inode_released(fs->process->machine, copy.entries[i].inode);
    }
    names_free(&copy);
    return result;
}

int file_lock(struct file_system *fs, int fd)
{
    struct sim_description *description = description_find(fs, fd);
    if (!fs->process->alive) {
        return -EIO;
    }
    if (description == NULL) {
        return -EBADF;
    }
    struct sim_inode *inode = description->inode;
    const int error = call_begin(fs, SIM_LOCK, inode, false, 0, 0);
    if (error != 0) {
        return -error;
    }
    if (inode->lock_owner != NULL && inode->lock_owner != description) {
        return -EWOULDBLOCK;
    }
    inode->lock_owner = description;
    return 0;
}

int file_lock_wait(struct file_system *fs, int fd, uint32_t wait_ms)
{
    struct sim_machine *machine = fs->process->machine;
    const uint64_t until_ns = machine->now_ns + wait_ms * 1000000ull;
    int error = file_lock(fs, fd);
    while (error == -EWOULDBLOCK && machine->now_ns < until_ns) {
        sim_machine_advance(machine, min_u64(until_ns, machine->now_ns + 1000000));
        error = file_lock(fs, fd);
    }
    return error;
}

bool file_flush_covers_device(struct file_system *fs, int fd)
{
    (void)fd;
    /* A dead one's -EIO is nobody's: it is not to be told to others, in memory that they share. */
    return fs->process->alive && fs->process->machine->options.flush_covers_device;
}

int file_space(struct file_system *fs, const char *path, struct file_space *space)
{
    struct sim_inode *inode;
    if (!fs->process->alive) {
        return -EIO;
    }
    int error = names_lookup(fs->process->machine, path, &inode);
    if (error == 0) {
        error = call_begin(fs, SIM_SPACE, inode, false, 0, 0);
    }
    if (error != 0) {
        return -error;
    }
    const struct sim_device *device = &fs->process->machine->devices[inode->device];
    space->total_bytes = min_u64(device->capacity_bytes, 1ull << 50);
    space->free_bytes = space->total_bytes - min_u64(space->total_bytes, device->used_bytes);
    return 0;
}
