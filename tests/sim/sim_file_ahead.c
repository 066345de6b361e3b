#include "storage/io/file_ahead.h"

#include "tests/sim/sim_internal.h"

/* When the bytes are read nobody can tell: at once, or when they are asked for. */
struct file_ahead {
    struct file_system *fs;
    int fd;
    void *to;
    uint64_t size;
    uint64_t offset;
    bool under_way;
    bool done;
    int64_t result;
};

struct file_ahead *file_ahead_start(struct file_system *fs)
{
    struct file_ahead *ahead = sim_allocate(sizeof(*ahead));
    ahead->fs = fs;
    return ahead;
}

static void read_now(struct file_ahead *ahead)
{
    ahead->result = file_read(ahead->fs, ahead->fd, ahead->to, ahead->size, ahead->offset);
    ahead->done = true;
}

void file_ahead_begin(struct file_ahead *ahead, int fd, void *to, uint64_t size, uint64_t offset)
{
    ASSERT(!ahead->under_way);
    ahead->fd = fd;
    ahead->to = to;
    ahead->size = size;
    ahead->offset = offset;
    ahead->under_way = true;
    ahead->done = false;
    if (draw_one_in(ahead->fs->process->machine, 2)) {
        read_now(ahead);
    }
}

int64_t file_ahead_finish(struct file_ahead *ahead)
{
    ASSERT(ahead->under_way);
    if (!ahead->done) {
        read_now(ahead);
    }
    ahead->under_way = false;
    return ahead->result;
}

void file_ahead_stop(struct file_ahead *ahead)
{
    free(ahead);
}
