#include "dataplane/slowpath/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/mail/ring.h"

enum {
    MESSAGES_PER_TURN = 16,
};

/* What a session gave away; lives on until every core has let go of it. */
struct session_memory {
    struct session_memory *older;
    void *mapped;
    uint64_t size;
    int memory;
    int control_bell;
    struct channel_attachment attachments[]; /* One per core. */
};

struct session {
    struct session_setup setup; /* Its arrays point to the copies below. */
    struct session_directory directories[LOG_DIRECTORIES_MAX];
    int *core_bells;
    struct slow_channel **channels;
    int listener;

    int link; /* LINK_NO_HANDLE: no session. */
    uint64_t number;
    struct session_memory *memory; /* Of this session. */
    struct session_memory *old;    /* Of ended ones, newest first. */

    /* The files there are: recovery's list until a snapshot is applied, then that snapshot's. */
    struct session_partition *found;
    uint32_t found_count;
    struct session_failure *failures; /* Of the applied snapshot, sorted. */
    uint32_t failure_count;
    struct snapshot *applied;
    struct snapshot *applying; /* Out at the service thread. */
    struct snapshot *incoming;
    uint64_t applying_session;
    uint64_t incoming_session;

    /* What control is still to be told. */
    bool tell_applied;
    uint64_t tell_version;
    uint32_t tell_failed; /* Bit per directory. */
    uint32_t failed_status[LOG_DIRECTORIES_MAX];
    bool tell_stopping;

    struct session_counters counters;
    char reason[160];
    struct link_message message;
};

/* ---- Life ----------------------------------------------------------------------------------- */

static void *copy_of(const void *from, size_t size)
{
    void *copy = malloc(size == 0 ? 1 : size);
    if (copy != NULL && size > 0) {
        memcpy(copy, from, size);
    }
    return copy;
}

static bool setup_copy(struct session *session, const struct session_setup *setup)
{
    const uint32_t count = setup->core_count;
    session->setup = *setup;
    if (session->setup.ring_to_control_bytes == 0) {
        session->setup.ring_to_control_bytes = SESSION_RING_TO_CONTROL_BYTES;
        session->setup.ring_to_core_bytes = SESSION_RING_TO_CORE_BYTES;
    }
    memcpy(session->directories, setup->directories,
           setup->directory_count * sizeof(*setup->directories));
    session->core_bells = copy_of(setup->core_bells, count * sizeof(*setup->core_bells));
    session->found =
        copy_of(setup->partitions, (size_t)setup->partition_count * sizeof(*setup->partitions));
    session->found_count = setup->partition_count;
    session->channels = calloc(count, sizeof(struct slow_channel *));
    if (session->core_bells == NULL || session->found == NULL || session->channels == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        session->channels[i] = channel_create();
        if (session->channels[i] == NULL) {
            return false;
        }
    }
    return true;
}

struct session *session_create(const struct session_setup *setup, char *reason, size_t reason_bytes)
{
    ASSERT(setup->core_count > 0 && setup->core_count <= SESSION_CORES_MAX);
    ASSERT(setup->directory_count > 0 && setup->directory_count <= LOG_DIRECTORIES_MAX);
    struct session *session = calloc(1, sizeof(*session));
    if (session == NULL) {
        (void)snprintf(reason, reason_bytes, "no memory for the session");
        return NULL;
    }
    session->listener = LINK_NO_HANDLE;
    session->link = LINK_NO_HANDLE;
    session->number = setup->incarnation;
    if (!setup_copy(session, setup)) {
        (void)snprintf(reason, reason_bytes, "no memory for the session");
        session_destroy(session);
        return NULL;
    }
    const int listener = link_listen(setup->world, setup->socket_path);
    if (listener < 0) {
        (void)snprintf(reason, reason_bytes, "cannot listen on %s: %s", setup->socket_path,
                       strerror(-listener));
        session_destroy(session);
        return NULL;
    }
    session->listener = listener;
    return session;
}

struct slow_channel *session_channel(struct session *session, uint32_t core)
{
    ASSERT(core < session->setup.core_count);
    return session->channels[core];
}

static void memory_free(struct session *session, struct session_memory *memory)
{
    link_memory_unmap(session->setup.world, memory->mapped, memory->size);
    link_close(session->setup.world, memory->memory);
    link_close(session->setup.world, memory->control_bell);
    free(memory);
}

