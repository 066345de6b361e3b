/* ApiVersions (B4, B5): computed from the dispatch table and the schema. */
#include "dataplane/broker/handlers.h"
#include "dataplane/broker/request.h"

enum {
    FEATURES_FROM = 3,
    METADATA_VERSION_MIN = 7,    /* 3.3-IV3, the least that Kafka 4.2 supports. */
    METADATA_VERSION_MAX = 29,   /* 4.2-IV1 */
    GROUP_VERSION_MAX = 1,       /* The consumer protocol, KIP-848. */
    TRANSACTION_VERSION_MAX = 2, /* Every end of a transaction raises the epoch, KIP-890. */
    FEATURES = 3,
};

static void encode_api(struct writer *writer, int16_t version, const struct api_info *info)
{
    const struct api_versions_response_api api = {
        .api_key = info->key,
        .min_version = info->advertised_min,
        .max_version = info->version_max,
    };
    api_versions_response_api_encode(writer, version, &api);
}

/* A version above ours: version 0 that names only this API, so that the client asks again. */
static void unsupported_build(struct broker *broker, struct request *request, struct writer *writer)
{
    struct api_versions_response response = api_versions_response_default;
    (void)broker;
    (void)request;
    response.error_code = ERROR_UNSUPPORTED_VERSION;
    api_versions_response_encode_begin(writer, 0, &response, 1);
    encode_api(writer, 0, api_find(API_API_VERSIONS));
    api_versions_response_encode_end(writer, 0, &response);
}

static void refused_build(struct broker *broker, struct request *request, struct writer *writer)
{
    struct api_versions_response response = api_versions_response_default;
    (void)broker;
    response.error_code = request->error;
    api_versions_response_encode(writer, request->version, &response);
}

/* Level 0 is not told, as in Kafka. */
static int32_t finalized_make(const struct snapshot *snapshot,
                              const struct api_versions_response_supported_feature *supported,
                              struct api_versions_response_finalized_feature *to)
{
    const int16_t levels[FEATURES] = {snapshot->metadata_version, snapshot->group_version,
                                      snapshot->transaction_version};
    int32_t count = 0;
    for (uint32_t i = 0; i < FEATURES; i++) {
        if (levels[i] > 0) {
            to[count++] = (struct api_versions_response_finalized_feature){supported[i].name,
                                                                           levels[i], levels[i]};
        }
    }
    return count;
}

static void api_versions_build(struct broker *broker, struct request *request,
                               struct writer *writer)
{
    const int16_t version = request->version;
    const struct snapshot *snapshot = broker->snapshot;
    struct api_versions_response response = api_versions_response_default;
    const struct api_versions_response_supported_feature supported[FEATURES] = {
        {CHAIN_TEXT("metadata.version"), METADATA_VERSION_MIN, METADATA_VERSION_MAX},
        {CHAIN_TEXT("group.version"), 0, GROUP_VERSION_MAX},
        {CHAIN_TEXT("transaction.version"), 0, TRANSACTION_VERSION_MAX},
    };
    struct api_versions_response_finalized_feature finalized[FEATURES];
    if (version >= FEATURES_FROM) {
        response.supported_features.items = supported;
        response.supported_features.count = FEATURES;
        response.finalized_features_epoch = snapshot->finalized_features_epoch;
        response.finalized_features.items = finalized;
        response.finalized_features.count = finalized_make(snapshot, supported, finalized);
    }
    api_versions_response_encode_begin(writer, version, &response, (int32_t)dispatch_count);
    for (uint32_t i = 0; i < dispatch_count; i++) {
        encode_api(writer, version, api_find(dispatch_table[i].key));
    }
    api_versions_response_encode_end(writer, version, &response);
}

static bool letter_or_digit(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9');
}

/* Kafka's ApiVersionsRequest.java: letters and digits, in between also '-' and '.'. */
static bool software_valid(struct chain text)
{
    const uint32_t len = text.len;
    for (uint32_t i = 0; i < len; i++) {
        /* There is a byte while i < len. NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
        const uint8_t byte = chain_first(text).ptr[0];
        const bool inner = i > 0 && i + 1 < len && (byte == '-' || byte == '.');
        if (!letter_or_digit(byte) && !inner) {
            return false;
        }
        text = chain_skip(text, 1);
    }
    return len > 0;
}

bool api_versions_start(struct broker *broker, struct request *request)
{
    struct api_versions_request *body = &request->body_of.api_versions;
    struct reader reader;
    (void)broker;
    if (!request->version_known) {
        request->version = 0;
        request_done(request, unsupported_build);
        return true;
    }
    reader_init(&reader, request->body);
    if (api_versions_request_decode(&reader, request->version, body) != CODEC_OK) {
        return false;
    }
    if (request->version >= FEATURES_FROM && (!software_valid(body->client_software_name) ||
                                              !software_valid(body->client_software_version))) {
        request->error = ERROR_INVALID_REQUEST;
        request_done(request, refused_build);
        return true;
    }
    request_done(request, api_versions_build);
    return true;
}
