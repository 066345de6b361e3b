#include "control/step.h"

static bool type_supported(int16_t version, int8_t type)
{
    return type == RESOURCE_CLIENT_METRICS ||
           (version > 0 && (type == RESOURCE_TOPIC || type == RESOURCE_BROKER ||
                            type == RESOURCE_BROKER_LOGGER || type == RESOURCE_GROUP));
}

static bool type_asked(struct i8_array types, int8_t wanted)
{
    bool any = types.count <= 0;
    int8_t type;
    while (i8_array_next(&types, &type)) {
        any = any || type == wanted;
    }
    return any;
}

struct listing {
    struct arena *arena;
    struct list_config_resources_response_resource *items;
    int32_t count;
};

static void listing_add(struct listing *listing, enum resource_type type, struct bytes name)
{
    struct list_config_resources_response_resource *item = &listing->items[listing->count++];
    *item = list_config_resources_response_resource_default;
    item->resource_type = (int8_t)type;
    item->resource_name = arena_chain(listing->arena, arena_copy(listing->arena, name));
}

static void listing_add_configured(struct listing *listing, const struct image *image,
                                   enum resource_type type)
{
    for (uint32_t i = 0; i < image->resource_count; i++) {
        if (image->resources[i].type == type) {
            listing_add(listing, type, image->resources[i].name);
        }
    }
}

/* Groups and client metrics are known by their settings; topics and the node by being there. */
static void listing_fill(struct listing *listing, const struct step *step, struct i8_array types)
{
    const struct image *image = step_image(step);
    const bool all = step->version > 0;
    const struct bytes node = bytes_of_string(step->view.node_name);
    if (all && type_asked(types, RESOURCE_GROUP)) {
        listing_add_configured(listing, image, RESOURCE_GROUP);
    }
    if (type_asked(types, RESOURCE_CLIENT_METRICS)) {
        listing_add_configured(listing, image, RESOURCE_CLIENT_METRICS);
    }
    if (all && type_asked(types, RESOURCE_BROKER_LOGGER)) {
        listing_add(listing, RESOURCE_BROKER_LOGGER, node);
    }
    if (all && type_asked(types, RESOURCE_BROKER)) {
        listing_add(listing, RESOURCE_BROKER, node);
    }
    for (uint32_t i = 0; all && type_asked(types, RESOURCE_TOPIC) && i < image->topic_count; i++) {
        listing_add(listing, RESOURCE_TOPIC, image->topics[i]->name);
    }
}

void list_config_resources_step(struct step *step)
{
    struct list_config_resources_request request;
    if (list_config_resources_request_decode(&step->body, step->version, &request) != CODEC_OK) {
        step->malformed = true;
        return;
    }
    struct list_config_resources_response *answer =
        ARENA_ARRAY(step->arena, struct list_config_resources_response, 1);
    *answer = list_config_resources_response_default;
    step->answer = answer;
    struct i8_array types = request.resource_types;
    int8_t type;
    while (step->version > 0 && i8_array_next(&types, &type)) {
        if (!type_supported(step->version, type)) {
            answer->error_code = ERROR_UNSUPPORTED_VERSION;
            return;
        }
    }
    const struct image *image = step_image(step);
    struct listing listing = {.arena = step->arena};
    listing.items = ARENA_ARRAY(step->arena, struct list_config_resources_response_resource,
                                image->topic_count + image->resource_count + 2);
    listing_fill(&listing, step, request.resource_types);
    answer->config_resources.items = listing.items;
    answer->config_resources.count = listing.count;
}
