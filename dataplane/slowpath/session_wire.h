/* What the two processes say to each other over the session's socket, and the memory it hands over.
 *
 * Native byte order and layout: both ends are of one build, and HELLO says of which. Everything is
 * copied out of the message and checked before it is used. control/README.md has the order.
 */
#ifndef DATAPLANE_SLOWPATH_SESSION_WIRE_H
#define DATAPLANE_SLOWPATH_SESSION_WIRE_H

#include "dataplane/slowpath/link.h"
#include "dataplane/transport.h"
#include "storage/base/uuid.h"
#include "storage/log/log.h"

enum {
    SESSION_PROTOCOL = 4, /* Grows with every change to this header, slow_header or the snapshot. */
    SESSION_CORES_MAX = LINK_HANDLES_MAX - 8,
    SESSION_PATH_BYTES = 1024,
    /* Data bytes of a core's two rings. */
    SESSION_RING_TO_CONTROL_BYTES = 2 * 1024 * 1024,
    SESSION_RING_TO_CORE_BYTES = 1024 * 1024,
    SESSION_PARTITIONS_MAX = 1000 * 1000,
    SESSION_SNAPSHOT_BYTES_MAX = 1024 * 1024 * 1024,
};

enum session_kind {
    /* Dataplane to control. HELLO is the first message, and the only one until control's first. */
    SESSION_HELLO = 1,
    SESSION_APPLIED,
    SESSION_DIRECTORY_FAILED,
    SESSION_STOPPING, /* The dataplane is shutting down in order: nothing more will be applied. */
    /* Control to dataplane. */
    SESSION_SNAPSHOT = 101, /* One at a time: the next only after APPLIED. */
};

/* Places of the handles of HELLO. */
enum session_hello_handle {
    SESSION_HANDLE_RINGS,
    SESSION_HANDLE_PARTITIONS,   /* Blob: struct session_partition. */
    SESSION_HANDLE_CONTROL_BELL, /* A core rings it for control. */
    SESSION_HANDLE_LOG_SHARED,   /* struct log_shared: where both count failed flushes. */
    SESSION_HANDLE_STATISTICS,   /* Only with statistics_bytes > 0. */
    SESSION_HANDLE_CORE_BELLS, /* One per core: control rings them; one less without statistics. */
};

struct session_directory {
    char path[SESSION_PATH_BYTES];
    struct uuid directory_id;
    uint8_t clean; /* Its last stop was clean, or a session has already heard that it was not. */
    uint8_t failed;
};

/* A partition that has files. */
struct session_partition {
    struct uuid topic_id;
    uint32_t index;
    int32_t leader_epoch; /* The largest one its log has seen, -1 none. */
    uint16_t directory;
    uint16_t fresh; /* 1: nothing was ever in its log, and its files may not be durable: they are
                       made anew before a record says that they are there. */
};

struct session_hello {
    uint32_t kind;
    uint32_t protocol;
    char build[64];
    uint64_t session;     /* Never 0; another one with each connection. */
    uint64_t incarnation; /* Of the dataplane process. */
    char cluster_id[64];
    int32_t node_id;
    struct network_address listen;
    uint32_t core_count;
    uint32_t directory_count;
    uint32_t partition_count;
    uint32_t ring_to_control_bytes;
    uint32_t ring_to_core_bytes;
    uint64_t statistics_bytes; /* 0: no statistics memory. */
    struct session_directory directories[LOG_DIRECTORIES_MAX];
};

/* A partition that could not be made what the snapshot says. */
struct session_failure {
    struct uuid topic_id;
    uint32_t index;
    uint32_t status;    /* enum log_status */
    uint16_t directory; /* Where its files are, LOG_DIRECTORY_NONE: they were never made. */
    uint16_t zero;
};

/* Every core has applied the snapshot and its files exist, but for the failures (H18). */
struct session_applied {
    uint32_t kind;
    uint32_t failure_count; /* Not 0: the only handle is a blob of struct session_failure. */
    uint64_t version;
};

struct session_directory_failed {
    uint32_t kind;
    uint16_t directory;
    uint16_t zero;
    uint32_t status; /* enum log_status */
};

struct session_stopping {
    uint32_t kind;
};

/* Its only handle is a blob of size bytes. */
struct session_snapshot {
    uint32_t kind;
    uint32_t zero;
    uint64_t version;
    uint64_t size;
};

_Static_assert(sizeof(struct session_hello) <= LINK_MESSAGE_BYTES_MAX, "HELLO is one message");

/* "0.1.0" and what else tells two builds apart; at most 63 bytes. */
const char *session_build(void);

/* Where the rings of a core lie in the session's memory. */
uint64_t session_memory_bytes(uint32_t core_count, uint32_t ring_to_control_bytes,
                              uint32_t ring_to_core_bytes);
uint64_t session_ring_to_control_at(uint32_t core, uint32_t ring_to_control_bytes,
                                    uint32_t ring_to_core_bytes);
uint64_t session_ring_to_core_at(uint32_t core, uint32_t ring_to_control_bytes,
                                 uint32_t ring_to_core_bytes);

/* A reason other than NULL: the HELLO, with its handles, is not one that this build understands. */
const char *session_hello_check(const struct link_message *message, struct session_hello *hello);
const char *session_partitions_check(const struct session_partition *partitions, uint32_t count,
                                     uint32_t directory_count);

#endif
