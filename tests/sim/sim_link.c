#include "tests/sim/sim_link.h"

#include <errno.h>
#include <stdlib.h>

enum {
    HANDLES_MAX = 1024,
    MAPPINGS_MAX = 64,
    MACHINE_LISTENERS_MAX = 8,
    QUEUE_MAX = 256,
    HANDLE_FIRST = 3, /* As a process has it: a zeroed field is no handle. */
};

enum thing_kind { THING_LISTENER, THING_END, THING_MEMORY, THING_BLOB, THING_BELL };

struct queued {
    struct queued *next;
    uint32_t len;
    uint32_t thing_count;
    struct thing *things[LINK_HANDLES_MAX];
    uint8_t bytes[];
};

struct thing {
    enum thing_kind kind;
    uint32_t refs;
    /* Memory, blob. */
    uint8_t *content;
    uint64_t size;
    /* Bell. */
    bool rung;
    /* One end of a link; of a listener the ends that wait to be accepted. */
    struct thing *peer;
    bool peer_gone;
    struct queued *first;
    uint32_t queued_count;
    char path[512];
    struct thing *waiting[QUEUE_MAX];
    uint32_t waiting_count;
};

struct sim_link_machine {
    struct thing *listeners[MACHINE_LISTENERS_MAX];
};

struct mapping {
    void *at;
    struct thing *memory;
};

struct link_world {
    struct sim_link_machine *machine;
    struct thing *things[HANDLES_MAX];
    struct mapping mappings[MAPPINGS_MAX];
    bool choked;
};

/* ---- Things --------------------------------------------------------------------------------- */

static struct thing *thing_make(enum thing_kind kind)
{
    struct thing *thing = calloc(1, sizeof(*thing));
    ASSERT(thing != NULL);
    thing->kind = kind;
    thing->refs = 1;
    return thing;
}

static void thing_drop(struct thing *thing);

static void queue_drop(struct thing *end)
{
    while (end->first != NULL) {
        struct queued *message = end->first;
        end->first = message->next;
        for (uint32_t i = 0; i < message->thing_count; i++) {
            thing_drop(message->things[i]);
        }
        free(message);
    }
}

static void thing_drop(struct thing *thing)
{
    if (--thing->refs > 0) {
        return;
    }
    if (thing->peer != NULL) {
        thing->peer->peer_gone = true;
        thing->peer->peer = NULL;
    }
    queue_drop(thing);
    for (uint32_t i = 0; i < thing->waiting_count; i++) {
        thing_drop(thing->waiting[i]);
    }
    free(thing->content);
    free(thing);
}

static int handle_of(struct link_world *world, struct thing *thing)
{
    for (int i = HANDLE_FIRST; i < HANDLES_MAX; i++) {
        if (world->things[i] == NULL) {
            world->things[i] = thing;
            return i;
        }
    }
    thing_drop(thing);
    return -EMFILE;
}

static struct thing *thing_of(const struct link_world *world, int handle, enum thing_kind kind)
{
    if (handle < HANDLE_FIRST || handle >= HANDLES_MAX || world->things[handle] == NULL ||
        world->things[handle]->kind != kind) {
        return NULL;
    }
    return world->things[handle];
}

struct sim_link_machine *sim_link_machine_create(void)
{
    struct sim_link_machine *machine = calloc(1, sizeof(*machine));
    ASSERT(machine != NULL);
    return machine;
}

void sim_link_machine_destroy(struct sim_link_machine *machine)
{
    free(machine);
}

struct link_world *sim_link_process(struct sim_link_machine *machine)
{
    struct link_world *world = calloc(1, sizeof(*world));
    ASSERT(world != NULL);
    world->machine = machine;
    return world;
}

void sim_link_process_end(struct link_world *world)
{
    for (int i = 0; i < HANDLES_MAX; i++) {
        if (world->things[i] != NULL) {
            link_close(world, i);
        }
    }
    for (int i = 0; i < MAPPINGS_MAX; i++) {
        if (world->mappings[i].at != NULL) {
            thing_drop(world->mappings[i].memory);
        }
    }
    free(world);
}

bool sim_link_readable(const struct link_world *world, int handle)
{
    const struct thing *thing = world->things[handle];
    return thing != NULL && (thing->first != NULL || thing->rung || thing->waiting_count > 0 ||
                             (thing->kind == THING_END && thing->peer_gone));
}

void sim_link_choke(struct link_world *world, bool choked)
{
    world->choked = choked;
}

uint32_t sim_link_handle_count(const struct link_world *world)
{
    uint32_t count = 0;
    for (int i = 0; i < HANDLES_MAX; i++) {
        count += world->things[i] != NULL;
    }
    return count;
}

/* ---- Sockets -------------------------------------------------------------------------------- */

static struct thing **listener_at(struct sim_link_machine *machine, const char *path)
{
    for (int i = 0; i < MACHINE_LISTENERS_MAX; i++) {
        if (machine->listeners[i] != NULL && strcmp(machine->listeners[i]->path, path) == 0) {
            return &machine->listeners[i];
        }
    }
    return NULL;
}

int link_listen(struct link_world *world, const char *path)
{
    struct thing **at = listener_at(world->machine, path);
    for (int i = 0; at == NULL && i < MACHINE_LISTENERS_MAX; i++) {
        if (world->machine->listeners[i] == NULL) {
            at = &world->machine->listeners[i];
        }
    }
    ASSERT(at != NULL && strlen(path) < sizeof((*at)->path));
    struct thing *listener = thing_make(THING_LISTENER);
    memcpy(listener->path, path, strlen(path) + 1);
    *at = listener;
    return handle_of(world, listener);
}

