/* DescribeAcls, CreateAcls, DeleteAcls of a node without an authorizer: there are no access rules,
 * and who asks is told so, as by Kafka. MirrorMaker, for one, then leaves them alone. */
#include "dataplane/broker/handlers.h"
#include "dataplane/broker/request.h"

/* Kafka's AclOperation, AclPermissionType, PatternType and ResourceType call 0 unknown, and close
 * the connection over it. */
static bool known(int8_t resource_type, int8_t pattern_type, int8_t operation, int8_t permission)
{
    return resource_type != 0 && pattern_type != 0 && operation != 0 && permission != 0;
}

static void describe_build(struct broker *broker, struct request *request, struct writer *writer)
{
    struct describe_acls_response response = describe_acls_response_default;
    (void)broker;
    response.error_code = request->error;
    response.error_message = CHAIN_TEXT("No Authorizer is configured on the broker");
    describe_acls_response_encode(writer, request->version, &response);
}

bool describe_acls_start(struct broker *broker, struct request *request)
{
    struct describe_acls_request body;
    struct reader reader;
    (void)broker;
    reader_init(&reader, request->body);
    if (describe_acls_request_decode(&reader, request->version, &body) != CODEC_OK ||
        !known(body.resource_type_filter, body.pattern_type_filter, body.operation,
               body.permission_type)) {
        return false;
    }
    request->error = ERROR_SECURITY_DISABLED;
    request_done(request, describe_build);
    return true;
}

static void create_build(struct broker *broker, struct request *request, struct writer *writer)
{
    const struct create_acls_response response = create_acls_response_default;
    struct create_acls_response_result result = create_acls_response_result_default;
    const int32_t count = request->body_of.create_acls.creations.count;
    (void)broker;
    result.error_code = request->error;
    result.error_message = CHAIN_TEXT("No Authorizer is configured.");
    create_acls_response_encode_begin(writer, request->version, &response, count);
    for (int32_t i = 0; i < count; i++) {
        create_acls_response_result_encode(writer, request->version, &result);
    }
    create_acls_response_encode_end(writer, request->version, &response);
}

bool create_acls_start(struct broker *broker, struct request *request)
{
    struct create_acls_request *body = &request->body_of.create_acls;
    struct reader reader;
    (void)broker;
    reader_init(&reader, request->body);
    if (create_acls_request_decode(&reader, request->version, body) != CODEC_OK) {
        return false;
    }
    struct create_acls_request_creation_array creations = body->creations;
    struct create_acls_request_creation creation;
    while (create_acls_request_creation_array_next(&creations, &creation)) {
        if (!known(creation.resource_type, creation.resource_pattern_type, creation.operation,
                   creation.permission_type)) {
            return false;
        }
    }
    request->error = ERROR_SECURITY_DISABLED;
    request_done(request, create_build);
    return true;
}

static void delete_build(struct broker *broker, struct request *request, struct writer *writer)
{
    const struct delete_acls_response response = delete_acls_response_default;
    struct delete_acls_response_result result = delete_acls_response_result_default;
    const int32_t count = request->body_of.delete_acls.filters.count;
    (void)broker;
    result.error_code = request->error;
    result.error_message = CHAIN_TEXT("No Authorizer is configured.");
    delete_acls_response_encode_begin(writer, request->version, &response, count);
    for (int32_t i = 0; i < count; i++) {
        delete_acls_response_result_encode(writer, request->version, &result);
    }
    delete_acls_response_encode_end(writer, request->version, &response);
}

bool delete_acls_start(struct broker *broker, struct request *request)
{
    struct delete_acls_request *body = &request->body_of.delete_acls;
    struct reader reader;
    (void)broker;
    reader_init(&reader, request->body);
    if (delete_acls_request_decode(&reader, request->version, body) != CODEC_OK) {
        return false;
    }
    struct delete_acls_request_filter_array filters = body->filters;
    struct delete_acls_request_filter filter;
    while (delete_acls_request_filter_array_next(&filters, &filter)) {
        if (!known(filter.resource_type_filter, filter.pattern_type_filter, filter.operation,
                   filter.permission_type)) {
            return false;
        }
    }
    request->error = ERROR_SECURITY_DISABLED;
    request_done(request, delete_build);
    return true;
}