void session_destroy(struct session *session)
{
    struct link_world *world = session->setup.world;
    if (session->link != LINK_NO_HANDLE) {
        link_close(world, session->link);
    }
    if (session->listener != LINK_NO_HANDLE) {
        link_close(world, session->listener);
    }
    if (session->memory != NULL) {
        session->memory->older = session->old;
        session->old = session->memory;
    }
    while (session->old != NULL) {
        struct session_memory *memory = session->old;
        session->old = memory->older;
        memory_free(session, memory);
    }
    for (uint32_t i = 0; session->channels != NULL && i < session->setup.core_count; i++) {
        channel_destroy(session->channels[i]);
    }
    snapshot_free(session->applied);
    snapshot_free(session->applying);
    snapshot_free(session->incoming);
    free(session->failures);
    free(session->found);
    free(session->channels);
    free(session->core_bells);
    free(session);
}

/* ---- One session: from accept to its end ---------------------------------------------------- */

static void bells_ring(struct session *session)
{
    for (uint32_t i = 0; i < session->setup.core_count; i++) {
        link_bell_ring(session->setup.world, session->core_bells[i]);
    }
}

static void session_end(struct session *session, const char *reason)
{
    if (session->link == LINK_NO_HANDLE) {
        return;
    }
    (void)snprintf(session->reason, sizeof(session->reason), "%s", reason);
    for (uint32_t i = 0; i < session->setup.core_count; i++) {
        channel_detach(session->channels[i]);
    }
    bells_ring(session); /* A sleeping core must let go too. */
    link_close(session->setup.world, session->link);
    session->link = LINK_NO_HANDLE;
    if (session->memory != NULL) {
        session->memory->older = session->old;
        session->old = session->memory;
        session->memory = NULL;
    }
    snapshot_free(session->incoming);
    session->incoming = NULL;
    session->tell_applied = false;
    session->tell_failed = 0;
}

static bool let_go_by_all(const struct session *session, const struct session_memory *memory)
{
    for (uint32_t i = 0; i < session->setup.core_count; i++) {
        if (!channel_let_go(session->channels[i], &memory->attachments[i])) {
            return false;
        }
    }
    return true;
}

static uint32_t old_reap(struct session *session)
{
    uint32_t work = 0;
    for (struct session_memory **at = &session->old; *at != NULL;) {
        struct session_memory *memory = *at;
        if (let_go_by_all(session, memory)) {
            *at = memory->older;
            memory_free(session, memory);
            work++;
        } else {
            at = &memory->older;
        }
    }
    return work;
}

bool session_pending(const struct session *session)
{
    return session->old != NULL || session->tell_applied || session->tell_failed != 0 ||
           (session->incoming != NULL && session->applying == NULL);
}

/* The memory of a new session, rings formatted, attachments filled in; NULL for want of anything.
 */
static struct session_memory *memory_make(struct session *session, uint64_t number)
{
    const struct session_setup *setup = &session->setup;
    const uint32_t to_control = setup->ring_to_control_bytes;
    const uint32_t to_core = setup->ring_to_core_bytes;
    struct session_memory *made =
        calloc(1, sizeof(*made) + setup->core_count * sizeof(made->attachments[0]));
    if (made == NULL) {
        return NULL;
    }
    made->size = session_memory_bytes(setup->core_count, to_control, to_core);
    made->memory = link_memory_make(setup->world, "millrace-session", made->size);
    made->control_bell = link_bell_make(setup->world);
    if (made->memory >= 0) {
        made->mapped = link_memory_map(setup->world, made->memory, made->size, true);
    }
    if (made->mapped == NULL || made->control_bell < 0) {
        if (made->mapped != NULL) {
            link_memory_unmap(setup->world, made->mapped, made->size);
        }
        if (made->memory >= 0) {
            link_close(setup->world, made->memory);
        }
        if (made->control_bell >= 0) {
            link_close(setup->world, made->control_bell);
        }
        free(made);
        return NULL;
    }
    uint8_t *base = made->mapped;
    for (uint32_t i = 0; i < setup->core_count; i++) {
        void *up = base + session_ring_to_control_at(i, to_control, to_core);
        void *down = base + session_ring_to_core_at(i, to_control, to_core);
        byte_ring_format(up, to_control);
        byte_ring_format(down, to_core);
        made->attachments[i] = (struct channel_attachment){
            .session = number,
            .to_control = up,
            .to_control_bytes = byte_ring_size(to_control),
            .to_core = down,
            .to_core_bytes = byte_ring_size(to_core),
            .world = setup->world,
            .control_bell = made->control_bell,
        };
    }
    return made;
}