int link_accept(struct link_world *world, int listener)
{
    struct thing *thing = thing_of(world, listener, THING_LISTENER);
    if (thing == NULL) {
        return -EBADF;
    }
    if (thing->waiting_count == 0) {
        return -EAGAIN;
    }
    struct thing *end = thing->waiting[0];
    thing->waiting_count--;
    memmove(&thing->waiting[0], &thing->waiting[1], thing->waiting_count * sizeof(end));
    return handle_of(world, end);
}

int link_connect(struct link_world *world, const char *path)
{
    struct thing **at = listener_at(world->machine, path);
    if (at == NULL || (*at)->waiting_count == QUEUE_MAX) {
        return at == NULL ? -ECONNREFUSED : -EAGAIN;
    }
    struct thing *here = thing_make(THING_END);
    struct thing *there = thing_make(THING_END);
    here->peer = there;
    there->peer = here;
    (*at)->waiting[(*at)->waiting_count++] = there;
    return handle_of(world, here);
}

int link_send(struct link_world *world, int link, const struct link_message *message)
{
    struct thing *end = thing_of(world, link, THING_END);
    if (end == NULL) {
        return -EBADF;
    }
    if (end->peer == NULL) {
        return -EPIPE;
    }
    if (world->choked || end->peer->queued_count == QUEUE_MAX) {
        return -EAGAIN;
    }
    struct queued *queued = calloc(1, sizeof(*queued) + message->len);
    ASSERT(queued != NULL);
    queued->len = message->len;
    memcpy(queued->bytes, message->bytes, message->len);
    for (uint32_t i = 0; i < message->handle_count; i++) {
        struct thing *thing = world->things[message->handles[i]];
        ASSERT(thing != NULL);
        thing->refs++;
        queued->things[queued->thing_count++] = thing;
    }
    struct queued **last = &end->peer->first;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = queued;
    end->peer->queued_count++;
    return 0;
}

int link_receive(struct link_world *world, int link, struct link_message *message)
{
    struct thing *end = thing_of(world, link, THING_END);
    message->handle_count = 0;
    if (end == NULL) {
        return -EBADF;
    }
    if (end->first == NULL) {
        return end->peer_gone ? 0 : -EAGAIN;
    }
    struct queued *queued = end->first;
    end->first = queued->next;
    end->queued_count--;
    message->len = queued->len;
    memcpy(message->bytes, queued->bytes, queued->len);
    for (uint32_t i = 0; i < queued->thing_count; i++) {
        message->handles[message->handle_count++] = handle_of(world, queued->things[i]);
    }
    free(queued);
    return 1;
}

void link_close(struct link_world *world, int handle)
{
    struct thing *thing = world->things[handle];
    ASSERT(thing != NULL); /* A double close is a bug of the caller. */
    world->things[handle] = NULL;
    if (thing->kind == THING_LISTENER) {
        struct thing **at = listener_at(world->machine, thing->path);
        if (at != NULL && *at == thing) {
            *at = NULL;
        }
    }
    thing_drop(thing);
}

/* ---- Memory --------------------------------------------------------------------------------- */

static struct thing *content_make(enum thing_kind kind, const void *from, uint64_t size)
{
    struct thing *thing = thing_make(kind);
    thing->content = aligned_alloc(4096, round_up(size + 1, 4096));
    ASSERT(thing->content != NULL);
    thing->size = size;
    if (from != NULL) {
        memcpy(thing->content, from, size);
    } else {
        memset(thing->content, 0, size);
    }
    return thing;
}

int link_memory_make(struct link_world *world, const char *name, uint64_t size)
{
    (void)name;
    return handle_of(world, content_make(THING_MEMORY, NULL, size));
}

void *link_memory_map(struct link_world *world, int memory, uint64_t size, bool writable)
{
    (void)writable;
    struct thing *thing = thing_of(world, memory, THING_MEMORY);
    if (thing == NULL || thing->size != size) {
        return NULL;
    }
    for (int i = 0; i < MAPPINGS_MAX; i++) {
        if (world->mappings[i].at == NULL) {
            thing->refs++;
            world->mappings[i] = (struct mapping){thing->content, thing};
            return thing->content;
        }
    }
    return NULL;
}

void link_memory_unmap(struct link_world *world, void *mapped, uint64_t size)
{
    (void)size;
    for (int i = 0; i < MAPPINGS_MAX; i++) {
        if (world->mappings[i].at == mapped) {
            thing_drop(world->mappings[i].memory);
            world->mappings[i] = (struct mapping){0};
            return;
        }
    }
    ASSERT(false); /* Not mapped here. */
}

int link_blob_make(struct link_world *world, const char *name, struct bytes content)
{
    (void)name;
    static const uint8_t nothing[1];
    const void *from = content.len == 0 ? nothing : content.ptr;
    return handle_of(world, content_make(THING_BLOB, from, content.len));
}

int link_blob_read(struct link_world *world, int blob, void *to, uint64_t size)
{
    const struct thing *thing = thing_of(world, blob, THING_BLOB);
    if (thing == NULL) {
        return -EBADF;
    }
    if (thing->size < size) {
        return -ENODATA;
    }
    memcpy(to, thing->content, size);
    return 0;
}

/* ---- Bells ---------------------------------------------------------------------------------- */

int link_bell_make(struct link_world *world)
{
    return handle_of(world, thing_make(THING_BELL));
}

void link_bell_ring(struct link_world *world, int bell)
{
    struct thing *thing = thing_of(world, bell, THING_BELL);
    if (thing != NULL) {
        thing->rung = true;
    }
}

void link_bell_clear(struct link_world *world, int bell)
{
    struct thing *thing = thing_of(world, bell, THING_BELL);
    if (thing != NULL) {
        thing->rung = false;
    }
}
