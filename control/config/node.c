#include "control/config/node.h"

#include <stdio.h>

#include "storage/base/text.h"

static const char *listener_text(const struct host_port *address, const char *host_unset,
                                 char room[CONFIG_NODE_VALUE_BYTES])
{
    struct host_port shown = *address;
    char text[268];
    if (shown.host[0] == '\0') {
        (void)snprintf(shown.host, sizeof(shown.host), "%s", host_unset);
    }
    (void)snprintf(room, CONFIG_NODE_VALUE_BYTES, "PLAINTEXT://%s", host_port_format(&shown, text));
    return room;
}

static const char *paths_text(const struct settings_paths *paths,
                              char room[CONFIG_NODE_VALUE_BYTES])
{
    struct text text;
    text_init(&text, room, CONFIG_NODE_VALUE_BYTES);
    for (uint32_t i = 0; i < paths->count; i++) {
        text_string(&text, i == 0 ? "" : ",");
        text_string(&text, paths->path[i]);
    }
    return room;
}

const char *config_node_value(const struct config_view *view, const char *name,
                              char room[CONFIG_NODE_VALUE_BYTES])
{
    const struct settings *settings = view->settings;
    if (strcmp(name, "listeners") == 0) {
        return listener_text(&settings->network_listen, "0.0.0.0", room);
    }
    if (strcmp(name, "advertised.listeners") == 0) {
        const bool advertised = settings->network_advertised.host[0] != '\0';
        return listener_text(advertised ? &settings->network_advertised : &settings->network_listen,
                             "0.0.0.0", room);
    }
    if (strcmp(name, "log.dirs") == 0) {
        return paths_text(&settings->storage_data, room);
    }
    if (strcmp(name, "node.id") == 0 || strcmp(name, "broker.id") == 0) {
        (void)snprintf(room, CONFIG_NODE_VALUE_BYTES, "%d", view->image->node_id);
        return room;
    }
    return NULL;
}