static int failure_compare(const void *left, const void *right)
{
    const struct session_failure *a = left;
    const struct session_failure *b = right;
    const int order = memcmp(&a->topic_id, &b->topic_id, sizeof(a->topic_id));
    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

static bool partition_failed(const struct session *session, const struct uuid *topic_id,
                             uint32_t index)
{
    const struct session_failure key = {.topic_id = *topic_id, .index = index};
    return session->failure_count > 0 && bsearch(&key, session->failures, session->failure_count,
                                                 sizeof(key), failure_compare) != NULL;
}

static void found_add(struct session *session, const struct snapshot_topic *topic)
{
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        const struct snapshot_partition *partition = &topic->partitions[i];
        if (partition->directory == SNAPSHOT_DIRECTORY_NONE || partition->offline ||
            session->directories[partition->directory].failed ||
            partition_failed(session, &topic->id, i)) {
            continue;
        }
        session->found[session->found_count++] =
            (struct session_partition){.topic_id = topic->id,
                                       .index = i,
                                       .leader_epoch = partition->leader_epoch,
                                       .directory = partition->directory};
    }
}

/* The applied snapshot, when there is one, says better than recovery what files there are. */
static bool found_refresh(struct session *session)
{
    const struct snapshot *snapshot = session->applied;
    if (snapshot == NULL) {
        return true;
    }
    struct session_partition *found =
        malloc((snapshot->partition_count + 1ULL) * sizeof(*session->found));
    if (found == NULL) {
        return false;
    }
    free(session->found);
    session->found = found;
    session->found_count = 0;
    for (uint32_t i = 0; i < snapshot->topic_count; i++) {
        found_add(session, &snapshot->topics[i]);
    }
    return true;
}

static void hello_fill(const struct session *session, struct session_hello *hello)
{
    const struct session_setup *setup = &session->setup;
    memset(hello, 0, sizeof(*hello));
    hello->kind = SESSION_HELLO;
    hello->protocol = SESSION_PROTOCOL;
    (void)snprintf(hello->build, sizeof(hello->build), "%s", session_build());
    hello->session = session->number;
    hello->incarnation = setup->incarnation;
    memcpy(hello->cluster_id, setup->cluster_id, sizeof(hello->cluster_id));
    hello->node_id = setup->node_id;
    hello->listen = setup->listen;
    hello->core_count = setup->core_count;
    hello->directory_count = setup->directory_count;
    hello->partition_count = session->found_count;
    hello->ring_to_control_bytes = setup->ring_to_control_bytes;
    hello->ring_to_core_bytes = setup->ring_to_core_bytes;
    hello->statistics_bytes = setup->statistics == LINK_NO_HANDLE ? 0 : setup->statistics_bytes;
    memcpy(hello->directories, session->directories, sizeof(hello->directories));
}

/* Puts together HELLO and its handles; false when there is no blob to be had. */
static bool hello_message(struct session *session, int partitions)
{
    struct link_message *message = &session->message;
    struct session_hello *hello = malloc(sizeof(*hello));
    if (hello == NULL) {
        return false;
    }
    hello_fill(session, hello);
    memcpy(message->bytes, hello, sizeof(*hello));
    message->len = sizeof(*hello);
    free(hello);
    uint32_t count = 0;
    message->handles[count++] = session->memory->memory;
    message->handles[count++] = partitions;
    message->handles[count++] = session->memory->control_bell;
    message->handles[count++] = session->setup.log_shared;
    if (session->setup.statistics != LINK_NO_HANDLE) {
        message->handles[count++] = session->setup.statistics;
    }
    for (uint32_t i = 0; i < session->setup.core_count; i++) {
        message->handles[count++] = session->core_bells[i];
    }
    message->handle_count = count;
    return true;
}

