#include "dataplane/broker/dispatch.h"

#include "dataplane/broker/handlers.h"
#include "dataplane/broker/produce.h"
#include "dataplane/broker/slow_errors.h"

enum {
    NO = 0,
    YES = 1,
};

/* before: served before authentication too. overlaps: beside others of its kind. */
#define FAST(name, before, overlaps, access, handler)                                           \
    {                                                                                           \
        API_##name, LANE_FAST, before, YES, overlaps, ACCESS_##access, NO, ERROR_NONE, handler, \
            NULL                                                                                \
    }
/* away error: when control is away or late. */
#define SLOW(name, access, away_error, slow_error)                                               \
    {                                                                                            \
        API_##name, LANE_SLOW, NO, YES, NO, ACCESS_##access, NO, ERROR_##away_error, slow_start, \
            slow_error                                                                           \
    }
/* Answered when others have come, or their time is up. */
#define WAIT(name, access, away_error, slow_error)                                                \
    {                                                                                             \
        API_##name, LANE_SLOW, NO, YES, NO, ACCESS_##access, YES, ERROR_##away_error, slow_start, \
            slow_error                                                                            \
    }

/* clang-format off */
const struct api_row dispatch_table[] = {
    /*   key                          before overlaps access             handler */
    FAST(PRODUCE,                     NO,    YES,     WRITE_TOPIC,       produce_start),
    FAST(FETCH,                       NO,    NO,      READ_TOPIC,        fetch_start),
    FAST(LIST_OFFSETS,                NO,    NO,      DESCRIBE_TOPIC,    list_offsets_start),
    FAST(METADATA,                    NO,    NO,      DESCRIBE_TOPIC,    metadata_start),
    /*   key                          access            away error         answer then */
    SLOW(OFFSET_COMMIT,               READ_GROUP,       NOT_COORDINATOR,   offset_commit_error),
    SLOW(OFFSET_FETCH,                DESCRIBE_GROUP,   NOT_COORDINATOR,   offset_fetch_error),
    SLOW(FIND_COORDINATOR,            DESCRIBE_GROUP,   COORDINATOR_NOT_AVAILABLE,
                                                                         find_coordinator_error),
    WAIT(JOIN_GROUP,                  READ_GROUP,       NOT_COORDINATOR,   join_group_error),
    SLOW(HEARTBEAT,                   READ_GROUP,       NOT_COORDINATOR,   heartbeat_error),
    SLOW(LEAVE_GROUP,                 READ_GROUP,       NOT_COORDINATOR,   leave_group_error),
    WAIT(SYNC_GROUP,                  READ_GROUP,       NOT_COORDINATOR,   sync_group_error),
    SLOW(DESCRIBE_GROUPS,             DESCRIBE_GROUP,   NOT_COORDINATOR,   describe_groups_error),
    SLOW(LIST_GROUPS,                 DESCRIBE_CLUSTER, COORDINATOR_NOT_AVAILABLE,
                                                                         list_groups_error),
    FAST(API_VERSIONS,                YES,   NO,      NONE,              api_versions_start),
    /*   key                          access            away error         answer then */
    SLOW(CREATE_TOPICS,               CREATE_TOPIC,     NOT_CONTROLLER,    create_topics_error),
    SLOW(DELETE_TOPICS,               DELETE_TOPIC,     NOT_CONTROLLER,    delete_topics_error),
    FAST(DELETE_RECORDS,              NO,    NO,      DELETE_RECORDS,    delete_records_start),
    /* Those with a transactional id are for the coordinator. */
    {API_INIT_PRODUCER_ID, LANE_FAST, NO, YES, NO, ACCESS_IDEMPOTENT_WRITE, NO,
     ERROR_COORDINATOR_NOT_AVAILABLE, init_producer_id_start, init_producer_id_error},
    FAST(OFFSET_FOR_LEADER_EPOCH,     NO,    NO,      DESCRIBE_TOPIC,    epoch_end_start),
    SLOW(ADD_PARTITIONS_TO_TXN,       WRITE_TXN, COORDINATOR_NOT_AVAILABLE,
                                                                      add_partitions_to_txn_error),
    SLOW(ADD_OFFSETS_TO_TXN,          WRITE_TXN, COORDINATOR_NOT_AVAILABLE,
                                                                      add_offsets_to_txn_error),
    SLOW(END_TXN,                     WRITE_TXN, COORDINATOR_NOT_AVAILABLE,
                                                                      end_txn_error),
    SLOW(WRITE_TXN_MARKERS,           ALTER_CLUSTER, NOT_LEADER_OR_FOLLOWER,
                                                                      write_txn_markers_error),
    SLOW(TXN_OFFSET_COMMIT,           WRITE_TXN, COORDINATOR_NOT_AVAILABLE,
                                                                      txn_offset_commit_error),
    FAST(DESCRIBE_ACLS,               NO,    NO,      DESCRIBE_CLUSTER,  describe_acls_start),
    FAST(CREATE_ACLS,                 NO,    NO,      ALTER_CLUSTER,     create_acls_start),
    FAST(DELETE_ACLS,                 NO,    NO,      ALTER_CLUSTER,     delete_acls_start),
    SLOW(DESCRIBE_CONFIGS,            DESCRIBE_CONFIGS, REQUEST_TIMED_OUT, describe_configs_error),
    SLOW(ALTER_CONFIGS,               ALTER_CONFIGS,    NOT_CONTROLLER,    alter_configs_error),
    FAST(DESCRIBE_LOG_DIRS,           NO,    NO,      DESCRIBE_CLUSTER,  describe_log_dirs_start),
    SLOW(CREATE_PARTITIONS,           ALTER_TOPIC,      NOT_CONTROLLER,    create_partitions_error),
    SLOW(DELETE_GROUPS,               DELETE_GROUP,     NOT_COORDINATOR,   delete_groups_error),
    SLOW(ELECT_LEADERS,               ALTER_CLUSTER,    NOT_CONTROLLER,    elect_leaders_error),
    SLOW(INCREMENTAL_ALTER_CONFIGS,   ALTER_CONFIGS,    NOT_CONTROLLER,    incremental_alter_error),
    SLOW(ALTER_PARTITION_REASSIGNMENTS, ALTER_CLUSTER, NOT_CONTROLLER, alter_reassignments_error),
    SLOW(LIST_PARTITION_REASSIGNMENTS, DESCRIBE_CLUSTER, NOT_CONTROLLER, list_reassignments_error),
    SLOW(OFFSET_DELETE,               DELETE_GROUP,     NOT_COORDINATOR,   offset_delete_error),
    FAST(DESCRIBE_CLUSTER,            NO,    NO,      DESCRIBE_CLUSTER,  describe_cluster_start),
    FAST(DESCRIBE_PRODUCERS,          NO,    NO,      READ_TOPIC,        describe_producers_start),
    SLOW(DESCRIBE_TRANSACTIONS,       DESCRIBE_TXN, COORDINATOR_NOT_AVAILABLE,
                                                                      describe_transactions_error),
    SLOW(LIST_TRANSACTIONS,           DESCRIBE_TXN, COORDINATOR_NOT_AVAILABLE,
                                                                      list_transactions_error),
    SLOW(CONSUMER_GROUP_HEARTBEAT,    READ_GROUP,       NOT_COORDINATOR,  consumer_heartbeat_error),
    SLOW(CONSUMER_GROUP_DESCRIBE,     DESCRIBE_GROUP,   NOT_COORDINATOR,   consumer_describe_error),
    SLOW(LIST_CONFIG_RESOURCES,       DESCRIBE_CONFIGS, REQUEST_TIMED_OUT, list_resources_error),
    FAST(DESCRIBE_TOPIC_PARTITIONS,   NO,    NO,      DESCRIBE_TOPIC,    topic_partitions_start),
};
/* clang-format on */

