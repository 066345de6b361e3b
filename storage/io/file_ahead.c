#include "storage/io/file_ahead.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

/* Lent to the thread from the post of begun to that of ended. */
struct file_ahead {
    struct file_system *fs;
    pthread_t thread;
    sem_t begun;
    sem_t ended;
    int fd;
    void *to;
    uint64_t size;
    uint64_t offset;
    int64_t result;
    bool stopping;
    bool under_way; /* The caller's own. */
};

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0 && errno == EINTR) {
    }
}

static void *thread_main(void *context)
{
    struct file_ahead *ahead = context;
    for (wait_for(&ahead->begun); !ahead->stopping; wait_for(&ahead->begun)) {
        ahead->result = file_read(ahead->fs, ahead->fd, ahead->to, ahead->size, ahead->offset);
        (void)sem_post(&ahead->ended);
    }
    return NULL;
}

struct file_ahead *file_ahead_start(struct file_system *fs)
{
    struct file_ahead *ahead = calloc(1, sizeof(*ahead));
    if (ahead == NULL) {
        return NULL;
    }
    ahead->fs = fs;
    if (sem_init(&ahead->begun, 0, 0) != 0 || sem_init(&ahead->ended, 0, 0) != 0 ||
        pthread_create(&ahead->thread, NULL, thread_main, ahead) != 0) {
        free(ahead); /* A semaphore of Linux holds nothing. */
        return NULL;
    }
    return ahead;
}

void file_ahead_begin(struct file_ahead *ahead, int fd, void *to, uint64_t size, uint64_t offset)
{
    ASSERT(!ahead->under_way);
    ahead->fd = fd;
    ahead->to = to;
    ahead->size = size;
    ahead->offset = offset;
    ahead->under_way = true;
    (void)sem_post(&ahead->begun);
}

int64_t file_ahead_finish(struct file_ahead *ahead)
{
    ASSERT(ahead->under_way);
    wait_for(&ahead->ended);
    ahead->under_way = false;
    return ahead->result;
}

void file_ahead_stop(struct file_ahead *ahead)
{
    if (ahead == NULL) {
        return;
    }
    if (ahead->under_way) {
        wait_for(&ahead->ended);
    }
    ahead->stopping = true;
    (void)sem_post(&ahead->begun);
    (void)pthread_join(ahead->thread, NULL);
    (void)sem_destroy(&ahead->begun);
    (void)sem_destroy(&ahead->ended);
    free(ahead);
}