static void session_begin(struct session *session, int link)
{
    session_end(session, "another control process connected");
    session->link = link;
    session->number++;
    session->number += session->number == 0 ? 1 : 0;
    session->memory = memory_make(session, session->number);
    if (session->memory == NULL || !found_refresh(session)) {
        session_end(session, "no memory for a new session");
        return;
    }
    const struct bytes content = {(const uint8_t *)session->found,
                                  (uint32_t)(session->found_count * sizeof(*session->found))};
    const int partitions = link_blob_make(session->setup.world, "millrace-partitions", content);
    int sent = -ENOMEM;
    if (partitions >= 0 && hello_message(session, partitions)) {
        sent = link_send(session->setup.world, link, &session->message);
    }
    if (partitions >= 0) {
        link_close(session->setup.world, partitions);
    }
    if (sent < 0) {
        session_end(session, "HELLO could not be sent");
        return;
    }
    session->counters.sessions++;
    session->tell_stopping = false;
    for (uint32_t i = 0; i < session->setup.core_count; i++) {
        channel_attach(session->channels[i], &session->memory->attachments[i]);
    }
    bells_ring(session);
}

static uint32_t session_accept(struct session *session)
{
    uint32_t work = 0;
    for (; work < MESSAGES_PER_TURN; work++) {
        const int link = link_accept(session->setup.world, session->listener);
        if (link < 0) {
            break;
        }
        session_begin(session, link);
    }
    return work;
}

/* ---- Messages from control ------------------------------------------------------------------ */

static const char *directories_check(const struct session *session, const struct snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->topic_count; i++) {
        const struct snapshot_topic *topic = &snapshot->topics[i];
        for (uint32_t j = 0; j < topic->partition_count; j++) {
            const uint16_t directory = topic->partitions[j].directory;
            if (directory != SNAPSHOT_DIRECTORY_NONE &&
                directory >= session->setup.directory_count) {
                return "the snapshot names a directory that is not there";
            }
        }
    }
    return NULL;
}

static const char *snapshot_take(struct session *session, const struct session_snapshot *header,
                                 int blob)
{
    if (session->incoming != NULL ||
        (session->applying != NULL && session->applying_session == session->number)) {
        return "a snapshot came before the last one was applied";
    }
    if (header->size == 0 || header->size > SESSION_SNAPSHOT_BYTES_MAX) {
        return "the snapshot's size is out of bounds";
    }
    uint8_t *image = malloc(header->size);
    if (image == NULL) {
        return "no memory for the snapshot";
    }
    const char *reason = "the snapshot is shorter than it says";
    if (link_blob_read(session->setup.world, blob, image, header->size) == 0) {
        const struct bytes bytes = {image, (uint32_t)header->size};
        session->incoming = snapshot_decode(bytes, &reason);
    }
    free(image);
    if (session->incoming != NULL) {
        reason = session->incoming->version == header->version
                     ? directories_check(session, session->incoming)
                     : "the snapshot's version is not the announced one";
    }
    if (reason == NULL) {
        session->incoming_session = session->number;
        session->counters.snapshots++;
    }
    return reason;
}

static const char *message_take(struct session *session)
{
    const struct link_message *message = &session->message;
    struct session_snapshot header;
    if (message->len != sizeof(header) || message->handle_count != 1) {
        return "a malformed message";
    }
    memcpy(&header, message->bytes, sizeof(header));
    if (header.kind != SESSION_SNAPSHOT) {
        return "a message of unknown kind";
    }
    return snapshot_take(session, &header, message->handles[0]);
}

static uint32_t session_receive(struct session *session)
{
    uint32_t work = 0;
    while (session->link != LINK_NO_HANDLE && work < MESSAGES_PER_TURN) {
        const int got = link_receive(session->setup.world, session->link, &session->message);
        if (got == -EAGAIN) {
            break;
        }
        work++;
        if (got == 0 || got == -ECONNRESET) {
            session_end(session, "control closed it");
            break;
        }
        const char *reason = "a message that is too long";
        if (got > 0) {
            reason = message_take(session);
            for (uint32_t i = 0; i < session->message.handle_count; i++) {
                link_close(session->setup.world, session->message.handles[i]);
            }
        }
        if (reason != NULL) {
            session->counters.refused_messages++;
            session_end(session, reason);
        }
    }
    return work;
}

/* ---- Messages to control -------------------------------------------------------------------- */

/* False: it has to be tried again. A dead link is seen by the next receive. */
static bool tell(struct session *session, const void *content, uint32_t len, int handle)
{
    struct link_message *message = &session->message;
    memcpy(message->bytes, content, len);
    message->len = len;
    message->handle_count = handle == LINK_NO_HANDLE ? 0 : 1;
    message->handles[0] = handle;
    return link_send(session->setup.world, session->link, message) != -EAGAIN;
}

