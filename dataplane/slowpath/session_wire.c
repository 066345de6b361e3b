#include "dataplane/slowpath/session_wire.h"

#include "dataplane/mail/ring.h"
#include "dataplane/slowpath/channel.h"

const char *session_build(void)
{
    return MILLRACE_BUILD;
}

/* Both rings of a core, each at its own line. */
static uint64_t core_bytes(uint32_t ring_to_control_bytes, uint32_t ring_to_core_bytes)
{
    return round_up(byte_ring_size(ring_to_control_bytes), RING_LINE_BYTES) +
           round_up(byte_ring_size(ring_to_core_bytes), RING_LINE_BYTES);
}

uint64_t session_memory_bytes(uint32_t core_count, uint32_t ring_to_control_bytes,
                              uint32_t ring_to_core_bytes)
{
    return round_up(core_count * core_bytes(ring_to_control_bytes, ring_to_core_bytes), 4096);
}

uint64_t session_ring_to_control_at(uint32_t core, uint32_t ring_to_control_bytes,
                                    uint32_t ring_to_core_bytes)
{
    return core * core_bytes(ring_to_control_bytes, ring_to_core_bytes);
}

uint64_t session_ring_to_core_at(uint32_t core, uint32_t ring_to_control_bytes,
                                 uint32_t ring_to_core_bytes)
{
    return session_ring_to_control_at(core, ring_to_control_bytes, ring_to_core_bytes) +
           round_up(byte_ring_size(ring_to_control_bytes), RING_LINE_BYTES);
}

static bool text_ends(const char *text, size_t capacity)
{
    return memchr(text, '\0', capacity) != NULL;
}

static bool ring_size_valid(uint32_t bytes)
{
    return bytes >= 4 * SLOW_FRAGMENT_BYTES_MAX && bytes <= 1u << 30 && (bytes & (bytes - 1)) == 0;
}

static bool directories_valid(const struct session_hello *hello)
{
    if (hello->directory_count == 0 || hello->directory_count > LOG_DIRECTORIES_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < hello->directory_count; i++) {
        const struct session_directory *directory = &hello->directories[i];
        if (!text_ends(directory->path, sizeof(directory->path)) || directory->clean > 1 ||
            directory->failed > 1) {
            return false;
        }
    }
    return true;
}

const char *session_hello_check(const struct link_message *message, struct session_hello *hello)
{
    if (message->len != sizeof(*hello)) {
        return "HELLO has another size: the two processes are of different builds";
    }
    memcpy(hello, message->bytes, sizeof(*hello));
    if (hello->kind != SESSION_HELLO) {
        return "the first message is not HELLO";
    }
    if (hello->protocol != SESSION_PROTOCOL || !text_ends(hello->build, sizeof(hello->build)) ||
        strcmp(hello->build, session_build()) != 0) {
        return "the two processes are of different builds";
    }
    if (hello->session == 0 || hello->core_count == 0 || hello->core_count > SESSION_CORES_MAX ||
        hello->partition_count > SESSION_PARTITIONS_MAX || hello->cluster_id[0] == '\0' ||
        !text_ends(hello->cluster_id, sizeof(hello->cluster_id)) || hello->node_id < 0) {
        return "HELLO is out of bounds";
    }
    if (!ring_size_valid(hello->ring_to_control_bytes) ||
        !ring_size_valid(hello->ring_to_core_bytes) || !directories_valid(hello)) {
        return "HELLO names bad rings or directories";
    }
    const uint32_t handles =
        SESSION_HANDLE_CORE_BELLS - (hello->statistics_bytes == 0 ? 1u : 0u) + hello->core_count;
    return message->handle_count == handles ? NULL : "HELLO brings the wrong number of handles";
}

const char *session_partitions_check(const struct session_partition *partitions, uint32_t count,
                                     uint32_t directory_count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (partitions[i].directory >= directory_count || uuid_is_zero(partitions[i].topic_id) ||
            partitions[i].leader_epoch < -1 || partitions[i].fresh > 1) {
            return "HELLO names an impossible partition";
        }
    }
    return NULL;
}
