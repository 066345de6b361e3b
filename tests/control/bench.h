/* A control process on the twins, with a dataplane that the test plays. */
#ifndef TESTS_CONTROL_BENCH_H
#define TESTS_CONTROL_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/arena.h"
#include "control/loop.h"
#include "dataplane/kafka/errors.h"
#include "dataplane/kafka/frame.h"
#include "dataplane/slowpath/session.h"
#include "tests/sim/sim_link.h"
#include "tests/sim/sim_machine.h"

enum {
    BENCH_CORES = 2,
    BENCH_FAILURES_MAX = 64,
    BENCH_PARTITIONS_MAX = 20000,
};

/* What control has appended to a partition. */
struct bench_log {
    struct partition_id id;
    uint8_t *bytes;
    uint32_t len;
    int64_t end_offset;
    uint32_t appends;
};

enum { BENCH_LOGS_MAX = 256, BENCH_HELD_MAX = 512 };

/* An append that is not answered yet. */
struct bench_held {
    uint32_t core;
    struct slow_header answer;
};

struct bench {
    struct sim_machine *machine;
    struct sim_process *process; /* Control's, on the machine. */
    struct sim_link_machine *links;
    struct link_world *dataplane_world;
    struct link_world *control_world;
    struct log_shared *log_shared; /* The dataplane's. */
    struct session *session;       /* NULL: the dataplane is down. */
    struct control *control;       /* NULL: control is down. */
    struct settings settings;
    struct settings_problems problems;
    uint64_t now_ns;
    int64_t wall_ms;
    uint64_t incarnation;
    uint64_t seed;
    uint32_t directory_count;
    bool unclean[LOG_DIRECTORIES_MAX];
    /* The dataplane: what it does with a snapshot. */
    bool holds_snapshots;            /* Does not apply until bench_apply. */
    const struct snapshot *snapshot; /* Applied last, or being held. */
    bool held;
    struct session_failure failures[BENCH_FAILURES_MAX];
    uint32_t failure_count;
    uint32_t snapshots_seen;
    /* The files that "exist". */
    struct session_partition *files;
    /* Memory: the asks for it that are refused, or the test's own answer to them. */
    uint32_t room_asked;
    uint32_t room_refused_from;
    uint32_t room_refused_to;
    bool (*has_room)(void *context, uint64_t bytes);
    void *room_context;
    uint32_t file_count;
    uint32_t group_walk_per_turn; /* Of the next control process; see control/loop.h. */
    uint64_t next_number;
    /* The last reply. */
    uint8_t *reply;
    uint32_t reply_len;
    uint64_t reply_number;
    int16_t reply_error; /* Of SLOW_ERROR. */
    uint32_t reply_error_count;
    uint32_t replies;
    uint64_t piece_number;
    uint32_t reply_pieces; /* But the last. */
    bool asks_no_more;     /* Of long answers only the first piece is taken. */
    /* Calls: appends and reads of control. */
    struct bench_log logs[BENCH_LOGS_MAX]; /* They outlive both processes. */
    uint32_t log_count;
    uint8_t *batch;
    uint32_t batch_len;
    bool holds_appends; /* They are in the log, and not answered until bench_release. */
    struct bench_held held_appends[BENCH_HELD_MAX];
    uint32_t held_count;
    int16_t append_error; /* Of the next appends: nothing is appended. */
    uint32_t reads;
    uint32_t alive[BENCH_CORES];
    /* The last grant. */
    int64_t grant_first[BENCH_CORES];
    uint32_t grants[BENCH_CORES];
};

/* Both processes up and ready, one directory. extra: further command line arguments, ends NULL. */
struct bench *bench_new(uint32_t directory_count, const char *const *extra);
void bench_free(struct bench *bench);
/* cmocka's teardown of a state that is a bench. */
int bench_down(void **state);

void bench_start_control(struct bench *bench);
void bench_stop_control(struct bench *bench); /* kill -9 */
void bench_start_dataplane(struct bench *bench);
void bench_stop_dataplane(struct bench *bench);

/* One turn of everything, 1 ms later. */
void bench_turn(struct bench *bench);
void bench_turns(struct bench *bench, uint32_t count);
/* Applies the held snapshot. */
void bench_apply(struct bench *bench);
/* Answers the held appends. */
void bench_release(struct bench *bench);
/* The partition's log, made when it is not there. */
struct bench_log *bench_log(struct bench *bench, const struct uuid *topic_id, uint32_t partition);

/* Sends a request from core 0, does not wait. Returns its number. */
uint64_t bench_send(struct bench *bench, int16_t api, int16_t version, struct bytes body);
/* Sends it and runs until its answer is there. True: reply holds the body. False: reply_error. */
bool bench_ask(struct bench *bench, int16_t api, int16_t version, struct bytes body);

/* A kind without answer. */
void bench_tell(struct bench *bench, enum slow_kind kind, struct bytes payload);

/* A request of CreateTopics, version 7, for one topic; a view of buffer. */
struct bytes bench_create_body(const char *name, int32_t partitions, uint8_t *buffer,
                               uint32_t capacity);
/* Asks for one topic; returns its error code. */
int16_t bench_create_topic(struct bench *bench, const char *name, int32_t partitions);
int16_t bench_delete_topic(struct bench *bench, const char *name);
/* IncrementalAlterConfigs, set, of one key. */
int16_t bench_set_config(struct bench *bench, enum resource_type type, const char *name,
                         const char *key, const char *value);

const struct image_topic *bench_topic(const struct bench *bench, const char *name);

/* Settings for steps that are tested alone. */
struct settings *bench_settings(const char *const *extra);
void bench_settings_free(struct settings *settings);

/* A step over an image of its own. */
struct step_bench {
    struct image image;
    struct settings *settings;
    struct arena arena;
    struct changes changes;
    struct random random;
    uint8_t body[8192];
    struct bytes piece;
};
struct step;
struct step_bench *step_bench_new(const char *const *extra);
void step_bench_free(struct step_bench *bench);
int step_bench_down(void **state); /* The same. */
/* The inputs, for a request that was encoded into body with `writer`. */
struct step step_bench_step(struct step_bench *bench, int16_t version, const struct writer *writer);
/* Replays the changes of the last step. */
void step_bench_apply(struct step_bench *bench);
/* A topic in the image. */
void step_bench_topic(struct step_bench *bench, const char *name, uint32_t partitions);

/* True when a chain holds the text. */
bool chain_is(struct chain chain, const char *text);
/* True when a chain's text contains it. */
bool chain_has(struct chain chain, const char *text);

#endif