static void tell_applied(struct session *session)
{
    const struct session_applied applied = {.kind = SESSION_APPLIED,
                                            .failure_count = session->failure_count,
                                            .version = session->tell_version};
    int blob = LINK_NO_HANDLE;
    if (session->failure_count > 0) {
        const struct bytes content = {
            (const uint8_t *)session->failures,
            (uint32_t)(session->failure_count * sizeof(*session->failures))};
        blob = link_blob_make(session->setup.world, "millrace-failures", content);
        if (blob < 0) {
            return; /* Tried again in the next turn. */
        }
    }
    session->tell_applied = !tell(session, &applied, sizeof(applied), blob);
    if (blob >= 0) {
        link_close(session->setup.world, blob);
    }
}

static void tell_directories(struct session *session)
{
    for (uint32_t i = 0; i < session->setup.directory_count && session->tell_failed != 0; i++) {
        if ((session->tell_failed & (1u << i)) != 0) {
            const struct session_directory_failed failed = {.kind = SESSION_DIRECTORY_FAILED,
                                                            .directory = (uint16_t)i,
                                                            .status = session->failed_status[i]};
            if (!tell(session, &failed, sizeof(failed), LINK_NO_HANDLE)) {
                return;
            }
            session->tell_failed &= ~(1u << i);
        }
    }
}

static void session_tell(struct session *session)
{
    if (session->link == LINK_NO_HANDLE) {
        return;
    }
    if (session->tell_failed != 0) {
        tell_directories(session);
    }
    if (session->tell_applied) {
        tell_applied(session);
    }
    if (session->tell_stopping) {
        const struct session_stopping stopping = {.kind = SESSION_STOPPING};
        session->tell_stopping = !tell(session, &stopping, sizeof(stopping), LINK_NO_HANDLE);
    }
}

/* ---- The service thread's calls ------------------------------------------------------------- */

uint32_t session_handles(const struct session *session, int handles[SESSION_HANDLES_MAX])
{
    handles[0] = session->listener;
    handles[1] = session->link;
    return session->link == LINK_NO_HANDLE ? 1 : 2;
}

uint32_t session_turn(struct session *session)
{
    uint32_t work = session_accept(session);
    work += session_receive(session);
    for (uint32_t i = 0; session->link != LINK_NO_HANDLE && i < session->setup.core_count; i++) {
        if (channel_broken(session->channels[i])) {
            session->counters.broken_rings++;
            session_end(session, "a ring was malformed");
            work++;
        }
    }
    session_tell(session);
    return work + old_reap(session);
}

const struct snapshot *session_snapshot(struct session *session)
{
    if (session->applying != NULL || session->incoming == NULL) {
        return NULL;
    }
    session->applying = session->incoming;
    session->applying_session = session->incoming_session;
    session->incoming = NULL;
    return session->applying;
}

bool session_applied(struct session *session, const struct session_failure *failures,
                     uint32_t failure_count)
{
    ASSERT(session->applying != NULL);
    struct session_failure *copy = copy_of(failures, failure_count * sizeof(*failures));
    if (copy == NULL) {
        return false;
    }
    free(session->failures);
    session->failures = copy;
    session->failure_count = failure_count;
    qsort(session->failures, session->failure_count, sizeof(*session->failures), failure_compare);
    snapshot_free(session->applied);
    session->applied = session->applying;
    session->applying = NULL;
    for (uint32_t i = 0; i < session->setup.directory_count; i++) {
        session->directories[i].clean = 1; /* The epochs that this snapshot brought are raised. */
    }
    if (session->link != LINK_NO_HANDLE && session->applying_session == session->number) {
        session->tell_applied = true;
        session->tell_version = session->applied->version;
        session_tell(session);
    }
    return true;
}

void session_directory_failed(struct session *session, uint16_t directory, enum log_status status)
{
    ASSERT(directory < session->setup.directory_count);
    session->directories[directory].failed = 1;
    session->failed_status[directory] = status;
    if (session->link != LINK_NO_HANDLE) {
        session->tell_failed |= 1u << directory;
        session_tell(session);
    }
}

void session_stopping(struct session *session)
{
    session->tell_stopping = true;
    session_tell(session);
}

const struct session_counters *session_counters(const struct session *session)
{
    return &session->counters;
}

uint64_t session_number(const struct session *session)
{
    return session->link == LINK_NO_HANDLE ? 0 : session->number;
}

const char *session_last_reason(const struct session *session)
{
    return session->reason;
}
