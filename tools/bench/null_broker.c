/* The yardstick: a single thread on epoll that receives, frames, checks the CRC of every batch and
 * answers with what a broker would say, without keeping anything. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/kafka/messages.h"
#include "storage/record/batch.h"
#include "tools/bench/run.h"

enum {
    IN_BYTES = 4 << 20,
    OUT_BYTES = 1 << 20,
    OUT_RESERVE_BYTES = 512 << 10, /* Room for the largest answer: metadata. */
    EVENTS_MAX = 64,
    PARTITIONS_MAX = 4096,
    TOPICS_MAX = 4, /* More share the last one's offsets. */
};

struct null_topic {
    char name[256];
    uint32_t name_len; /* 0: none yet. */
    int64_t next_offset[PARTITIONS_MAX];
};

struct null_client {
    int fd;
    uint8_t *in, *out;
    uint32_t in_used, out_used;
};

struct null_broker {
    int epoll, listener;
    uint64_t partition_count;
    uint16_t port;
    struct null_topic topics[TOPICS_MAX];
    struct metadata_response_partition partitions[PARTITIONS_MAX];
};

static struct null_topic *topic_find(struct null_broker *broker, struct chain name)
{
    struct null_topic *topic = broker->topics;
    for (uint32_t i = 0; i < TOPICS_MAX; i++) {
        topic = &broker->topics[i];
        if (topic->name_len == 0) {
            topic->name_len = min_u32(name.len, sizeof(topic->name));
            chain_copy(name, topic->name, topic->name_len);
        }
        if (chain_equals(name, (struct bytes){(const uint8_t *)topic->name, topic->name_len})) {
            break;
        }
    }
    return topic;
}

/* False: no answer is wanted. */
static bool answer_produce(struct null_broker *broker, struct writer *writer, int16_t version,
                           struct reader *reader)
{
    struct produce_request request;
    struct produce_request_topic topic;
    struct produce_request_partition partition;
    struct produce_response response = produce_response_default;
    struct produce_response_topic topic_out = produce_response_topic_default;
    struct produce_response_partition out = produce_response_partition_default;
    if (produce_request_decode(reader, version, &request) != CODEC_OK ||
        !produce_request_topic_array_next(&request.topic_data, &topic) ||
        !produce_request_partition_array_next(&topic.partition_data, &partition)) {
        return true;
    }
    struct batch_header header;
    out.index = partition.index;
    out.error_code = 2; /* CORRUPT_MESSAGE */
    if (partition.index >= 0 && partition.index < PARTITIONS_MAX &&
        batch_parse(partition.records, &header) == BATCH_OK &&
        batch_check_crc(partition.records, &header) == BATCH_OK) {
        out.error_code = 0;
        int64_t *next_offset = &topic_find(broker, topic.name)->next_offset[partition.index];
        out.base_offset = *next_offset;
        *next_offset += header.record_count;
    }
    out.log_start_offset = 0;
    topic_out.name = topic.name;
    topic_out.partition_responses.items = &out;
    topic_out.partition_responses.count = 1;
    response.responses.items = &topic_out;
    response.responses.count = 1;
    (void)produce_response_encode(writer, version, &response);
    return request.acks != 0;
}

static void answer_metadata(struct null_broker *broker, struct writer *writer, int16_t version,
                            struct reader *reader)
{
    static const int32_t self[1] = {0};
    struct metadata_request request;
    struct metadata_request_topic topic;
    struct metadata_response response = metadata_response_default;
    struct metadata_response_broker node = {.host = CHAIN_TEXT("127.0.0.1"), .port = broker->port};
    struct metadata_response_topic out = metadata_response_topic_default;
    if (metadata_request_decode(reader, version, &request) != CODEC_OK) {
        return;
    }
    for (uint64_t i = 0; i < broker->partition_count; i++) {
        broker->partitions[i] = metadata_response_partition_default;
        broker->partitions[i].partition_index = (int32_t)i;
        broker->partitions[i].replica_nodes.items = self;
        broker->partitions[i].replica_nodes.count = 1;
        broker->partitions[i].isr_nodes = broker->partitions[i].replica_nodes;
    }
    response.brokers.items = &node;
    response.brokers.count = 1;
    if (metadata_request_topic_array_next(&request.topics, &topic)) {
        out.name = topic.name;
        out.partitions.items = broker->partitions;
        out.partitions.count = (int32_t)broker->partition_count;
        response.topics.items = &out;
        response.topics.count = 1;
    }
    (void)metadata_response_encode(writer, version, &response);
}

static void answer_create(struct writer *writer, int16_t version, struct reader *reader)
{
    struct create_topics_request request;
    struct create_topics_request_topic topic;
    struct create_topics_response response = create_topics_response_default;
    struct create_topics_response_topic out = create_topics_response_topic_default;
    if (create_topics_request_decode(reader, version, &request) != CODEC_OK ||
        !create_topics_request_topic_array_next(&request.topics, &topic)) {
        return;
    }
    out.name = topic.name;
    response.topics.items = &out;
    response.topics.count = 1;
    (void)create_topics_response_encode(writer, version, &response);
}