const uint32_t dispatch_count = ARRAY_SIZE(dispatch_table);
_Static_assert(ARRAY_SIZE(dispatch_table) <= BROKER_API_SLOTS, "a counter for each API");
_Static_assert(API_PRODUCE == 0, "the first of both tables");

const struct api_row *dispatch_find(int16_t key)
{
    uint32_t low = 0;
    uint32_t high = dispatch_count;
    if (key >= 0 && (uint32_t)key < high && dispatch_table[key].key == key) {
        return &dispatch_table[key]; /* Produce and all others before the first gap. */
    }
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (dispatch_table[middle].key == key) {
            return &dispatch_table[middle];
        }
        if (dispatch_table[middle].key < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static bool phase_allows(const struct connection *connection, const struct api_row *row)
{
    return connection->phase == PHASE_AUTHENTICATING ? row->before_authentication
                                                     : row->after_authentication;
}

/* Returns the bytes of the header; 0: it does not parse. */
static inline uint32_t header_decode(const struct request *request, struct request_header *header)
{
    const struct chain *frame = &request->body;
    const uint32_t usual_bytes =
        LIKELY(request->piece_count == 1)
            ? request_header_usual(frame->parts, frame->offset, frame->len, header)
            : 0;
    if (LIKELY(usual_bytes > 0)) {
        return usual_bytes;
    }
    struct reader reader;
    reader_init(&reader, *frame);
    return request_header_decode(&reader, header) == CODEC_OK
               ? request->frame_bytes - reader_left(&reader)
               : 0;
}

/* What its frame is as a request of that row, to be handed to the handler. */
HOT_INLINE void request_enter(struct request *request, const struct api_row *row,
                              const struct request_header *header, uint32_t header_bytes)
{
    struct connection *connection = request->connection;
    request->row = row;
    request->api = header->api;
    request->version = header->api_version;
    request->version_known = header->version_known;
    request->correlation_id = header->correlation_id;
    request->client_id = header->client_id;
    if (LIKELY(request->piece_count == 1)) {
        request->body.offset += header_bytes;
        request->body.len -= header_bytes;
    } else {
        request->body = chain_skip(request->body, header_bytes);
    }
    request->overlaps = row->overlaps;
    connection->overlap_count += row->overlaps;
}

bool dispatch_start(struct request *request, const struct api_row *row)
{
    const struct connection *connection = request->connection;
    struct request_header header;
    const uint32_t header_bytes = header_decode(request, &header);
    if (header_bytes == 0 || row == NULL || !phase_allows(connection, row)) {
        return false;
    }
    ASSERT_HOT(row->key == header.api->key);
    struct broker *broker = connection->broker;
    request_enter(request, row, &header, header_bytes);
    dispatch_count_requests(broker, row, 1, request->frame_bytes + FRAME_PREFIX_BYTES);
    scratch_reset(&broker->scratch);
    return row->handler(broker, request);
}

LINK_INLINE void dispatch_enter_again(struct request *request)
{
    enum { AT_CORRELATION_ID = 4, AT_CLIENT_ID = 10 };
    const struct connection *connection = request->connection;
    const struct produce_before *before = &connection->before;
    const struct chain frame = request->body;
    const struct request_header header = {
        .api = &api_table[API_PRODUCE],
        .api_version = before->version,
        .version_known = true,
        .correlation_id = (int32_t)load_be32(frame.parts->ptr + frame.offset + AT_CORRELATION_ID),
        .client_id = {.parts = frame.parts,
                      .offset = frame.offset + AT_CLIENT_ID,
                      .len = before->client_id_bytes},
    };
    request_enter(request, &dispatch_table[API_PRODUCE], &header, before->header_bytes);
}
