/* The dataplane's end of a session with the control process; runs on the service thread.
 *
 * Listens on <first data directory>/.millrace/dataplane.sock. Whoever connects is the control
 * process of from now on: it gets a new session number and new memory with new rings for every
 * core, the session before it ends, nothing is repaired (H17). session_turn does everything; it
 * never waits. How the service thread uses it:
 *
 *     session = session_create(&setup, reason, sizeof(reason));
 *     each core gets session_channel(session, core) before it starts;
 *     forever {
 *         poll(session_handles(session, handles), until next deadline)
 *         (void)session_turn(session);
 *         const struct snapshot *snapshot = session_snapshot(session);
 *         if (snapshot != NULL) {
 *             ... give it to every core, make files; when all have let go of the one before it:
 *             session_applied(session, failures, count);     // Frees the one before.
 *         }
 *     }
 *
 * One snapshot is out at a time: session_snapshot says NULL until the last one is applied, also
 * over the end of its session. Partitions that the applied snapshot lists, but for the failures,
 * are those that the next HELLO names.
 *
 * Threads: all calls from the service thread.
 */
#ifndef DATAPLANE_SLOWPATH_SESSION_H
#define DATAPLANE_SLOWPATH_SESSION_H

#include "dataplane/slowpath/channel.h"
#include "dataplane/slowpath/session_wire.h"
#include "dataplane/slowpath/snapshot.h"

struct session;

struct session_setup {
    struct link_world *world;
    const char *socket_path; /* Borrowed for the session's life; its directory exists. */
    uint64_t incarnation;    /* Random, of this process. Session numbers start from it. */
    char cluster_id[64];
    int32_t node_id;
    struct network_address listen; /* With the port really bound. */
    uint32_t core_count;
    const int *core_bells; /* One bell per core: control rings it when the core sleeps. */
    int log_shared;        /* Memory of a struct log_shared, made with link_memory_make. */
    int statistics;        /* Memory made with link_memory_make, or LINK_NO_HANDLE. */
    uint64_t statistics_bytes;
    uint32_t directory_count;
    const struct session_directory *directories;
    const struct session_partition *partitions; /* What recovery found. */
    uint32_t partition_count;
    uint32_t ring_to_control_bytes; /* 0: the default. */
    uint32_t ring_to_core_bytes;
};

/* Everything in setup but `world` and `socket_path` is copied. NULL: reason holds one sentence. */
struct session *session_create(const struct session_setup *setup, char *reason,
                               size_t reason_bytes);
/* The cores have stopped. Frees the snapshots too. */
void session_destroy(struct session *session);

/* The core's end; valid as long as the session struct. */
struct slow_channel *session_channel(struct session *session, uint32_t core);

enum {
    SESSION_HANDLES_MAX = 2,
};
/* Fills in the handles to wait for reading; returns how many. */
uint32_t session_handles(const struct session *session, int handles[SESSION_HANDLES_MAX]);

/* Accepts, receives, sends what is queued, frees memory of old sessions that every core has let go
 * of. Returns the work done. */
uint32_t session_turn(struct session *session);

/* True when old memory waits for cores to let go: turn again soon. */
bool session_pending(const struct session *session);

/* The next snapshot to apply, or NULL. Owned by the session: valid until the session_applied of
 * the one after it. */
const struct snapshot *session_snapshot(struct session *session);
/* False: no memory; to be called again. */
bool session_applied(struct session *session, const struct session_failure *failures,
                     uint32_t failure_count);

/* Directory `directory` died; also in every later HELLO. */
void session_directory_failed(struct session *session, uint16_t directory, enum log_status status);

/* The process is about to stop. */
void session_stopping(struct session *session);

struct session_counters {
    uint64_t sessions;         /* Opened. */
    uint64_t refused_messages; /* Malformed ones from control; each ended its session. */
    uint64_t snapshots;
    uint64_t broken_rings;
};
const struct session_counters *session_counters(const struct session *session);
/* 0 while there is none. */
uint64_t session_number(const struct session *session);
/* Why the last session ended, for the log; "" at first. */
const char *session_last_reason(const struct session *session);

#endif
