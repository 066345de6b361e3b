/* DescribeCluster: the broker itself, from the snapshot. */
#include "dataplane/broker/handlers.h"
#include "dataplane/broker/operations_allowed.h"
#include "dataplane/broker/request.h"
#include "dataplane/broker/topics.h"

enum { ENDPOINT_BROKERS = 1, ENDPOINT_CONTROLLERS = 2 };

static void cluster_build(struct broker *broker, struct request *request, struct writer *writer)
{
    const struct snapshot *snapshot = broker->snapshot;
    const struct describe_cluster_request *body = &request->body_of.describe_cluster;
    const int16_t version = request->version;
    char text[HOST_TEXT_BYTES];
    const struct bytes host = broker_host(snapshot, request->connection, text);
    struct describe_cluster_response_broker node = describe_cluster_response_broker_default;
    node.broker_id = snapshot->broker.node_id;
    node.host = chain_of(&host);
    node.port = broker_port(snapshot, request->connection);
    node.rack = snapshot->broker.rack.ptr == NULL ? CHAIN_NULL : chain_of(&snapshot->broker.rack);
    struct describe_cluster_response response = describe_cluster_response_default;
    response.cluster_id = chain_of(&snapshot->cluster_id);
    response.controller_id = snapshot->broker.node_id;
    if (body->include_cluster_authorized_operations) {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    describe_cluster_response_encode_begin(writer, version, &response, 1);
    describe_cluster_response_broker_encode(writer, version, &node);
    describe_cluster_response_encode_end(writer, version, &response);
}

static void refused_build(struct broker *broker, struct request *request, struct writer *writer)
{
    struct describe_cluster_response response = describe_cluster_response_default;
    (void)broker;
    response.error_code = request->error;
    response.error_message = CHAIN_TEXT("this endpoint answers for brokers");
    response.cluster_id = CHAIN_EMPTY;
    describe_cluster_response_encode(writer, request->version, &response);
}

bool describe_cluster_start(struct broker *broker, struct request *request)
{
    struct describe_cluster_request *body = &request->body_of.describe_cluster;
    struct reader reader;
    (void)broker;
    reader_init(&reader, request->body);
    if (describe_cluster_request_decode(&reader, request->version, body) != CODEC_OK) {
        return false;
    }
    if (body->endpoint_type != ENDPOINT_BROKERS) {
        request->error = body->endpoint_type == ENDPOINT_CONTROLLERS
                             ? ERROR_MISMATCHED_ENDPOINT_TYPE
                             : ERROR_UNSUPPORTED_ENDPOINT_TYPE;
        request_done(request, refused_build);
        return true;
    }
    request_done(request, cluster_build);
    return true;
}