/* Of one partition: the end, whatever was asked for. */
static void answer_offsets(struct null_broker *broker, struct writer *writer, int16_t version,
                           struct reader *reader)
{
    struct list_offsets_request request;
    struct list_offsets_request_topic topic;
    struct list_offsets_request_partition partition;
    struct list_offsets_response response = list_offsets_response_default;
    struct list_offsets_response_topic topic_out = list_offsets_response_topic_default;
    struct list_offsets_response_partition out = list_offsets_response_partition_default;
    if (list_offsets_request_decode(reader, version, &request) != CODEC_OK ||
        !list_offsets_request_topic_array_next(&request.topics, &topic) ||
        !list_offsets_request_partition_array_next(&topic.partitions, &partition) ||
        (uint64_t)partition.partition_index >= broker->partition_count) {
        return;
    }
    out.partition_index = partition.partition_index;
    out.offset = topic_find(broker, topic.name)->next_offset[partition.partition_index];
    topic_out.name = topic.name;
    topic_out.partitions.items = &out;
    topic_out.partitions.count = 1;
    response.topics.items = &topic_out;
    response.topics.count = 1;
    (void)list_offsets_response_encode(writer, version, &response);
}

/* Answers one frame into the client's out buffer. False when it cannot: the client is closed. */
static bool frame_answer(struct null_broker *broker, struct null_client *client, struct bytes frame)
{
    struct reader reader;
    struct request_header header;
    struct writer writer;
    reader_init(&reader, chain_of(&frame));
    if (request_header_decode(&reader, &header) != CODEC_OK) {
        return false;
    }
    writer_init(&writer, client->out + client->out_used, OUT_BYTES - client->out_used);
    response_begin(&writer, header.api, header.api_version, header.correlation_id);
    const uint32_t before = writer_used(&writer);
    if (header.api->key == 0) {
        if (!answer_produce(broker, &writer, header.api_version, &reader)) {
            return true;
        }
    } else if (header.api->key == 2) {
        answer_offsets(broker, &writer, header.api_version, &reader);
    } else if (header.api->key == 3) {
        answer_metadata(broker, &writer, header.api_version, &reader);
    } else if (header.api->key == 19) {
        answer_create(&writer, header.api_version, &reader);
    } else if (header.api->key == 20) {
        (void)delete_topics_response_encode(&writer, header.api_version,
                                            &delete_topics_response_default);
    }
    if (writer_used(&writer) == before || frame_end(&writer) != CODEC_OK) {
        return false;
    }
    client->out_used += writer_used(&writer);
    return true;
}

static bool client_flush(struct null_client *client)
{
    uint32_t sent = 0;
    while (sent < client->out_used) {
        const ssize_t done =
            send(client->fd, client->out + sent, client->out_used - sent, MSG_NOSIGNAL);
        if (done < 0 && errno != EAGAIN) {
            return false;
        }
        sent += done > 0 ? (uint32_t)done : 0;
    }
    client->out_used = 0;
    return true;
}

static bool client_turn(struct null_broker *broker, struct null_client *client)
{
    const ssize_t got =
        recv(client->fd, client->in + client->in_used, IN_BYTES - client->in_used, MSG_DONTWAIT);
    if (got <= 0) {
        return got < 0 && errno == EAGAIN;
    }
    client->in_used += (uint32_t)got;
    uint32_t at = 0;
    while (client->in_used - at >= 4) {
        const uint32_t length = load_be32(client->in + at);
        if (length > IN_BYTES - 4) {
            return false;
        }
        if (client->in_used - at - 4 < length) {
            break;
        }
        if (!frame_answer(broker, client, (struct bytes){client->in + at + 4, length})) {
            return false;
        }
        at += 4 + length;
        if (OUT_BYTES - client->out_used < OUT_RESERVE_BYTES && !client_flush(client)) {
            return false;
        }
    }
    client->in_used -= at;
    memmove(client->in, client->in + at, client->in_used);
    return client_flush(client);
}

static void client_open(struct null_broker *broker)
{
    const int on = 1;
    struct null_client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        return;
    }
    client->fd = accept4(broker->listener, NULL, NULL, SOCK_CLOEXEC);
    client->in = malloc(IN_BYTES);
    client->out = malloc(OUT_BYTES);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (client->fd < 0 || client->in == NULL || client->out == NULL ||
        setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        epoll_ctl(broker->epoll, EPOLL_CTL_ADD, client->fd, &event) != 0) {
        (void)close(client->fd);
        free(client->in);
        free(client->out);
        free(client);
    }
    /* Else it is epoll's now. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
}

static void client_close(struct null_client *client)
{
    (void)close(client->fd);
    free(client->in);
    free(client->out);
    free(client);
}

static bool broker_listen(struct null_broker *broker, const char *address)
{
    const char *colon = strrchr(address, ':');
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    broker->port = (uint16_t)(colon == NULL ? 9092 : strtoul(colon + 1, NULL, 10));
    local.sin_port = htons(broker->port);
    broker->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    broker->epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    return broker->listener >= 0 && broker->epoll >= 0 &&
           setsockopt(broker->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
           bind(broker->listener, (struct sockaddr *)&local, sizeof(local)) == 0 &&
           listen(broker->listener, 128) == 0 &&
           epoll_ctl(broker->epoll, EPOLL_CTL_ADD, broker->listener, &event) == 0;
}

int run_null_broker(const struct bench_options *options)
{
    struct null_broker *broker = calloc(1, sizeof(*broker));
    if (broker == NULL || options->partitions > PARTITIONS_MAX) {
        free(broker);
        return 1;
    }
    broker->partition_count = options->partitions;
    if (!broker_listen(broker, options->bootstrap)) {
        (void)fprintf(stderr, "bench: cannot listen on %s: %s\n", options->bootstrap,
                      strerror(errno));
        free(broker);
        return 1;
    }
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        const int count = epoll_wait(broker->epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            struct null_client *client = events[i].data.ptr;
            if (client == NULL) {
                client_open(broker);
            } else if (!client_turn(broker, client)) {
                client_close(client);
            }
        }
    }
}
