/* What the tools ask of groups. As client.h: blocking, false with client->problem filled. What is
 * handed out lives in the caller's arena. */
#ifndef TOOLS_CLIENT_GROUPS_H
#define TOOLS_CLIENT_GROUPS_H

#include "control/arena.h"
#include "tools/client/client.h"

struct groups_listed {
    const char *id;
    const char *type;  /* "Classic", "Consumer"...; "" where the broker is too old to say. */
    const char *state; /* "Stable"...; "" likewise. */
    const char
        *protocol_type; /* "consumer", "connect"...; "" for groups that only store offsets. */
};

/* Of all brokers, by id. state and type: only those; NULL all. */
MUST_USE bool groups_list(struct client *client, struct arena *arena, const char *state,
                          const char *type, struct groups_listed **list, uint32_t *count);

struct groups_place {
    const char *topic;
    int32_t partition;
};

struct groups_member {
    const char *id;
    const char *instance_id; /* NULL: dynamic. */
    const char *client_id;
    const char *host;
    int32_t epoch; /* -1: the classic protocol has none. */
    struct groups_place *places;
    uint32_t place_count;
};

struct groups_described {
    const char *state; /* "Dead": there is no such group. */
    const char *type;
    const char *assignor; /* "range"...; "" while nobody has chosen. */
    int32_t epoch;        /* -1: the classic protocol has none to tell. */
    struct groups_member *members;
    uint32_t member_count;
};

/* A group that does not exist is Dead, no failure. */
MUST_USE bool groups_describe(struct client *client, struct arena *arena, const char *id,
                              struct groups_described *described);

struct groups_offset {
    const char *topic;
    struct uuid topic_id; /* To commit by id; zero where it is not known. */
    int32_t partition;
    int64_t offset;
    int32_t leader_epoch;
};

/* What the group has committed. topics: all there are, for brokers that name them by id. */
MUST_USE bool groups_offsets(struct client *client, struct arena *arena, const char *id,
                             const struct client_topic *topics, uint32_t topic_count,
                             struct groups_offset **offsets, uint32_t *count);

/* Commits in nobody's name: refused while the group has members. All of one topic. */
MUST_USE bool groups_commit(struct client *client, const char *id,
                            const struct groups_offset *offsets, uint32_t count);

MUST_USE bool groups_delete(struct client *client, const char *id);

#endif
