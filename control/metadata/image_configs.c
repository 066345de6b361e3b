#include <stdlib.h>

#include "control/metadata/image.h"

static void bytes_free(struct bytes bytes)
{
    free((void *)(uintptr_t)bytes.ptr);
}

/* The first resource that is not below (type, name). */
static uint32_t resource_position(const struct image *image, enum resource_type type,
                                  struct bytes name)
{
    uint32_t low = 0;
    uint32_t high = image->resource_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const struct image_resource *at = &image->resources[middle];
        const int order =
            at->type != type ? (at->type < type ? -1 : 1) : bytes_order(at->name, name);
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool resource_is(const struct image *image, uint32_t at, enum resource_type type,
                        struct bytes name)
{
    return at < image->resource_count && image->resources[at].type == type &&
           bytes_equal(image->resources[at].name, name);
}

const struct image_resource *image_resource(const struct image *image, enum resource_type type,
                                            struct bytes name)
{
    const uint32_t at = resource_position(image, type, name);
    return resource_is(image, at, type, name) ? &image->resources[at] : NULL;
}

/* The first entry whose key is not below `key`. */
static uint32_t entry_position(const struct image_resource *resource, struct bytes key)
{
    uint32_t low = 0;
    uint32_t high = resource->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (bytes_order(resource->entries[middle].key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool entry_is(const struct image_resource *resource, uint32_t at, struct bytes key)
{
    return at < resource->count && bytes_equal(resource->entries[at].key, key);
}

const struct image_config_entry *image_resource_entry(const struct image_resource *resource,
                                                      struct bytes key)
{
    if (resource == NULL) {
        return NULL;
    }
    const uint32_t at = entry_position(resource, key);
    return entry_is(resource, at, key) ? &resource->entries[at] : NULL;
}

const char *image_resource_value(const struct image_resource *resource, struct bytes key)
{
    const struct image_config_entry *entry = image_resource_entry(resource, key);
    return entry == NULL ? NULL : (const char *)entry->value.ptr;
}

static struct image_resource *resource_make(struct image *image, uint32_t at,
                                            enum resource_type type, struct bytes name)
{
    if (image->resource_count == image->resource_capacity) {
        image->resource_capacity =
            image->resource_capacity == 0 ? 16 : image->resource_capacity * 2;
        image->resources =
            realloc(image->resources, image->resource_capacity * sizeof(*image->resources));
        ASSERT(image->resources != NULL);
    }
    memmove(&image->resources[at + 1], &image->resources[at],
            (image->resource_count - at) * sizeof(*image->resources));
    image->resource_count++;
    image->resources[at] = (struct image_resource){.type = type, .name = bytes_copy(name)};
    return &image->resources[at];
}

static void entry_remove(struct image_resource *resource, uint32_t at)
{
    bytes_free(resource->entries[at].key);
    bytes_free(resource->entries[at].value);
    resource->count--;
    memmove(&resource->entries[at], &resource->entries[at + 1],
            (resource->count - at) * sizeof(*resource->entries));
}

static void resource_drop(struct image *image, uint32_t at)
{
    struct image_resource *resource = &image->resources[at];
    while (resource->count > 0) {
        entry_remove(resource, resource->count - 1);
    }
    bytes_free(resource->name);
    free(resource->entries);
    image->resource_count--;
    memmove(resource, resource + 1, (image->resource_count - at) * sizeof(*resource));
}

void image_resource_remove(struct image *image, enum resource_type type, struct bytes name)
{
    const uint32_t at = resource_position(image, type, name);
    if (resource_is(image, at, type, name)) {
        resource_drop(image, at);
    }
}

static void entry_set(struct image_resource *resource, struct bytes key, struct bytes value)
{
    const uint32_t at = entry_position(resource, key);
    if (entry_is(resource, at, key)) {
        bytes_free(resource->entries[at].value);
        resource->entries[at].value = bytes_copy(value);
        return;
    }
    if (resource->count == resource->capacity) {
        resource->capacity = resource->capacity == 0 ? 4 : resource->capacity * 2;
        resource->entries =
            realloc(resource->entries, resource->capacity * sizeof(*resource->entries));
        ASSERT(resource->entries != NULL);
    }
    memmove(&resource->entries[at + 1], &resource->entries[at],
            (resource->count - at) * sizeof(*resource->entries));
    resource->count++;
    resource->entries[at] = (struct image_config_entry){bytes_copy(key), bytes_copy(value)};
}

void image_config_set(struct image *image, enum resource_type type, struct bytes name,
                      struct bytes key, struct bytes value)
{
    const uint32_t at = resource_position(image, type, name);
    const bool known = resource_is(image, at, type, name);
    if (value.ptr != NULL) {
        entry_set(known ? &image->resources[at] : resource_make(image, at, type, name), key, value);
    } else if (known) {
        struct image_resource *resource = &image->resources[at];
        const uint32_t entry = entry_position(resource, key);
        if (entry_is(resource, entry, key)) {
            entry_remove(resource, entry);
        }
        if (resource->count == 0) {
            resource_drop(image, at);
        }
    }
}
